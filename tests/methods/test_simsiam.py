import pytest
import torch

from isotropy.methods import SimSiam
from isotropy.training import Optim
from methods.fakes import Net, normal, views_of


def small():
    torch.manual_seed(0)
    return SimSiam(Net(), projector=(16, 6), predictor_hidden=4).double()


def cosine(p, z):
    return torch.nn.functional.cosine_similarity(p, z, dim=1).mean().item()


def test_the_loss_is_the_papers_over_both_directions():
    method = small().eval()
    tensors = [normal(7, 5), normal(7, 5, seed=1)]
    z = [method.projector(method.encoder(x)) for x in tensors]
    p = [method.predictor(x) for x in z]
    expected = -(cosine(p[0], z[1]) + cosine(p[1], z[0])) / 2
    assert method.loss(**method(views_of(*tensors)))["distance"].item() == pytest.approx(expected, abs=1e-12)


def test_only_large_views_are_targets_and_pairs_are_averaged():
    method = small()
    outputs = method(views_of(normal(6, 9), normal(6, 9, seed=1), normal(6, 5, seed=2)))
    assert (len(outputs["prediction"]), len(outputs["target"])) == (3, 2)
    opposite = [torch.ones(6, 2)] * 3, [-torch.ones(6, 2)] * 2
    assert method.loss(*opposite)["distance"].item() == pytest.approx(1)


def test_no_gradient_flows_through_a_target():
    method = small()
    outputs = method(views_of(normal(8, 5), normal(8, 5, seed=1)))
    assert not any(y.requires_grad for y in outputs["target"])
    method.loss(**outputs)["distance"].backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in method.parameters())


def test_the_last_norm_has_no_weights_and_the_predictors_rate_stays_constant():
    method = small()
    assert method.projector[-1].weight is None and method.projector[-2].bias is None
    optim = Optim(name="sgd", lr=0.1, warmup=0)
    optimizer = optim.build(method, method.unscheduled)
    optim.set_rate(optimizer, 1.0)
    rates = {id(p): group["lr"] for group in optimizer.param_groups for p in group["params"]}
    assert {rates[id(p)] for p in method.predictor.parameters()} == {0.1}
    assert {rates[id(p)] for p in method.encoder.parameters()} == {0.0}
