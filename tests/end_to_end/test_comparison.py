"""Several runs beside each other: a label that all were probed on names the best one, and nothing else does."""

import json
import shutil
from pathlib import Path

import pytest

import isotropy

SCORES = {"good": (0.9, 0.88, 0.92), "near": (0.89, 0.87, 0.91), "bad": (0.7, 0.68, 0.72)}


SAID = {"task": "classes", "classes": 3, "best": None, "outcome": "beats", "sentence": ""}


def run(folder: Path, method: str = "simclr", fingerprint: str = "a", **labels: tuple[float, float, float]) -> Path:
    folder.mkdir()
    (folder / "recipe.toml").write_text(isotropy.Recipe.default(method, "table").to_toml())
    training = {"steps": 1000, "batch_size": 256, "width": 128}
    (folder / "data.json").write_text(
        json.dumps({"fingerprint": fingerprint, "reference_losses": {}, "training": training})
    )
    records = [{"step": 10 * n, "loss": 6.0 - n / 10, "centre": 0.1, "alignment": 0.9} for n in range(1, 6)]
    (folder / "diagnostics.jsonl").write_text("".join(json.dumps(one) + "\n" for one in records))
    probes = [
        {"label": label, "rows": {"train": 800, "test": 200}, "seed": 0, "ours": f"isotropy ({method})", **SAID}
        | {
            "representations": [
                {"name": "raw features", "linear": {"score": 1.0, "low": 1.0, "high": 1.0}},
                {"name": f"isotropy ({method})", "linear": dict(zip(("score", "low", "high"), values))},
            ]
        }
        for label, values in labels.items()
    ]
    if probes:
        (folder / "probes.json").write_text(json.dumps(probes))
    return folder


def test_a_common_label_names_the_best_run_outside_the_intervals(tmp_path):
    runs = [run(tmp_path / name, kind=SCORES[name], other=SCORES["near"]) for name in ("bad", "good")]
    found = isotropy.compare(runs)
    assert (found.best, found.label) == (str(tmp_path / "good"), "kind")
    assert [one.score for one in found.runs] == [0.9, 0.7]
    assert json.loads(json.dumps(found.to_json()))["runs"][0]["verdict"] == isotropy.diagnose(runs[1]).name


def test_intervals_that_overlap_name_nobody(tmp_path):
    found = isotropy.compare([run(tmp_path / name, kind=SCORES[name]) for name in ("near", "bad", "good")])
    assert found.best is None and [Path(one.run).name for one in found.runs] == ["good", "near", "bad"]
    assert "overlap" in found.sentence


def test_other_test_rows_are_not_compared(tmp_path):
    runs = [run(tmp_path / name, kind=SCORES[name]) for name in ("good", "bad")]
    probes = json.loads((runs[1] / "probes.json").read_text())
    probes[0]["seed"] = 1
    (runs[1] / "probes.json").write_text(json.dumps(probes))
    found = isotropy.compare(runs)
    assert found.best is None and found.label == "" and "same test rows" in found.sentence


@pytest.mark.parametrize(("method", "said"), [("simclr", "inside one method"), ("byol", "across methods")])
def test_without_labels_no_winner_is_named(tmp_path, method, said):
    runs = [run(tmp_path / "a"), run(tmp_path / "b", method)]
    found = isotropy.compare(runs)
    assert found.best is None and said in found.sentence and [one.run for one in found.runs] == [str(r) for r in runs]


def test_the_numbers_of_the_sentence_are_those_of_the_experiment_and_below_what_is_asked():
    from isotropy.runs.compare import ACROSS, NEEDED, WITHIN

    table = (Path(__file__).parents[2] / "papers" / "diagnostics" / "README.md").read_text()
    for ours, what in ((WITHIN, "settings"), (ACROSS, "methods")):
        row = next(line for line in table.splitlines() if "without labels ranks" in line and what in line.split("|")[1])
        assert ours["number"] in row
        assert f"held out {ours['mean']:+.2f} [{ours['low']:+.2f}, {ours['high']:+.2f}]" in row
        assert ours["low"] <= NEEDED, "a number that ranks this well may name a winner: let it"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda runs: runs[:1], "at least two runs"),
        (lambda runs: [*runs, runs[0]], "a is given twice"),
        (lambda runs: [runs[0], runs[0].parent / "nowhere"], "no such run"),
        (lambda runs: [runs[0], run(runs[0].parent / "c", fingerprint="b")], "different data"),
    ],
)
def test_wrong_input_is_one_line(tmp_path, change, said):
    runs = [run(tmp_path / name) for name in "ab"]
    with pytest.raises(isotropy.UserError, match=said) as error:
        isotropy.compare(change(runs))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("damaged", [[{}], [1], [{"label": "kind", "rows": {}, "seed": 0, "ours": "?"}]])
def test_damaged_probes_are_one_line(tmp_path, damaged):
    runs = [run(tmp_path / name, kind=SCORES[name]) for name in ("good", "bad")]
    for each in runs:
        (each / "probes.json").write_text(json.dumps(damaged))
    with pytest.raises(isotropy.UserError, match="damaged"):
        isotropy.compare(runs)


def test_the_command_line_shows_all_runs_and_the_sentence(cli, tmp_path):
    for name in ("good", "bad"):
        run(tmp_path / name, kind=SCORES[name])
    said = cli("diagnose", "good", "bad")
    lines = said.out.splitlines()
    assert said.code == 0 and lines[0].startswith("good  simclr: ") and "kind 0.900 [0.880, 0.920]" in lines[0]
    assert "best        good" in lines
    assert json.loads(cli("diagnose", "good", "bad", "--json").out)["best"] == "good"
    shutil.rmtree(tmp_path / "bad")
    wrong = cli("diagnose", "good", "bad")
    assert wrong.code == 2 and len(wrong.err.strip().splitlines()) == 1 and not wrong.out
