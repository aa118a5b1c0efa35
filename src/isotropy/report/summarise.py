"""A run directory read into one plain dictionary: what the report shows, without how."""

import tomllib
from collections.abc import Collection, Iterable
from itertools import pairwise
from math import isfinite, nan
from pathlib import Path
from shlex import quote
from statistics import fmean
from typing import Any, NotRequired, TypedDict

import pyarrow as pa
import pyarrow.parquet as pq

from isotropy.errors import UserError
from isotropy.io.json_file import read_json
from isotropy.io.logs import Log
from isotropy.report.answers import answers, headline
from isotropy.report.points import dimensions_of
from isotropy.representation.files import MODEL, REMEDY
from isotropy.runs.diagnose import diagnose
from isotropy.runs.directory import Run
from isotropy.runs.file_types import LOGS

_MEAN_OF = 50  # steps at the end whose loss is shown as one number
POINTS = 300  # of a curve, at most: each the mean, lowest and highest of its stretch
_NO_METRIC = {"step", "epoch", "pass", "rows", "seconds", "loss", "categories", "diverged"}
Curve = list[list[float]]


class _Model(TypedDict):
    """What the page shows of model.json."""

    made_with: NotRequired[dict[str, str]]


def summarise(run_dir: str | Path) -> dict[str, Any]:
    """Return what a run directory holds as a dictionary that JSON can hold; a missing file leaves its section out.

    Sections: name, path; headline {outcome, sentences}; answers (`answers.answers`); training {steps, epochs, loss,
    curves {name: [[epoch, mean, low, high], ...]}, reference_losses}; verdict (`isotropy.diagnose`); health {curves
    {name: [[epoch, value], ...]}, last}; evidence, codes, model (the files probes, codes and model.json); data
    {description, rows, training_rows, reference_losses, windows}; embeddings {rows, width}; spectrum {rows, trained,
    untrained}; spent {training_seconds, evaluation_seconds, peak_memory}; recipe, recipe_text and command; commands
    [[what, command], ...].

    Raises:
        UserError: where the directory is not a run, or one of its files cannot be read.
    """
    run = Run(run_dir)
    files = {path.name for path in run.folder.glob("*") if path.is_file()}
    if not files & {"recipe.toml", "metrics.jsonl", "model.json"}:
        raise UserError(f"{run.folder} is not a run: it holds no recipe.toml, metrics.jsonl or model.json")
    name = run.folder.resolve().name
    summary: dict[str, Any] = {"name": name, "path": str(run.folder), "commands": _commands(run.folder, files)}
    about = run.about if "data.json" in files else {}
    if about:
        shown = ("description", "rows", "training_rows", "reference_losses", "windows")
        summary["data"] = {name: about[name] for name in shown if name in about}
    if "recipe.toml" in files:
        summary |= _recipe(run.folder / "recipe.toml")
    if "model.json" in files:
        summary["model"] = read_json(run.folder / MODEL, _Model, REMEDY)
    if "codes.json" in files:
        summary["codes"] = run.read_json("codes.json")
    if metrics := list(Log.read(run.folder / "metrics.jsonl", LOGS["metrics"])):
        summary["training"] = _training(metrics, about.get("reference_losses", {}))
    if "measured.json" in files and (spectrum := run.read_json("measured.json").get("spectrum")):
        summary["spectrum"] = spectrum
    if records := run.read_records():
        summary["health"] = _health(records)
        if "recipe.toml" in files and "training" in about:
            summary["verdict"] = diagnose(run.folder).to_json()
    if "probes.json" in files:
        summary["evidence"] = run.read_comparisons()
    if "embeddings.parquet" in files:
        summary["embeddings"] = _embeddings(run.folder / "embeddings.parquet")
    summary |= {"spent": _spent(run, files)}
    summary["headline"] = headline(summary)
    return summary | {"answers": answers(summary)}


def _embeddings(path: Path) -> dict[str, int]:
    try:
        with pq.ParquetFile(path) as file:
            return {"rows": file.metadata.num_rows, "width": len(dimensions_of(file.schema_arrow))}
    except (pa.ArrowInvalid, OSError) as error:
        raise UserError(f"{path} cannot be read as Parquet ({str(error).splitlines()[0]})") from None


def _spent(run: Run, files: Collection[str]) -> dict[str, Any]:
    """Return the seconds of training and of evidence with embedding, and the most memory, as far as they are known."""
    measured = run.read_json("measured.json") if "measured.json" in files else {}
    found = {"training_seconds": run.trained_seconds} if "timing.jsonl" in files else {}
    return found | {name: measured[name] for name in ("evaluation_seconds", "peak_memory") if measured.get(name)}


