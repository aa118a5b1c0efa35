"""The rows of large files: found, sampled, and read block by block with what stands beside them taken out."""

import warnings
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from csv import QUOTE_ALL
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from math import prod
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from isotropy.data.archive import Archive, columns_of
from isotropy.data.blocks.formats import FORMATS, ONLY, TEXTS, Block, BlockFormat, Content, LacksColumn
from isotropy.data.image_column import ColumnImages, form_of_column, image_column
from isotropy.data.infer import infer_modality, known_modality
from isotropy.data.missing import mask_values
from isotropy.data.options import Options
from isotropy.data.preprocess import Preprocess
from isotropy.data.readers import read_file
from isotropy.data.recordings.paths import common_folder
from isotropy.data.tar_file import array_column
from isotropy.data.tensors import Pieces
from isotropy.data.unequal import as_values, series_columns
from isotropy.errors import UserError, counted, listed, nearest
from isotropy.rng import bits, integers, keys

# What is looked at in memory beside training: so many rows, or fewer where they would take more bytes.
SAMPLE_ROWS, SAMPLE_BYTES = 100_000, 1 << 28
_LEAST_ROWS = 1_000
# Options of `isotropy.read` that say what images are brought to.
_FORM = ("size", "channels", "fit", "background", "levels")


@dataclass(frozen=True)
class Blocks:
    """Rows of large files, of one format, in the order of the files; the values of one block are in memory at a time.

    Attributes:
        files: in their order. format: of all of them. blocks: of all files, one after the other.
        options: how their rows are read. names: of arrays, or of the column that is an array, that are read; else ().
        modality: of the values. columns: of a table, as they are called in the files; of arrays none.
        images: how the images of a column are decoded, None where the values are none.
        split, group, time: the columns or arrays that say which rows test, what rows belong together, and when they
            were recorded; "" where there is none.
    """

    files: tuple[Path, ...]
    format: BlockFormat
    blocks: tuple[Block, ...]
    options: Options
    names: tuple[str, ...] = ()
    modality: str = ""
    columns: tuple[str, ...] = ()
    images: ColumnImages | None = None
    split: str = ""
    group: str = ""
    time: str = ""

    @classmethod
    def of(cls, files: Sequence[Path], options: Options) -> "Blocks":
        """Return the blocks of files; UserError for files of several formats, of one that has none, or without rows."""
        suffixes = sorted({path.suffix.lower() for path in files})
        if len(suffixes) > 1:
            raise UserError(f"files of {' and '.join(suffixes)} together are not read: give those of one format")
        if suffixes[0] not in FORMATS:
            raise UserError(
                f"{files[0].name} cannot be streamed: {', '.join(FORMATS)} files are read in blocks, others whole"
            )
        format, names = FORMATS[suffixes[0]], _named_arrays(options, files[0])
        parts = {path: format.split(path, names) for path in files}
        empty = [path.name for path, found in parts.items() if not found]
        if len(empty) == len(files):
            raise UserError(f"{listed(empty, 3)} ha{'s' if len(files) == 1 else 've'} no rows")
        if empty:
            warnings.warn(
                f"{counted(len(empty), 'file')} of {len(files)} without rows: {listed(empty, 3)}", stacklevel=2
            )
        blocks = tuple(block for found in parts.values() for block in found)
        return cls(tuple(files), format, blocks, options, names)

    def like(self, preprocess: Preprocess) -> "Blocks":
        """Return the blocks as new rows for what was learnt in training."""
        found, content = replace(self, modality=preprocess.modality), self._load(0, (), ())
        if not isinstance(content, pd.DataFrame):
            return found
        if not preprocess.takes_frames and (column := image_column(content, None, preprocess.modality)):
            return found.with_images(column, preprocess.read_options(folder=True))
        return replace(found, columns=tuple(map(str, content.columns)))

    def with_images(self, column: str, form: Mapping[str, Any]) -> "Blocks":
        """Return the blocks as the images of a column, brought to the form that options of `isotropy.read` say."""
        base, nothing = self.files[0].resolve().parent, pd.Series([], dtype=object)
        asked = {name: form[name] for name in _FORM if name in form}
        return replace(self, images=ColumnImages(column, form_of_column(nothing, column, base, asked), base))

    @cached_property
    def starts(self) -> NDArray[np.int64]:
        """The number of the first row of each block, and of all rows at the end."""
        return np.cumsum([0, *(block.rows for block in self.blocks)], dtype=np.int64)

    def __len__(self) -> int:
        """Return the number of rows."""
        return int(self.starts[-1])

    def sample(self) -> tuple[Any, NDArray[np.int64]]:
        """Return some rows of all files as a file of them would be read, and their numbers (S,), increasing.

        They are one of each of S equal stretches, drawn at random: files that are sorted have rows of all places in it.
        """
        first = self._load(0, (), None)
        rows = sampled_rows(len(self), self._row_bytes(first))
        parts = []
        for number, (begin, end) in enumerate(pairwise(self.starts)):
            here = rows[slice(*np.searchsorted(rows, (begin, end)))] - begin
            if len(here):
                content = first if number == 0 else self._load(number, (), None)
                self._check_shapes(number, content, first)
                parts.append(_taken(content, here))
        return self._together(parts), rows

    def _check_shapes(self, number: int, content: Content, first: Content) -> None:
        """Raise UserError where the rows of a block have another shape than those of the first."""
        if isinstance(first, pd.DataFrame) or isinstance(content, pd.DataFrame):
            return
        for name in first:
            shape, others = content[name].shape[1:], first[name].shape[1:]
            if shape != others:
                what = f" of {name!r}" if name != ONLY else ""
                raise UserError(
                    f"{self.blocks[number].path}: the rows{what} have the shape {shape}, and those of "
                    f"{self.blocks[0].path} {others}: bring them to one, or give the files apart"
                )

    def places(self, rows: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
        """Return where rows (R,) are: the "file", below the folder that all are in, and "file_row", from 0, in it."""
        top, paths = common_folder(self.files), [block.path for block in self.blocks]
        begins = dict(zip(reversed(paths), self.starts[-2::-1].tolist(), strict=True))  # of a file's first block
        found = [paths[number] for number in np.searchsorted(self.starts, rows, side="right") - 1]
        names = np.array([path.relative_to(top).as_posix() for path in found], dtype=object)
        return {"file": names, "file_row": rows - np.array([begins[path] for path in found], dtype=np.int64)}

    def values(self, number: int, columns: Sequence[str] = (), texts: Sequence[str] = ()) -> Any:
        """Return the values of a block's rows as a preprocessing takes them.

        Args:
            number: of the block. columns: of a table those that are needed, as the sample's are called; by default all.
            texts: columns that are read as text.
        """
        if self.images is not None:
            cells = self.beside(number, self.images.column)
            return self.images.decoded(cells, self.blocks[number].path.name)
        if self.columns:
            wanted = [name for name in self.columns if not columns or name in sources_of(columns, self.columns)]
            frame = mask_values(self._frame(number, wanted, texts), self.options.na)
            # What is wrong with a value names its row.
            frame.index = pd.RangeIndex(self.starts[number], self.starts[number + 1])
            if known_modality(self.modality).takes_frames:
                return frame
            held = series_columns(frame, self.options.series_columns)
            content: Any = (frame[held] if held else frame).to_numpy()
        else:
            content = self._load(number, self.names, ())[self.names[0] if self.names else ONLY]
        array = as_values(content, self.options.order)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what they say was said of the sample
            scale = self.options.scale or "unit"  # only words depend on it
            return infer_modality(array, self.modality, scale=scale, channels=self.options.channels)[0]

    def beside(self, number: int, name: str, *, text: bool = False) -> "pd.Series[Any]":
        """Return a column or array of a block's rows, (B,), indexed by their numbers; with `text` text stays text."""
        column = pd.Series(self._load(number, [name], [name] if text else ())[name])
        return column.set_axis(pd.RangeIndex(self.starts[number], self.starts[number + 1]))

    def refuse_absent(self, name: str) -> None:
        """Raise UserError for a column without values where no row has it: a field of JSON need not be in each."""
        there = [str(one) for one in self.format.load(self.blocks[0], (), ())]
        if name not in there:
            raise UserError(f"{self.files[0]} has no {name!r}{nearest(name, there)}")

    def _row_bytes(self, first: Content) -> float:
        """Return about how many bytes a row of the sample takes, of the rows of the first block."""
        count = self.blocks[0].rows
        if not isinstance(first, pd.DataFrame):
            return sum(array.nbytes for array in first.values()) / count
        held = float(first.memory_usage(deep=True, index=False).sum()) / count
        column = image_column(first, self.options.image_column, self.options.modality)
        if column is None:
            return held
        # Decoded they are in a file that is mapped to memory, and need less of it than they take there.
        asked = {name: getattr(self.options, name) for name in _FORM}
        form = form_of_column(first[column], column, self.files[0].resolve().parent, asked)
        return max(held, form.channels * prod(form.size) / 4)

    def _load(self, number: int, names: Sequence[str], texts: Sequence[str] | None) -> Content:
        content = self.format.load(self.blocks[number], names or self.names, texts)
        if self.names and isinstance(content, pd.DataFrame):
            arrays = columns_of(content, self.blocks[number].path.name)
            return {name: arrays[name] for name in arrays.shapes}
        return content

    def _frame(self, number: int, wanted: Sequence[str], texts: Sequence[str]) -> pd.DataFrame:
        try:
            return cast(pd.DataFrame, self._load(number, wanted, texts))
        except LacksColumn as error:
            if len(self.files) == 1:
                raise
            hint = "other files have it: add it there, or train without it (--drop; drop=[...] in Python)"
            raise UserError(f"{error}; {hint}") from error

    def _together(self, parts: list[Content]) -> Any:
        frames = [part for part in parts if isinstance(part, pd.DataFrame)]
        if not frames:
            named = cast(list[dict[str, NDArray[Any]]], parts)
            arrays = {name: np.concatenate([part[name] for part in named]) for name in named[0]}
            return arrays.get(ONLY, arrays)
        whole = pd.concat(frames, ignore_index=True)
        if self.files[0].suffix.lower() not in TEXTS:
            return whole
        # Text: what a column is shows in all its values, as in a file of just these rows.
        with TemporaryDirectory() as folder:
            written = Path(folder) / "sample.csv"
            # A value with a carriage return is quoted only where all are.
            whole.to_csv(written, index=False, quoting=QUOTE_ALL)
            groups = [self.options.group] if self.options.group in whole.columns else []
            return read_file(written, self.options.na, [*self.options.columns_of_text, *groups])


class TrainingRows:
    """The rows of blocks without those that are held out.

    Args:
        blocks: all rows. held_out: which rows of a block are, by its number; see `held_out`.

    Attributes:
        counts: (blocks,) how many rows of each block are left.
    """

    def __init__(self, blocks: Blocks, held_out: Callable[[int], NDArray[np.bool_]]) -> None:
        self.blocks, self.held_out = blocks, held_out
        self.counts = np.array([(~held_out(number)).sum() for number in range(len(blocks.blocks))], dtype=np.int64)

    def __len__(self) -> int:
        """Return the number of rows."""
        return int(self.counts.sum())

    def values(self, number: int, columns: Sequence[str] = (), texts: Sequence[str] = ()) -> Any:
        """Return the values of the rows of a block that are left; see `Blocks.values`."""
        values, kept = self.blocks.values(number, columns, texts), ~self.held_out(number)
        return values if kept.all() else values[kept]

    def read(self, texts: Sequence[str] = ()) -> Iterator[Any]:
        """Yield the values of all rows that are left, block by block; the columns `texts` are read as text."""
        for number, count in enumerate(self.counts):
            if count:
                yield self.values(number, texts=texts)

    @property
    def array(self) -> Pieces:
        """The rows of arrays that are left, as one array that is read in pieces."""
        first = next(self.read())
        return Pieces((len(self), *first.shape[1:]), first.dtype, self.read)


def sampled_rows(count: int, row_bytes: float) -> NDArray[np.int64]:
    """Return the numbers of at most 100,000 of `count` rows, fewer where they take more than 256 MB, increasing.

    Example:
        >>> sampled_rows(5, 8.0), len(sampled_rows(10**9, 8.0)), len(sampled_rows(10**9, 2.0**20))
        (array([0, 1, 2, 3, 4]), 100000, 1000)
    """
    most = max(_LEAST_ROWS, min(SAMPLE_ROWS, int(SAMPLE_BYTES / max(1.0, row_bytes))))
    if count <= most:
        return np.arange(count)
    ends = torch.arange(most + 1) * count // most
    drawn = bits(keys(0, 0, 0, torch.arange(most)), 1)[:, 0]
    return (ends[:-1] + integers(drawn, ends.diff())).numpy()


def _named_arrays(options: Options, first: Path) -> tuple[str, ...]:
    """Return the arrays of .npz files, or the columns beside a column that is an array, that are read."""
    key, suffix = options.key, first.suffix.lower()
    if key is None and suffix == ".npz":
        key = cast(Archive, read_file(first)).choose()
    if key is None and suffix == ".tar" and (parts := FORMATS[suffix].split(first, ())):
        key = array_column(list(cast(pd.DataFrame, FORMATS[suffix].load(parts[0], (), ())).columns))
    if key is None:
        return ()
    labels = options.label if options.label_key is None else options.label_key
    several = labels if isinstance(labels, list | tuple) else [labels]
    beside = [*several, options.split, options.group, options.time]
    return tuple(dict.fromkeys([key, *(name for name in beside if isinstance(name, str))]))


def sources_of(columns: Iterable[str], there: Collection[str]) -> set[str]:
    """Return the columns of a file that columns of its table are from: of x[0], which was spread, x."""
    return {name if name in there else name.rpartition("[")[0] for name in columns}


def _taken(content: Content, rows: NDArray[np.int64]) -> Content:
    if isinstance(content, pd.DataFrame):
        return content.iloc[rows]
    return {name: array[rows] for name, array in content.items()}
