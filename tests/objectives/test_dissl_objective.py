from math import log

import numpy as np
import pytest
import torch

from isotropy.objectives import dissl

LARGE = 1e4  # a logit that makes a category certain


def logits(count, rows, categories, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(rows, categories, dtype=torch.float64, generator=generator) for _ in range(count)]


def total(*arguments, **options):
    return sum(dissl(*arguments, **options).values()).item()


def slow_dissl(student, teacher, lambd, beta, temperature, student_temperature):
    def soft(x, temperature):
        e = np.exp(x.numpy() / temperature)
        return e / e.sum(axis=1, keepdims=True)

    def cross(p, q):
        return np.mean([-sum(p[i, m] * np.log(q[i, m]) for m in range(p.shape[1])) for i in range(len(p))])

    s = [soft(x, student_temperature) for x in student]
    t = [soft(x, temperature) for x in teacher]
    distil = [cross(t[a], s[b]) for a in range(len(t)) for b in range(len(s)) if a != b]
    sure = [cross(t[a], t[b]) for a in range(len(t)) for b in range(len(t)) if a != b]
    entropies = [-sum(p * np.log(p) for p in x.mean(axis=0)) for x in t]
    return np.mean(distil), beta * np.mean(sure), -lambd * np.mean(entropies)


@pytest.mark.parametrize(("students", "teachers"), [(2, 2), (5, 2), (3, 3)])
def test_equals_the_equation_written_as_loops(students, teachers):
    s, t = logits(students, 6, 7), logits(teachers, 6, 7, seed=1)
    options = {"lambd": 1.9, "beta": 0.4, "temperature": 0.3, "student_temperature": 0.8}
    found = [term.item() for term in dissl(s, t, **options).values()]
    assert found == pytest.approx(slow_dissl(s, t, **options), abs=1e-10)


def spread(rows, categories):
    """Each row uniform on its own share of the categories."""
    own = torch.arange(categories) // (categories // rows) == torch.arange(rows).unsqueeze(1)
    return LARGE * own.double()


def one_hot(rows, categories):
    return LARGE * torch.eye(categories, dtype=torch.float64)[torch.arange(rows) % categories]


@pytest.mark.parametrize(
    ("z", "expected"),
    [
        (one_hot(64, 1).repeat(1, 64).index_fill(1, torch.arange(1, 64), 0.0), 0.0),
        (torch.zeros(64, 64), -2.079442),
        (one_hot(64, 64), -9.565431),
        (one_hot(128, 64), -9.565431),
        (spread(16, 64), -7.070101),
        (one_hot(16, 64), -6.376954),
        (torch.zeros(4, 16384), -4.8520),
        (one_hot(256, 16384), -12.7539),
        (spread(256, 16384), -14.8333),
    ],
    ids=["one category", "uniform", "balanced", "twice", "spread", "few", "uniform, wide", "few, wide", "spread, wide"],
)
def test_closed_forms(z, expected):
    assert total([z, z], [z, z]) == pytest.approx(expected, abs=1e-4)


def test_no_batch_goes_below_the_bound():
    rows, categories, lambd, beta = 16, 64, 2.3, 0.8
    z = (0.01 * logits(1, rows, categories)[0]).requires_grad_()
    optimiser = torch.optim.Adam([z], lr=0.3)
    for _ in range(150):
        optimiser.zero_grad()
        value = sum(dissl([z, z], [z, z], lambd=lambd, beta=beta).values())
        value.backward()
        optimiser.step()
    # The student of the same logits is half as sharp, so the bound is approached and not met.
    bound = -(lambd - 1 - beta) * log(categories) - (1 + beta) * log(rows)
    assert bound < value.item() < bound + 0.1