def curve(points: Iterable[tuple[float, float]], limit: int = POINTS) -> Curve:
    """Return [x, mean, low, high] of at most `limit` equal stretches of the points; values not finite are left out.

    Example:
        >>> curve([(0, 1.0), (1, 3.0), (2, 5.0), (3, 5.0)], limit=2)
        [[0.5, 2.0, 1.0, 3.0], [2.5, 5.0, 5.0, 5.0]]
    """
    points = [(x, y) for x, y in points if isfinite(x) and isfinite(y)]
    count = min(limit, len(points))
    ends = [len(points) * number // count for number in range(count + 1)] if count else []
    stretches = [zip(*points[start:end]) for start, end in pairwise(ends)]
    return [[fmean(xs), fmean(ys), min(ys), max(ys)] for xs, ys in stretches]


def _training(metrics: list[dict[str, Any]], reference_losses: dict[str, float]) -> dict[str, Any]:
    epochs, losses = [line["epoch"] for line in metrics], [_number(line.get("loss")) for line in metrics]
    terms = [line.get("terms", {}) for line in metrics]
    names = dict.fromkeys(name for line in terms for name in line)
    curves = {"loss": curve(zip(epochs, losses))}
    if len(names) > 1:
        curves |= {name: curve(zip(epochs, (_number(line.get(name)) for line in terms))) for name in names}
    curves = {name: points for name, points in curves.items() if points}
    found = {"steps": metrics[-1]["step"], "epochs": epochs[-1], "loss": _newest(losses)}
    return found | {"curves": curves, "reference_losses": reference_losses}


def _newest(losses: list[float]) -> float | None:
    """Return the mean of the last losses that are finite: one batch's is as low as its rows are easy."""
    last = list(filter(isfinite, losses))[-_MEAN_OF:]
    return fmean(last) if last else None


def _health(records: list[dict[str, Any]]) -> dict[str, Any]:
    curves, last = {}, {}
    for name in dict.fromkeys(name for record in records for name in record if name not in _NO_METRIC):
        points = [(record["epoch"], _number(record[name])) for record in records if {name, "epoch"} <= record.keys()]
        if not points:
            continue
        last[name] = points[-1][1] if isfinite(points[-1][1]) else None
        if drawn := curve(points):
            curves[name] = [[x, mean] for x, mean, _, _ in drawn]
    return {"curves": curves, "last": last}


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else nan


def _recipe(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
        recipe = tomllib.loads(text)
    except ValueError as error:
        raise UserError(f"{path} is not valid TOML ({error}): is the run damaged?") from None
    found = {"recipe": recipe, "recipe_text": text}
    data = recipe.get("data", {})
    return found | {"command": _command(data, path)} if "path" in data else found


def _command(data: dict[str, Any], recipe: Path) -> str:
    """Return the command that trains again what a recipe says, on the same data read in the same way."""
    paths = data["path"] if isinstance(data["path"], list) else [data["path"]]
    words = ["isotropy", "fit", *map(str, paths), "--recipe", str(recipe)]
    for name, value in data.items():
        option = "--kind" if name == "kinds" else f"--{name.replace('_', '-')}"
        if name == "size" and isinstance(value, list):
            value = "x".join(map(str, value))
        if name == "channels" and isinstance(value, list):
            value = ",".join(map(str, value))
        if name != "path":
            words += [word for one in (value if isinstance(value, list) else [value]) for word in (option, str(one))]
    return " ".join(map(quote, words))


def _commands(folder: Path, files: Collection[str]) -> list[list[str]]:
    """Return what can be done with the run from where the user stands: its path is printed as it was given."""
    name, fitted = quote(str(folder)), "recipe.toml" in files
    if "model.json" not in files:
        return [["Resume the training", f"isotropy fit --resume {name}"]] if fitted else []
    load = ["Load it in Python", f"import isotropy\nvectors = isotropy.load({str(folder)!r}).transform(new_rows)"]
    codes = ["Give new data codes", f"isotropy embed {name} DATA --codes --out codes.parquet"]
    embed = ["Embed new data", f"isotropy embed {name} DATA --out embeddings.parquet"]
    probe = ["Probe another label", f"isotropy probe {name} DATA --label COLUMN"]
    if not fitted:
        return [load]
    return [load, embed, codes, probe] if "codes.json" in files else [load, embed, probe]
