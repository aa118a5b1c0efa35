"""The audit of a finished run, and the files that it leaves in the run's folder."""

import json
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from isotropy.audit.audit import issues_of
from isotropy.audit.given import Given, Raw, label_column, raw_of, task_of_all
from isotropy.audit.issue import KINDS, Audit
from isotropy.data import Data, read
from isotropy.data.readers import find_reader
from isotropy.errors import UserError, nearest
from isotropy.evaluation import leaks
from isotropy.evaluation.task import Task
from isotropy.io.atomic import making, replacing
from isotropy.io.cells import harmless
from isotropy.runs.columns import AUDIT
from isotropy.runs.embedded import Embedded
from isotropy.runs.settings import label_names

FRAME, SUMMARY, LISTS = AUDIT
# What of `Data.origins` stands beside each row.
_ORIGINS = ("file", "file_row", "id", "start", "end")
_FILES = (".npy", ".csv", ".parquet")


def audit_run(
    folder: Path | str, label: str | ArrayLike | None = None, *, write: bool = True,
    progress: Callable[[str], None] = lambda what: None,
) -> Audit:  # fmt: skip
    """Return what is wrong with the rows of a finished run, and write audit.parquet, audit.json and lists.

    Args:
        folder: the run directory. label: a label of the run, another column or array of its data, a file of one value
            a row, or an array (N,); by default the run's first label, if it has one. write: whether files are written.
        progress: is told what is done next.

    Raises:
        UserError: no finished run, other data than it began with, an unknown label, or one of another length.
    """
    progress("reading the rows")
    run = Embedded.opened(folder)
    at_hand = "path" in run.run.recipe.data
    data, rows = run.read_data() if at_hand else (None, None)
    raw = None if rows is None else raw_of(run.representation, rows, data)
    name, labels, task = _label(run, data, label)
    groups, group_name = _groups(data, labels, run.run.recipe.data)
    found = issues_of(
        Given(
            run.vectors, raw, labels, task_of_all(labels, len(run), task, name), name, run.part, groups, group_name,
            _notes(at_hand, raw, labels),
        ),
        progress,
    )  # fmt: skip
    if data is not None:
        origins = {name: x for name, x in data.origins.items() if name in _ORIGINS}
        found = replace(found, known=found.known | origins)
    if write:
        progress("writing the lists")
        keep(found, run.run.folder)
    return found


def keep(found: Audit, folder: Path) -> None:
    """Write an audit into a folder, in place of an older one when all of its files are written.

    Raises:
        UserError: the disk does not take it.
    """
    lists = folder / LISTS
    try:
        with making(lists), ExitStack() as written:

            def write(path: Path, data: bytes) -> None:
                written.enter_context(replacing(path)).write_bytes(data)

            for kind in found.issues:
                write(lists / f"{kind}.csv", found.listed(kind).map(harmless).to_csv(index=False).encode())
            write(folder / SUMMARY, json.dumps(_about(found), indent=1).encode())
            write(folder / FRAME, _packed(found.frame))
        for old in lists.glob("*.csv"):
            if old.stem not in found.issues:
                old.unlink()
    except OSError as error:
        raise UserError(f"{folder}: the audit could not be written ({error.strerror or error})") from error


def _about(found: Audit) -> dict[str, Any]:
    return {
        "rows": len(found.frame),
        "issues": {
            kind: {
                "what": KINDS[kind],
                "rows": found.counts[kind],
                "method": one.method,
                "file": f"{LISTS}/{kind}.csv",
            }
            for kind, one in found.issues.items()
        },
        "notes": list(found.notes),
    }


def _packed(frame: pd.DataFrame) -> bytes:
    texts = {name: frame[name].astype("string") for name in frame.columns if frame[name].dtype == object}
    held = BytesIO()
    frame.assign(**texts).to_parquet(held, index=False)
    return held.getvalue()


