"""Several methods at equal budget: what is equal for all, what is skipped the second time, and what is refused."""

import json

import numpy as np
import pandas as pd
import pytest

import isotropy
from isotropy.cli import main
from isotropy.errors import UserError
from isotropy.evaluation.evaluators import EVALUATORS
from isotropy.runs import contest
from isotropy.runs.compare_methods import Interrupted, Leaderboard, Measuring, Shared, Underway, compare_methods
from isotropy.runs.directory import Run
from isotropy.runs.division import divide
from isotropy.runs.events import Planned, Stepped, Trained

RNG = np.random.default_rng(0)
LABELS = np.arange(240) % 3
ROWS = np.concatenate([np.eye(3)[LABELS] + 0.7 * RNG.normal(size=(240, 3)), RNG.normal(size=(240, 3))], axis=1)
SMALL = {"encoder.width": 16, "encoder.hidden": 16, "train.batch_size": 32}
METHODS = ["simclr", "masked"]


@pytest.fixture(scope="module", autouse=True)
def _warm():
    """Load what a process loads once, which is no budget's."""
    few = ("linear", "few_labels", "search")
    assert [*isotropy.train(ROWS, label=LABELS, method="simclr", settings=SMALL, epochs=1, evaluators=few)]


@pytest.fixture(autouse=True)
def _quick_evidence(monkeypatch):
    monkeypatch.setattr(contest, "DEFAULT", ("linear", "search"))


def compared(folder, *, label=LABELS, budget=12.0, methods=METHODS, **more):
    return compare_methods(ROWS, label=label, methods=methods, budget=budget, settings=SMALL, out=folder, **more)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(contest, "DEFAULT", ("linear", "search"))
        folder = tmp_path_factory.mktemp("comparison") / "out"
        return list(compared(folder))


def test_the_events_come_in_order(finished):
    kinds = [type(event) for event in finished]
    assert kinds[0] is Measuring and kinds[-1] is Leaderboard
    shared = next(event for event in finished if isinstance(event, Shared))
    assert shared.runs == shared.left == ("simclr-0", "masked-0")
    of = {run: [e.event for e in finished if isinstance(e, Underway) and e.run == run] for run in shared.runs}
    for events in of.values():
        assert isinstance(events[0], Planned) and any(isinstance(event, Stepped) for event in events)
    assert finished[-1].folder.name == "out"


def test_the_budget_is_shared_equally_and_kept(finished):
    board = finished[-1]
    seconds = [row["training_seconds"] for row in board.rows if row["kind"] == "method"]
    share = next(event.share for event in finished if isinstance(event, Shared))
    # Nothing takes more than its part; of a few seconds the trial that plans a run can tell too little to use it all.
    assert max(seconds) < 1.2 * share and min(seconds) > 0.3 * share
    assert board.about["spent"] < 1.25 * 12


def test_all_see_the_same_training_rows_and_are_scored_on_the_same_test_rows(finished):
    planned = [event.event.prepared for event in finished
               if isinstance(event, Underway) and isinstance(event.event, Planned)]  # fmt: skip
    assert len(planned) == 2
    assert all(np.array_equal(one.train, planned[0].train) for one in planned)
    board = finished[-1]
    entries = [Run(board.folder / run).read_json("probes.json")[0] for run in ("simclr-0", "masked-0")]
    assert entries[0]["rows"] == entries[1]["rows"] == board.about["rows_used"]
    free = [{s["representation"]: s["value"] for s in e["scores"] if s["difference"] is not None} for e in entries]
    assert free[0] == free[1] and "untrained encoder" in free[0]


def test_seeds_share_the_split(tmp_path):
    events = list(compared(tmp_path / "out", methods=["masked"], seeds=2))
    planned = [e.event.prepared for e in events if isinstance(e, Underway) and isinstance(e.event, Planned)]
    assert [one.recipe.train.seed for one in planned] == [0, 1]
    assert np.array_equal(planned[0].test, planned[1].test)
    row = next(row for row in events[-1].rows if row["kind"] == "method")
    assert (row["seeds"], row["runs"]) == ([0, 1], ["masked-0", "masked-1"])


def test_the_rows_are_all_methods_and_everything_free(finished):
    rows = finished[-1].rows
    assert {row["name"] for row in rows if row["kind"] == "method"} == set(METHODS)
    free = {row["name"] for row in rows if row["kind"] == "free"}
    assert free >= {"raw features", "PCA (6)", "untrained encoder", "boosted trees", "label propagation"} - {
        "boosted trees"
    }
    scores = [row["all"]["value"] for row in rows if row["all"]]
    assert scores == sorted(scores, reverse=True)
    assert all({"value", "low", "high"} <= set(row["all"]) for row in rows if row["all"])
    assert json.loads((finished[-1].folder / "leaderboard.json").read_text()) == json.loads(
        json.dumps(finished[-1].to_json())
    )


