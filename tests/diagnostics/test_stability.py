"""The centre and the residual: closed forms, the algebra between them, and sums that add up over ranks."""

import numpy as np
import pytest
import torch
from torch import nn

from isotropy.diagnostics import Sums, followed, predictor_gap, stability


def unit(seed, rows=40, width=6, shift=0.7):
    z = torch.randn(rows, width, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) + shift
    return torch.nn.functional.normalize(z, dim=1)


def test_all_rows_equal():
    found = stability([torch.ones(16, 8).double()] * 2)
    assert found["centre"] == pytest.approx(1, abs=1e-12) and found["alignment"] == pytest.approx(1, abs=1e-12)
    assert found["between"] == pytest.approx(0, abs=1e-12) and found["within"] == pytest.approx(0, abs=1e-12)
    assert found["m_o"] == pytest.approx(1) and found["m_r"] == pytest.approx(0, abs=1e-7)
    assert found["spread"] == pytest.approx(0, abs=1e-7) and found["collapse"] == pytest.approx(1)


def test_one_line_half_each_way_has_no_centre_and_is_no_healthy_set():
    u = torch.tensor([0.6, 0.8, 0.0]).double()
    rows = torch.stack([u, -u] * 10)
    found = stability([rows, rows])
    assert found["m_o"] == pytest.approx(0, abs=1e-12)
    assert found["centre"] == pytest.approx(-1 / 19, abs=1e-12)
    assert found["spread"] == pytest.approx(float(u.abs().mean()) * 3**0.5)


def test_one_axis_each():
    found = stability([torch.eye(8).double()] * 2)
    assert found["m_o"] ** 2 == pytest.approx(1 / 8) and found["centre"] == pytest.approx(0, abs=1e-14)
    assert found["alignment"] == pytest.approx(1)


def test_simplex():
    z = torch.eye(5).double() - 0.2
    found = stability([z])
    assert found["centre"] == pytest.approx(-1 / 4) and found["m_o"] == pytest.approx(0, abs=1e-12)
    assert np.isnan(found["alignment"])


@pytest.mark.parametrize("count", [2, 3])
def test_the_sums_say_what_all_pairs_say(count):
    views = [unit(seed) for seed in range(count)]
    found = stability(views)
    pairs = [(a, b) for a in range(count) for b in range(count) if a != b]
    same = np.mean([float((views[a] * views[b]).sum(1).mean()) for a, b in pairs])
    other = []
    for a, b in pairs:
        cosines = views[a] @ views[b].T
        n = len(cosines)
        other.append(float((cosines.sum() - cosines.diagonal().sum()) / (n * (n - 1))))
    assert found["alignment"] == pytest.approx(same, abs=1e-12)
    assert found["centre"] == pytest.approx(np.mean(other), abs=1e-12)


def test_one_view_is_the_mean_cosine_off_the_diagonal():
    z = unit(0)
    cosines = z @ z.T
    expected = (cosines.sum() - cosines.diagonal().sum()) / (40 * 39)
    assert stability([z])["centre"] == pytest.approx(float(expected), abs=1e-12)


def test_identities():
    views = [unit(1), unit(2)]
    found = stability(views)
    assert found["centre"] + found["between"] + found["within"] == pytest.approx(1, abs=1e-12)
    assert found["m_o"] ** 2 + found["m_r"] ** 2 == pytest.approx(1, abs=1e-12)
    for weight in (0.1, 0.5, 2.0):
        left = -found["alignment"] + weight * found["centre"]
        right = (weight - 1) + (1 - weight) * found["within"] - weight * found["between"]
        assert left == pytest.approx(right, abs=1e-12)
    rows = torch.cat(views)
    assert found["spread"] == pytest.approx(float(rows.std(0, unbiased=False).mean()) * 6**0.5, abs=1e-12)


def test_length_does_not_matter_and_even_directions_score_one():
    z = torch.randn(20000, 8, generator=torch.Generator().manual_seed(0))
    found = stability([z, 100 * z])
    assert found["spread"] == pytest.approx(1, abs=0.01) and abs(found["centre"]) < 1e-3


def test_the_unbiased_centre_of_even_rows_is_zero_on_average_where_the_biased_is_not():
    values = [stability([torch.randn(16, 4, generator=torch.Generator().manual_seed(s))]) for s in range(400)]
    assert abs(np.mean([v["centre"] for v in values])) < 0.005
    assert np.mean([v["m_o"] ** 2 for v in values]) == pytest.approx(1 / 16, rel=0.1)


def test_parts_add_up_to_the_whole_and_a_mean_over_ranks_does_not():
    views = [unit(3), unit(4)]
    parts = [Sums.of([x[:11] for x in views]), Sums.of([x[11:] for x in views])]
    whole = stability(views)
    for name, value in stability(parts[0] + parts[1]).items():
        assert value == pytest.approx(whole[name], abs=1e-12), name
    assert np.mean([stability(part)["m_o"] for part in parts]) > whole["m_o"] + 1e-3


def test_ranks_reduce_one_vector():
    views = [unit(3), unit(4)]
    mine, other = Sums.of([x[:11] for x in views]), Sums.of([x[11:] for x in views])
    sent = []
    other.over_ranks(lambda x: sent.append(x) or x)
    both = mine.over_ranks(lambda x: x + sent[0])
    for name, value in stability(both).items():
        assert value == pytest.approx(stability(views)[name], abs=1e-12), name
    assert len(sent) == 1 and sent[0].ndim == 1


@pytest.mark.parametrize("views", [[], [torch.ones(3)], [torch.ones(3, 2), torch.ones(4, 2)], [torch.ones(0, 2)]])
def test_refused_shapes(views):
    with pytest.raises(ValueError, match="views must be"):
        stability(views)


def test_one_sample_has_no_centre():
    with pytest.raises(ValueError, match="at least 2"):
        stability([torch.ones(1, 3)])


def test_predictor_gap_against_its_definition():
    p, z = unit(5), unit(6, shift=0.1)
    found = predictor_gap(3 * p, z)
    e = z - p
    o_e, o_p = e.mean(0), p.mean(0)
    assert found["eta"] == pytest.approx(-float(o_e @ o_p / (o_p @ o_p)), abs=1e-12)
    assert found["cosine"] == pytest.approx(float(o_e @ o_p / o_e.norm() / o_p.norm()), abs=1e-12)
    assert found["centre"] == pytest.approx(float((z.mean(0) - o_p).norm()), abs=1e-12)
    assert found["residual"] == pytest.approx(float((e - o_e).square().sum(1).mean().sqrt()), abs=1e-12)
    assert found["eta"] > 0 > found["cosine"]


def test_no_gap_has_no_direction():
    z = unit(7)
    found = predictor_gap(z, z)
    assert found["centre"] == 0 and np.isnan(found["cosine"]) and found["eta"] == 0


def test_a_teacher_has_come_as_far_as_its_average_says():
    start, student, teacher = (nn.Linear(2, 2, bias=False) for _ in range(3))
    with torch.no_grad():
        student.weight.copy_(start.weight + torch.tensor([[3.0, 0.0], [0.0, 4.0]]))
        teacher.weight.copy_(start.weight + torch.tensor([[0.0, 1.0], [0.0, 0.0]]))
    assert followed(start, student, teacher) == pytest.approx(0.2, abs=1e-5)
    assert np.isnan(followed(start, start, teacher))
