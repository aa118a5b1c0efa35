"""Which rows train and which test, what each label is, and that a resume and a probe repeat it."""

import numpy as np
import pandas as pd
import pytest

from isotropy import read
from isotropy.cli import main
from isotropy.errors import UserError
from isotropy.report.points import read_points
from isotropy.runs.directory import Run
from isotropy.runs.division import divide
from isotropy.runs.events import Planned, Stepped
from isotropy.runs.session import train

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


def test_a_probe_of_some_of_a_run_s_labels_takes_their_task(people):
    main(["fit", "people.csv", "--label", "who", "--label", "a", "--task", "numbers", "--drop", "when", *FAST, "--out"]
         + ["run", "--evaluate", "linear"])  # fmt: skip
    main(["probe", "run", "people.csv", "--label", "who", "--evaluate", "linear"])
    assert entry()["task"] == "numbers"
    flags = people.assign(p=people["who"] % 2, q=people["who"] % 3 // 2)
    flags.to_csv("flags.csv", index=False)
    main(["fit", "flags.csv", "--label", "p", "--label", "q", "--task", "labels", "--drop", "when", "--drop", "who"]
         + ["--drop", "kind", *FAST, "--out", "flags", "--evaluate", "linear"])  # fmt: skip
    main(["probe", "flags", "flags.csv", "--label", "p", "--evaluate", "linear"])
    assert entry("flags", "p")["task"] == "classes", "one of the columns is no label of several a row"


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (("p;q", "q", "p"), True),
        (("p|q", "q|r", "r|p"), True),
        (("a;b", "a", "b;c"), True),
        (("Rome, IT", "Lodi, IT", "Bern"), False),
        (("Rome, IT", "Rome, NY", "Lodi, IT"), False),
    ],
)
def test_texts_of_shared_parts_are_said_to_be_taken_as_classes(people, texts, said):
    labels = np.resize(np.array(texts, dtype=object), len(people))
    line = f"label label: {texts[0]!r} is taken as one class; --task labels where it is several labels"
    assert (line in divide(read(people[["a", "b"]], label=labels), 0).notes) == said
    several = divide(read(people[["a", "b"]], label=labels, task="labels"), 0)
    assert several.labels[0].task == "labels" and line not in several.notes


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
    planned = next(iter(train(people, resume="run")))
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


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["--label", "kind", "--label-budget", "5000"],
         "label kind with 192 training rows allows no curve at 5,000 a class: possible are 1 to 95 a class, or 3 % of "
         "the rows or more"),
        (["--label", "kind", "--label-budget", "96,2%"], "allows no curve at 96 a class, 2 %: possible are 1 to 95"),
        (["--label", "a", "--label-budget", "1,192"],
         "label a with 192 training rows allows no curve at 1 row, 192 rows: possible are 2 to 191 rows"),
    ],
)  # fmt: skip
def test_a_label_budget_of_no_possible_size_is_refused_before_training(people, options, line, tmp_path, capsys):
    dropped = ["--drop", "when", "--drop", "who"]
    with pytest.raises(SystemExit) as caught:
        main(["fit", "people.csv", *options, *dropped, *FAST, "--out", "run"])
    said = capsys.readouterr().err
    assert caught.value.code == 2 and line in " ".join(said.split()) and not (tmp_path / "run").exists()


def test_the_limits_of_a_label_budget_are_what_is_possible(people):
    asked = {"method": "simclr", "epochs": 1, "drop": ["when", "who"], "evaluators": ("knn",)}
    for label, size, unit in (("kind", 95, "a class"), ("a", 2, "rows"), ("a", 191, "rows"), ("kind", 0.03, "3 %")):
        *_, evaluated, _ = train(people, label=label, label_budget=[size], **asked)
        sizes = {one["detail"]["size"] for one in evaluated.evidence["scores"] if one["evaluator"] == "few_labels"}
        assert sizes == {unit if size < 1 else f"{size} {unit}"}
    *_, evaluated, _ = train(people, label="a", label_budget=[1, 20, 5000], **asked)
    assert evaluated.evidence["notes"] == [
        "Only 48 test rows: the intervals are rough.",
        "A few-label curve of a number begins at 2 rows, not at 1 row; shown: 20 rows.",
        "Too few training labels for 5,000 rows on the few-label curve; shown: 20 rows.",
    ]
    *_, kind, number, _ = train(people, label=["kind", "a"], label_budget=[150], **asked)
    assert [any(one["evaluator"] == "few_labels" for one in label.evidence["scores"]) for label in (kind, number)] == [
        False,
        True,
    ]


