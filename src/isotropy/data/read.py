"""The door of the library: whatever a user has becomes `Data`."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from isotropy.data.archive import columns_of
from isotropy.data.blocks.streamed import streamed
from isotropy.data.data import Data
from isotropy.data.frames import as_pandas
from isotropy.data.grouping import check_division
from isotropy.data.image_form import Size
from isotropy.data.image_listing import shown
from isotropy.data.odd_values import refuse_odd_values
from isotropy.data.options import Options
from isotropy.data.readers import is_one_file, read_file
from isotropy.data.recordings.format import Format
from isotropy.data.sources import SOURCES
from isotropy.data.sources.recordings import RECORDINGS
from isotropy.data.sources.source import Origin
from isotropy.errors import UserError, nearest
from isotropy.io.paths import existing


def read(
    dataset: Any,
    *,
    modality: str | None = None,
    key: str | None = None,
    label: Any = None,
    label_key: str | None = None,
    na: Sequence[str] = (),
    split: Any = None,
    group: Any = None,
    time: Any = None,
    drop: Sequence[str] = (),
    kinds: Mapping[str, str] | Sequence[str] = (),
    text: Sequence[str] = (),
    test_key: str | None = None,
    test_label_key: str | None = None,
    image_column: str | None = None,
    size: Size = None,
    channels: int | str | None = None,
    series_columns: Sequence[str] | None = None,
    fit: str | None = None,
    background: str | None = None,
    levels: Sequence[float] | None = None,
    scale: str | None = None,
    task: str | None = None,
    max_bad: float | str = 0,
    store: str | Path | None = None,
    progress: Callable[[int, int], None] | None = None,
    window: Any = None,
    hop: Any = None,
    id: str | None = None,
    rate: float | None = None,
    gap: Any = None,
    time_unit: str | None = None,
    channel_column: str | None = None,
    like: Format | None = None,
    stream: bool | None = False,
) -> Data:
    """Return a data set with labels and parts kept apart from the values.

    Args:
        dataset: an array, a tensor, a frame (of pandas, pyarrow, polars or another library, see `frames.as_pandas`), or
            a path: of a file of one of `READERS`, or a folder of images; of recordings also a folder, a pattern such
            as "day*.csv", or several paths; series of unequal length as a list of arrays (channels, time), or as one
            array with NaN behind their ends.
        modality: "table", "series", "image" or "array" (any shape) where the array's shape says otherwise; see
            `infer_modality`.
        key: the array of a .npz to read. Without it the only one, X_train, X, data or x is taken. Of a table the column
            of lists that is taken as one array.
        label: a table's column of labels; "folder" for images in class folders; one value per row for what
            is in memory already; a list of columns for several labels. For a .npz it means `label_key`.
        label_key: the array of a .npz with the labels.
        na: texts that mean a missing value, such as "?".
        split: a table's column, or a .npz's array, that says "train" or "test" (or is true or false, and
            named after what true means); one value per row for what is in memory. A column or an array
            called "split" that holds nothing else is taken without being named.
        group: a table's column, a .npz's array, "folder" for images in folders, or one value per row: rows of one group
            (subject, machine, session) are on one side of the split. time: likewise; rows before a point in time train,
            and rows from then on test. Neither is ever an input.
        drop: a table's columns to leave out, an identifier for example.
        kinds: what columns of a table are where they are not recognised, {"zip": "categorical"} or ["zip=categorical"]:
            numeric, boolean, datetime, categorical, text (described by its letters), dmy or mdy (dates, day or month
            first).
        text: columns of a .csv that are read as text, whatever they look like.
        test_key, test_label_key: arrays of a .npz that become the test part, behind the rows of `key`.
        task: "classes" or "numbers", where the labels could be taken for the other; see `evaluation.task.task_of`.
            "labels": rows have several labels each: a column of lists, or of texts such as "a;b", an array (N, L) of 0
            and 1, or several columns of 0 and 1, which are then one label.
        scale: how floats are read in images of an array, where training has decided (`ImagePreprocess.scale`).
        image_column: a table's column of images, as paths beside the file or as bytes; a column of bytes, as
            Hugging Face's parquet files have one, is taken without being named.
        channels: how many channels images have where it is not 1 or 3: of an array, or of the pages of TIFF stacks;
            "last" for series that are (samples, time, channels), or a list of arrays (time, channels) ("first" is the
            default).
        series_columns: a table's columns of arrays, each a channel of its row's series, in their order; by default all
            that hold arrays.
        size, fit, background, levels, max_bad, store, progress: for images in files; see `folder.read_images`. Of
            `max_bad` "5%" is a share.
        window, hop: recordings are cut into windows so long ("2s", or 128 samples), one every `hop` (by default a
            window), which cross no gap and no change of group, part, id or file. `time` is then the column of their
            clock, `label` what most steps of a window have, `group` a column, "file" or "folder".
        id: a table's column that tells recordings apart; without a window each is a row.
        rate: samples a second, of recordings that do not say it; others are resampled to it. gap: the longest step
            that is interpolated, such as "0.1s". time_unit: of times that are numbers (seconds): "ms", "us", ...
        channel_column: the column that names the channel of each row's one value, in a table that is stacked (id, time,
            channel, value); recognised where `id` or `time` is named and a column of texts and one of numbers are left.
        like: how other recordings were cut, `Data.windows.format`: new ones are cut likewise.
        stream: whether the rows stay in their files, of which several are one data set, and a sample of them is
            returned, with all of them as `Data.stream`; None for where they take over a quarter of the free memory.

    Raises:
        UserError: what is missing, damaged, empty or of no known form; the line says what to do.

    Example:
        >>> import numpy as np
        >>> read(np.zeros((10, 3, 50))).description
        'the array: series of 3 channels and 50 steps, 10 rows (float64)'
    """
    options = Options.of(**{name: value for name, value in locals().items() if name not in ("dataset", "stream")})
    refuse_odd_values(na, "na (--na)")
    if (data := streamed(dataset, options, stream)) is not None:
        return data
    if RECORDINGS.is_one(dataset, options):
        content, origin = dataset, Origin("the recordings", whose="the data")
    else:
        content, origin = _opened(dataset, options)
    source = next(one for one in SOURCES if one.is_one(content, options))
    source.refuse_others(options, origin.whose)
    data = source.read(content, origin, options)
    if isinstance(data.values, pd.DataFrame):
        # Of all rows, for all are written into a run; what is dropped is none of them.
        for name in data.values.columns:
            refuse_odd_values(data.values[name], f"column {name!r}")
    return data


def _opened(dataset: Any, options: Options) -> tuple[Any, Origin]:
    """Return the content of a file, or a folder's path, or what is in memory already; and where it is from."""
    names = {name: getattr(options, name) for name in ("label", "split", "group", "time")}
    check_division({**names, **options.keys})
    if not isinstance(dataset, str | Path):
        dataset = as_pandas(dataset)
        what = "frame" if isinstance(dataset, pd.DataFrame) else "array"
        content, origin = dataset, Origin(f"the {what}", whose="an array" if what == "array" else "a frame")
    else:
        path = _existing(Path(dataset).expanduser())
        content = path if not is_one_file(path) else read_file(path, options.na, options.columns_of_text)
        origin = Origin(path.name, whose=path.name, folder=path.resolve().parent)
    if isinstance(content, pd.DataFrame) and options.key is not None:
        there = [str(name) for name in content.columns]
        if options.key not in there:
            raise UserError(f"{origin.name} has no column {options.key!r} (key){nearest(options.key, there)}")
        content = columns_of(content, origin.name)
        origin = replace(origin, whose=f"column {options.key!r} of {origin.whose}")
    return content, origin


def _existing(path: Path) -> Path:
    if str(path) != shown(str(path)):
        raise UserError(f"the name {shown(str(path))} is not UTF-8, and cannot be kept in a run: rename it, or link it")
    return existing(path)
