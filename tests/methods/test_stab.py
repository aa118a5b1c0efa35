import pytest
import torch
from torch import nn

from isotropy.methods import STab
from isotropy.rng import Stream
from methods.fakes import Net, normal, views_of


class Linear(nn.Module):
    width = 6

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(5, 40), nn.Linear(40, 6)

    def forward(self, x):
        return self.second(torch.tanh(self.first(x)))


def small(**options):
    torch.manual_seed(0)
    return STab(Linear(), **({"drop_rate": 0.3, "projector": (12, 4), "predictor_hidden": 8} | options)).double()


def loss(method, x):
    return method.loss(**method(views_of(x)))["distance"]


def test_weights_are_struck_out_at_the_rate_and_the_rest_is_scaled():
    method = small()
    for view in (0, 1):
        masked = method._masked(view)
        assert set(masked) == {"first.weight", "second.weight"}
        for name, weight in masked.items():
            own = method.encoder.get_parameter(name)
            struck = weight == 0
            assert 0.2 < struck.double().mean() < 0.4
            assert torch.allclose(weight[~struck], own[~struck] / 0.7, atol=1e-12)


def test_the_loss_is_simsiams_between_two_masked_encoders():
    method, x = small().eval(), normal(7, 5)
    z = []
    for view in (0, 1):
        w = method._masked(view)
        inner = torch.tanh(x @ w["first.weight"].T + method.encoder.first.bias)
        z.append(method.projector(inner @ w["second.weight"].T + method.encoder.second.bias))
    p = [method.predictor(one) for one in z]
    cosines = [torch.cosine_similarity(p[0], z[1]).mean(), torch.cosine_similarity(p[1], z[0]).mean()]
    assert loss(method, x).item() == pytest.approx(-sum(cosines).item() / 2, abs=1e-12)


def test_the_gradient_reaches_every_weight_of_the_encoder_and_is_the_finite_difference():
    # In the code of the published baseline the encoder's weights got none.
    method, x = small(predictor_hidden=None), normal(9, 5)
    targets = [z.detach() for z in method(views_of(x))["target"]]

    def value():
        return method.loss(method(views_of(x))["prediction"], targets)["distance"]

    value().backward()
    struck = {name: (method._masked(0)[name] == 0) & (method._masked(1)[name] == 0) for name in method._masked(0)}
    for name, weight in method.encoder.named_parameters():
        gradient = weight.grad.clone()
        if name in struck:
            assert torch.equal(gradient == 0, struck[name]), "all but those that both masks strike out"
        for place in range(0, weight.numel(), 7):
            with torch.no_grad():
                flat, step = weight.view(-1), 1e-6
                flat[place] += step
                up = value().item()
                flat[place] -= 2 * step
                down = value().item()
                flat[place] += step
            assert gradient.view(-1)[place].item() == pytest.approx((up - down) / (2 * step), abs=1e-8)


def test_masks_are_a_function_of_seed_step_and_view():
    def masks(seed=0, step=0, view=0):
        method = small()
        method.rng = Stream(seed, step=step)
        return method._masked(view)["first.weight"] == 0

    first = masks()
    torch.rand(3)
    assert torch.equal(masks(), first)
    for other in (masks(seed=1), masks(step=1), masks(view=1)):
        assert not torch.equal(other, first)


def test_the_encoder_keeps_its_weights_and_without_masks_both_views_are_one():
    method, x = small(drop_rate=0.0, projector=()).eval(), normal(4, 5)
    before = [p.clone() for p in method.encoder.parameters()]
    outputs = method(views_of(x))
    assert all(map(torch.equal, before, method.encoder.parameters()))
    assert torch.equal(outputs["target"][0], method.encoder(x)) and torch.equal(*outputs["target"])


def test_a_mask_a_view_and_batch_norms_learn_their_statistics():
    method = STab(Net(), predictor_hidden=8).double()
    assert len(method(views_of(*[normal(6, 5)] * 3))["prediction"]) == 3
    assert method.encoder.layers[1].num_batches_tracked == 3
