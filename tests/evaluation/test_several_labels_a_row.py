"""Several labels a row: how they are read, split and scored, and what asks for one class a row."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score, f1_score

from isotropy import read, train
from isotropy.errors import UserError
from isotropy.evaluation.baselines.trees import Columns
from isotropy.evaluation.evaluate import evaluate
from isotropy.evaluation.evaluators import DEFAULT, EVALUATORS
from isotropy.evaluation.features import Features
from isotropy.evaluation.intervals import resampled_means
from isotropy.evaluation.metrics import METRICS
from isotropy.evaluation.problem import Problem
from isotropy.evaluation.task import encode_sets, task_of
from isotropy.report.points import read_points
from isotropy.runs.directory import Run
from isotropy.runs.division import divide

NAMES = ("calm", "loud", "slow")


def rows(seed=0, count=400):
    """Return features (N, 6) of which the first three tell a label each, and the labels as tuples."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(count, 6)).astype(np.float32)
    there = x[:, :3] + 0.5 * rng.normal(size=(count, 3)) > [0, 0.5, 1]
    labels = np.empty(count, dtype=object)
    labels[:] = [tuple(np.array(NAMES)[row]) for row in there]
    return x, labels


def test_metrics_are_scikit_learns_also_with_ties():
    rng = np.random.default_rng(1)
    truth, scores = rng.integers(0, 2, (90, 4)), rng.integers(0, 8, (90, 4)) / 7
    value = {name: float(one.value(one.terms(truth, scores).mean(axis=0))) for name, one in METRICS["labels"].items()}
    assert value["mean average precision"] == pytest.approx(average_precision_score(truth, scores, average="macro"))
    for kind in ("micro", "macro"):
        assert value[f"{kind} F1"] == pytest.approx(f1_score(truth, scores >= 0.5, average=kind))


def test_the_interval_of_the_average_precision_is_that_of_resampled_rows():
    rng = np.random.default_rng(2)
    truth = rng.random((300, 1)) < 0.3
    scores = truth + rng.normal(size=(300, 1))
    metric = METRICS["labels"]["mean average precision"]
    linear = metric.value(resampled_means(metric.terms(truth.astype(int), scores), seed=0))
    drawn = [rng.integers(0, 300, 300) for _ in range(400)]
    honest = [average_precision_score(truth[one], scores[one]) for one in drawn]
    assert linear.std() == pytest.approx(np.std(honest), rel=0.15)


@pytest.mark.parametrize("name", ["linear", "knn", "trees", "mlp"])
def test_what_reads_all_labels_reads_several_a_row(name):
    (x, y), (other, asked) = rows(), rows(1)
    problem = Problem.of(y, asked)
    assert (problem.task, problem.classes, problem.leading) == ("labels", NAMES, "mean average precision")
    candidate = Columns(x, other, np.zeros(6, dtype=bool)) if name == "trees" else Features(x, other)
    found = {one.metric: float(one.value(one.terms.mean(axis=0))) for one in EVALUATORS[name](candidate, problem)}
    assert set(found) == set(METRICS["labels"])
    noise = np.random.default_rng(3).normal(size=(400, 3))
    metric = METRICS["labels"]["mean average precision"]
    assert found["mean average precision"] > 0.7 > metric.value(metric.terms(problem.test_y, noise).mean(axis=0)) + 0.3


def test_the_linear_probe_chooses_by_rows_of_other_groups():
    x, y = rows(count=120)
    who = np.arange(120) // 4
    rng = np.random.default_rng(0)
    x = (rng.normal(size=(30, 12))[who] + 0.05 * rng.normal(size=(120, 12))).astype(np.float32)
    y = y[who]
    own, others = (
        next(iter(EVALUATORS["linear"](Features(x, x), Problem.of(y, y, groups=groups)))).validation
        for groups in (None, who)
    )
    assert own > others + 0.1


def test_evaluate_says_in_one_line_what_does_not_apply():
    x, y = rows()
    pairs = {"us": (x[:200], x[200:]), "raw": (x[:200, 2:], x[200:, 2:])}
    found = evaluate(pairs, y[:200], y[200:], ours="us", evaluators=DEFAULT)
    assert found["metric"] == "mean average precision" and found["outcome"] == "beats" and found["classes"] == 3
    said = [note for note in found["notes"] if "several labels" in note]
    assert said == [
        "Rows have several labels each: few labels, search, clusters need one class a row and are left out."
    ]
    assert {score["evaluator"] for score in found["scores"]} == {"linear", "knn"}


def table(**columns):
    x, y = rows(count=90)
    return pd.DataFrame(x, columns=list("abcdef")).assign(**columns), y


