"""A run directory read into one plain dictionary: what the report shows, without how."""

import json
import math
import tomllib
from pathlib import Path
from shlex import quote
from typing import Any

from isotropy.errors import UserError
from isotropy.io.logs import Log
from isotropy.report.map import embedding_map
from isotropy.runs.diagnose import diagnose
from isotropy.runs.directory import Run

_COLLAPSED = 1.1  # directions in use
POINTS = 300  # of a curve, at most: each the mean, lowest and highest of its stretch
Curve = list[list[float]]


def summarise(run_dir: str | Path) -> dict[str, Any]:
    """Return what a run directory holds as a dictionary that JSON can hold; a missing file leaves its section out.

    Sections: name; headline {outcome, sentences}; training {steps, epochs, loss, curves {name: [[epoch, mean, low,
    high], ...]}, reference_losses}; verdict (`isotropy.diagnose`); health {curves {name: [[epoch, value], ...]}, last};
    evidence (the list of probes.json); codes (codes.json, of methods that give codes); data {description, rows,
    training_rows, reference_losses}; map (see `map.embedding_map`); recipe (nested) and recipe_text;
    model (model.json); commands [[what, command], ...].

    Raises:
        UserError: where the directory is not a run, or one of its files cannot be read.
    """
    run = Path(run_dir)
    if not any((run / name).is_file() for name in ("recipe.toml", "metrics.jsonl", "model.json")):
        raise UserError(f"{run} is not a run: it holds no recipe.toml, metrics.jsonl or model.json")
    summary: dict[str, Any] = {"name": run.resolve().name, "commands": _commands(run)}
    if (run / "recipe.toml").is_file():
        summary["recipe_text"] = _text(run / "recipe.toml")
        try:
            summary["recipe"] = tomllib.loads(summary["recipe_text"])
        except tomllib.TOMLDecodeError as error:
            raise UserError(f"{run / 'recipe.toml'} is not valid TOML ({error}): is the run damaged?") from None
    if (run / "model.json").is_file():
        summary["model"] = _json(run / "model.json")
    about: dict[str, Any] = {}
    if (run / "data.json").is_file():
        about = Run(run).about
        summary["data"] = {
            name: about[name] for name in ("description", "rows", "training_rows", "reference_losses") if name in about
        }
    if metrics := list(Log.read(run / "metrics.jsonl")):
        summary["training"] = _training(metrics, summary.get("data", {}))
    if diagnostics := Run(run).read_records():
        summary["health"] = _health(diagnostics)
    if diagnostics and (run / "recipe.toml").is_file() and "training" in about:
        summary["verdict"] = diagnose(run).to_json()
    if (run / "probes.json").is_file():
        summary["evidence"] = Run(run).read_comparisons()
    if (run / "codes.json").is_file():
        summary["codes"] = _json(run / "codes.json")
    if (run / "embeddings.parquet").is_file():
        wanted = [entry["label"] for entry in summary.get("evidence", [])]
        summary["map"] = embedding_map(run / "embeddings.parquet", labels=wanted)
    summary["headline"] = headline(summary)
    return summary


def headline(summary: dict[str, Any]) -> dict[str, Any]:
    """Return {"outcome", "sentences"}: the verdict of the evidence, or what can be said without labels.

    Example:
        >>> headline({"health": {"last": {"effective_rank": None, "mean_norm": 1.0}}})["outcome"]
        'collapsed'
    """
    last = summary.get("health", {}).get("last", {})
    rank, norm = last.get("effective_rank"), last.get("mean_norm")
    evidence = summary.get("evidence")
    # A large common mean alone is no collapse: embeddings that end in a ReLU have one, and use many directions.
    if "effective_rank" in last and (rank is None or rank < _COLLAPSED):
        norm_said = "" if norm is None else f" (norm of the mean embedding {norm:.3f})"
        collapsed = f"The representation has collapsed: the embeddings use about one direction at most{norm_said}."
        return {"outcome": "collapsed", "sentences": [collapsed, *(entry["sentence"] for entry in evidence or [])]}
    if evidence:
        outcomes = {entry["outcome"] for entry in evidence}
        outcome = outcomes.pop() if len(outcomes) == 1 else "mixed"
        return {"outcome": outcome, "sentences": [entry["sentence"] for entry in evidence]}
    unproven = "No label was probed, so nothing here proves that the representation is useful."
    if rank is not None:
        width = summary.get("map", {}).get("width")
        out_of = f" of {width}" if width else ""
        return {
            "outcome": "unproven",
            "sentences": [f"{unproven} It uses about {rank:.0f}{out_of} directions and has not collapsed."],
        }
    return {"outcome": "unproven", "sentences": [unproven]}


