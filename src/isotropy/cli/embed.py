"""`isotropy embed`: embeddings of any number of rows, in constant memory."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from isotropy import representation
from isotropy.cli.fit import pick_device
from isotropy.cli.show import OUT, say
from isotropy.data.stream import stream
from isotropy.errors import UserError, nearest
from isotropy.run import Run


class _Writer(Protocol):
    def write(self, embeddings: NDArray[np.float32]) -> None: ...

    def close(self) -> None: ...


def embed(folder: Path, origin: dict[str, Any], out: Path, *, device: str) -> None:
    """Run `isotropy embed RUN PATH --out FILE`."""
    if out.suffix not in _WRITERS:
        raise UserError(f"--out {out}: the file ends in {' or '.join(_WRITERS)}{nearest(out.suffix, _WRITERS)}")
    if not out.parent.is_dir():
        raise UserError(f"--out {out}: the folder {out.parent} does not exist")
    made = representation.load(Run.opened(folder).folder).to(pick_device(device))
    path = origin.pop("path")
    flow = stream(path, made.preprocess, **origin)
    say(flow.said)
    bar = Progress(
        TextColumn("embedding"), BarColumn(), TaskProgressColumn(), TextColumn("{task.completed:,} rows"),
        TimeRemainingColumn(), console=OUT, transient=True, disable=not OUT.is_terminal,
    )  # fmt: skip
    rows = 0
    with _replacing(out) as temporary, bar:
        task = bar.add_task("", total=flow.rows)
        writer = _WRITERS[out.suffix](temporary, made.names)
        with closing(writer):
            for piece in flow.pieces:
                embeddings = made.transform(piece)
                writer.write(embeddings)
                rows += len(embeddings)
                bar.update(task, completed=rows)
        if not rows:
            raise UserError(f"{path} has no rows")
    say(f"{out}: {rows:,} embeddings of width {made.width}")


class _Parquet:
    """One float column per dimension, written piece by piece."""

    def __init__(self, path: Path, names: list[str]) -> None:
        self.schema = pa.schema([(name, pa.float32()) for name in names])
        self.file = pq.ParquetWriter(path, self.schema)

    def write(self, embeddings: NDArray[np.float32]) -> None:
        """Append rows."""
        columns = [pa.array(column) for column in np.ascontiguousarray(embeddings.T)]
        self.file.write_table(pa.table(columns, schema=self.schema))

    def close(self) -> None:
        """Finish the file."""
        self.file.close()


class _Npy:
    """A .npy file whose header is written last, when the number of rows is known."""

    def __init__(self, path: Path, names: list[str]) -> None:
        self.width, self.rows = len(names), 0
        self.file = open(path, "wb")  # noqa: SIM115 (closed by `close`)
        self._header()

    def write(self, embeddings: NDArray[np.float32]) -> None:
        """Append rows."""
        self.file.write(np.ascontiguousarray(embeddings, dtype="<f4").tobytes())
        self.rows += len(embeddings)

    def close(self) -> None:
        """Write the header over the first one, which is of the same length, and close."""
        with self.file:
            self.file.seek(0)
            self._header()

    def _header(self) -> None:
        # numpy leaves room in a header for a growing first axis: its length stays the same.
        header = {"descr": "<f4", "fortran_order": False, "shape": (self.rows, self.width)}
        np.lib.format.write_array_header_1_0(self.file, header)


_WRITERS: dict[str, Any] = {".parquet": _Parquet, ".npy": _Npy}


@contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """Give a temporary file beside `path` that takes its place at the end, and is removed on any error."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(handle)
    try:
        yield Path(name)
        os.chmod(name, 0o644)
        os.replace(name, path)
    except OSError as error:
        raise UserError(f"{path}: could not be written ({error.strerror})") from error
    finally:
        Path(name).unlink(missing_ok=True)