def test_every_run_is_a_run_directory(finished):
    folder = finished[-1].folder / "simclr-0"
    made = isotropy.load(folder)
    assert made.encoder.width == 16 and made.transform(ROWS).shape == (240, 16 + ROWS.shape[1])
    assert isotropy.diagnose(folder).name
    assert isotropy.compare([folder, finished[-1].folder / "masked-0"]).label == "label"


def test_the_same_call_again_trains_nothing(finished):
    *events, board = compared(finished[-1].folder)
    assert not any(isinstance(event, (Underway, Measuring)) for event in events)
    assert events[-1].left == ()
    assert board.rows == finished[-1].rows and board.recommendation == finished[-1].recommendation


def test_what_makes_the_split_easier_is_said_before_the_training_and_beside_the_scores(tmp_path):
    frame = pd.DataFrame(np.concatenate([ROWS, ROWS[:24]]), columns=list("abcdef"))
    frame["who"] = [*np.arange(240) // 8, *np.arange(24) // 8]
    again = {"methods": ["masked"], "budget": 8.0, "settings": SMALL, "out": tmp_path / "out"}
    labels = np.concatenate([LABELS, LABELS[:24]])
    events = list(compare_methods(frame, label=labels, **again))
    notes = events[-1].about["notes"]
    assert any(note.startswith("column 'who' stands in long blocks") for note in notes)
    assert any(" test rows (" in note and "copy training rows" in note for note in notes)
    assert set(next(event.notes for event in events if isinstance(event, Shared))) < set(notes)
    assert set(notes) <= set(Run(tmp_path / "out" / "masked-0").read_json("probes.json")[0]["notes"])
    assert [*compare_methods(frame, label=labels, **again)][-1].about["notes"] == notes, (
        "what was measured is not again"
    )


def test_a_run_keeps_by_what_its_rows_were_divided_and_a_probe_of_it_repeats_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    frame = pd.DataFrame(ROWS, columns=list("abcdef")).assign(who=np.arange(240) // 8, kind=LABELS)
    frame.to_csv("rows.csv", index=False)
    asked = {"label": "kind", "group": "who", "task": "classes"}
    board = [*compare_methods("rows.csv", methods=["masked"], budget=8.0, settings=SMALL, out="out", **asked)][-1]
    run = Run(board.folder / "masked-0")
    assert run.recipe.data == asked
    main(["probe", str(run.folder), "rows.csv", "--label", "kind", "--evaluate", "linear"])
    entry = run.read_json("probes.json")[0]
    assert entry["rows"] == board.about["rows_used"]
    assert not any("--group who keeps them apart" in note for note in entry["notes"])


def test_the_task_of_a_comparison_is_that_of_all_labels():
    signal = np.random.default_rng(0).normal(size=2000).astype("float32")
    windows = np.stack([signal[start : start + 40] for start in range(0, 1920, 8)])[:, None]
    data = isotropy.read(windows, label=np.arange(240) % 46)
    division = contest.divided(data, 0, "who")
    assert division.labels[0].task == "classes" and len(division.train) + len(division.test) < 46 * 5
    assert [one.task for one in divide(contest.with_split(data, division), 0, ["who"]).labels] == ["classes"]


def test_choices_keep_overlapping_windows_apart(tmp_path):
    signal = np.random.default_rng(0).normal(size=1000).astype("float32")
    windows = np.stack([signal[start : start + 40] for start in range(0, 960, 8)])[:, None]
    seen = []

    def spy(candidate, problem):
        seen.append(problem.groups)
        return iter(())

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(EVALUATORS, "spy", spy)
        patch.setattr(contest, "DEFAULT", ("linear", "spy"))
        events = compare_methods(windows, label=np.arange(120) // 10 % 3, methods=["autoencoder"], budget=600.0,
                                 out=tmp_path / "out")  # fmt: skip
        shared = next(event for event in events if isinstance(event, Shared))
        events.close()
    assert any("blocks of them" in note for note in shared.notes)
    assert not any("overlap training rows" in note for note in shared.notes)
    assert seen and all(groups is not None for groups in seen)


def test_what_was_stopped_goes_on_where_it_was(tmp_path):
    folder = tmp_path / "out"
    steps = 0
    for event in compared(folder):
        if isinstance(event, Underway) and isinstance(event.event, Stepped):
            steps = event.event.step.number
            if event.run == "masked-0" and steps == 20:
                event.event.stop()
    assert isinstance(event, Interrupted) and event.run == "masked-0"
    assert not (folder / "leaderboard.json").exists()
    events = list(compared(folder))
    assert not any(isinstance(one, Measuring) and one.name == "raw features" for one in events)
    first = next(one.event for one in events if isinstance(one, Underway) and isinstance(one.event, Stepped))
    assert first.step.number == 21
    assert {one.run for one in events if isinstance(one, Underway)} == {"masked-0"}
    assert isinstance(events[-1], Leaderboard)


def test_what_was_left_after_its_training_is_measured_without_another_step(tmp_path):
    folder = tmp_path / "out"
    for event in compared(folder, methods=["masked"]):
        if isinstance(event, Underway) and isinstance(event.event, Trained):
            break
    events = list(compared(folder, methods=["masked"]))
    assert not any(isinstance(one, Underway) and isinstance(one.event, Stepped) for one in events)
    assert isinstance(events[-1], Leaderboard)


def test_a_method_that_diverges_is_a_row_without_scores(tmp_path):
    board = [*compared(tmp_path / "out", methods=["masked", f"{__name__}:Broken"])][-1]
    row = next(row for row in board.rows if row["name"].endswith("Broken"))
    assert row["verdict"] == "diverged" and row.get("all") is None
    assert board.recommendation["method"] in (None, "masked")


class Broken(isotropy.METHODS["masked"]):
    """Masked reconstruction that diverges at its tenth step."""

    def loss(self, **outputs):
        terms = super().loss(**outputs)
        return {name: value * (float("nan") if self.progress > 0.1 else 1.0) for name, value in terms.items()}


def test_without_a_label_two_seeds_say_how_far_they_agree_and_nothing_is_ranked(tmp_path):
    *events, board = compared(tmp_path / "out", label=None)
    shared = next(event for event in events if isinstance(event, Shared))
    assert shared.runs == ("simclr-0", "masked-0", "simclr-1", "masked-1")
    for row in board.rows:
        assert 0 <= row["stability"]["low"] <= row["stability"]["value"] <= row["stability"]["high"] <= 1
    assert [row["name"] for row in board.rows] == ["simclr", "masked", "untrained encoder"]
    assert board.recommendation["outcome"] == "no label"
    assert not any("all" in row for row in board.rows)


def test_what_does_not_fit_is_refused_in_one_line(tmp_path, finished):
    with pytest.raises(UserError, match="did you mean 'simclr'"):
        compared(tmp_path / "a", methods=["simclrr"])
    with pytest.raises(UserError, match=r"methods = 'simclr' is one text: give a list of names, such as \['simclr'\]"):
        compared(tmp_path / "a", methods="simclr")
    with pytest.raises(UserError, match="given twice"):
        compared(tmp_path / "a", methods=["simclr", "simclr"])
    with pytest.raises(UserError, match="takes series data, and this is table data"):
        list(compared(tmp_path / "a", methods=["ts2vec"]))
    with pytest.raises(UserError, match="seeds = 0"):
        compared(tmp_path / "a", seeds=0)
    with pytest.raises(UserError, match="above 0"):
        compared(tmp_path / "a", budget=0)
    with pytest.raises(UserError, match="holds a comparison of other methods: choose another --out"):
        list(compared(finished[-1].folder, methods=["byol"]))
    with pytest.raises(UserError, match="other labels"):
        list(compared(finished[-1].folder, label=np.roll(LABELS, 1)))
    with pytest.raises(UserError, match="another task of the label"):
        list(compared(finished[-1].folder, task="numbers"))
    with pytest.raises(UserError, match="a budget of 12 seconds"):
        list(compared(finished[-1].folder, budget=50.0))
    about = finished[-1].folder / "comparison.json"
    held = json.loads(about.read_text())
    assert held["identity"].pop("task") == "classes"
    about.write_text(json.dumps(held))  # as versions wrote it that did not keep the task
    assert isinstance([*compared(finished[-1].folder)][-1], Leaderboard)
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "x.txt").write_text("mine")
    with pytest.raises(UserError, match="holds no comparison"):
        list(compared(tmp_path / "b"))


def test_a_budget_that_is_too_small_names_one_that_works(tmp_path):
    with pytest.raises(UserError, match="too small for 2 run") as refused:
        list(compared(tmp_path / "new" / "out", budget=0.05))
    assert list(tmp_path.iterdir()) == [], "nothing stays of what was refused"
    needed = float(str(refused.value).partition("works here is ")[2].partition("s")[0])
    assert isinstance([*compared(tmp_path / "out", budget=needed)][-1], Leaderboard)


def test_a_refusal_leaves_a_folder_as_it_was(tmp_path):
    with pytest.raises(UserError, match="too small"):
        list(compared(tmp_path, budget=0.05))
    assert list(tmp_path.iterdir()) == []
    begun = compared(tmp_path / "out", budget=0.05)
    assert isinstance(next(begun), Measuring)
    begun.close()
    with pytest.raises(UserError, match="too small"):
        list(compared(tmp_path / "out", budget=0.05))
    assert (tmp_path / "out" / "comparison.json").is_file(), "what an earlier call began stays"
