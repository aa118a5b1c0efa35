"""`isotropy embed`: embeddings or codes of any number of rows, in constant memory."""

from collections.abc import Callable, Iterator
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isotropy.cli.inputs import ROW, as_the_run, file_notes, load_on, with_columns
from isotropy.cli.outputs import check_out
from isotropy.cli.shards import Shards
from isotropy.cli.show import counting, note, say, waiting
from isotropy.data.stream import stream
from isotropy.errors import UserError
from isotropy.io.tables import WRITERS, writing
from isotropy.runs.directory import Run


def embed(
    folder: Path, origin: dict[str, Any], out: Path, *, codes: bool, standardise: bool, keep: list[str],
    shard_rows: int | None, device: str,
) -> dict[str, Any]:  # fmt: skip
    """Run `isotropy embed RUN PATH [--codes | --standardise] [--keep NAME] [--shard-rows N] --out FILE`.

    Returns what was written.
    """
    _check(out, codes=codes, standardise=standardise, keep=keep, shard_rows=shard_rows)
    run = Run.opened(folder)
    check_out(out, WRITERS, folder=folder, reads=[origin["path"]])
    made = load_on(run.folder, device)
    origin = as_the_run(run.recipe.data, origin)
    vectors: Callable[[Any], NDArray[Any]] = (
        made.codes_stored if codes else partial(made.embed_stored, standardise=standardise)
    )
    names, dtype = (made.code_names, np.int32) if codes else (made.names, np.float32)
    path = origin.pop("path")
    with waiting(f"reading {path}"):
        flow = stream(path, made.preprocess, keep=keep, **origin)
    say(flow.description)
    asked = {"codes": codes, "standardise": standardise, "keep": keep, **origin}
    rows = before = 0
    try:
        shards = Shards.opened(out, shard_rows, run.folder, path, asked)
        with waiting(f"reading {path}"):
            types, parts = with_columns(flow, path, out, [ROW, *names])
        types = {} if out.suffix == ".npy" else {ROW: np.dtype(np.int64), **types}
        with counting("embedding") as count:
            for number, pieces in groupby(_cut(parts, shards.rows), key=lambda one: one[0] // shards.rows):
                if shards.has(number):
                    for begin, piece, _ in pieces:
                        rows, before = begin + len(piece), before + len(piece)
                    count(rows, flow.rows)
                    continue
                shards.begin()
                with writing(shards.path(number), names, types, dtype=dtype) as writer:
                    for begin, piece, beside in pieces:
                        found = vectors(made.preprocess.transform(piece)).astype(dtype, copy=False)
                        rows = begin + len(found)
                        numbers = [np.arange(begin, rows)] if types else []
                        writer.write(found, *numbers, *beside.values())
                        count(rows, flow.rows)
                shards.end(number)
            shards.finish(rows)
    except OSError as error:
        raise UserError(f"{out}: could not be written ({error.strerror or error})") from error
    for line in file_notes(flow):
        note(line)
    many = "" if rows == 1 else "s"
    what = f"code{many} of {len(names)} segments" if codes else f"embedding{many} of width {made.width}"
    say(f"{out}: {rows:,} {what}" + (f" ({before:,} were there before)" if before else ""))
    return {"file": str(out), "rows": rows, "before": before, "columns": len(names), "codes": codes}


def _check(out: Path, *, codes: bool, standardise: bool, keep: list[str], shard_rows: int | None) -> None:
    if codes and standardise:
        raise UserError("--standardise is for embeddings: codes have no scale; leave one of the two out")
    if keep and out.suffix == ".npy":
        raise UserError(f"--keep {keep[0]}: a .npy file holds numbers alone; write .parquet, .arrow or .csv")
    if shard_rows is not None and out.suffix not in WRITERS:
        raise UserError(
            f"--out {out}: a folder of shards is called what its files are: end it in {' or '.join(WRITERS)}"
        )
    if shard_rows is None and out.is_dir() and out.suffix in WRITERS:
        raise UserError(f"--out {out}: is a folder; with --shard-rows N it is filled with files of N rows")


def _cut(parts: Iterator[tuple[Any, dict[str, Any]]], size: int) -> Iterator[tuple[int, Any, dict[str, Any]]]:
    """Yield pieces that cross no multiple of `size`, each with the number of its first row before it."""
    begin = 0
    for piece, beside in parts:
        done = 0
        while done < len(piece):
            end = min(len(piece), done + size - begin % size)
            part = slice(done, end)
            some = piece.iloc[part] if hasattr(piece, "iloc") else piece[part]
            yield begin, some, {name: column[part] for name, column in beside.items()}
            begin, done = begin + end - done, end
