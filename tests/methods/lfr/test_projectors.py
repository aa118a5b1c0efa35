"""Random projectors: architectures, choice by greedy DPP, initialisations, cached targets."""

import itertools

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from isotropy.errors import UserError
from isotropy.methods.lfr import projectors
from isotropy.methods.lfr.projectors import (
    greedy_dpp,
    image_projector,
    series_projector,
    similarity,
    table_projector,
)
from isotropy.modalities import MODALITIES

HAR = {"channels": 9, "length": 128}
KVASIR = {"channels": 3, "size": [80, 100]}


def weights(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def orthogonal(size: int) -> torch.Tensor:
    return torch.linalg.qr(torch.randn(size, size, dtype=torch.float64))[0]


@pytest.mark.parametrize(
    ("modality", "shape", "width", "count"),
    [
        ("series", HAR, 2304, 876_160),
        ("series", {"channels": 1, "length": 178}, 3072, 1_170_816),
        ("table", {"numeric": 105, "categories": []}, 256, 92_928),
        ("table", {"numeric": 6, "categories": [2, 7, 16, 7, 14, 6, 5, 42]}, 256, 92_928),
        ("table", {"numeric": 27, "categories": []}, 32, 15_392),
        ("image", KVASIR, 2048, 7_900_144),
    ],
)
def test_parameter_counts_of_the_paper(modality, shape, width, count):
    assert weights(MODALITIES[modality].random_projector(shape, width)) == count


def test_the_image_projector_of_the_paper_flattens_3840_numbers():
    assert image_projector(KVASIR, 8)[-1].in_features == 3840


@pytest.mark.parametrize("size", [(1, 1), (5, 9), (16, 16), (28, 28), (32, 32), (64, 64), (130, 40), (224, 224)])
def test_image_projectors_take_any_size(size):
    shape = {"channels": 3, "size": list(size)}
    projector = image_projector(shape, 16)
    assert projector(torch.rand(2, 3, *size)).shape == (2, 16)
    assert projector[-1].in_features <= 32 * 16 * 16


@pytest.mark.parametrize("length", [1, 2, 7, 50, 128, 1021, 5000])
def test_series_projectors_take_any_length(length):
    projector = series_projector({"channels": 2, "length": length}, 16)
    assert projector(torch.randn(3, 2, length)).shape == (3, 16)
    assert projector[-2].in_features <= 32 * 256


def test_the_series_projector_equals_its_one_dimensional_form():
    projector = series_projector(HAR, 32).double()
    x = torch.randn(4, 9, 128, dtype=torch.float64)
    state = x
    for convolution in (projector[1], projector[4]):
        state = functional.conv1d(state, convolution.weight.squeeze(2), padding=4).relu()
        state = functional.max_pool1d(state, 2, padding=1)
    right = projector[-1](projector[-2](state.flatten(1)))
    torch.testing.assert_close(projector(x), right)


# Candidates


def test_a_candidate_is_a_function_of_seed_and_number():
    def make() -> nn.Module:
        return nn.Linear(3, 2)

    state = torch.get_rng_state()
    first = projectors.candidate(make, 5, 0)
    torch.rand(7)
    torch.set_rng_state(state)
    again, other, elsewhere = (projectors.candidate(make, *key) for key in ((5, 0), (5, 1), (0, 5)))
    assert torch.equal(state, torch.get_rng_state())
    assert torch.equal(first.weight, again.weight)
    assert len({float(network.weight[0, 0]) for network in (first, other, elsewhere)}) == 3
    assert not first.weight.requires_grad and not first.training


def test_choosing_equals_the_dpp_on_the_candidates_outputs():
    def make() -> nn.Module:
        return table_projector({"numeric": 6, "categories": [3]}, 16)

    rows = torch.cat([torch.randn(40, 6), torch.randint(0, 3, (40, 1)).float()], dim=1)
    outputs = [projectors.candidate(make, 3, n)(rows) for n in range(12)]
    chosen = projectors.choose(make, rows, count=4, candidates=12, seed=3)
    assert chosen == greedy_dpp(similarity(outputs), 4)
    assert chosen != [0, 1, 2, 3]
    assert projectors.choose(make, rows, count=4, candidates=4, seed=3) == [0, 1, 2, 3]
    with pytest.raises(UserError, match="only 3 different projectors could be chosen from 3 candidates, not 4"):
        projectors.choose(make, rows, count=4, candidates=3, seed=3)


# Similarity


def by_gram(outputs: list[torch.Tensor]) -> torch.Tensor:
    """The definition, written plainly: cosines between vectorised Gram matrices."""
    vectors = []
    for output in outputs:
        rows = output / output.norm(dim=1, keepdim=True)
        gram = (rows @ rows.T).flatten()
        vectors.append(gram / gram.norm())
    return torch.stack(vectors) @ torch.stack(vectors).T


@pytest.mark.parametrize(("b", "d"), [(300, 3), (40, 64), (7, 7), (300, 200)])
def test_both_forms_equal_the_definition(b, d):
    torch.manual_seed(b)
    outputs = [torch.randn(b, d, dtype=torch.float64) + 0.3 for _ in range(5)]
    torch.testing.assert_close(similarity(outputs), by_gram(outputs), rtol=0, atol=1e-12)


def test_similarity_is_a_kernel():
    torch.manual_seed(0)
    kernel = similarity([torch.randn(30, 8) for _ in range(6)])
    assert torch.equal(kernel.diagonal(), torch.ones(6, dtype=torch.float64))
    torch.testing.assert_close(kernel, kernel.T, rtol=0, atol=1e-15)
    assert torch.linalg.eigvalsh(kernel).min() > -1e-12
    assert kernel.min() >= 0 and kernel.max() <= 1 + 1e-12


def test_similarity_ignores_row_scale_and_rotation():
    torch.manual_seed(1)
    outputs = [torch.randn(30, 8, dtype=torch.float64) for _ in range(4)]
    scale = torch.rand(30, 1, dtype=torch.float64) * 9 + 0.1
    changed = [outputs[0] * scale, outputs[1] @ orthogonal(8), *outputs[2:]]
    torch.testing.assert_close(similarity(changed), similarity(outputs), rtol=0, atol=1e-12)
    shifted = [outputs[0] + 1, *outputs[1:]]
    assert (similarity(shifted) - similarity(outputs)).abs().max() > 1e-3


def test_identical_candidates_are_never_both_chosen():
    torch.manual_seed(2)
    a, b = torch.randn(30, 8), torch.randn(30, 8)
    kernel = similarity([a, a, b])
    assert kernel[0, 1] == pytest.approx(1.0, abs=1e-12)
    assert greedy_dpp(kernel, 2) == [0, 2]
    with pytest.raises(UserError, match="only 2 different"):
        greedy_dpp(kernel, 3)


# Greedy DPP


def test_three_groups_of_duplicates():
    groups = np.kron(np.eye(3), np.ones((4, 4)))
    assert greedy_dpp(groups, 3) == [0, 4, 8]
    with pytest.raises(UserError, match="only 3 different projectors could be chosen from 12 candidates, not 5"):
        greedy_dpp(groups, 5)


def test_the_identity_gives_the_first_ones_and_three_by_three_the_far_pair():
    assert greedy_dpp(torch.eye(7), 4) == [0, 1, 2, 3]
    assert greedy_dpp([[1, 0.9, 0.1], [0.9, 1, 0.2], [0.1, 0.2, 1]], 2) == [0, 2]


def test_more_than_there_are_is_refused():
    with pytest.raises(UserError, match="only 2 different"):
        greedy_dpp(np.eye(2), 3)


@pytest.mark.parametrize("seed", range(20))
def test_the_incremental_form_equals_brute_force_greedy(seed):
    features = np.random.default_rng(seed).normal(size=(9, 6))
    kernel = features @ features.T
    chosen: list[int] = []
    for _ in range(5):
        rest = [n for n in range(9) if n not in chosen]
        chosen.append(max(rest, key=lambda n: np.linalg.det(kernel[np.ix_([*chosen, n], [*chosen, n])])))
    assert greedy_dpp(kernel, 5) == chosen


def test_the_choice_beats_random_subsets_on_average():
    features = np.random.default_rng(0).normal(size=(20, 12))
    kernel = features @ features.T

    def volume(items: tuple[int, ...] | list[int]) -> float:
        return np.linalg.slogdet(kernel[np.ix_(items, items)])[1]

    subsets = list(itertools.combinations(range(20), 4))[::37]
    assert volume(greedy_dpp(kernel, 4)) > np.mean([volume(subset) for subset in subsets]) + 1


# Initialisation


def test_beta_weights_follow_the_arcsine_law():
    projector = image_projector(KVASIR, 8)
    before = {name: p.clone() for name, p in projector.named_parameters()}
    projectors.beta_init_(projector, torch.Generator().manual_seed(0))
    convolutions = {f"{n}.weight" for n, m in projector.named_modules() if isinstance(m, nn.Conv2d)}
    drawn = torch.cat([projector.get_parameter(name).detach().flatten() for name in convolutions])
    assert drawn.abs().max() <= 1
    assert drawn.mean().abs() < 0.02 and (drawn.var() - 0.5).abs() < 0.01
    # The law puts a third of its mass beyond sqrt(3)/2, where a uniform one has 13%.
    assert ((drawn.abs() > 3**0.5 / 2).float().mean() - 1 / 3).abs() < 0.02
    for name, p in projector.named_parameters():
        assert torch.equal(p, before[name]) == (name not in convolutions)


def test_sparse_weights_have_exactly_the_fraction_of_zeros():
    projector = series_projector(HAR, 33)
    biases = [p.clone() for name, p in projector.named_parameters() if name.endswith("bias")]
    projectors.sparse_init_(projector, 0.4, torch.Generator().manual_seed(0))
    tensors = [p for name, p in projector.named_parameters() if name.endswith("weight")]
    assert len(tensors) == 4
    for tensor in tensors:
        assert int((tensor == 0).sum()) == round(0.4 * tensor.numel())
    after = [p for name, p in projector.named_parameters() if name.endswith("bias")]
    assert all(torch.equal(a, b) for a, b in zip(biases, after))


def test_zeros_last_through_beta_when_it_goes_first():
    convolution = nn.Conv2d(3, 16, 3)
    generator = torch.Generator().manual_seed(0)
    projectors.sparse_init_(projectors.beta_init_(convolution, generator), 0.4, generator)
    assert int((convolution.weight == 0).sum()) == round(0.4 * 432)
    assert convolution.weight.abs().max() > 0.9


def test_initialisations_repeat_from_the_generator_and_refuse_a_wrong_fraction():
    pair = [nn.Conv1d(4, 8, 3) for _ in range(2)]
    for network in pair:
        generator = torch.Generator().manual_seed(3)
        projectors.sparse_init_(projectors.beta_init_(network, generator), 0.25, generator)
    assert torch.equal(pair[0].weight, pair[1].weight)
    with pytest.raises(UserError, match="fraction of zeros"):
        projectors.sparse_init_(pair[0], 1.5)


# Targets


class Rows:
    """A source over a tensor; `prepare` doubles, so that leaving it out shows."""

    modality = "table"

    def __init__(self, values: torch.Tensor) -> None:
        self.values = values

    def __len__(self) -> int:
        return len(self.values)

    def batch(self, index: torch.Tensor) -> torch.Tensor:
        return self.values[index]

    def to_input(self, rows: torch.Tensor) -> torch.Tensor:
        return rows * 2


def test_targets_are_the_normalised_outputs_of_all_rows():
    torch.manual_seed(0)
    rows = torch.randn(23, 5, dtype=torch.float64)
    network = nn.Linear(5, 4).double()
    held = projectors.targets(network, Rows(rows), chunk=10)
    assert held.shape == (23, 4) and held.dtype == torch.float64 and not held.requires_grad
    right = network(rows * 2).detach()
    torch.testing.assert_close(held, right / right.norm(dim=1, keepdim=True), rtol=0, atol=1e-14)
    assert torch.equal(held, projectors.targets(network, Rows(rows), chunk=10))
