import torch

from isotropy.methods import SCARF
from methods.fakes import Net, views_of


def test_every_parameter_learns():
    method = SCARF(Net(), projector=(16, 6))
    method.loss(**method(views_of(torch.randn(8, 5), torch.randn(8, 5))))["contrast"].backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in method.parameters())
