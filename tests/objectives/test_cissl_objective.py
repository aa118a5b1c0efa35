from math import exp, log

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from isotropy.objectives import cissl


def views(count, rows, width, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(rows, width, dtype=torch.float64, generator=generator) for _ in range(count)]


def slow_cissl(student, teacher, temperature):
    """The authors' loss, student by student: target 1/U on every teacher of its own sample."""
    rows, total = len(student[0]), 0.0
    length = lambda x: x.numpy() / np.sqrt((x.numpy() ** 2).sum())  # noqa: E731
    for s in student:
        for i in range(rows):
            scores = [[exp(float(length(s[i]) @ length(t[k])) / temperature) for k in range(rows)] for t in teacher]
            everything = sum(map(sum, scores))
            total -= sum(log(score[i] / everything) for score in scores) / len(teacher)
    return total / (len(student) * rows)


def simplex(rows):
    return normalize(torch.eye(rows, dtype=torch.float64) - 1 / rows, dim=1)


@pytest.mark.parametrize(("students", "teachers", "rows"), [(2, 2, 6), (2, 1, 4), (4, 2, 5), (3, 3, 1)])
def test_equals_the_equation_written_as_loops(students, teachers, rows):
    s, t = views(students, rows, 6), views(teachers, rows, 6, seed=1)
    assert cissl(s, t, temperature=0.3).item() == pytest.approx(slow_cissl(s, t, 0.3), abs=1e-10)


def test_the_positives_are_the_diagonals_of_the_four_blocks():
    s, t, rows = views(2, 5, 4), views(2, 5, 4, seed=1), 5
    logits = normalize(torch.cat(s), dim=1) @ normalize(torch.cat(t), dim=1).T / 0.2
    target = torch.eye(rows, dtype=torch.float64).tile(2, 2) / 2
    expected = torch.nn.functional.cross_entropy(logits, target)
    assert cissl(s, t, temperature=0.2).item() == pytest.approx(expected.item(), abs=1e-12)


@pytest.mark.parametrize(
    ("rows", "temperature", "collapse", "orthogonal"),
    [
        (512, 0.07, 6.931472, 0.693466),
        (16, 0.5, log(32), log(2 + 30 * exp(-2))),
        (3, 0.5, log(6), log(2 + 4 * exp(-2))),
    ],
)
def test_collapse_and_orthogonal_samples(rows, temperature, collapse, orthogonal):
    point, z = torch.ones(rows, 2, dtype=torch.float64), torch.eye(rows, dtype=torch.float64)
    assert cissl([point, point], [point, point], temperature=temperature).item() == pytest.approx(collapse, abs=1e-6)
    assert cissl([z, z], [z, z], temperature=temperature).item() == pytest.approx(orthogonal, abs=1e-6)


@pytest.mark.parametrize(("temperature", "least"), [(0.5, 1.714384), (1.0, 2.511598)])
def test_the_simplex_is_the_minimum(temperature, least):
    z = simplex(16)
    assert cissl([z, z], [z, z], temperature=temperature).item() == pytest.approx(least, abs=1e-6)
    for seed in range(3):
        s, t = ([z + 0.1 * x for x in views(2, 16, 16, seed + k)] for k in (0, 10))
        assert cissl(s, t, temperature=temperature).item() > least


@pytest.mark.parametrize("seed", range(4))
def test_never_below_the_logarithm_of_the_teachers(seed):
    s = views(2, 4, 6, seed)
    assert cissl(s, s, temperature=1e-3).item() >= log(2)
    assert cissl(s, s[:1], temperature=1e-3).item() >= 0


def test_what_changes_it_and_what_does_not():
    s, t = views(2, 8, 5), views(2, 8, 5, seed=1)
    value = cissl(s, t, temperature=0.5).item()
    rotation = torch.linalg.qr(views(1, 5, 5, seed=3)[0]).Q
    order = torch.tensor([3, 1, 0, 7, 6, 2, 5, 4])
    same = [
        ([s[1], s[0]], [t[1], t[0]]),
        ([x[order] for x in s], [x[order] for x in t]),
        ([x @ rotation for x in s], [x @ rotation for x in t]),
        ([3 * x for x in s], [7 * x for x in t]),
    ]
    for a, b in same:
        assert cissl(a, b, temperature=0.5).item() == pytest.approx(value, abs=1e-12)
    assert abs(cissl([x @ rotation for x in s], t, temperature=0.5).item() - value) > 1e-3


def test_gradient():
    z = [x.requires_grad_() for x in views(4, 4, 3)]
    assert torch.autograd.gradcheck(lambda *z: cissl(z[:2], z[2:], temperature=0.5), z)
    cissl(z[:2], z[2:], temperature=0.5).backward()
    assert min(x.grad.norm() for x in z) > 1e-3  # both sides learn: no stop-gradient


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("temperature", [1e-4, 0.2])
@pytest.mark.parametrize(
    "z",
    [1e4 * views(1, 8, 4)[0], torch.ones(8, 4), torch.zeros(8, 4), torch.eye(4)[:1].repeat(8, 1)],
    ids=["large", "constant", "zero", "identical rows"],
)
def test_finite_in_value_and_gradient(dtype, temperature, z):
    s, t = z.to(dtype, copy=True).requires_grad_(), (-z.to(dtype)).requires_grad_()
    value = cissl([s, t], [t, s], temperature=temperature)
    value.backward()
    assert value.dtype == torch.float32 and value.isfinite()
    assert s.grad.isfinite().all() and t.grad.isfinite().all()


def test_mistakes_are_named():
    z = torch.ones(4, 3)
    with pytest.raises(ValueError, match="got 1 views and 1 targets"):
        cissl([z], [z], temperature=0.5)
    with pytest.raises(ValueError, match="got 2 views and 3 targets"):
        cissl([z, z], [z, z, z], temperature=0.5)
    with pytest.raises(ValueError, match="temperature must be positive, got 0"):
        cissl([z, z], [z], temperature=0)
    with pytest.raises(ValueError, match=r"\(4, 3\), \(4, 3\), \(3, 3\)"):
        cissl([z, z], [z[:3]], temperature=0.5)
