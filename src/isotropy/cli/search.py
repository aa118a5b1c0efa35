"""`isotropy search`: the rows most similar to some, shown beside each other."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from rich.table import Table
from rich.text import Text

from isotropy.cli.beside import described, pictures, value_text
from isotropy.cli.inputs import as_the_run, as_trained, load_on, read_with_bar
from isotropy.cli.outputs import check_out
from isotropy.cli.show import OUT, counting, note, say, waiting
from isotropy.data import Data
from isotropy.data.other_kind import as_trained_on
from isotropy.errors import UserError, counted
from isotropy.evaluation.task import class_name
from isotropy.io.atomic import write_atomically
from isotropy.io.tables import writing
from isotropy.io.visible import in_line
from isotropy.representation import Representation
from isotropy.runs.columns import COLUMN, LABEL
from isotropy.runs.directory import Run
from isotropy.runs.embedded import Embedded
from isotropy.search import nearest as most_similar

_SUFFIXES = (".json", ".parquet", ".csv")
_NUMBERS = re.compile(r"\s*\d+\s*(-\s*\d+\s*)?(,\s*\d+\s*(-\s*\d+\s*)?)*")
# Rows that are prepared first, so that what is wrong with all is said before any is embedded.
_TRIED = 256
# Queries that are shown; a file holds all.
_SHOWN = 10
# Characters of a line beside the row's number, before what a row is: blanks and the score.
_BEFORE = 10


@dataclass(frozen=True)
class _Found:
    """Queries and their neighbours; `data` is None where the rows are gone and their numbers are all there is."""

    data: Data | None
    queries: Data | None
    names: list[str]
    places: list[int]
    indices: NDArray[np.int64]
    scores: NDArray[np.float32]
    beside: dict[str, NDArray[Any]]


def search(folder: Path, origin: dict[str, Any], query: str, *, top_k: int, out: Path | None, device: str) -> Any:
    """Run `isotropy search RUN [PATH] --query ROWS`; return the neighbours of each query."""
    run = Run.opened(folder)
    run.refuse_if_unfinished()
    if out is not None:
        check_out(out, _SUFFIXES, folder=folder, reads=[origin["path"] or run.recipe.data.get("path"), query])
    made = load_on(run.folder, device)
    data, vectors, beside = _of_run(folder, origin, query) if origin["path"] is None else _of_path(run, made, origin)
    found = _search(run, made, data, vectors, beside, query, top_k, origin)
    for number in range(min(len(found.names), _SHOWN)):
        _show(found, number)
    if len(found.names) > _SHOWN:
        say(f"and {len(found.names) - _SHOWN:,} more queries" + ("" if out else ": --out FILE holds all"), "dim")
    if out is not None:
        _write(found, out)
        say(f"{out}: {counted(found.indices.size, 'line')}, {counted(top_k, 'row')} for each query")
    return _answers(found)


def _of_run(
    folder: Path, origin: dict[str, Any], query: str
) -> tuple[Data | None, NDArray[np.float32], dict[str, Any]]:
    """Return the run's own rows, which are embedded already."""
    given = next((name for name in origin if name != "path"), None)
    if given is not None and _NUMBERS.fullmatch(query):
        raise UserError(
            f"--{given.replace('_', '-')} is about data, and none is given: the run's own rows are searched"
        )
    with waiting("reading the run"):
        opened = Embedded.opened(folder)
    beside = {"part": opened.part, **_labels(opened)}
    data: Data | None
    try:
        with waiting("reading its rows"):
            data = opened.read_data()[0]
        say(data.description)
    except UserError as error:
        data = _kept(opened)
        note(f"rows are shown {'by their numbers alone' if data is None else 'as the run keeps them'}: {error}")
    if data is not None and data.stream is not None:
        files, rows = data.origins.values()
        beside["place"] = np.array([f"{file} row {row}" for file, row in zip(files, rows, strict=True)], dtype=object)
    return data, opened.vectors, beside


def _kept(opened: Embedded) -> Data | None:
    """Return the columns of a table that a run keeps beside its embeddings; None where it keeps none."""
    names = [name for name in opened.columns if opened.roles.get(name) == COLUMN]
    found = {opened.sources[name]: opened.columns[name] for name in names}
    return Data(pd.DataFrame(found), "table") if found else None


def _labels(opened: Embedded) -> dict[str, NDArray[Any]]:
    """Return the labels of a run as they are shown, (N,) by name: of several each with its name before it."""
    found = {name: x for name, x in opened.beside.items() if opened.roles.get(name, LABEL) == LABEL}
    if not opened.roles:
        found = {name: x for name, x in found.items() if name == "label"}  # where windows begin stands there, too
    shown = {name: f"{opened.sources.get(name, name)} " if len(found) > 1 else "" for name in found}
    return {
        name: np.array([shown[name] + _shown(one) for one in column], dtype=object) for name, column in found.items()
    }


def _shown(label: Any) -> str:
    """Return a label as text: a number, or none, as columns of a table show theirs."""
    return value_text(label) if pd.api.types.is_float(label) or pd.isna(label) else class_name(label)


def _of_path(
    run: Run, made: Representation, origin: dict[str, Any]
) -> tuple[Data, NDArray[np.float32], dict[str, Any]]:
    """Return the rows behind a path, which are embedded now."""
    data = _read(run, made, origin)
    say(data.description)
    vectors = np.empty((len(data), made.width), dtype=np.float32)
    with counting("embedding") as count:
        done = 0
        for z in made.iterate(data, count):
            vectors[done : done + len(z)] = z
            done += len(z)
    return data, vectors, {}


