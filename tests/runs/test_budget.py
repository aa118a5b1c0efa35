import numpy as np
import pandas as pd
import pytest
import torch

import isotropy
from isotropy.runs import budget, planning, prepare
from isotropy.runs.budget import Parts
from isotropy.runs.events import Evaluated, Planned, Stepped
from isotropy.runs.monitor import held_out_every
from isotropy.runs.session import train

ROWS = np.random.default_rng(0).normal(size=(90, 3))
ROWS_2000 = np.random.default_rng(0).normal(size=(2000, 3))


HELD_OUT_SCORES = budget._held_out_scores


@pytest.fixture(autouse=True)
def _no_held_out_scores(monkeypatch):
    """A few milliseconds that are no part of what the other tests count."""
    monkeypatch.setattr(budget, "_held_out_scores", lambda prepared: 0.0)


@pytest.fixture
def prepared():
    planned = next(train(ROWS, method="simclr", epochs=1, settings={"encoder.width": 8, "encoder.hidden": 8}))
    assert isinstance(planned, Planned)
    return planned.prepared


@pytest.mark.parametrize(
    ("embedding", "spent", "left"),
    [(0.1, 0.0, 10.0), (3.0, 0.0, 7.0), (3.0, 2.5, 4.5), (60.0, 0.0, 2.0), (0.0, 70.0, 2.0)],
)
def test_training_gets_what_all_else_leaves_and_its_least_share(prepared, monkeypatch, embedding, spent, left):
    monkeypatch.setattr(budget, "_PAGE", 0.0)
    # All 90 rows are embedded, and the training rows once more, from which the embedding is learnt.
    monkeypatch.setattr(budget, "_embedding", lambda prepared: (embedding / (90 + len(prepared.train)), 8))
    assert budget.parts_of_budget(prepared, 10.0, spent)[0] == pytest.approx(left)


def test_the_scores_of_the_held_out_loss_are_paid_for(prepared, monkeypatch):
    clock = iter([5.0, 5.5])
    monkeypatch.setattr(budget, "perf_counter", lambda: next(clock))
    seconds = HELD_OUT_SCORES(prepared)
    assert seconds == 0.5 * sum(step % held_out_every(1200) == 0 for step in range(1, 1201))
    monkeypatch.setattr(budget, "_held_out_scores", lambda prepared: seconds)
    monkeypatch.setattr(budget, "_embedding", lambda prepared: (0.0, 8))
    monkeypatch.setattr(budget, "_PAGE", 0.0)
    assert budget.parts_of_budget(prepared, 100.0)[0] == 100.0 - seconds


@pytest.mark.parametrize(("rows", "seconds"), [(750, 2.0), (1500, 4.0), (3000, 4.0)])
def test_the_page_is_paid_for(monkeypatch, rows, seconds):
    monkeypatch.setattr(budget, "_embedding", lambda prepared: (0.0, 8))
    planned = next(train(np.random.default_rng(0).normal(size=(rows, 3)), method="simclr", epochs=1))
    assert 100 - budget.parts_of_budget(planned.prepared, 100.0)[0] == pytest.approx(seconds)


def test_what_is_evaluated_is_as_wide_as_the_joined_embedding(prepared):
    _, width = budget._embedding(prepared)
    assert width == prepared.representation().width > prepared.method.encoder.width


def test_evidence_of_a_label_is_paid_for(prepared, monkeypatch):
    monkeypatch.setattr(budget, "_embedding", lambda prepared: (0.0, 8))
    labelled = next(train(ROWS, label=np.arange(90) % 2, method="simclr", epochs=1)).prepared
    assert budget.parts_of_budget(labelled, 100.0)[0] < 100.0 == budget.parts_of_budget(prepared, 100.0)[0]
    network = prepared.method.encoder
    was = network.training
    budget.parts_of_budget(prepared, 100.0)
    assert network.training == was


@pytest.mark.parametrize(("threads", "pace"), [(1, 3.0), (2, 1.5)])
def test_a_piece_of_evidence_tells_how_slow_the_machine_is(monkeypatch, threads, pace):
    clock = iter([0.0, 9.0, 20.0, 20.3])  # the first time libraries load
    monkeypatch.setattr(budget, "perf_counter", lambda: next(clock))
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        assert budget._pace() == pytest.approx(pace)
    finally:
        torch.set_num_threads(before)


def test_on_a_slower_machine_evidence_is_given_more(monkeypatch):
    monkeypatch.setattr(budget, "_embedding", lambda prepared: (0.0, 8))
    prepared = next(train(ROWS, label=np.arange(90) % 2, method="simclr", epochs=1)).prepared
    kept = []
    for pace in (1.0, 2.0):
        monkeypatch.setattr(budget, "_pace", lambda pace=pace: pace)
        kept.append(100 - budget.parts_of_budget(prepared, 100.0)[0])
    assert kept[1] == pytest.approx(2 * kept[0]) and kept[0] > 0


