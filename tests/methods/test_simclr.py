import torch

from isotropy.methods import SimCLR
from methods.fakes import Net, views_of


def test_every_parameter_learns_and_none_through_the_loss_alone():
    method = SimCLR(Net(), projector=(16, 6))
    outputs = method(views_of(torch.randn(8, 5), torch.randn(8, 5)))
    detached = {"z": [z.detach() for z in outputs["z"]]}
    assert not method.loss(**detached)["contrast"].requires_grad
    method.loss(**outputs)["contrast"].backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in method.parameters())