def test_the_sum_is_information_and_distances():
    s, t = logits(2, 6, 5), logits(2, 6, 5, seed=1)
    p, q = [(2 * x).softmax(1) for x in t], [x.softmax(1) for x in s]
    kl = lambda a, b: (a * (a / b).log()).sum(1).mean()  # noqa: E731
    h = lambda a: -(a * a.log()).sum(-1)  # noqa: E731
    distances = (kl(p[0], q[1]) + kl(p[1], q[0])) / 2 + 0.8 * (kl(p[0], p[1]) + kl(p[1], p[0])) / 2
    given, marginal = (h(p[0]).mean() + h(p[1]).mean()) / 2, (h(p[0].mean(0)) + h(p[1].mean(0))) / 2
    expected = -1.8 * (marginal - given) - (2.3 - 1.8) * marginal + distances
    assert total(s, t) == pytest.approx(expected.item(), abs=1e-12)


def test_what_changes_it_and_what_does_not():
    s, t = logits(2, 8, 5), logits(2, 8, 5, seed=1)
    value, order, shift = total(s, t), torch.tensor([2, 0, 1, 4, 3]), logits(1, 8, 1, seed=2)[0]
    assert total(s[::-1], t[::-1]) == pytest.approx(value, abs=1e-12)
    assert total([x + shift for x in s], [x - 3 * shift for x in t]) == pytest.approx(value, abs=1e-12)
    assert total([x[:, order] for x in s], [x[:, order] for x in t]) == pytest.approx(value, abs=1e-12)
    assert abs(total([x[:, order] for x in s], t) - value) > 1e-3


def test_a_marginal_of_all_ranks_takes_the_place_of_the_batchs():
    s, t = logits(2, 8, 5), [x.requires_grad_() for x in logits(2, 8, 5, seed=1)]

    def gradient(whole):
        if whole:
            value = sum(dissl(s, t).values())
        else:  # two ranks of 3 and 5 rows that know the marginal of all
            marginal = [(2 * x).softmax(1).mean(0, keepdim=True) for x in t]
            parts = [
                sum(dissl([x[r] for x in s], [x[r] for x in t], marginal=marginal).values()) * n / 8
                for r, n in ((slice(0, 3), 3), (slice(3, 8), 5))
            ]
            value = parts[0] + parts[1]
        return value, torch.autograd.grad(value, t)

    (one, g), (two, h) = gradient(True), gradient(False)
    assert one.item() == pytest.approx(two.item(), abs=1e-12)
    assert all(torch.allclose(a, b, atol=1e-14) for a, b in zip(g, h))
    apart = [sum(dissl([x[r] for x in s], [x[r] for x in t]).values()) for r in (slice(0, 4), slice(4, 8))]
    assert sum(apart).item() / 2 > one.item()  # entropy is concave


def test_gradient_and_that_the_teacher_learns_by_distillation_alone():
    z = [x.requires_grad_() for x in logits(5, 4, 3)]
    assert torch.autograd.gradcheck(lambda *z: sum(dissl(z[:3], z[3:]).values()), z)
    dissl(z[:3], z[3:])["distillation"].backward()
    assert min(x.grad.norm() for x in z) > 1e-3


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(
    "z",
    [1e4 * logits(1, 8, 4)[0], torch.ones(8, 4), torch.zeros(8, 4), 1e4 * torch.eye(4)[:1].repeat(8, 1)],
    ids=["large", "constant", "zero", "identical rows"],
)
def test_finite_in_value_and_gradient(dtype, z):
    s, t = z.to(dtype, copy=True).requires_grad_(), (-z.to(dtype)).requires_grad_()
    value = sum(dissl([s, t], [t, s]).values())
    value.backward()
    assert value.dtype == torch.float32 and value.isfinite()
    assert s.grad.isfinite().all() and t.grad.isfinite().all()


def test_mistakes_are_named():
    z = torch.ones(4, 3)
    with pytest.raises(ValueError, match="got 2 views and 1 targets"):
        dissl([z, z], [z])
    with pytest.raises(ValueError, match="got 2 views and 3 targets"):
        dissl([z, z], [z, z, z])
    with pytest.raises(ValueError, match="temperature must be positive, got 0.0 and 1.0"):
        dissl([z, z], [z, z], temperature=0.0)
    with pytest.raises(ValueError, match=r"\(3, 3\)"):
        dissl([z, z], [z, z[:3]])
