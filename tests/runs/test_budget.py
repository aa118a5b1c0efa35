import numpy as np
import pytest

from isotropy.runs import budget
from isotropy.runs.session import Planned, train

ROWS = np.random.default_rng(0).normal(size=(90, 3))


@pytest.fixture
def prepared():
    planned = next(train(ROWS, method="simclr", epochs=1, settings={"encoder.width": 8, "encoder.hidden": 8}))
    assert isinstance(planned, Planned)
    return planned.prepared


@pytest.mark.parametrize(("embedding", "left"), [(0.1, 10.0), (3.0, 7.0), (60.0, 5.0)])
def test_training_gets_what_embedding_leaves_and_half_at_least(prepared, monkeypatch, embedding, left):
    monkeypatch.setattr(budget, "_embedding", lambda prepared: embedding)
    assert budget.seconds_left_for_training(prepared, 10.0) == pytest.approx(left)


def test_evidence_of_a_label_is_paid_for(prepared, monkeypatch):
    monkeypatch.setattr(budget, "_embedding", lambda prepared: 0.0)
    labelled = next(train(ROWS, label=np.arange(90) % 2, method="simclr", epochs=1)).prepared
    assert (
        budget.seconds_left_for_training(labelled, 100.0) < 100.0 == budget.seconds_left_for_training(prepared, 100.0)
    )
    network = prepared.method.encoder
    was = network.training
    budget.seconds_left_for_training(prepared, 100.0)
    assert network.training == was
