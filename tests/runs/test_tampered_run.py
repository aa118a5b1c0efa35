"""Every field of every JSON file of a run, changed in every way: a right result or one line, never a traceback."""

import copy
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import save_file

import isotropy
from isotropy.errors import UserError
from isotropy.report.html import render
from isotropy.report.leaderboard import render_comparison
from isotropy.report.lists import audit_lists, cluster_lists
from isotropy.report.summarise import summarise
from isotropy.runs.comparison_folder import read_state
from isotropy.runs.directory import Run
from isotropy.training import checkpoint

pytestmark = pytest.mark.filterwarnings("ignore:.* is called .* now")
OLD = Path(__file__).parents[1] / "fixtures" / "run-0.1"
GAP = {"value": 0.1, "low": 0.0, "high": 0.2}
FEW = {
    "size": "1 a class", "labels": 2, "ours": 0.8, "best": "raw features", "value": 0.7, "difference": GAP,
    "label_factor": {"value": 2.0, "low": None, "high": None, "measured_to": 8.0},
}  # fmt: skip
# What the run of version 0.1 has not, as it is written today.
NEWER = {
    "measured.json": {
        "evaluation_seconds": 1.5,
        "peak_memory": 10**8,
        "spectrum": {"rows": 9, "trained": [0.7, 0.3], "untrained": [0.6, 0.4]},
    },
    "codes.json": {
        "segments": 2, "units": 3, "rows": 9, "bins_used": [2.0, 3.0], "usage": [0.5, 1.0],
        "mutual_information": {"mean": 0.1, "highest": 0.2, "segments": [0, 1]}, "purity": [0.5], "chance": 0.4,
    },
    "audit.json": {"issues": {"outlier": {"what": "unlike all others", "rows": 1}}, "notes": []},
    "clusters.json": {
        "clusters": [
            {
                "cluster": 0, "rows": 5, "exemplars": [1, 2], "labels": {"kind": [["a", 0.9]]},
                "traits": [
                    {"column": "age", "value": None, "here": 1.0, "elsewhere": 2.0, "difference": 1.5, "lift": None},
                    {"column": "job", "value": "x", "here": 0.5, "elsewhere": 0.2, "difference": 1.1, "lift": 2.0},
                ],
            }
        ]
    },
    "comparison.json": {
        "identity": {"rows": "9", "seeds": [0]}, "budget": 60.0, "spent": 30.0, "share": None,
        "costs": {"free": 1.0, "embedding": 0.1},
        "runs": {
            "lfr-0": {
                "method": "lfr", "seed": 0, "cpu_seconds": 1.0, "seconds": 2.0, "finished": True, "verdict": "healthy",
            }
        },
    },
    "leaderboard.json": {
        "description": "a table", "label": "kind", "metric": "accuracy", "rows_used": {"train": 9, "test": 3},
        "test_rows": 3, "budget": 60.0, "spent": 30.0, "share": 5.0, "notes": ["a note"],
        "recommendation": {"outcome": "train", "sentence": "Train."},
        "rows": [
            {
                "name": "lfr", "kind": "method", "all": {**GAP, "evaluator": "linear"},
                "few": {**GAP, "size": "1 a class"}, "search": GAP,
                "few_labels": [FEW], "runs": ["lfr-0"], "training_seconds": 1.5, "width": 8,
                "embedding_seconds": 0.1, "verdict": "healthy",
            }
        ],
    },
}  # fmt: skip
CHANGES = {
    "null": "null",
    "true": "true",
    "negative": "-1",
    "large": "1e308",
    "too long": "1" + "0" * 400,
    "infinite": "Infinity",
    "text": '"x"',
    "list": "[]",
    "object": "{}",
    "deep": "[" * 10_000 + "]" * 10_000,
}
# What reads each file.
READERS: dict[str, list[Callable[[Path], Any]]] = {}


def page(run: Path) -> str:
    """Return the page of a run without its map."""
    frame = pd.DataFrame({"is_outlier_issue": [False, True], "outlier_score": [0.9, 0.1]})
    return render(summarise(run), audit=audit_lists(frame, Run(run)), clusters=cluster_lists(Run(run)))


