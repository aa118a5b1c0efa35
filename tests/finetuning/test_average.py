"""Few labels read by all that reads them, averaged: beside the few-label curve, in finetune, and as an artefact."""

import json

import numpy as np
import pytest
import torch

import isotropy
from isotropy.data import TablePreprocess
from isotropy.encoders import wrap
from isotropy.errors import UserError
from isotropy.evaluation.baselines.propagation import NEIGHBOURS, TEMPERATURE
from isotropy.evaluation.evaluators.few_linear import STRENGTHS, forms_for
from isotropy.evaluation.evaluators.few_numbers import few_numbers
from isotropy.evaluation.evaluators.few_read import readings
from isotropy.evaluation.features import Features
from isotropy.evaluation.label_graph import LabelGraph
from isotropy.evaluation.problem import Problem
from isotropy.evaluation.splits import stratified
from isotropy.finetuning.average import MOST_OTHERS, Average, Averaging, some_of
from isotropy.finetuning.finetune import finetune_rows
from isotropy.finetuning.head import Head
from isotropy.finetuning.neighbours import Neighbours
from isotropy.finetuning.target import Target
from isotropy.representation import Representation, steady_chunk


def arcs(rows, seed=0):
    """Return two arcs of a circle with a gap at both ends, and each row's arc: a label says little of the far end."""
    rng = np.random.default_rng(seed)
    y = np.arange(rows) % 2
    angle = np.pi * y + rng.uniform(0.1, np.pi - 0.1, rows)
    return np.stack([np.cos(angle), np.sin(angle)], axis=1), np.where(y, "lower", "upper")


def some_labels(y, size):
    """Return the labels with all but so many of each class missing."""
    kept = stratified(y, 2 * size, seed=3)
    return np.where(np.isin(np.arange(len(y)), kept), y, None)


def as_it_is(x):
    layer = torch.nn.Linear(x.shape[1], x.shape[1])
    torch.nn.init.eye_(layer.weight)
    torch.nn.init.zeros_(layer.bias)
    return Representation(wrap(layer, width=x.shape[1]), TablePreprocess.learn(x), method="lfr")


def blobs(rows, width, classes, seed=0):
    rng = np.random.default_rng(seed)
    codes = np.arange(rows) % classes
    centres = np.random.default_rng(99).normal(size=(classes, width))
    return (centres[codes] + 1.5 * rng.normal(size=(rows, width)) + 2).astype(np.float32), codes


def slowly(z, others, codes, classes, new):
    """Return the probabilities of new rows, the readings applied one by one to their rows."""
    features = Features(np.concatenate([z, others]), new)
    forms = forms_for(features, len(z))
    graphs = [LabelGraph(form, np.arange(0)) for form in forms]
    problem = Problem("classes", codes, codes[:0], tuple(range(classes)))
    places = np.arange(len(z))[None]
    lines, spread, shares = readings(forms, problem, places, codes[None], np.arange(len(new)), graphs)
    shares = shares[:, 0]
    total = np.zeros((len(new), classes))
    for line, own in zip(lines, shares.reshape(-1)[: 4 * len(lines)].reshape(len(lines), 4), strict=True):
        assert len(own) == len(STRENGTHS)
        total += line.predict(own[:, None])[0]
    for form, graph, one, own in zip(forms, graphs, spread, shares[4 * len(lines) :].reshape(-1, 2), strict=True):
        given = next(one.given())
        nodes = form.train / np.linalg.norm(form.train, axis=1, keepdims=True)
        assert len(nodes) == len(graph.kernel)
        for row, x in enumerate(form.test):
            cosine = nodes @ x / np.linalg.norm(x)
            near = np.argsort(-cosine)[:NEIGHBOURS]
            weight = np.exp(cosine[near] / TEMPERATURE)
            reached = (weight / weight.sum()) @ given[near]
            for power, share in zip((1, 3), own, strict=True):
                votes = (reached / reached.sum()) ** power
                doubt = 1 / (len(z) + 2)
                total[row] += share * ((1 - doubt) * votes / votes.sum() + doubt / classes)
    return total / total.sum(axis=1, keepdims=True)


@pytest.mark.parametrize(("labelled", "others"), [(12, 60), (40, 0), (260, 90)])
def test_a_head_says_what_its_readings_say_of_new_rows(labelled, others):
    x, codes = blobs(labelled + others + 30, 6, 3)
    z, more, new = np.split(x, [labelled, labelled + others])
    averaging = Averaging.of(z, more, codes[:labelled], Target("y", "classes", (0, 1, 2)))
    head = averaging.head(np.arange(labelled))
    said = torch.softmax(head(torch.from_numpy(new)), dim=1).numpy()
    assert np.allclose(said, slowly(z, more, codes[:labelled], 3, new), atol=2e-4)
    assert len(head.shares) >= 1 and len(head.spread) <= 3