@pytest.mark.parametrize(
    "budget", ["0", "1,,5", "ten", "1.5", "100%", [], [0], [1.5], [-3], float("inf"), ["10"], [[1]]]
)
def test_a_label_budget_that_is_none_is_refused_at_once(budget):
    with pytest.raises(UserError, match="label budget"):
        train(np.zeros((9, 3)), label_budget=budget)


def test_groups_divide_a_run_its_resume_and_its_probes(people, capsys):
    main(["fit", "people.csv", "--label", "kind", "--group", "who", "--drop", "when", *FAST, "--out", "run"]
         + ["--evaluate", "knn"])  # fmt: skip
    run = Run("run")
    assert run.recipe.data["group"] == "who"
    assert run.preprocess.column_names == ["a", "b", "c", "d"], "a group is no input"
    division = divide(read("people.csv", label="kind", group="who"), run.recipe.train.seed)
    who = people["who"].to_numpy()
    assert not set(who[division.train]) & set(who[division.test])
    part = pd.read_parquet("run/embeddings.parquet", columns=["part"])["part"].to_numpy()
    assert np.array_equal(np.flatnonzero(part == "test"), division.test)
    before = entry("run", "kind")["rows"]
    capsys.readouterr()
    main(["probe", "run", "people.csv", "--label", "kind", "--evaluate", "knn"])
    said = capsys.readouterr()
    assert "groups from who (40)" in said.out and "a fifth of the groups is held out" in said.err
    assert entry("run", "kind")["rows"] == before
    people.drop(columns="who").to_csv("other.csv", index=False)
    main(["probe", "run", "other.csv", "--label", "kind", "--evaluate", "knn"])
    assert "the run's rows were divided by the group who, and these are not" in capsys.readouterr().err


def test_a_resume_repeats_groups_and_times(people):
    for option in ("group", "time"):
        column, other = {"group": ("who", "when"), "time": ("when", "who")}[option]
        asked = {"label": "kind", option: column, "drop": [other], "method": "simclr", "epochs": 2, "out": option}
        for event in train("people.csv", **asked):
            if isinstance(event, Planned):
                division = event.prepared.division
            if isinstance(event, Stepped):
                event.stop()
        again = next(iter(train(resume=option))).prepared.division
        assert np.array_equal(again.test, division.test)
    assert np.array_equal(division.test, np.arange(192, 240)), "the last fifth in time"


def test_a_class_in_the_test_part_alone_is_named(people):
    late = people.assign(kind=np.where(people.index < 202, people["kind"], "late"))
    division = divide(read(late, label="kind", time="when"), 0, ["kind"])
    line = "label kind: in the test part alone: 'late' (38 rows), which no probe can learn: errors in every score"
    assert division.notes == (line,)
    asked = {"method": "simclr", "epochs": 1, "evaluators": ("knn",), "drop": ["who"]}
    *_, evaluated, _ = train(late, label="kind", time="when", **asked)
    assert [note for note in evaluated.evidence["notes"] if "late" in note or "class" in note] == [line], "once"
    later = people.assign(kind=np.where(people.index < 192, people["kind"], "late"))
    with pytest.raises(UserError, match="no class of the 48 test rows, such as 'late', is in the training part"):
        divide(read(later, label="kind", time="when"), 0, ["kind"])
    assert divide(read(people, label="kind", time="when"), 0).notes == ()


