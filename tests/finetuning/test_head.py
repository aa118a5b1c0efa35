"""The head begins as the linear probe, whatever the form of the features that suits."""

import numpy as np
import pytest
import torch

from isotropy.evaluation.evaluators.linear import fit_linear
from isotropy.evaluation.features import Features
from isotropy.evaluation.problem import Problem
from isotropy.finetuning.head import Head
from isotropy.finetuning.target import Target
from isotropy.representation import steady_chunk


def data(width: int = 6, rows: int = 120, seed: int = 0):
    random = np.random.default_rng(seed)
    z = (random.normal(size=(rows, width)) * np.geomspace(0.01, 30, width) + 5).astype(np.float32)
    return z, (z[:, -1] > 5).astype(np.int64) + (z[:, 0] > 5)


def test_of_classes_it_gives_the_probabilities_of_the_probe():
    z, codes = data()
    target = Target.of(codes)
    head = Head.probe(z[:80], codes[:80], target).eval()
    problem = Problem("classes", codes[:80], codes[80:], target.classes, metrics=("log loss",))
    model = fit_linear(Features(z[:80], z[80:]), problem)
    mine = torch.softmax(head(torch.from_numpy(z[80:])), 1).detach().numpy()
    assert np.allclose(mine, model.predict(model.form.test), atol=2e-3)
    assert model.detail["form"] != "as it is", "the columns differ by a factor of thousands"


def test_of_numbers_it_gives_what_ridge_regression_predicts():
    z, _ = data()
    y = 3 * z[:, -1].astype(np.float64) - z[:, 2]
    target = Target.of(y)
    head = Head.probe(z[:80], target.encoded(y[:80]), target).eval()
    problem = Problem("numbers", y[:80], y[80:], metrics=("R2",))
    model = fit_linear(Features(z[:80], z[80:]), problem)
    mine = target.decoded(head(torch.from_numpy(z[80:])).detach().numpy())
    assert np.allclose(mine, model.predict(model.form.test), rtol=1e-3, atol=0.05)


@pytest.mark.parametrize(("unit", "offset"), [(1, 1e4), (1e12, 0), (1e5, 1e6), (1e-6, 1e-3)])
def test_it_is_the_probe_in_any_unit_and_far_from_zero(unit, offset):
    random = np.random.default_rng(0)
    z = (unit * random.normal(size=(200, 6)) + offset).astype(np.float32)
    steps = (z - offset) / np.float32(unit)
    codes, numbers = (steps[:, 0] > 0).astype(np.int64), steps[:, 0] - steps[:, 1].astype(np.float64)
    model = fit_linear(Features(z[:80], z[80:]), Problem("classes", codes[:80], codes[80:], (0, 1)))
    head = Head.probe(z[:80], codes[:80], Target.of(codes), like=model).eval()
    said = torch.softmax(head(torch.from_numpy(z[80:])), 1).detach().numpy()
    assert np.allclose(said, model.predict(model.form.test), atol=1e-2)
    for of_numbers in (Head.averaged(z[:80], numbers[:80]), Head.probe(z[:80], numbers[:80], Target.of(numbers))):
        assert np.allclose(of_numbers.eval()(torch.from_numpy(z[80:]))[:, 0].detach(), numbers[80:], atol=0.1)


def test_a_column_that_never_varies_stays_finite():
    z, codes = data()
    z[:, 1] = 7
    head = Head.probe(z, codes, Target.of(codes)).eval()
    moved = torch.from_numpy(z).index_fill(1, torch.tensor([1]), 7.5)
    assert torch.isfinite(head(moved)).all() and float(head.scale.max()) < 1e3


def test_it_computes_in_float32_under_autocast():
    head = Head(4, 2)
    with torch.autocast("cpu", torch.bfloat16):
        assert head(torch.zeros(3, 4, dtype=torch.bfloat16)).dtype == torch.float32


@pytest.mark.parametrize("rows", [3, 5])
def test_of_a_handful_of_rows_it_takes_the_defaults(rows):
    z, _ = data(rows=rows)
    codes = np.arange(rows) % 2
    assert torch.isfinite(Head.probe(z, codes, Target.of(codes))(torch.from_numpy(z))).all()


@pytest.mark.parametrize("width", [5, 371])
@pytest.mark.parametrize("outputs", [2, 3, 10])
def test_a_rows_outputs_do_not_depend_on_its_place_in_a_batch(width, outputs):
    # With 2 to 11 outputs of a width that is no multiple of 4 kernels start a row's sum at its memory alignment.
    torch.manual_seed(0)
    assert steady_chunk(Head(width, outputs).eval(), lambda z: z, torch.randn(256, width)) == 256
