"""The numbers of a step and of an encoder: sums over ranks give what the rows of all give, linear CKA is CKA."""

import numpy as np
import pytest
import torch

from isotropy.diagnostics import (
    Gap,
    Uses,
    assignments,
    encoder_numbers,
    linear_cka,
    participation_ratio,
    predictor_gap,
    step_numbers,
    views_rank,
)


def rows(seed: int, n: int = 12, d: int = 5) -> torch.Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) + 0.3


def shown(part: slice) -> dict[str, list[torch.Tensor]]:
    p = [rows(seed)[part].softmax(1) for seed in (5, 6)]
    return {
        "views": [rows(1)[part], rows(2)[part]],
        "prediction": [rows(3)[part]],
        "target": [rows(4)[part]],
        "assignments": p,
        "teacher": p[:1],
        "student": p[1:],
    }


@pytest.mark.parametrize("cut", [3, 11])
def test_sums_over_ranks_are_the_numbers_of_all_rows(cut):
    # Every sum of the first rank is recorded, and the second adds it: all that a real reduction does.
    sums: list[torch.Tensor] = []

    def record(x: torch.Tensor) -> torch.Tensor:
        sums.append(x.clone())
        return x

    first, second = shown(slice(0, cut)), shown(slice(cut, None))
    step_numbers(first, record)
    views_rank(first["views"], record)
    places = iter(sums)
    together = step_numbers(second, lambda x: x + next(places))
    rank = views_rank(second["views"], lambda x: x + next(places))
    whole = shown(slice(None))
    assert together == pytest.approx(step_numbers(whole), abs=1e-12)
    assert rank == pytest.approx(views_rank(whole["views"]), abs=1e-6)
    assert next(places, None) is None


def test_the_numbers_are_those_of_the_functions_that_they_come_from():
    found = step_numbers(shown(slice(None)))
    gap = predictor_gap(rows(3), rows(4))
    assert (found["eta"], found["residual"]) == (gap["eta"], gap["residual"])
    each = [assignments(rows(seed).softmax(1)) for seed in (5, 6)]
    assert found["information"] == pytest.approx(np.mean([one["information"] for one in each]))
    assert found["most_even"] == pytest.approx(np.log(5))
    assert step_numbers({}) == {}


def test_divergence_is_cross_entropy_less_entropy():
    t, s = (rows(seed).softmax(1) for seed in (5, 6))
    cross = -(t * s.log()).sum(1).mean()
    found = step_numbers({"teacher": [t], "student": [s]})["divergence"]
    assert found == pytest.approx(float(cross) - assignments(t)["entropy"], abs=1e-12)
    assert step_numbers({"teacher": [t], "student": [t]})["divergence"] == pytest.approx(0, abs=1e-12)
    sure = {"teacher": [torch.tensor([[1.0, 0.0]])], "student": [torch.tensor([[0.5, 0.5]])]}
    assert step_numbers(sure)["divergence"] == pytest.approx(np.log(2))


def test_a_single_row_has_no_centre():
    assert step_numbers({"views": [rows(1)[:1]] * 2}) == {}


def test_sums_are_refused_where_they_do_not_fit():
    with pytest.raises(ValueError, match="one shape"):
        Gap.of(rows(1), rows(1)[:3])
    with pytest.raises(ValueError, match="give both"):
        predictor_gap(rows(1))
    with pytest.raises(ValueError, match="sum to 1"):
        Uses.of(rows(1))


def test_the_rank_of_views_is_the_participation_ratio_of_their_unit_rows():
    both = torch.nn.functional.normalize(torch.cat([rows(1), rows(2)]), dim=1)
    assert views_rank([rows(1), rows(2)]) == pytest.approx(participation_ratio(both), abs=1e-5)
    assert np.isnan(views_rank([torch.ones(8, 3)] * 2))


@pytest.mark.parametrize("n", [4, 12])
def test_kinship_is_linear_cka(n):
    x, y = rows(1, n), rows(2, n, 7)
    a, b = x - x.mean(0), y - y.mean(0)
    k, m = a @ a.T, b @ b.T
    assert linear_cka(x, y) == pytest.approx(float((k * m).sum() / k.norm() / m.norm()), abs=1e-12)
    turned = torch.linalg.qr(rows(3, 5, 5)).Q
    assert linear_cka(x, 3 * x @ turned + 1) == pytest.approx(1, abs=1e-12)
    with pytest.raises(ValueError, match="same rows"):
        linear_cka(x, y[:2])


def test_a_point_has_no_variation_and_no_kin():
    found = encoder_numbers(torch.ones(8, 3), rows(1, 8))
    assert found["variation"] == 0 and found["uncentred_rank"] == pytest.approx(1)
    assert np.isnan(found["linear_cka"]) and np.isnan(found["effective_rank"])
    broken = encoder_numbers(torch.full((8, 3), torch.inf), rows(1, 8))
    assert all(np.isnan(value) for value in broken.values())


def test_two_opposite_points_are_one_direction_and_not_a_point():
    found = encoder_numbers(torch.tensor([[1.0, 1.0], [-1.0, -1.0]] * 4), rows(1, 8))
    assert found["variation"] == 1 and found["effective_rank"] == pytest.approx(1)
    assert found["uncentred_rank"] == pytest.approx(1) and found["mean_norm"] == 0