@pytest.mark.parametrize(
    ("when", "line"),
    [
        (lambda t: t[::-1],
         "rows do not stand in the order of their times: the times divide them, not their places; rows from "
         "2024-01-09 on test (48 of 240)"),
        (lambda t: t.str[:10], "times repeat: equal ones are on one side of the split; rows from 2024-01-09 on test "
         "(48 of 240)"),
        (lambda t: np.arange(240) // 7 * 0.5,
         "times repeat: equal ones are on one side of the split; rows from 13.5 on test (51 of 240)"),
        (lambda t: np.roll(np.arange(240) // 2, 1),
         "rows do not stand in the order of their times: the times divide them, not their places; times repeat: equal "
         "ones are on one side of the split; rows from 96 on test (48 of 240)"),
    ],
)  # fmt: skip
def test_times_that_are_unsorted_or_repeat_say_what_divides_and_where(people, when, line):
    table = people.assign(when=np.asarray(when(people["when"])))
    division = divide(read(table, label="kind", time="when"), 0, ["kind"])
    assert division.notes == (line,)
    times = read(table, label="kind", time="when").times
    assert times[division.train].max() < times[division.test].min()


def recordings(hop=10, count=30):
    """Return windows of 40 steps of four recordings, and a label of each."""
    rng = np.random.default_rng(0)
    signals = rng.normal(size=(4, 2, hop * count + 40)).astype(np.float32)
    series = np.concatenate([[one[:, hop * n : hop * n + 40] for n in range(count)] for one in signals])
    return series, np.repeat(["up", "down", "up", "down"], count)


def test_overlapping_windows_are_kept_on_one_side():
    series, label = recordings()
    division = divide(read(series, label=label), 0)
    steps = np.concatenate([np.arange(30) * 10 + 1000 * n for n in range(4)])
    gaps = np.abs(steps[division.train][:, None] - steps[division.test])
    assert gaps.min() >= 40, "no training window shares a step with a test window"
    assert 0.1 < len(division.test) / 120 < 0.3 and len(division.train) > 60
    (note,) = division.notes
    assert note.startswith(
        "rows are overlapping windows, 10 steps apart and 40 long: blocks of them are kept on one side"
    )
    later = divide(read(series, label=label, time=np.tile(np.arange(30), 4)), 0)
    assert "10 steps apart and 40 long: earlier rows train and later ones test (12 training rows" in later.notes[-1]


def test_overlapping_windows_that_were_shuffled_are_kept_on_one_side_too():
    series, label = recordings()
    shuffled = np.random.default_rng(0).permutation(120)
    division = divide(read(series[shuffled], label=label[shuffled]), 0)
    steps = np.concatenate([np.arange(30) * 10 + 1000 * n for n in range(4)])[shuffled]
    assert np.abs(steps[division.train][:, None] - steps[division.test]).min() >= 40
    assert 0.1 < len(division.test) / 120 < 0.3 and len(division.train) > 60
    assert division.notes[0].startswith(
        "rows are overlapping windows, 10 steps apart and 40 long, and do not stand in their order: blocks of them are"
    )


def test_windows_that_overlap_across_named_parts_are_counted():
    series, label = recordings()
    parts = np.where(np.arange(120) % 30 < 24, "train", "test")
    division = divide(read(series, label=label, split=parts), 0)
    assert division.notes == (
        "rows are overlapping windows, 10 steps apart and 40 long: 12 of 24 test rows overlap training rows",
    )
    assert len(division.train) == 96


def test_windows_between_those_of_the_other_named_part_are_counted():
    series, label = recordings()
    test = np.arange(120) % 5 == 2
    order = np.concatenate([np.flatnonzero(~test), np.flatnonzero(test)])
    parts = np.where(test[order], "test", "train")
    division = divide(read(series[order], label=label[order], split=parts), 0)
    assert division.notes == (
        "rows are overlapping windows, 10 steps apart and 40 long, and do not stand in their order: 24 of 24 test rows "
        "overlap training rows",
    )


def test_a_column_in_blocks_is_named_unless_it_is_the_group(people):
    table = people.drop(columns="when").assign(kind=np.random.default_rng(0).integers(0, 2, 240))
    (note,) = divide(read(table, label="kind"), 0).notes
    assert note == (
        "column 'who' stands in long blocks of rows, as subjects, files or sessions do, with each on both sides of the "
        "split: --group who keeps them apart"
    )
    assert divide(read(table, label="kind", group="who"), 0).notes == ()
    assert divide(read(table, label="kind", drop=["who"]), 0).notes == ()
    whole = np.where(table["who"] < 32, "train", "test")
    assert divide(read(table, label="kind", split=whole), 0).notes == ()
    assert divide(read(table.sample(frac=1, random_state=0), label="kind"), 0).notes == ()
    numbers = table.assign(kind=np.random.default_rng(0).normal(size=240))
    assert divide(read(numbers, label="kind"), 0).notes == (note,)


def test_several_labels_are_probed_one_by_one_and_never_an_input(people, capsys):
    table = people.assign(even=people["who"] % 2 == 0, size=people["a"] * 2 + people["b"])
    table.to_csv("several.csv", index=False)
    asked = ["--label", "kind", "--label", "even", "--label", "size", "--drop", "when", "--group", "who"]
    main(["fit", "several.csv", *asked, *FAST, "--out", "run", "--evaluate", "knn"])
    said = capsys.readouterr().out
    run = Run("run")
    assert run.preprocess.column_names == ["a", "b", "c", "d"]
    assert run.recipe.data["label"] == ["kind", "even", "size"]
    assert [one["label"] for one in run.read_json("probes.json")] == ["kind", "even", "size"]
    assert [one["task"] for one in run.read_json("probes.json")] == ["classes", "classes", "numbers"]
    kept = pd.read_parquet("run/embeddings.parquet")
    assert list(kept.columns[:4]) == ["part", "label", "even", "size"]
    assert np.allclose(kept["size"].astype(float), table["size"]) and (kept["label"] == table["kind"]).all()
    found = {one.name: one for one in read_points(run, labels={"size": "numbers"}).columns}["size"]
    assert (found.source, found.kind) == ("label", "numbers")
    assert found.values == pytest.approx(table["size"])
    assert "labels from kind; labels from even; labels from size; groups from who" in said
    assert all(f"\n{name:<10}  {metric} " in said for name, metric in (("even", "accuracy"), ("size", "R2")))
    main(["diagnose", "run"])
    tables = capsys.readouterr().out
    assert tables.count("mean accuracy over 2 labels (kind, even): ") == 1 and "mean R2" not in tables
    main(["probe", "run", "several.csv", "--label", "even", "--label", "who", "--group", "when", "--evaluate", "knn"])
    found = run.read_json("probes.json")
    assert [one["label"] for one in found] == ["kind", "size", "even", "who"]
    assert [any("label who:" in note for note in one["notes"]) for one in found[2:]] == [False, True]


def test_several_labels_from_python_are_kept_for_a_resume(people):
    events = train(people, label=["kind", "who"], drop=["when"], method="simclr", epochs=2, out="run")
    for event in events:
        if isinstance(event, Planned):
            assert [label.name for label in event.prepared.division.labels] == ["kind", "who"]
        if isinstance(event, Stepped):
            event.stop()
    planned = next(iter(train(people, resume="run")))
    assert [label.name for label in planned.prepared.division.labels] == ["kind", "who"]


def test_one_of_several_labels_that_cannot_be_probed_is_named(people):
    with pytest.raises(UserError, match="flat: the label has only the class 'x'"):
        divide(read(people.assign(flat="x"), label=["kind", "flat"]), 0, ["kind", "flat"])


def test_a_test_part_of_one_class_is_refused_before_training():
    frame = pd.DataFrame({"x": np.arange(40.0), "y": ["z"] + ["x"] * 39, "split": ["train"] * 30 + ["test"] * 10})
    with pytest.raises(UserError, match="the label is 'x' in every test row: scores need two classes there"):
        divide(read(frame, label="y", split="split"), 0, ["y"])


@pytest.mark.parametrize(
    ("labels", "line"),
    [([1.5] * 30 + [1.0, 2.5] * 5, "the label is 1.5 in every training row: there is nothing to learn"),
     ([0.5, 1.25] * 15 + [2.0] * 10, "the label is 2 in every test row: R2 needs labels that vary"),
     ([0.5, 1.25] * 19 + [float("inf"), 3.5], "label y: inf in 1 row is no number that can be predicted")],
)  # fmt: skip
def test_numbers_that_cannot_be_learnt_or_scored_are_refused_before_training(labels, line):
    frame = pd.DataFrame({"x": np.arange(40.0), "y": labels, "split": ["train"] * 30 + ["test"] * 10})
    with pytest.raises(UserError, match=line):
        divide(read(frame, label="y", split="split"), 0, ["y"])


def test_a_recipe_s_label_and_groups_are_taken_where_none_are_said(people, capsys):
    main(["fit", "people.csv", "--label", "kind", "--group", "who", "--drop", "when", *FAST, "--out", "run"]
         + ["--evaluate", "knn"])  # fmt: skip
    again = ["fit", "people.csv", "--recipe", "run/recipe.toml", "--evaluate", "knn", "--out"]
    main([*again, "again"])
    first, second = Run("run").recipe, Run("again").recipe
    assert second == first and second.data["group"] == "who" and second.data["drop"] == ["when"]
    assert entry("again", "kind")["rows"] == entry("run", "kind")["rows"]
    with pytest.raises(SystemExit):
        pd.DataFrame({"a": np.arange(40.0), "b": np.arange(40.0)}).to_csv("else.csv", index=False)
        main(["fit", "else.csv", "--recipe", "run/recipe.toml", "--out", "none"])
    assert "run/recipe.toml says label, group, drop: say another here, or take it out\n" in capsys.readouterr().err
    with pytest.raises(UserError, match=r"run/recipe\.toml says label, group, drop: say another here"):
        next(iter(train("else.csv", recipe="run/recipe.toml")))
    main([*again, "other", "--label", "a"])
    assert Run("other").recipe.data["label"] == "a" and Run("other").recipe.data["group"] == "who"
    planned = next(iter(train("people.csv", recipe="run/recipe.toml", out="python")))
    assert planned.prepared.recipe.data == first.data


def test_a_split_without_a_label_has_nothing_to_say():
    frame = pd.DataFrame(
        {"x": np.arange(40.0), "y": np.repeat([1.0, 2.0], 20), "split": ["train"] * 30 + ["test"] * 10}
    )
    division = divide(read(frame, split="split"), 0, [])
    assert (len(division.train), len(division.test), list(division.notes)) == (30, 10, [])