def curve(points: list[tuple[float, float]], limit: int = POINTS) -> Curve:
    """Return [x, mean, low, high] of at most `limit` equal stretches of the points; values not finite are left out.

    Example:
        >>> curve([(0, 1.0), (1, 3.0), (2, 5.0), (3, 5.0)], limit=2)
        [[0.5, 2.0, 1.0, 3.0], [2.5, 5.0, 5.0, 5.0]]
    """
    points = [(x, y) for x, y in points if math.isfinite(x) and math.isfinite(y)]
    stretches = min(limit, len(points))
    out = []
    for number in range(stretches):
        part = points[number * len(points) // stretches : (number + 1) * len(points) // stretches]
        values = [y for _, y in part]
        middle = sum(x for x, _ in part) / len(part)
        out.append([middle, sum(values) / len(values), min(values), max(values)])
    return out


def _training(metrics: list[dict[str, Any]], data: dict[str, Any]) -> dict[str, Any]:
    names = list(dict.fromkeys(name for line in metrics for name in line.get("terms", {})))
    curves = {"loss": curve([(line["epoch"], _number(line.get("loss"))) for line in metrics])}
    if len(names) > 1:
        for name in names:
            curves[name] = curve([(line["epoch"], _number(line.get("terms", {}).get(name))) for line in metrics])
    finite = [value for line in metrics if math.isfinite(value := _number(line.get("loss")))]
    return {
        "steps": metrics[-1]["step"],
        "epochs": metrics[-1]["epoch"],
        "loss": finite[-1] if finite else None,
        "curves": curves,
        "reference_losses": data.get("reference_losses", {}),
    }


def _health(lines: list[dict[str, Any]]) -> dict[str, Any]:
    skipped = {"step", "epoch", "pass", "rows", "seconds", "loss", "categories", "diverged"}
    names = list(dict.fromkeys(name for line in lines for name in line if name not in skipped))
    curves, last = {}, {}
    for name in names:
        points = [(line["epoch"], _number(line.get(name))) for line in lines if name in line]
        curves[name] = [[x, mean] for x, mean, _, _ in curve(points)]
        last[name] = points[-1][1] if math.isfinite(points[-1][1]) else None
    return {"curves": curves, "last": last}


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else math.nan


def _commands(run: Path) -> list[list[str]]:
    """Return what can be done with the run from where the user stands: its path is printed as it was given."""
    name, fitted, coded = quote(str(run)), (run / "recipe.toml").is_file(), (run / "codes.json").is_file()
    if not (run / "model.json").is_file():
        return [["Resume the training", f"isotropy fit --resume {name}"]] if fitted else []
    load = ["Load it in Python", f"import isotropy\nvectors = isotropy.load({str(run)!r}).transform(new_rows)"]
    if not fitted:
        return [load]
    return [
        load,
        ["Embed new data", f"isotropy embed {name} DATA --out embeddings.parquet"],
        *([["Give new data codes", f"isotropy embed {name} DATA --codes --out codes.parquet"]] if coded else []),
        ["Probe another label", f"isotropy probe {name} DATA --label COLUMN"],
    ]


def _json(path: Path) -> Any:
    try:
        return json.loads(_text(path))
    except json.JSONDecodeError as error:
        raise UserError(f"{path} is not valid JSON ({error}): is the run damaged?") from None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise UserError(f"{path} is not text: is the run damaged?") from None