def _label(
    run: Embedded, data: Data | None, label: str | ArrayLike | None
) -> tuple[str, NDArray[Any] | None, Task | None]:
    """Return the name, the values and the task of a label, None where there is none."""
    recipe = run.run.recipe.data
    names = label_names(recipe)
    task: Any = recipe.get("task")
    held: dict[str, Any] = {key: values for key, values in run.beside.items() if key in (*names, "label")}
    if data is not None and data.labels is not None:
        # As they were read: files hold classes as text.
        held = {names[0]: data.labels, "label": data.labels, **data.more_labels}
    elif "label" in held:
        held[names[0]] = held["label"]
    if label is None:
        return (names[0], held[names[0]], task) if names[0] in held else ("label", None, None)
    if not isinstance(label, str):
        return "label", label_column(label), None
    if label in held:
        return label, held[label], task
    if Path(label).suffix in _FILES:
        return Path(label).stem, _of_file(Path(label)), None
    if data is None:
        raise UserError(
            f"--label {label}: the run has no such label, and its data is not at hand{nearest(label, held)}"
        )
    if label in run.representation.preprocess.column_names:
        raise UserError(
            f"--label {label}: the encoder was trained with this column as an input, so it would only be read back; "
            f"train another run with --drop {label}"
        )
    if isinstance(data.values, pd.DataFrame):
        inputs = set(run.representation.preprocess.column_names)
        read_by_none = {*map(str, data.values), *recipe.get("drop", []), *names} - inputs
        if label not in read_by_none | _dividing(recipe):
            raise UserError(f"--label {label}: there is no such column{nearest(label, read_by_none)}")
    return label, _of_data(recipe, label, run), None


def _dividing(recipe: dict[str, Any]) -> set[str]:
    """Return the columns of a table that may have divided its rows; one called split does without being named."""
    return {"split", *(one for one in map(recipe.get, ("group", "time", "split")) if isinstance(one, str))}


def _of_data(recipe: dict[str, Any], label: str, run: Embedded) -> NDArray[Any]:
    dropped = [one for one in recipe.get("drop", []) if one != label]
    key = "label_key" if str(recipe["path"]).endswith(".npz") else "label"
    options = recipe | {"path": None, "label": None, "label_key": None, "task": None, "drop": dropped} | {key: label}
    found = read(recipe["path"], **{name: value for name, value in options.items() if value not in (None, [])})
    if found.labels is None or len(found.labels) != len(run):
        raise UserError(
            f"--label {label}: gives {0 if found.labels is None else len(found.labels)} labels for {len(run)} rows"
        )
    return found.labels


def _of_file(path: Path) -> NDArray[Any]:
    if not path.is_file():
        raise UserError(f"--label {path}: cannot be read (there is no such file)")
    found = find_reader(path).read(path, [])
    if isinstance(found, np.ndarray):
        return label_column(found, f"--label {path}: labels")
    frame = cast(pd.DataFrame, found)
    if frame.shape[1] != 1:
        raise UserError(f"--label {path}: has {frame.shape[1]} columns: give a file of one, with a value for each row")
    return label_column(frame.iloc[:, 0])


def _groups(data: Data | None, labels: NDArray[Any] | None, recipe: dict[str, Any]) -> tuple[NDArray[Any] | None, str]:
    """Return what rows belong to, and what it is called: given, or of windows, or a column that stands in blocks."""
    if data is None:
        return None, "group"
    if data.groups is not None:
        return data.groups, recipe["group"] if isinstance(recipe.get("group"), str) else "group"
    if data.windows is not None:
        columns = data.windows.columns()
        for name in ("group", "id", "file"):
            if name in columns and len(pd.unique(columns[name])) > 1:
                return columns[name], name
    if isinstance(data.values, pd.DataFrame) and labels is not None and len(labels) == len(data):
        for name in leaks.blocked_columns(data.values, pd.factorize(labels)[0]):
            return data.values[name].astype(str).to_numpy(), name
    return None, "group"


def _notes(at_hand: bool, raw: Raw | None, labels: NDArray[Any] | None) -> tuple[str, ...]:
    notes = []
    if not at_hand:
        notes.append("the data was in memory alone: copies and blank rows are not looked for")
    if raw is not None and raw.features is not None:
        notes.append("near duplicates are found on the columns, which tell them better than the embedding does")
    if labels is None:
        notes.append("no label: wrong labels are not looked for (--label NAME)")
    return tuple(notes)