def embedded(run: Path) -> Any:
    """Return the embeddings of two rows, finite ones."""
    rows = pd.read_csv(OLD / "trees.csv", nrows=2).drop(columns="kind")
    found = isotropy.load(run).transform(rows)
    assert np.isfinite(found).all()
    return found


READERS["comparison.json"] = [read_state]
READERS["leaderboard.json"] = [render_comparison]
READERS["data.json"] = [isotropy.diagnose, lambda run: (Run(run).preprocess, Run(run).finished)]
READERS["model.json"] = [embedded]
READERS["probes.json"] = [page]
READERS |= dict.fromkeys(["measured.json", "codes.json", "audit.json", "clusters.json"], [page])
READERS |= {"diagnostics.jsonl": [page], "metrics.jsonl": [page], "timing.jsonl": [page]}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Return a copy of a finished run with every file that a run may have."""
    folder = Path(shutil.copytree(OLD / "finished", tmp_path / "run"))
    for name, content in NEWER.items():
        (folder / name).write_text(json.dumps(content))
    for log in folder.glob("*.jsonl"):
        log.write_text("".join(log.read_text().splitlines(keepends=True)[:9]))
    comparison = Run(folder).read_comparisons()[0] | {"few_labels": [FEW]}
    (folder / "probes.json").write_text(json.dumps([comparison]))
    return folder


def fields(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the place of every field; of a list the first item stands for all."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value[:1]) if isinstance(value, list) else ()
    for key, inside in items:
        yield from fields(inside, (*path, key))


def changed(value: Any, path: tuple[Any, ...], text: str | None) -> str:
    """Return JSON with the field of a place replaced by a text, or without it."""
    if not path:
        return text or ""
    value = copy.deepcopy(value)
    holder = value
    for key in path[:-1]:
        holder = holder[key]
    if text is None:
        del holder[path[-1]]
    else:
        holder[path[-1]] = "@"
    return json.dumps(value).replace('"@"', text or "")


def outcome(read: Callable[[Path], Any], run: Path) -> str:
    """Return the one line that a reader refuses a run with, "" where it takes it."""
    try:
        read(run)
    except UserError as error:
        assert "\n" not in str(error) and "UserError(" not in str(error)
        return str(error)
    return ""


@pytest.mark.parametrize("name", READERS)
def test_no_change_of_a_field_ends_in_a_traceback(name: str, run: Path) -> None:
    for read in READERS[name]:
        assert outcome(read, run) == "", "as it was written"
    lines = (run / name).read_text().splitlines() if name.endswith(".jsonl") else [(run / name).read_text()]
    place = min(1, len(lines) - 1)
    whole = json.loads(lines[place] if name.endswith(".jsonl") else lines[0])
    refused = tried = 0
    for path in fields(whole):
        for what, text in [("deleted", None), *CHANGES.items()]:
            lines[place] = changed(whole, path, text)
            (run / name).write_text("\n".join([*lines, ""]))
            for read in READERS[name]:
                try:
                    line = outcome(read, run)
                except Exception as error:
                    raise AssertionError(f"{name}, {path} {what}: {error!r}") from error
                assert not line or str(run) in line or "the data lack" in line, (path, what, line)
                tried, refused = tried + 1, refused + bool(line)
    assert refused > tried / 4


CHECKPOINT = {
    "step": 5, "identity": {"steps": 8, "seed": 0}, "conditions": {"threads": 1, "torch": "2"}, "format": 1,
    "about": {"offsets": {"metrics": 100}},
}  # fmt: skip


def test_no_change_of_what_a_checkpoint_says_ends_in_a_traceback(tmp_path: Path) -> None:
    path, weights = tmp_path / "step-000000005.safetensors", {"x": np.zeros(1, dtype=np.float32)}
    save_file(weights, path, {"isotropy": json.dumps(CHECKPOINT)})
    assert outcome(checkpoint.about, path) == "", "as it was written"
    refused = tried = 0
    for place in fields(CHECKPOINT):
        for what, text in [("deleted", None), *CHANGES.items()]:
            save_file(weights, path, {"isotropy": changed(CHECKPOINT, place, text)})
            try:
                line = outcome(checkpoint.about, path)
            except Exception as error:
                raise AssertionError(f"{place} {what}: {error!r}") from error
            assert not line or str(path) in line, (place, what, line)
            tried, refused = tried + 1, refused + bool(line)
    assert refused > tried / 2
