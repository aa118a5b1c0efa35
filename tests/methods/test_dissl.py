import warnings
from math import log

import pytest
import torch

from isotropy.errors import UserError
from isotropy.methods import DISSL
from methods.fakes import Net, normal, views_of

SMALL = {"num_categories": 12, "bottleneck_width": 4, "teacher_hidden": (10,)}


def small(**options):
    torch.manual_seed(0)
    return DISSL(Net(), **(SMALL | options)).double()


def test_the_loss_is_the_papers_over_one_stack_of_views():
    method = small(balance_weight=2.1, certainty_weight=0.6, temperature=0.4)
    stack = torch.cat([normal(7, 5), normal(7, 5, seed=1)])
    h = method.encoder(stack)
    t = [x.softmax(1) for x in (method.teacher(h) / 0.4).chunk(2)]
    s = [x.softmax(1) for x in (method.student(h) / 0.8).chunk(2)]
    cross = lambda p, q: -(p * q.log()).sum(1).mean()  # noqa: E731
    entropy = lambda p: -(p * p.log()).sum()  # noqa: E731
    expected = {
        "distillation": (cross(t[0], s[1]) + cross(t[1], s[0])) / 2,
        "determinism": 0.6 * (cross(t[0], t[1]) + cross(t[1], t[0])) / 2,
        "maximality": -2.1 * (entropy(t[0].mean(0)) + entropy(t[1].mean(0))) / 2,
    }
    found = method.loss(**method(views_of(*stack.chunk(2))))
    assert {k: v.item() for k, v in found.items()} == pytest.approx({k: v.item() for k, v in expected.items()})


def test_the_heads_are_low_rank_and_the_student_linear_unless_hidden_widths_are_given():
    names = lambda head: [type(layer).__name__ for layer in (*head[0], head[1])]  # noqa: E731
    hidden = ["Linear", "BatchNorm1d", "ReLU"]
    last = ["Linear", "BatchNorm1d", "Linear"]
    assert names(small().student) == last
    assert names(small().teacher) == hidden + last
    assert names(small(student_hidden=(9, 9)).student) == 2 * hidden + last
    assert torch.linalg.matrix_rank(small().student(normal(20, 8)) - small().student[1].bias) == 4


def test_the_teacher_learns_too():
    method = small()
    outputs = method(views_of(normal(8, 5), normal(8, 5, seed=1)))
    method.loss(**outputs)["distillation"].backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in method.parameters() if p.ndim == 2)


def test_small_crops_have_no_teacher():
    method = small()
    outputs = method(views_of(normal(6, 9), normal(6, 9, seed=1), normal(6, 5, seed=2), normal(6, 5, seed=3)))
    assert {name: len(tensors) for name, tensors in outputs.items()} == {"student": 4, "teacher": 2, "marginal": 2}
    assert all(term.isfinite() for term in method.loss(**outputs).values())


def states(rows, categories):
    own = torch.arange(categories) // (categories // rows) == torch.arange(rows).unsqueeze(1)
    one = torch.zeros(rows, categories, dtype=torch.float64).index_fill(1, torch.tensor([0]), 1e4)
    return {"one code": one, "uniform codes": torch.zeros_like(one), "perfection": 1e4 * own.double()}


@pytest.mark.parametrize(("lambd", "rows"), [(2.3, 4), (2.3, 12), (1.8, 12)])
def test_reference_losses_are_what_the_loss_gives(lambd, rows):
    method = small(balance_weight=lambd)
    for name, z in states(rows, 12).items():
        marginal = [(2 * z).softmax(1).mean(0, keepdim=True)] * 2
        found = sum(method.loss([z, z], [z, z], marginal).values()).item()
        assert found == pytest.approx(method.reference_losses(rows)[name], abs=1e-9), name


def test_below_the_threshold_few_categories_are_best_and_it_says_so():
    with pytest.warns(UserWarning, match=r"balance_weight = 1.2 is below 1 \+ certainty_weight = 1.8"):
        method = small(balance_weight=1.2)
    assert method.reference_losses(4)["perfection"] == pytest.approx(-1.2 * log(4))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        small(balance_weight=1.8)


def test_one_large_view_is_refused():
    with pytest.raises(UserError, match="these 2 views have one: set views.num_views = 2"):
        small()(views_of(normal(8, 5), normal(8, 4)))
