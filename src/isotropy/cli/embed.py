"""`isotropy embed`: embeddings or codes of any number of rows, in constant memory."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from isotropy.cli.inputs import as_the_run, file_notes, load_on, with_columns
from isotropy.cli.show import OUT, note, say
from isotropy.data.stream import stream
from isotropy.errors import UserError, nearest
from isotropy.io.tables import WRITERS, writing
from isotropy.runs.directory import Run


def embed(folder: Path, origin: dict[str, Any], out: Path, *, codes: bool, standardise: bool, device: str) -> None:
    """Run `isotropy embed RUN PATH [--codes | --standardise] --out FILE`."""
    if codes and standardise:
        raise UserError("--standardise is for embeddings: codes have no scale; leave one of the two out")
    if out.suffix not in WRITERS:
        raise UserError(f"--out {out}: the file ends in {' or '.join(WRITERS)}{nearest(out.suffix, WRITERS)}")
    if not out.parent.is_dir():
        raise UserError(f"--out {out}: the folder {out.parent} does not exist")
    run = Run.opened(folder)
    made = load_on(run.folder, device)
    origin = as_the_run(run.recipe.data, origin)
    vectors: Callable[[Any], NDArray[Any]] = (
        made.codes_stored if codes else partial(made.embed_stored, standardise=standardise)
    )
    names, dtype = (made.code_names, np.int32) if codes else (made.names, np.float32)
    path = origin.pop("path")
    flow = stream(path, made.preprocess, **origin)
    say(flow.description)
    bar = Progress(
        TextColumn("embedding"), BarColumn(), TaskProgressColumn(), TextColumn("{task.completed:,} rows"),
        TimeRemainingColumn(), console=OUT, transient=True, disable=not OUT.is_terminal,
    )  # fmt: skip
    rows = 0
    try:
        types, pieces = with_columns(flow, path, out)
        with writing(out, names, types, dtype=dtype) as writer, bar:
            task = bar.add_task("", total=flow.rows)
            for piece, beside in pieces:
                found = vectors(made.preprocess.transform(piece)).astype(dtype, copy=False)
                writer.write(found, *beside.values())
                rows += len(found)
                bar.update(task, completed=rows)
    except OSError as error:
        raise UserError(f"{out}: could not be written ({error.strerror or error})") from error
    for line in file_notes(flow):
        note(line)
    what = f"codes of {len(names)} segments" if codes else f"embeddings of width {made.width}"
    say(f"{out}: {rows:,} {what}")