@pytest.mark.parametrize(
    ("seconds", "most"),
    [
        (1e4, (10_000, 20_000)),
        (37.5, (10_000, 10_000)),
        (33.75, (10_000, 5_000)),
        (28.0, (5_000, 5_000)),
        (24.0, (2_500, 2_500)),
        (1.0, (1_250, 2_500)),
    ],
)
def test_fewer_rows_are_probed_where_the_budget_leaves_too_little(monkeypatch, seconds, most):
    monkeypatch.setattr(budget, "_embedding", lambda prepared: (0.0, 8))
    monkeypatch.setattr(budget, "_pace", lambda: 1.0)
    rows = np.random.default_rng(0).normal(size=(100_000, 3)).astype(np.float32)
    settings = {"encoder.width": 8, "encoder.hidden": 8}
    planned = next(train(rows, label=np.arange(100_000) % 2, method="simclr", settings=settings, epochs=1))
    assert budget.parts_of_budget(planned.prepared, seconds)[1] == most


def test_more_classes_wider_features_and_images_are_given_more(monkeypatch):
    monkeypatch.setattr(budget, "_pace", lambda: 1.0)

    def kept(data, labels, width, **settings):
        monkeypatch.setattr(budget, "_embedding", lambda prepared: (0.0, width))
        prepared = next(train(data, label=labels, method="simclr", epochs=1, settings=settings)).prepared
        return 100 - budget.parts_of_budget(prepared, 100.0)[0]

    number = np.arange(2000)
    two, ten, wide = kept(ROWS_2000, number % 2, 8), kept(ROWS_2000, number % 10, 8), kept(ROWS_2000, number % 10, 512)
    assert two < ten < wide
    few = sum(size * 10 for size in (1, 2, 5, 10, 50)) + (0.01 + 0.1) * 1600  # 200 a class are more than there are
    assert wide - ten == pytest.approx(
        2 * 504 * (0.35 * 10 * few / 1e6 + 0.004 * (1 + 0.6 * 0.16 + 0.4 * 0.02)), rel=0.02
    )
    images = np.zeros((2000, 8, 8), dtype=np.uint8) + number[:, None, None].astype(np.uint8)
    assert kept(images, number % 2, 8) > two + budget._IMAGES


def test_a_run_probes_so_many_rows_and_a_resumed_one_as_many(monkeypatch, tmp_path):
    monkeypatch.setattr(planning, "parts_of_budget", lambda prepared, budget, spent: Parts(budget / 2, (50, 10)))
    monkeypatch.setattr(prepare, "seconds_per_epoch", lambda prepared: 1.0)
    found = []
    for event in train(ROWS, label=np.arange(90) % 2, method="simclr", budget=6, out=tmp_path / "run"):
        if isinstance(event, Stepped):
            event.stop()
    for event in train(isotropy.read(ROWS, label=np.arange(90) % 2), resume=tmp_path / "run"):
        if isinstance(event, Evaluated):
            found.append(event.evidence)
    assert (found[0]["rows"]["train"], found[0]["rows"]["test"]) == (50, 10)
    assert any("Probed on 10 of" in note for note in found[0]["notes"])


def test_labels_of_many_classes_are_read_by_what_the_budget_pays_for(monkeypatch):
    monkeypatch.setattr(budget, "_embedding", lambda prepared: (0.0, 300))
    monkeypatch.setattr(budget, "_pace", lambda: 1.0)
    rng = np.random.default_rng(0)
    rows = pd.DataFrame(rng.normal(size=(4000, 8)), columns=list("abcdefgh"))

    def parts(classes, seconds):
        labels = np.array([f"c{one}" for one in rng.integers(classes, size=4000)])
        planned = next(train(rows, label=labels, epochs=1, method="masked", settings={"encoder.width": 8}))
        return budget.parts_of_budget(planned.prepared, seconds)

    assert parts(90, 5.0).left_out == () and parts(1000, 1e5).left_out == ()
    few, fewer = parts(300, 150.0), parts(1500, 60.0)
    assert few.left_out == ("few_labels",) and few.training > 30 and few.probed == (1250, 2500)
    assert set(few.left_out) < set(fewer.left_out) <= set(budget.LEFT_OUT) and fewer.training >= 12


@pytest.mark.parametrize("stopped", [False, True])
def test_what_a_run_does_not_measure_is_said_and_a_resumed_one_leaves_it_out_too(monkeypatch, tmp_path, stopped):
    left_out = ("few_labels", "clusters")
    monkeypatch.setattr(planning, "parts_of_budget", lambda prepared, budget, spent: Parts(3.0, (300, 300), left_out))
    monkeypatch.setattr(prepare, "seconds_per_epoch", lambda prepared: 1.0)
    number = np.arange(600)
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(600, 3)), columns=list("abc"))
    frame["many"], frame["two"] = [f"m{one % 120}" for one in number], [f"t{one % 2}" for one in number]
    labels, found = ["many", "two"], {}
    for event in train(frame, label=labels, method="masked", budget=6, out=tmp_path / "run"):
        if isinstance(event, Stepped) and stopped:
            event.stop()
        if isinstance(event, Evaluated):
            found[event.evidence["label"]] = event.evidence
    if stopped:
        assert not found
        for event in train(isotropy.read(frame, label=labels), resume=tmp_path / "run"):
            if isinstance(event, Evaluated):
                found[event.evidence["label"]] = event.evidence
    many, two = found["many"], found["two"]
    assert {score["evaluator"] for score in many["scores"]} == {"linear", "knn", "trees", "search"}
    assert "clusters" in {score["evaluator"] for score in two["scores"]}
    assert two["few_labels"] and not many["few_labels"]
    said = [[note for note in one["notes"] if "longer than the budget" in note] for one in (many, two)]
    assert said == [
        ["Not measured, as with so many classes it takes longer than the budget: few labels, clusters."],
        [],
    ]
