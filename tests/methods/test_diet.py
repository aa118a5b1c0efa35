from math import log

import numpy as np
import pytest
import torch

from isotropy.errors import UserError
from isotropy.methods import DIET
from isotropy.objectives import naming
from isotropy.views.views import Views
from methods.fakes import Net, normal, views_of
from objectives.test_naming import slow_naming


@pytest.mark.parametrize("smoothing", [0.0, 0.8])
def test_the_loss_names_the_normalised_rows_and_is_averaged_over_looks(smoothing):
    method = DIET(Net(), n_samples=20, label_smoothing=smoothing).double().eval()
    torch.nn.init.normal_(method.head.weight)
    method.centre.uniform_(-1, 1)
    method.square.fill_(2.5)
    looks, index = [normal(7, 5), normal(7, 5, seed=1)], torch.tensor([19, 0, 3, 3, 11, 7, 2])
    outputs = method(Views(index, lambda: looks))
    mean, std = method.centre, (2.5 - method.centre.square().mean()).sqrt()
    expected = np.mean(
        [
            slow_naming((method.encoder(x).detach() - mean) / std, method.head.weight.detach(), index, smoothing).mean()
            for x in looks
        ]
    )
    assert [x.shape for x in outputs["surprise"]] == [(7,), (7,)]
    assert method.loss(**outputs)["index"].item() == pytest.approx(expected, abs=1e-10)


def test_it_begins_where_all_names_are_equally_likely():
    method = DIET(Net(), n_samples=50)
    assert method.loss(**method(views_of(normal(8, 5).float())))["index"].item() == pytest.approx(log(50), abs=1e-2)


@pytest.mark.parametrize(("n", "perfection"), [(50_000, 9.1561), (512, 5.4819)])
def test_landmarks_are_what_the_loss_gives(n, perfection):
    method = DIET(Net(width=1), n_samples=n)
    landmarks = method.landmarks(8)
    assert landmarks == pytest.approx({"point collapse": log(n), "perfection": perfection}, abs=1e-4)
    index = torch.tensor([3, n - 1])
    one = torch.ones(2, 1, dtype=torch.float64)
    flat = naming(one, torch.zeros(n, 1, dtype=torch.float64), index, smoothing=0.8)
    assert flat.tolist() == pytest.approx([log(n)] * 2, abs=1e-9)
    best = torch.full((n, 2), log(0.8 / n), dtype=torch.float64)
    best[index, [0, 1]] = log(0.8 / n + 0.2)
    least = naming(torch.eye(2, dtype=torch.float64), best, index, smoothing=0.8)
    assert least.tolist() == pytest.approx([landmarks["perfection"]] * 2, abs=1e-9)
    assert DIET(Net(width=1), n_samples=9, label_smoothing=0.0).landmarks(8)["perfection"] == 0


def test_the_running_mean_and_deviation_come_to_be_those_of_the_rows():
    method, x = DIET(Net(), n_samples=30).double(), normal(9, 5)
    h = method.encoder(x).detach()
    for step in range(3):
        method.update(**{k: v.mean(0, keepdim=True) for k, v in method(views_of(x)).items() if k in method.averaged})
        assert torch.allclose(method.centre, h.mean(0, keepdim=True)), step
    standard = method._standard(h)
    assert standard.mean().abs() < 1e-12 and standard.square().mean().item() == pytest.approx(1)
    method.update(mean=method.centre + 1, square=method.square)
    assert torch.allclose(method.centre, h.mean(0) + 0.25), "an average of all steps at first"
    method.steps.fill_(99)
    method.update(mean=method.centre + 1, square=method.square)
    assert torch.allclose(method.centre, h.mean(0) + 0.35)


def test_every_parameter_learns_also_the_rows_of_absent_samples():
    method = DIET(Net(), n_samples=30).double()
    torch.nn.init.normal_(method.head.weight)
    method.loss(**method(views_of(normal(8, 5))))["index"].backward()
    assert all(p.grad.isfinite().all() and (p.grad != 0).any() for p in method.parameters())
    assert (method.head.weight.grad.abs().sum(1) > 0).all()


def test_mistakes_are_named():
    with pytest.raises(UserError, match=r"label_smoothing must be at least 0 and below 1, not 1"):
        DIET(Net(), n_samples=5, label_smoothing=1)
    with pytest.raises(UserError, match="n_samples must be a whole number of at least 2, not 1"):
        DIET(Net(), n_samples=1)
    line = r"a row for each of 100,000,000 samples, 8 wide: 3.0 GiB, and four times.*at most 33,554,432 rows"
    with pytest.raises(UserError, match=line):
        DIET(Net(), n_samples=100_000_000)
