"""Rows of a file in pieces, for data that need not fit into memory."""

import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd
from numpy.typing import NDArray

from isotropy.batch import batched
from isotropy.data import readers, table_files
from isotropy.data.blocks.blocks import Blocks
from isotropy.data.blocks.column import BlockColumn
from isotropy.data.data import Data
from isotropy.data.kept import kept_columns
from isotropy.data.missing import mask_values
from isotropy.data.options import Options
from isotropy.data.other_kind import as_trained_on
from isotropy.data.preprocess import Preprocess
from isotropy.data.read import read
from isotropy.data.recordings.paths import common_folder, files_of, holds_recordings, is_pattern, named_by_path
from isotropy.data.recordings.read import read_recordings, slices_of
from isotropy.data.recordings.windows import Windows
from isotropy.errors import UserError


@dataclass(frozen=True)
class Stream:
    """Rows in pieces; `rows` is None where only reading would tell.

    `parts` are values as `preprocess.transform` takes them, with where they were cut from if they are of recordings.
    `kept` holds the columns that were asked for, (N,) each, by name, of which slices are read. `notes` is what has to
    be said of the files when the last part is read, and of how many of them.
    """

    description: str
    rows: int | None
    parts: Iterator[tuple[Any, Windows | None]]
    notes: "Counter[str]" = field(default_factory=Counter)
    kept: Mapping[str, NDArray[Any] | BlockColumn] = field(default_factory=dict)

    @property
    def pieces(self) -> Iterator[Any]:
        """The values alone."""
        return (values for values, _ in self.parts)


def stream(
    path: str | Path | Sequence[str],
    preprocess: Preprocess,
    *,
    key: str | None = None,
    na: Sequence[str] = (),
    channels: int | str | None = None,
    max_bad: int = 0,
    progress: Callable[[int, int], None] | None = None,
    keep: Sequence[str] = (),
    **cutting: Any,
) -> Stream:
    """Return the rows behind a path in pieces of bounded memory; an .npz and most files of recordings come whole.

    A long recording in a file of which steps can be read apart (.npy, .h5, .wav, .edf, .hea) is read in slices.

    Several files of an encoder that was not trained on recordings are one data set, in the order of their names.

    Args:
        path, key, na, channels, max_bad, progress: as for `read`; columns of labels or parts may be there.
        preprocess: learnt in training; its modality is what the file must hold.
        cutting: of recordings what differs from the training's: hop, time, group, id, rate, time_unit.
        keep: what is kept beside the rows, by name: columns of a table, arrays of an .npz, "file" and "folder" of
            images in a folder.

    Raises:
        UserError: what `read` raises, or data of another modality.
    """
    cut = preprocess.read_options(folder=False).get("like") is not None
    if not cut and _is_several(path):
        _refuse_cutting(cutting)
        return _shards(path, preprocess, keep, Options.of(key=key, na=na, channels=channels))
    if cut or not isinstance(path, str | Path):
        if keep:
            raise UserError("keep is of tables, .npz files and folders of images; windows have file, start and end")
        return _recordings(path, preprocess, key=key, na=na, channels=channels, **cutting)
    _refuse_cutting(cutting)
    place = Path(path).expanduser()
    one_file = readers.is_one_file(place)
    pieces_of = readers.find_reader(place).pieces if one_file else None
    if preprocess.takes_frames and pieces_of is not None:
        # A piece without its odd value would have another type than the whole column: names of levels are text.
        rows, frames = pieces_of(place, na, preprocess.text_columns)
        count = "read in pieces" if rows is None else f"{rows} rows"
        masked = ((mask_values(frame, na), None) for frame in frames)
        return Stream(f"{place.name}: a table, {count}", rows, masked, kept=kept_columns(place, keep, na))
    options = ({"channels": channels} if channels else {}) | readers.options_for(preprocess, place, key)
    options = {"modality": preprocess.modality, **options}
    try:
        with as_trained_on(preprocess, place, key):
            data = read(place, key=key, na=na, max_bad=max_bad, progress=progress, **options)
            if data.modality != preprocess.modality:
                raise UserError(f"{place}: holds {data.modality} data")
    except UserError as error:
        raise UserError(str(error) if place.name in str(error) else f"{place}: {error}") from error
    if (differing := preprocess.departure(data.values)) is not None:
        warnings.warn(differing, stacklevel=2)
    if isinstance(data.values, pd.DataFrame):
        parts = batched(len(data), rows=table_files.PIECE_ROWS)
    else:
        parts = batched(len(data), row_bytes=data.values[:1].nbytes)
    kept = kept_columns(place, keep, na, data)
    return Stream(data.description, len(data), ((data.take(part).values, None) for part in parts), kept=kept)