@pytest.mark.parametrize(("unit", "offset"), [(1e12, 0), (1e5, 1e6), (1e-6, 0)])
def test_a_head_reads_any_unit_and_far_from_zero(unit, offset):
    x, codes = blobs(200, 6, 3)
    z, more, new = np.split((x * unit + offset).astype(np.float32), [40, 120])
    head = Averaging.of(z, more, codes[:40], Target("y", "classes", (0, 1, 2))).head(np.arange(40))
    said = torch.softmax(head(torch.from_numpy(new)), dim=1).numpy()
    assert np.allclose(said, slowly(z, more, codes[:40], 3, new), atol=1e-3)


@pytest.mark.parametrize("width", [5, 8, 33])
@pytest.mark.parametrize("classes", [2, 5, 10])
def test_a_rows_bits_do_not_depend_on_its_place_in_a_batch(width, classes):
    torch.manual_seed(0)
    average = Average(width, 3, [width, 10], 9, classes)
    neighbours = Neighbours(width, 10, 9, classes)
    for buffer in (*average.buffers(), *(x for x in neighbours.buffers() if x.is_floating_point())):
        buffer.uniform_()
    for head in (average, neighbours):
        assert steady_chunk(head.eval(), lambda z: z, torch.randn(256, width)) == 256


def test_held_out_rows_are_answered_by_the_others_alone():
    x, codes = blobs(60, 4, 2)
    target = Target("y", "classes", (0, 1))
    pairs = [(np.arange(30), np.arange(30, 60)), (np.arange(30, 60), np.arange(30))]
    found = Averaging.of(x, x[:0], codes, target).read(pairs)
    turned = codes.copy()
    turned[30:] = 1 - turned[30:]
    other = Averaging.of(x, x[:0], turned, target).read(pairs)
    assert np.array_equal(found[:30], other[:30]) and not np.allclose(found[30:], other[30:])


@pytest.mark.parametrize("size", [1, 4])
def test_few_labels_spread_over_rows_that_have_none(size):
    x, y = arcs(600)
    labels, representation = some_labels(y, size), as_it_is(x)
    model = representation.finetune(x, labels, epochs=1, lr=1e-9)
    there = np.array([one is not None for one in labels])
    alone = representation.finetune(x[there], y[there], epochs=1, lr=1e-9)
    assert model.detail["chosen"] == alone.detail["chosen"] == "frozen average"
    assert model.detail["labels"] == 2 * size and model.temperature == 1.0
    assert model.score(x, y) > alone.score(x, y) + 0.03
    assert model.predict_proba(x).sum(axis=1) == pytest.approx(1)


@pytest.mark.parametrize("labels", [60, 300])
def test_an_average_is_as_sure_as_it_is_right(labels):
    x, codes = blobs(3000, 8, 2)
    head = Averaging.of(x[:labels], x[1000:], codes[:labels], Target("y", "classes", (0, 1))).head(np.arange(labels))
    said = torch.softmax(head(torch.from_numpy(x[labels:])), dim=1).numpy()
    right = (said.argmax(axis=1) == codes[labels:]).mean()
    assert said.max(axis=1).mean() == pytest.approx(right, abs=0.08) and right > 0.8


def test_rows_that_may_not_be_learnt_from_and_labels_of_others_say_nothing():
    x, y = arcs(300)
    representation = as_it_is(x)
    rows, labels, train = representation.stored(x), some_labels(y, 2), np.arange(200)
    labels[200:] = y[200:]
    first = finetune_rows(representation, rows, labels, train)
    moved, other = rows.clone(), labels.copy()
    moved[200:], other[200:] = 9.0, y[200:][::-1]
    again = finetune_rows(representation, moved, other, train)
    assert first.detail["chosen"] == "frozen average"
    assert np.array_equal(first.predictions_stored(rows[:200]), again.predictions_stored(rows[:200]))


def test_of_a_thousand_labels_three_are_read(monkeypatch):
    x, y = arcs(300)
    monkeypatch.setattr("isotropy.finetuning.average.MOST_LABELLED", 100)
    detail = as_it_is(x).finetune(x, np.where(np.arange(300) < 120, y, None), epochs=1, lr=1e-9).detail
    assert set(detail["validation"]) == {"metric", "average", "frozen probe", "frozen neighbours"}, "of no step"
    few = as_it_is(x).finetune(x, np.where(np.arange(300) < 80, y, None), epochs=1, lr=1e-9).detail
    assert set(few["validation"]) == {"metric", "frozen probe", "frozen average", "fine-tuned"}


