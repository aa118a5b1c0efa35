from itertools import product
from math import log

import numpy as np
import pytest
import torch

from isotropy.objectives import music

NAMES = ["diagonal", "off_diagonal", "transform"]


def views(count, rows, width, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(rows, width, dtype=torch.float64, generator=generator) for _ in range(count)]


def terms(*z, **options):
    found = music(*z, **options)
    assert list(found) == NAMES
    return [found[name].item() for name in NAMES]


def hard(codes, units):
    """Return logits whose softmax is one-hot to the last bit."""
    return 1e4 * torch.nn.functional.one_hot(torch.as_tensor(codes), units).double().flatten(1)


def orthogonal_array():
    """Return the 16 rows (a, b, a + b, a + 2b, a + 3b) over the field of four elements."""
    times = [[0, 0, 0, 0], [0, 1, 2, 3], [0, 2, 3, 1], [0, 3, 1, 2]]
    return [[a, b, *(a ^ times[k][b] for k in (1, 2, 3))] for a, b in product(range(4), repeat=2)]


def slow_music(a, b, segments, temperature):
    """The equations of the paper, entry by entry, for two views."""
    rows, units = len(a), a.shape[1] // segments
    p, q = ([[softmax(x[n], s, units, temperature) for s in range(segments)] for n in range(rows)] for x in (a, b))
    diagonal = off = transform = 0.0
    for s, r in product(range(segments), repeat=2):
        for i, j in product(range(units), repeat=2):
            joint = sum(p[n][s][i] * q[n][r][j] for n in range(rows)) / rows
            if s != r:
                off += joint * log(joint) / (segments * (segments - 1))
            elif i == j:
                diagonal += joint * log(joint) / segments
    for n, s in product(range(rows), range(segments)):
        transform -= log(sum(p[n][s][i] * q[n][s][i] for i in range(units))) / (rows * segments)
    return [diagonal, off, transform]


def softmax(row, s, units, temperature):
    e = np.exp(row[s * units : (s + 1) * units].numpy() / temperature)
    return e / e.sum()


@pytest.mark.parametrize(("rows", "segments", "units", "t"), [(7, 3, 4, 1.0), (5, 2, 3, 0.5), (1, 4, 5, 2.0)])
def test_equals_the_equations_written_as_loops(rows, segments, units, t):
    a, b = views(2, rows, segments * units)
    found = terms(a, b, num_segments=segments, temperature=t)
    assert found == pytest.approx(slow_music(a, b, segments, t), abs=1e-12)


def test_several_views_are_a_mean_over_pairs_and_weights_multiply():
    z = views(3, 6, 9)
    pairs = np.mean([slow_music(z[v], z[w], 3, 1.0) for v, w in ((0, 1), (0, 2), (1, 2))], axis=0)
    found = terms(*z, num_segments=3, diagonal=2.0, off_diagonal=3.0, transform=0.5)
    assert found == pytest.approx(pairs * [2.0, 3.0, 0.5], abs=1e-12)


def test_an_orthogonal_array_is_the_minimum():
    codes = orthogonal_array()
    z = hard(codes, 4)
    assert terms(z, z, num_segments=5) == pytest.approx([-log(4), -2 * log(4), 0], abs=1e-6)
    assert sum(terms(z, z, num_segments=5)) == pytest.approx(-4.158883, abs=1e-6)
    for seed in range(5):
        near = z / 1e3 + views(1, *z.shape, seed)[0]
        assert sum(terms(near, near, num_segments=5)) > -4.158883


@pytest.mark.parametrize(
    ("codes", "expected"),
    [
        ([[0] * 5] * 16, [0, 0, 0]),
        ([[n % 4] * 5 for n in range(16)], [-log(4), -log(4), 0]),
    ],
    ids=["one code", "all segments the same"],
)
def test_degenerate_codes_cost_what_the_closed_forms_say(codes, expected):
    z = hard(codes, 4)
    assert terms(z, z, num_segments=5) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(("segments", "units"), [(5, 4), (3, 8), (1, 6)])
def test_equal_logits_cost_what_the_closed_form_says(segments, units):
    z = torch.zeros(9, segments * units, dtype=torch.float64)
    pairs = -2 * log(units) if segments > 1 else 0
    assert terms(z, z, num_segments=segments) == pytest.approx([-2 / units * log(units), pairs, log(units)], abs=1e-12)


def test_independent_views_have_uniform_diagonal_blocks():
    codes = torch.randint(4, (2, 20_000, 2), generator=torch.Generator().manual_seed(0))
    found = terms(hard(codes[0], 4), hard(codes[1], 4), num_segments=2)
    assert found[:2] == pytest.approx([-2 / 4 * log(4), -2 * log(4)], abs=2e-2)
    assert found[2] > 100


@pytest.mark.parametrize("share", [0.0, 0.2, 0.6])
def test_agreement_with_uniform_errors(share):
    """With a share of errors the views agree with probability alpha = 1 - share + share / B."""
    codes = torch.arange(80_000)[:, None] % 4
    generator = torch.Generator().manual_seed(1)
    wrong = torch.rand(codes.shape, generator=generator) < share
    other = torch.where(wrong, torch.randint(4, codes.shape, generator=generator), codes)
    alpha = 1 - share + share / 4
    found = terms(hard(codes, 4), hard(other, 4), num_segments=1)
    assert found[0] == pytest.approx(alpha * log(alpha / 4), abs=2e-2)