def _is_several(path: Any) -> bool:
    """Return whether a path names shards: one of WebDataset, a pattern, a folder of files, or several paths."""
    if not isinstance(path, str | Path):
        return named_by_path(path)
    place = Path(path).expanduser()
    return place.suffix.lower() == ".tar" or is_pattern(path) or (place.is_dir() and holds_recordings(place))


def _refuse_cutting(cutting: Mapping[str, Any]) -> None:
    if given := next((name for name, value in cutting.items() if value is not None), None):
        raise UserError(f"--{given.replace('_', '-')} is of recordings, and the encoder was not trained on any")


def _shards(path: Any, preprocess: Preprocess, keep: Sequence[str], options: Options) -> Stream:
    """Return the rows of several files that are one data set, block by block."""
    files = files_of(path)
    options = replace(options, scale=preprocess.read_options(folder=False).get("scale"))
    blocks = Blocks.of(files, options).like(preprocess)
    kept = {name: BlockColumn(blocks, name) for name in keep}
    parts = (blocks.values(one, preprocess.column_names, preprocess.text_columns) for one in range(len(blocks.blocks)))
    name = files[0].name if len(files) == 1 else f"{len(files)} files of {common_folder(files).resolve().name}"
    many = f"{len(blocks.blocks):,} blocks" if len(blocks.blocks) > 1 else "1 block"
    description = f"{name}: {len(blocks):,} rows in {many}"
    return Stream(description, len(blocks), ((values, None) for values in parts), kept=kept)


def _recordings(path: Any, preprocess: Preprocess, **given: Any) -> Stream:
    """Return windows of recordings as the training cut them, of one file after the other."""
    form = preprocess.read_options(folder=False)
    if form.get("like") is None:
        raise UserError("several files are read as recordings, and the encoder was not trained on any: give one file")
    options = Options.of(**{**form, **{name: value for name, value in given.items() if value is not None}})
    files = files_of(path) if named_by_path(path) else [path]
    top = common_folder(files) if named_by_path(path) else None

    def data_of(file: Any) -> Data:
        return read_recordings(
            file, options.cutting, key=options.key, na=options.na, group=options.group, time=options.time,
            order=options.order, top=top, divides=False,
        )  # fmt: skip

    def slices(file: Any) -> list[Any]:
        found = None
        if isinstance(file, Path):
            found = slices_of(
                file, options.cutting, key=options.key, group=options.group, time=options.time, order=options.order
            )
        return found or [file]

    notes: Counter[str] = Counter()

    def parts(whole: Iterable[Iterable[Data]]) -> Iterator[tuple[Any, Windows | None]]:
        for file in whole:
            said: set[str] = set()
            for data in file:
                assert data.windows is not None
                said |= set(data.description.split("; ")[1:])
                for part in batched(len(data), row_bytes=data.values[:1].nbytes):
                    yield data.values[part], data.windows.take(part)
            notes.update(said)

    if len(files) == 1:
        several = slices(files[0])
        if len(several) == 1:
            data = data_of(files[0])
            return Stream(data.description, len(data), parts([[data]]))
        rows = sum(one.rows for one in several)
        description = f"{files[0].name}: {rows:,} windows, read in {len(several):,} slices"
        return Stream(description, rows, parts([map(data_of, several)]), notes)
    assert top is not None
    return Stream(
        f"{len(files)} files of {top.resolve().name or top}, read one by one",
        None,
        parts(map(data_of, slices(file)) for file in files),
        notes,
    )
