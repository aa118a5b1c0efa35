"""Files whose rows stay there: a sample of them in memory, and all of them in blocks."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
from numpy.typing import NDArray
from rich.filesize import decimal

from isotropy.data import arrow_files
from isotropy.data.archive import Archive
from isotropy.data.blocks.blocks import Blocks, sources_of
from isotropy.data.blocks.formats import FORMATS
from isotropy.data.blocks.memory import free_memory
from isotropy.data.data import Data
from isotropy.data.grouping import check_division, group_names, refuse_missing
from isotropy.data.image_column import image_column
from isotropy.data.opening import opening
from isotropy.data.options import Options
from isotropy.data.recordings.paths import common_folder, files_of, named_by_path
from isotropy.data.sources.arrays import ARRAY, ARRAYS
from isotropy.data.sources.images import PICTURES
from isotropy.data.sources.source import Origin, Source
from isotropy.data.sources.table import TABLE
from isotropy.errors import UserError

# Of the free memory; reading a table takes about three times what its rows take.
FRACTION = 0.25


def streamed(dataset: Any, options: Options, stream: bool | None) -> Data | None:
    """Return a sample of the rows of files with all of them in `Data.stream`, or None where they are read whole.

    Args:
        dataset: a path, a pattern, or several paths. options: how they are read.
        stream: whether to; None for where the rows take more than a quarter of the free memory.

    Raises:
        UserError: what cannot be read in blocks, where that is asked for.
    """
    if stream is False or not named_by_path(dataset):
        if stream:
            raise UserError("stream is of files: what is in memory is trained on from there")
        return None
    if stream is None and (options.cutting.given or not _exist(dataset)):
        return None
    files = _files(dataset)
    kinds = {path.suffix.lower() for path in files}
    if stream is None and not kinds <= FORMATS.keys():
        return None
    for path in files:
        if arrow_files.is_partitioned(path):
            raise UserError(
                f"{path}: a folder of partitions is read whole: to stream it without the columns that its folders are "
                f"called, name its files, as '{path}/**/*.parquet'"
            )
        if not path.is_file():
            raise UserError(f"{path} {'is a folder: name its files' if path.is_dir() else 'does not exist'}")
    size = sum(FORMATS[path.suffix.lower()].bytes_of(path) for path in files if kinds <= FORMATS.keys())
    free = free_memory()
    # Several shards are one data set, whatever they take: nothing else reads them so.
    shards = len(files) > 1 and kinds == {".tar"}
    if stream is None and not shards and (free is None or size <= FRACTION * free):
        return None
    _refuse(options)
    name = files[0].name if len(files) == 1 else f"{len(files)} files of {common_folder(files).resolve().name}"
    why = (
        ""
        if stream or free is None or size <= FRACTION * free
        else f", more than a quarter of the {decimal(free)} of memory that are free"
    )
    return _sampled(Blocks.of(files, options), name, f"{decimal(size)}{why}", options)


def _sampled(blocks: Blocks, name: str, size: str, options: Options) -> Data:
    content, rows = blocks.sample()
    source = _source(content, options)
    columns: tuple[str, ...] = ()
    origin = Origin("the sample", whose=name, folder=blocks.files[0].parent)
    if isinstance(content, Mapping):
        for name, column in content.items():
            if column.ndim == 1 and pd.isna(column).all():
                blocks.refuse_absent(name)
        content = _archive(blocks, content)
    source.refuse_others(options, name)
    data = source.read(content, origin, replace(options, key=blocks.names[0] if blocks.names else None))
    if source is PICTURES:
        column = image_column(content, options.image_column, options.modality)
        assert column is not None
        blocks = blocks.with_images(column, {"channels": data.values.shape[1], **data.form})
    elif isinstance(content, pd.DataFrame):
        taken = data.values.columns if isinstance(data.values, pd.DataFrame) else content.columns
        columns = tuple(name for name in content.columns if name in sources_of(taken, content.columns))
    split = "" if data.split is None else options.split or "split"
    group, time = options.group or "", options.time or ""
    if data.groups is not None:
        names = group_names(data.groups, options.na)
        refuse_missing(pd.Series(names == "", index=rows), f"group {group!r}")
        data = replace(data, groups=names)
    blocks = replace(blocks, modality=data.modality, columns=columns, split=split, group=group, time=time)
    number = f"{len(rows):,} rows sampled from all of them, on which they are looked at and probed"
    many = f"{len(blocks.blocks):,} blocks" if len(blocks.blocks) > 1 else "1 block"
    words = f"{name}: streamed, {len(blocks):,} rows in {many} ({size}); {number}"
    return replace(data, stream=blocks, sampled=rows, description=f"{words}: {data.description}")


def _source(content: Any, options: Options) -> Source:
    if isinstance(content, pd.DataFrame):
        return PICTURES if PICTURES.is_one(content, options) else TABLE
    return ARRAYS if isinstance(content, Mapping) else ARRAY


def _archive(blocks: Blocks, arrays: Mapping[str, NDArray[Any]]) -> Archive:
    return Archive(
        blocks.files[0], {name: f"{x.shape} {x.dtype}" for name, x in arrays.items()}, lambda key: arrays[key]
    )


def _refuse(options: Options) -> None:
    """Raise UserError for options that need all rows at once."""
    if options.cutting.given:
        raise UserError("recordings are not streamed: cut them into windows first, and give these as .npy files")
    if options.test_key is not None:
        raise UserError("test_key is of one file in memory: of streamed files name the split")
    check_division({name: getattr(options, name) for name in ("label", "split", "group", "time")} | options.keys)
    if options.max_bad:
        raise UserError("max_bad is of images that are decoded before: of streamed ones each has to be read")
    for name in ("label", "split", "group", "time"):
        value = getattr(options, name)
        several = value if isinstance(value, list | tuple) else [value]
        if value is not None and not all(isinstance(one, str) for one in several):
            raise UserError(f"{name} names a column or an array of streamed files: values in memory are of other rows")


def _files(dataset: Any) -> list[Path]:
    found = []
    for path in files_of(dataset):
        with opening(path):
            found += arrow_files.files_of(path)
    return found


def _exist(dataset: Any) -> bool:
    try:
        return all(path.is_file() for path in _files(dataset))
    except UserError:
        return False  # whoever reads it whole says what is wrong
