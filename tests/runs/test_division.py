"""Which rows train and which test, what each label is, and that a resume and a probe repeat it."""

import numpy as np
import pandas as pd
import pytest

from isotropy import read
from isotropy.cli import main
from isotropy.errors import UserError
from isotropy.runs.directory import Run
from isotropy.runs.division import divide
from isotropy.runs.session import Planned, Stepped, train

FAST = ["--method", "simclr", "--epochs", "1", "--set", "encoder.width=8", "--set", "encoder.hidden=8"]


@pytest.fixture
def people(tmp_path, monkeypatch):
    """Return a table of 40 persons with 6 rows each, as a file in the working folder."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    who = np.repeat(np.arange(40), 6)
    frame = pd.DataFrame((rng.normal(size=(40, 4))[who] * 3 + rng.normal(size=(240, 4)) * 0.3).round(3))
    frame.columns = list("abcd")
    frame["who"], frame["kind"] = who, np.where(who % 2, "odd", "even")
    frame["when"] = pd.date_range("2024-01-01", periods=240, freq="h").astype(str)
    frame.to_csv("people.csv", index=False)
    return frame


def entry(folder="run", label="who"):
    """Return what probes.json of a run holds of a label."""
    return next(one for one in Run(folder).read_json("probes.json") if one["label"] == label)


@pytest.mark.parametrize(("task", "metric"), [("classes", "accuracy"), ("numbers", "R2"), (None, "accuracy")])
def test_one_task_is_decided_for_the_whole_label_and_kept(people, task, metric, capsys):
    asked = [] if task is None else ["--task", task]
    main(
        ["fit", "people.csv", "--label", "who", "--drop", "when", *asked, *FAST, "--out", "run", "--evaluate", "linear"]
    )
    said = capsys.readouterr().err
    line = "label who: 40 whole numbers (0 to 39) taken as classes; --task numbers for a regression"
    assert (line in said) == (task is None)
    found = entry()
    assert (found["task"], found["metric"], line in found["notes"]) == (task or "classes", metric, task is None)
    assert Run("run").recipe.data.get("task") == task
    main(["probe", "run", "people.csv", "--label", "who", "--evaluate", "linear"])
    assert entry()["task"] == (task or "classes"), "a probe of the same label takes the run's task"
    main(["probe", "run", "people.csv", "--label", "who", "--evaluate", "linear", "--task", "numbers"])
    assert entry()["task"] == "numbers"


def test_a_task_without_a_label_or_of_no_name_is_refused(people):
    with pytest.raises(UserError, match="task 'numbers' says what a label is: name the label, too"):
        read(people, task="numbers")
    with pytest.raises(UserError, match="task 'number' is unknown .did you mean 'numbers'"):
        read(people, label="who", task="number")
    with pytest.raises(UserError, match="label kind: 'even' is no number"):
        divide(read(people, label="kind", task="numbers"), 0, ["kind"])


def test_a_resume_repeats_the_task(people, tmp_path):
    for event in train(people, label="who", drop=["when"], task="numbers", method="simclr", epochs=2, out="run"):
        if isinstance(event, Stepped):
            event.stop()
    planned = next(iter(train(people.drop(columns="when"), resume="run")))
    assert isinstance(planned, Planned)
    assert planned.prepared.division.labels[0].task == "numbers"


def test_a_label_budget_names_the_sizes_and_says_which_are_not_there(people):
    def curve(found):
        return sorted({score["detail"]["size"] for score in found["scores"] if score["evaluator"] == "few_labels"})

    main(["fit", "people.csv", "--label", "kind", "--drop", "when", "--drop", "who", *FAST, "--out", "run"]
         + ["--evaluate", "knn", "--label-budget", "2,10%,5000"])  # fmt: skip
    found = entry("run", "kind")
    assert curve(found) == ["10 %", "2 a class"]
    assert "Too few training labels for 5,000 a class on the few-label curve; shown: 2 a class, 10 %." in found["notes"]
    main(["probe", "run", "people.csv", "--label", "kind", "--evaluate", "knn", "--label-budget", "3"])
    assert curve(entry("run", "kind")) == ["3 a class"]


@pytest.mark.parametrize("budget", ["0", "1,,5", "ten", "1.5", "100%", [], [0], [1.5], [-3]])
def test_a_label_budget_that_is_none_is_refused_at_once(budget):
    with pytest.raises(UserError, match="label budget"):
        train(np.zeros((9, 3)), label_budget=budget)