def test_no_correlation_is_not_independence():
    x = torch.linspace(-1, 1, 4096, dtype=torch.float64)
    quarter = [(v.argsort().argsort() * 4 // 4096) for v in (x, x.square())]
    z = hard(torch.stack(quarter, dim=1), 4)
    assert terms(z, z, num_segments=2)[1] == pytest.approx(-log(8), abs=2e-3)


def test_two_units_would_not_be_one_hot_at_best():
    # -q log q has its maximum at 1/e, below 1/2: the reason for three units at least.
    assert -2 / np.e < -log(2)
    with pytest.raises(ValueError, match="3 units or more"):
        music(*views(2, 4, 8), num_segments=4)


def test_invariances():
    a, b = views(2, 8, 12)
    value = terms(a, b, num_segments=3)
    rows, units, parts = torch.randperm(8), torch.randperm(4), torch.tensor([2, 0, 1])
    blocks = [x.view(8, 3, 4) for x in (a, b)]
    shift = views(1, 8, 3, seed=5)[0].unsqueeze(2)
    for pair in (
        (b, a),
        (a[rows], b[rows]),
        [x[:, :, units].flatten(1) for x in blocks],
        [x[:, parts].flatten(1) for x in blocks],
        [(x + shift).flatten(1) for x in blocks],
    ):
        assert terms(*pair, num_segments=3) == pytest.approx(value, abs=1e-12)
    one_sided = terms(a, blocks[1].roll(1, 2).flatten(1), num_segments=3)
    assert abs(one_sided[0] - value[0]) > 1e-3 and abs(one_sided[2] - value[2]) > 1e-3


@pytest.mark.parametrize(("count", "segments"), [(2, 3), (3, 2), (2, 1)])
def test_gradient_is_right(count, segments):
    z = [x.requires_grad_() for x in views(count, 5, 4 * segments)]
    options = {"num_segments": segments, "temperature": 0.7, "diagonal": 2.0, "off_diagonal": 3.0, "transform": 0.5}
    assert torch.autograd.gradcheck(lambda *z: tuple(music(*z, **options).values()), z)


def test_gradient_equals_that_of_autograd_through_the_joint_matrix():
    z = [x.requires_grad_() for x in views(2, 16, 24)]
    music(*z, num_segments=6)["off_diagonal"].backward()
    own = [x.grad.clone() for x in z]
    a, b = (x.detach().requires_grad_() for x in z)
    p, q = (x.view(16, 6, 4).softmax(2).flatten(1) for x in (a, b))
    joint = p.T @ q / 16
    blocks = (joint * joint.log()).view(6, 4, 6, 4).sum((1, 3))
    ((blocks.sum() - blocks.trace()) / 30).backward()
    assert torch.allclose(own[0], a.grad, atol=1e-15) and torch.allclose(own[1], b.grad, atol=1e-15)


def test_equal_logits_are_a_saddle():
    z = torch.zeros(6, 10, dtype=torch.float64, requires_grad=True)
    sum(music(z, z, num_segments=2).values()).backward()
    assert z.grad.abs().max() < 1e-15
    flat = sum(terms(z.detach(), z.detach(), num_segments=2))
    nudges = [0.05 * x for x in views(200, 6, 10)]
    lower = [sum(terms(x, x, num_segments=2)) < flat for x in nudges]
    assert any(lower), "a last layer of zeros would stay there"


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize(
    "z",
    [
        1e4 * torch.randn(8, 12, generator=torch.Generator().manual_seed(0)),
        torch.ones(8, 12),
        torch.zeros(8, 12),
        torch.randn(1, 12, generator=torch.Generator().manual_seed(0)).repeat(8, 1),
    ],
    ids=["large", "constant", "zero", "identical rows"],
)
def test_finite_in_value_and_gradient_for_logits_up_to_1e4(dtype, z):
    a, b = z.to(dtype, copy=True).requires_grad_(), (-z.to(dtype)).requires_grad_()
    found = music(a, b, num_segments=3)
    sum(found.values()).backward()
    assert all(term.dtype == torch.float32 and term.isfinite() for term in found.values())
    assert a.grad.isfinite().all() and b.grad.isfinite().all()


def test_autocast_costs_no_digits():
    z = [x.float() for x in views(2, 16, 32)]
    with torch.autocast("cpu", torch.bfloat16):
        inside = terms(*z, num_segments=4)
    assert inside == terms(*z, num_segments=4)


def test_what_is_kept_for_the_gradient_is_one_joint_matrix():
    rows, width, kept = 8, 96, {}
    z = [x.requires_grad_() for x in views(2, rows, width)]

    def keep(x):
        kept[x.data_ptr()] = x.numel()
        return x

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda x: x):
        music(*z, num_segments=8)
    assert sum(size >= width * width for size in kept.values()) == 1


def test_mistakes_are_named():
    z = torch.ones(4, 12)
    with pytest.raises(ValueError, match="at least two views, got 1"):
        music(z, num_segments=3)
    with pytest.raises(ValueError, match="temperature must be positive, got 0"):
        music(z, z, num_segments=3, temperature=0)
    with pytest.raises(ValueError, match=r"\(4, 12\), \(3, 12\)"):
        music(z, z[:3], num_segments=3)
    with pytest.raises(ValueError, match="5 segments do not divide 12 dimensions"):
        music(z, z, num_segments=5)