def _read(run: Run, made: Representation, origin: dict[str, Any]) -> Data:
    """Return data read as the training's were; a line of error names the file."""
    try:
        origin = as_the_run(run.recipe.data, origin)
        with as_trained_on(made.preprocess, origin["path"], origin.get("key")):
            data = read_with_bar(as_trained(origin, made))
        # Of an array (C, T) the rows are as many as a series has channels, which the line then says.
        made.preprocess.transform(data.take(slice(0, _TRIED)).values)
        if (differing := made.preprocess.departure(data.values)) is not None:
            note(differing)
    except UserError as error:
        path = str(origin["path"])
        raise UserError(str(error) if Path(path).name in str(error) else f"{path}: {error}") from error
    return data


def _search(
    run: Run, made: Representation, data: Data | None, vectors: NDArray[np.float32], beside: dict[str, Any],
    query: str, top_k: int, origin: dict[str, Any],
) -> _Found:  # fmt: skip
    count = len(vectors)
    if _NUMBERS.fullmatch(query):
        places = _rows(query, count)
        there, queries, asked, names = count - 1, data, vectors[places], [f"row {place}" for place in places]
    else:
        if not query.strip() or not Path(query).expanduser().exists():
            raise UserError(f"--query {query}: neither numbers of rows, as 5 or 3,7-9, nor a file")
        options = origin | {"path": query}
        queries = _read(run, made, options)
        places, there = list(range(len(queries))), count
        with waiting("embedding the queries"):
            asked = made.transform(queries)
        names = [f"{Path(query).name}, row {place}" for place in places]
    if there == 0:
        raise UserError(
            f"--query {query}: there is one row, and a row is no answer to itself: give more rows, or a file as --query"
        )
    if not 1 <= top_k <= there:
        raise UserError(f"-k {top_k}: there are {there:,} rows to find, so give a number from 1 to {there}")
    own = places if there < count else [-1] * len(places)
    with waiting("searching"):
        indices, scores = most_similar(asked, vectors, top_k, leave_out=own)
    return _Found(data, queries, names, places, indices, scores, beside)


def _rows(text: str, count: int) -> list[int]:
    """Return numbers of rows; UserError for one that is outside."""
    rows: list[int] = []
    for part in text.split(","):
        first, _, last = (end.strip() for end in part.partition("-"))
        begin, end = int(first), int(last or first)
        if end < begin < count:
            raise UserError(f"--query {part.strip()}: rows are counted upwards, as {end}-{begin}")
        if end >= count or begin >= count:
            raise UserError(f"--query {part.strip()}: the data have {count:,} rows, numbered from 0 to {count - 1}")
        rows.extend(range(begin, end + 1))
    return rows


def _show(found: _Found, number: int) -> None:
    """Print a query, and its neighbours below it, in the same columns."""
    rows, place = found.indices[number].tolist(), found.places[number]
    own = found.queries is found.data and found.names[number].startswith("row ")
    beside = [[in_line(column[row]) for row in [*([place] if own else []), *rows]] for column in found.beside.values()]
    name = in_line(found.names[number])
    first = max(len(name), *(2 + len(str(row)) for row in rows), 0)
    width = max(30, OUT.width - _BEFORE - first - sum(2 + max(map(len, texts), default=0) for texts in beside))
    query, lines = "", [""] * len(rows)
    if found.data is not None and found.queries is not None:
        query, lines = described(found.data, found.queries, place, rows, width)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    for _ in range(3 + len(found.beside)):
        table.add_column(no_wrap=True, overflow="ellipsis")
    known = [Text(texts.pop(0)) if own else Text() for texts in beside]
    table.add_row(Text(name, style="bold"), Text(), *known, Text(query))
    for at, (row, score, line) in enumerate(zip(rows, found.scores[number], lines, strict=True)):
        table.add_row(Text(f"  {row}"), Text(f"{score:.4f}"), *(Text(texts[at]) for texts in beside), Text(line))
    OUT.print(table)
    if found.data is not None and found.queries is not None and found.data.modality == "image":
        images = [found.queries.values[found.places[number]], *(found.data.values[row] for row in rows)]
        for text in pictures(images, OUT.width):
            OUT.print(Text(text.rstrip()), no_wrap=True, overflow="crop")


def _answers(found: _Found) -> list[dict[str, Any]]:
    """Return each query with its neighbours, as plain values."""
    columns = _files(found)
    return [
        {
            "query": name,
            "neighbours": [
                {"row": row, "score": round(score, 7)} | {name: column[row] for name, column in columns.items()}
                for row, score in zip(rows, scores, strict=True)
            ],
        }
        for name, rows, scores in zip(found.names, found.indices.tolist(), found.scores.tolist(), strict=True)
    ]


def _files(found: _Found) -> dict[str, list[Any]]:
    """Return where the rows that were searched are, (N,) by name: in which file of images, or of rows that stream."""
    if found.data is None or found.data.windows is not None:
        return {}
    return {name: column.tolist() for name, column in found.data.origins.items()}


def _write(found: _Found, out: Path) -> None:
    """Write numbers and scores, one line for each neighbour of each query."""
    try:
        if out.suffix == ".json":
            write_atomically(out, (json.dumps(_answers(found), indent=1) + "\n").encode())
            return
        top_k = found.indices.shape[1]
        rows = found.indices.ravel()
        columns = {"query": np.repeat(np.array(found.names, dtype=object), top_k)}
        columns |= {"rank": np.tile(np.arange(1, top_k + 1), len(found.names)), "row": rows}
        columns |= {
            name: np.array(column, dtype=object if name == "file" else np.int64)[rows]
            for name, column in _files(found).items()
        }
        with writing(out, ["score"], {name: x.dtype for name, x in columns.items()}) as writer:
            writer.write(found.scores.reshape(-1, 1), *columns.values())
    except OSError as error:
        raise UserError(f"{out}: could not be written ({error.strerror or error})") from error