def test_a_row_that_no_label_reaches_is_left_to_the_lines():
    """Three bundles of directions of more than ten rows each, of which the last has no label."""
    bundles = np.repeat(np.eye(6, dtype=np.float32)[[0, 2, 4]], 12, axis=0)
    bundles[:, 1::2] = np.tile(np.linspace(0, 0.1, 12), 3)[:, None] * bundles[:, ::2]
    labelled = np.array([0, 12])
    averaging = Averaging.of(
        bundles[labelled], np.delete(bundles, labelled, axis=0), np.array([1, 0]), Target("y", "classes", (0, 1))
    )
    head = averaging.head(np.arange(2))
    said = torch.softmax(head(torch.from_numpy(bundles)), dim=1).numpy()
    assert said[:12, 1].min() > 0.7 and said[12:24, 0].min() > 0.7
    assert not head.spread[0](torch.from_numpy(bundles[24:])).any() and np.abs(said[24:] - 0.5).max() < 0.2


def test_readings_of_grouped_rows_are_judged_by_other_groups():
    """Rows of a group lie together, and each group's class is drawn anew: nothing is known of a new group."""
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(40), 10)
    z = (rng.normal(size=(40, 6))[groups] + rng.normal(size=(400, 6)) / 20).astype(np.float32)
    codes = rng.integers(2, size=40)[groups]
    target = Target("y", "classes", (0, 1))
    new = torch.from_numpy(rng.normal(size=(300, 6)).astype(np.float32))

    def surest(groups):
        head = Averaging.of(z, z[:0], codes, target, groups=groups).head(np.arange(400))
        return float(torch.softmax(head(new), dim=1).amax(1).mean())

    assert surest(None) > 0.85 > 0.75 > surest(groups)


def test_few_numbers_are_an_average_of_lines_and_so_a_line():
    rng = np.random.default_rng(0)
    z = rng.normal(size=(90, 5)).astype(np.float32) * [1, 5, 0.2, 1, 1] + 3
    z = z.astype(np.float32)
    y = z[:, 0] + 0.3 * z[:, 1] + rng.normal(size=90) / 2
    head = Head.averaged(z[:50], y[:50]).eval()
    problem = Problem("numbers", y[:50], y[50:], metrics=("R2",))
    (said,) = few_numbers(Features(z[:50], z[50:]), problem, np.arange(50)[None], np.arange(40))
    assert np.allclose(head(torch.from_numpy(z[50:]))[:, 0].detach(), said, atol=1e-3)
    model = as_it_is(z).finetune(z, np.where(np.arange(90) < 50, y, np.nan), epochs=1, lr=1e-9)
    assert model.detail["chosen"] == "frozen average" and "frozen probe" not in model.detail["validation"]
    assert model.score(z[50:], y[50:]) > 0.7


def test_an_artefact_keeps_every_bit_and_its_sizes_are_bounded(tmp_path):
    x, y = arcs(400)
    model = as_it_is(x).finetune(x, some_labels(y, 5), epochs=1, lr=1e-9)
    model.save(tmp_path)
    again = isotropy.load_finetuned(tmp_path, as_it_is(x).encoder)
    assert np.array_equal(model.predict_proba(x), again.predict_proba(x))
    assert np.array_equal(model.predict_proba(x)[7:8], again.predict_proba(x[7:8]))
    about = json.loads((tmp_path / "finetuned.json").read_text())
    for name, value, said in [
        ("lines", 10**9, "lines"), ("nodes", 10**9, "nodes"), ("graphs", [2] * 50, "50 graphs"),
        ("lines", 1 + about["average"]["lines"] % 2, "does not fit"),
    ]:  # fmt: skip
        changed = about | {"average": about["average"] | {name: value}}
        (tmp_path / "finetuned.json").write_text(json.dumps(changed))
        with pytest.raises(UserError, match=said):
            isotropy.load_finetuned(tmp_path, as_it_is(x).encoder)


def test_at_most_two_thousand_others_take_a_label():
    some = some_of(np.arange(10, 10_010))
    assert len(some) == MOST_OTHERS and (some[0], some[-1]) == (10, 10_009) and (np.diff(some) > 0).all()
    assert some_of(np.arange(3)).tolist() == [0, 1, 2]
