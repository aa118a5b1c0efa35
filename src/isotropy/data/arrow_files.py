"""Tables in files of Arrow itself (.feather, .arrow), and in folders of files: partitions, as `write_to_dataset` makes
them, and data sets that `save_to_disk` of the Hugging Face library wrote.
"""

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from isotropy.errors import UserError

# What `save_to_disk` leaves beside the files of a data set, and of several, as "train" and "test".
_STATE, _SEVERAL = "state.json", "dataset_dict.json"
_PARTS = (".parquet", ".feather", ".arrow")


def is_partitioned(folder: Path) -> bool:
    """Return whether a folder is one table in partitions: folders called column=value, and below them its files."""
    return folder.is_dir() and bool(_kinds(folder))


def partitioned(folder: Path) -> Any:
    """Return the table in a folder of partitions, whose columns are among its own.

    A column that some files lack is missing in their rows.

    Raises:
        ValueError: files of several formats, or columns that differ in their types.
    """
    import pyarrow.dataset as ds

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


def is_saved(folder: Path) -> bool:
    """Return whether a folder is one table, or several, that `save_to_disk` of the Hugging Face library wrote."""
    return (folder / _STATE).is_file() or (folder / _SEVERAL).is_file()


def files_of(path: Path) -> list[Path]:
    """Return the files of a folder of `save_to_disk`, in their order, and of anything else itself.

    Raises:
        UserError: a folder of several tables, or without rows. ValueError, KeyError: one whose record is damaged.
    """
    if (path / _SEVERAL).is_file():
        parts = json.loads((path / _SEVERAL).read_text("utf-8"))["splits"]
        raise UserError(f"{path} holds {', '.join(parts)}: name one of them, as {path / str(parts[0])}")
    if not (path / _STATE).is_file():
        return [path]
    names = [str(one["filename"]) for one in json.loads((path / _STATE).read_text("utf-8"))["_data_files"]]
    if not names:
        raise UserError(f"{path} has no rows")
    return [path / Path(name).name for name in names]


def batches(path: Path, rows: int, names: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
    """Yield what `files_of` gives in batches of at most so many rows, checked in full; some columns of it, or all.

    A file has the form of files or, as the Hugging Face library writes it, of streams.
    """
    for file in files_of(path):
        with pa.memory_map(str(file)) as source:
            for batch in _batches(_opened(source)):
                batch.validate(full=True)  # offsets of a damaged file could lead anywhere
                chosen = batch if names is None else batch.select(places_of(names, batch.schema))
                for begin in range(0, max(1, len(chosen)), rows):
                    yield chosen.slice(begin, rows)


def schema_of(path: Path) -> pa.Schema:
    """Return the columns of what `files_of` gives."""
    with pa.memory_map(str(files_of(path)[0])) as source:
        return _opened(source).schema


@dataclass(frozen=True)
class Part:
    """Consecutive batches of a file of Arrow: their rows, how many they are, and where: a number, of streams a byte."""

    rows: int
    batches: int
    begin: int


def parts(path: Path, size: int) -> list[Part]:
    """Return a file of Arrow in parts of at least `size` bytes each but the last, by what it says of its batches alone.

    Raises:
        UserError: a file in the form of streams with columns that are numbers of a dictionary.
    """
    found: list[Part] = []
    rows = count = held = begin = 0
    with pa.memory_map(str(path)) as source:
        opened = _opened(source)
        stream = isinstance(opened, pa.RecordBatchStreamReader)
        if stream and any(pa.types.is_dictionary(kind) for kind in opened.schema.types):
            raise UserError(f"{path}: a stream of Arrow with dictionaries is not read in parts: write it as .parquet")
        place = source.tell() if stream else 0
        for number, batch in enumerate(_batches(opened), 1):
            begin = begin if count else place
            rows, count, held = rows + len(batch), count + 1, held + batch.nbytes
            place = source.tell() if stream else number
            if held >= size:
                found.append(Part(rows, count, begin))
                rows = count = held = 0
    found += [Part(rows, count, begin)] if count else []
    return [part for part in found if part.rows]


def read_part(path: Path, part: Part, names: Sequence[str] | None) -> pa.Table:
    """Return the rows of a part, checked in full: some columns of them, or all."""
    with pa.memory_map(str(path)) as source:
        opened = _opened(source)
        if isinstance(opened, pa.RecordBatchStreamReader):
            source.seek(part.begin)
            messages = (pa.ipc.read_message(source) for _ in range(part.batches))
            batches = [pa.ipc.read_record_batch(message, opened.schema) for message in messages]
        else:
            batches = [opened.get_batch(part.begin + number) for number in range(part.batches)]
        for batch in batches:
            batch.validate(full=True)
        table = pa.Table.from_batches(batches, opened.schema)
        return table if names is None else table.select(places_of(names, table.schema))


def places_of(names: Sequence[str], schema: pa.Schema) -> list[int]:
    """Return the places of all columns that have one of these names."""
    return [place for place, name in enumerate(schema.names) if name in names]


def _batches(opened: pa.RecordBatchFileReader | pa.RecordBatchStreamReader) -> Iterator[pa.RecordBatch]:
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
