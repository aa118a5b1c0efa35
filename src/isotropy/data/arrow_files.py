"""Tables in files of Arrow itself (.feather, .arrow) and in folders of partitions, as `write_to_dataset` makes them."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.dataset as ds

_PARTS = (".parquet", ".feather", ".arrow")


def is_partitioned(folder: Path) -> bool:
    """Return whether a folder is one table in partitions: folders called column=value, and below them its files."""
    return folder.is_dir() and bool(_kinds(folder))


def partitioned(folder: Path) -> ds.Dataset:
    """Return the table in a folder of partitions, whose columns are among its own.

    A column that some files lack is missing in their rows.

    Raises:
        ValueError: files of several formats, or columns that differ in their types.
    """
    kinds = _kinds(folder)
    if len(kinds) > 1:
        raise ValueError(f"its partitions hold {' and '.join(sorted(kinds))} files")
    format = next(iter(kinds)).removeprefix(".").replace("arrow", "ipc")
    files = sorted(str(path) for path in _files(folder))
    table = ds.dataset(files, format=format, partitioning="hive", partition_base_dir=str(folder))
    schemas = [table.schema, *(part.physical_schema for part in table.get_fragments())]
    return table.replace_schema(pa.unify_schemas(schemas, promote_options="permissive"))


def _kinds(folder: Path) -> set[str]:
    with os.scandir(folder) as entries:
        if not any("=" in entry.name and entry.is_dir() for entry in entries):
            return set()
    return {path.suffix.lower() for path in _files(folder)} & set(_PARTS)


def _files(folder: Path) -> Iterator[Path]:
    """Yield the files of partitions; what begins with a dot or an underscore is none of them, by the convention."""
    for path in folder.rglob("*"):
        below = path.relative_to(folder).parts
        if path.suffix.lower() in _PARTS and path.is_file() and not any(one.startswith((".", "_")) for one in below):
            yield path


def batches(path: Path, rows: int, names: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
    """Yield a file of Arrow in batches of at most so many rows, checked in full; some columns of it, or all.

    A file has the form of files or, as the Hugging Face library writes it, of streams.
    """
    with pa.memory_map(str(path)) as source:
        for batch in _stored(source):
            batch.validate(full=True)  # offsets of a damaged file could lead anywhere
            chosen = batch if names is None else batch.select(list(names))
            for begin in range(0, max(1, len(chosen)), rows):
                yield chosen.slice(begin, rows)


def schema_of(path: Path) -> pa.Schema:
    """Return the columns of a file of Arrow."""
    with pa.memory_map(str(path)) as source:
        return _opened(source).schema


def _stored(source: pa.NativeFile) -> Iterator[pa.RecordBatch]:
    opened = _opened(source)
    if isinstance(opened, pa.RecordBatchFileReader):
        yield from (opened.get_batch(place) for place in range(opened.num_record_batches))
    else:
        yield from opened


def _opened(source: pa.NativeFile) -> pa.RecordBatchFileReader | pa.RecordBatchStreamReader:
    try:
        return pa.ipc.open_file(source)
    except pa.ArrowInvalid:
        source.seek(0)
        return pa.ipc.open_stream(source)
