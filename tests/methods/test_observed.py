"""What diagnostics read of every method: vectors, pairs and probabilities of the rows, without gradient."""

import pytest
import torch

from isotropy.diagnostics import assignments, predictor_gap, stability
from isotropy.methods import METHODS
from laws import cases

KEYS = {"views", "prediction", "target", "assignments", "teacher", "student"}
# They give rows back, or name them: no vectors that are compared.
UNOBSERVED = {"autoencoder", "masked", "diet"}


@pytest.fixture(scope="module")
def monitored():
    """Return what every method shows of its first step."""
    found = {}
    for name in METHODS:
        method = cases.make(name)
        steps = cases.train(method)
        found[name] = method.monitored(**next(steps).outputs)
        steps.close()
    return found


@pytest.mark.parametrize("name", METHODS)
def test_it_has_the_keys_and_shapes_that_diagnostics_know(name, monitored):
    shown = monitored[name]
    assert set(shown) <= KEYS and (shown or name in UNOBSERVED)
    for tensors in shown.values():
        assert isinstance(tensors, list) and tensors
        assert all(x.ndim == 2 and len(x) == cases.BATCH and x.is_floating_point() for x in tensors)
        assert not any(x.requires_grad for x in tensors)
    for one, other in (("prediction", "target"), ("teacher", "student")):
        assert (one in shown) == (other in shown)
        assert [x.shape for x in shown.get(one, [])] == [x.shape for x in shown.get(other, [])]
    for key in ("assignments", "teacher", "student"):
        for p in shown.get(key, []):
            torch.testing.assert_close(p.sum(1), torch.ones(len(p), dtype=p.dtype))
            assert (p >= 0).all()


@pytest.mark.parametrize("name", METHODS)
def test_the_diagnostics_take_it(name, monitored):
    shown = monitored[name]
    if tensors := shown.get("views"):
        assert -1 <= stability(tensors)["centre"] <= 1
    for p, z in zip(shown.get("prediction", []), shown.get("target", [])):
        assert predictor_gap(p, z)["residual"] >= 0
    for p in shown.get("assignments", []):
        assert assignments(p)["information"] >= -1e-9


def test_a_method_pairs_a_prediction_with_another_view(monitored):
    # Of one view with itself SimSiam's target would be what the prediction was made from.
    method = cases.make("simsiam")
    tensors = [torch.full((3, 2), float(v)) for v in range(2)]
    shown = method.monitored(prediction=[10 + x for x in tensors], target=tensors)
    assert [(float(p[0, 0]), float(z[0, 0])) for p, z in zip(shown["prediction"], shown["target"])] == [
        (11, 0),
        (10, 1),
    ]
