from math import log

import numpy as np
import pytest
import torch

from isotropy.objectives import dino


def normal(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def slow_dino(student, teacher, centre, student_temperature, teacher_temperature):
    """Algorithm 1 of the paper, row by row and pair by pair."""

    def softmax(x):
        return np.exp(x) / np.exp(x).sum()

    terms = []
    for u, t in enumerate(teacher):
        for v, s in enumerate(student):
            if v != u:
                for i in range(len(s)):
                    target = softmax((t[i].numpy() - centre.numpy()) / teacher_temperature)
                    terms.append(-(target * np.log(softmax(s[i].numpy() / student_temperature))).sum())
    return sum(terms) / len(terms)


@pytest.mark.parametrize(("views", "large"), [(2, 1), (2, 2), (8, 2), (3, 3)])
def test_equals_the_papers_algorithm_written_as_loops(views, large):
    student = [torch.tanh(normal(5, 7, seed=v)) for v in range(views)]
    teacher = [torch.tanh(normal(5, 7, seed=10 + v)) for v in range(large)]
    centre = 0.2 * normal(7, seed=20)
    expected = slow_dino(student, teacher, centre, 0.1, 0.04)
    assert dino(student, teacher, centre=centre).item() == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize(("count", "value"), [(4096, 8.3178), (65536, 11.0904)])
def test_uniform_on_both_sides_costs_log_k(count, value):
    flat = torch.zeros(2, count).double()
    loss = dino([flat, flat], [flat, flat], centre=flat[:1]).item()
    assert loss == pytest.approx(log(count), abs=1e-12) == pytest.approx(value, abs=1e-4)


def test_a_centre_equal_to_the_teacher_makes_it_uniform():
    student, level = [normal(4, 6, seed=v) for v in range(2)], normal(1, 6, seed=2)
    flat = torch.zeros(4, 6).double()
    centred = dino(student, [level.expand(4, 6)] * 2, centre=level)
    assert centred.item() == pytest.approx(dino(student, [flat] * 2, centre=0 * level).item(), abs=1e-12)


def test_a_constant_on_the_logits_changes_nothing():
    s, t, c = ([normal(4, 6, seed=k + v) for v in range(2)] for k in (0, 2, 4))
    value = dino(s, t, centre=c[0][:1]).item()
    assert dino([x + 3 for x in s], [x - 5 for x in t], centre=c[0][:1] + 2).item() == pytest.approx(value, abs=1e-11)


def test_the_teachers_entropy_is_the_least_and_met_by_the_teachers_own_probabilities():
    logits, centre = normal(4, 6), normal(6, seed=1)
    p = ((logits - centre) / 0.5).softmax(1)
    entropy = -(p * p.log()).sum(1).mean().item()
    arguments = {"centre": centre, "student_temperature": 0.8, "teacher_temperature": 0.5}
    same = 0.8 * p.log()
    assert dino([same, same], [logits, logits], **arguments).item() == pytest.approx(entropy, abs=1e-12)
    for seed in range(4):
        other = same + 0.1 * normal(4, 6, seed=seed)
        assert dino([other, other], [logits, logits], **arguments).item() > entropy


def test_the_gradient_is_the_difference_of_the_probabilities_and_reaches_no_teacher():
    student, teacher = normal(4, 5).requires_grad_(), normal(4, 5, seed=1).requires_grad_()
    centre = normal(5, seed=2).requires_grad_()
    dino([normal(4, 5), student], [teacher], centre=centre, student_temperature=0.3).backward()
    difference = (student / 0.3).softmax(1) - ((teacher - centre) / 0.04).softmax(1)
    assert torch.allclose(student.grad, difference.detach() / (0.3 * 4), atol=1e-14)
    assert teacher.grad is None and centre.grad is None
    views = [normal(3, 4, seed=v).requires_grad_() for v in range(3)]
    fixed = [normal(3, 4, seed=v) for v in (5, 6)]
    assert torch.autograd.gradcheck(lambda *s: dino(s, fixed, centre=torch.zeros(4).double()), views)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(
    "logits", [1e4 * torch.randn(8, 4), torch.ones(8, 4), torch.zeros(8, 4), torch.eye(4).repeat(2, 1)]
)
def test_finite_in_value_and_gradient(dtype, logits):
    x = logits.to(dtype, copy=True).requires_grad_()
    loss = dino([x, -x], [-x, x], centre=torch.zeros(4))
    loss.backward()
    assert loss.dtype == torch.float32 and loss.isfinite() and x.grad.isfinite().all()


def test_mistakes_are_named():
    x = torch.zeros(4, 3)
    with pytest.raises(ValueError, match="temperature must be positive, got 0.1 and 0"):
        dino([x, x], [x], centre=x[:1], teacher_temperature=0)
    with pytest.raises(ValueError, match="got 1 views and 1 targets"):
        dino([x], [x], centre=x[:1])
    with pytest.raises(ValueError, match=r"\(4, 3\), \(2, 3\)"):
        dino([x, x], [x[:2]], centre=x[:1])