def test_lists_texts_arrays_and_columns_are_the_same_labels(tmp_path):
    frame, y = table()
    indicator = np.array([[name in row for name in NAMES] for row in y], dtype=int)
    flags = frame.assign(**dict(zip(NAMES, indicator.T)))
    frame.assign(tags=[list(row) for row in y]).to_parquet(tmp_path / "lists.parquet")
    np.savez(tmp_path / "both.npz", X=frame.to_numpy(), y=indicator)
    found = [
        read(frame, label=list(y)),
        read(tmp_path / "lists.parquet", label="tags"),
        read(frame.assign(tags=[" ; ".join(row) for row in y]), label="tags", task="labels"),
        read(flags, label=list(NAMES), task="labels"),
    ]
    assert all(data.labels.tolist() == y.tolist() and data.values.shape == (90, 6) for data in found)
    arrays = [
        read(tmp_path / "both.npz", label_key="y", task="labels"),
        read(frame, label=indicator, task="labels"),
        read(frame.to_numpy(), label=indicator.tolist(), task="labels"),
    ]
    assert all([tuple(NAMES[int(one)] for one in row) for row in data.labels] == y.tolist() for data in arrays)
    with pytest.raises(UserError, match="one value per row"):
        read(frame, label=indicator)
    assert all(task_of(data.labels) == "labels" for data in found)


@pytest.mark.parametrize(
    ("label", "task", "line"),
    [
        ("a", "labels", r"^label a: -?\d\.\d+ is no list of labels: task labels takes a column of lists"),
        ("flag", "labels", "^label flag: True is no list of labels: task labels takes a column of lists"),
        (["a", "b"], "labels", "of several columns that are one label each holds 0 or 1"),
        ("tags", "classes", "label tags holds several labels a row, so it is no label of the task classes: use labels"),
        ("same", "labels", "has no name that some rows of the training part have and others do not"),
    ],
)
def test_what_is_no_set_of_labels_is_one_line(label, task, line):
    frame, y = table()
    frame = frame.assign(tags=list(y), same=[["x"]] * 90, flag=[True, False] * 45)
    drop = [name for name in ("tags", "same", "flag") if name != label]
    with pytest.raises(UserError, match=line):
        next(train(frame, label=label, task=task, drop=drop, method="simclr", epochs=1))


def test_labels_that_every_row_has_or_none_are_left_out():
    y = np.empty(3, dtype=object)
    y[:] = [("all", "some"), ("all",), ("all",)]
    new = np.empty(1, dtype=object)
    new[:] = [("new", "some")]
    learnt, asked, names = encode_sets(y, new)
    assert (names, learnt.tolist(), asked.tolist()) == (["some"], [[1], [0], [0]], [[1]])


def test_labels_of_the_test_part_alone_are_said_and_a_test_part_without_any_is_refused():
    frame = pd.DataFrame({"x": np.arange(40.0), "split": ["train"] * 30 + ["test"] * 10})
    frame["tags"] = [*["a", "a;b", ""] * 10, *["a", "late;b"] * 5]
    division = divide(read(frame, label="tags", split="split", task="labels"), 0, ["tags"])
    said = "label tags: in the test part alone: 'late' (5 rows), which no probe can learn: left out of the scores"
    assert said in division.notes
    train, test = (division.labels[0].values[part] for part in (division.train, division.test))
    rows = {"us": (np.zeros((30, 2)), np.zeros((10, 2))), "raw": (np.eye(30), np.eye(30)[:10])}
    assert said in evaluate(rows, train, test, ours="us", label="tags")["notes"]
    for none in ("late", ""):
        other = read(frame.assign(tags=[*frame["tags"][:30], *[none] * 10]), label="tags", split="split", task="labels")
        with pytest.raises(UserError, match="no test row has a label that is learnt, such as 'a'"):
            divide(other, 0, ["tags"])
        with pytest.raises(UserError, match="no test row has a label that is learnt"):
            evaluate(rows, train, other.labels[30:], ours="us")


def test_a_run_takes_several_columns_as_one_label(tmp_path):
    frame, y = table()
    frame = frame.assign(**{name: [name in row for row in y] for name in NAMES})
    small = {"encoder.width": 8, "encoder.hidden": 8, "train.batch_size": 32}
    asked = {"label": list(NAMES), "task": "labels", "method": "simclr", "epochs": 1, "settings": small}
    *_, finished = train(frame, out=tmp_path / "run", evaluators=["knn", "search"], **asked)
    (entry,) = Run(finished.folder).read_json("probes.json")
    assert (entry["label"], entry["task"]) == ("calm, loud, slow", "labels")
    shown = read_points(Run(finished.folder), labels={entry["label"]: "labels"}).columns[0]
    assert shown.name == entry["label"] and shown.kind == "classes"
    assert [shown.levels[code] for code in shown.values] == [";".join(row) for row in y]
