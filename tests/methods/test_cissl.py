import pytest
import torch
from torch import nn
from torch.nn.functional import normalize

from isotropy.methods import CISSL
from methods.fakes import Net, normal, views_of


def small(**options):
    torch.manual_seed(0)
    return CISSL(Net(), **({"projector": (16, 6)} | options)).double()


def test_the_loss_is_the_papers_over_one_stack_of_views():
    method = small(temperature=0.3)
    stack = torch.cat([normal(7, 5), normal(7, 5, seed=1)])
    h = method.encoder(stack)
    s, t = normalize(method.predictor(h), dim=1), normalize(method.projector(h), dim=1)
    expected = nn.functional.cross_entropy(s @ t.T / 0.3, torch.eye(7, dtype=torch.float64).tile(2, 2) / 2)
    found = method.loss(**method(views_of(*stack.chunk(2))))["contrast"]
    assert found.item() == pytest.approx(expected.item(), abs=1e-12)


def test_the_student_is_linear_unless_hidden_widths_are_given():
    kinds = [[type(layer).__name__ for layer in small(student_hidden=hidden).predictor] for hidden in ((), (12, 10))]
    assert kinds[0] == ["Linear", "BatchNorm1d"]
    assert kinds[1] == [*["Linear", "BatchNorm1d", "ReLU"] * 2, "Linear", "BatchNorm1d"]
    method = small(student_hidden=(12, 10))
    assert [p.shape[0] for p in method.predictor.parameters() if p.ndim == 2] == [12, 10, 6]


def test_both_heads_and_the_encoder_learn():
    method = small()
    method.loss(**method(views_of(normal(8, 5), normal(8, 5, seed=1))))["contrast"].backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in method.parameters() if p.ndim == 2)


def test_small_crops_have_no_teacher():
    method = small()
    outputs = method(views_of(normal(6, 9), normal(6, 9, seed=1), normal(6, 5, seed=2), normal(6, 5, seed=3)))
    assert [len(outputs[name]) for name in ("student", "teacher")] == [4, 2]
    assert method.loss(**outputs)["contrast"].item() >= torch.log(torch.tensor(2.0))
