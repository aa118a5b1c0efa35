"""A table: a frame, or a file with named columns."""

from typing import Any

import pandas as pd

from isotropy.data.data import Data
from isotropy.data.frames import as_frame
from isotropy.data.image_column import paths_column
from isotropy.data.infer import infer_modality, known_modality
from isotropy.data.missing import mask_values
from isotropy.data.options import Options
from isotropy.data.sources.beside import Beside, finished, with_parts
from isotropy.data.sources.source import Origin, Source
from isotropy.data.target_columns import counted_rows, with_targets
from isotropy.data.unequal import LAST, as_values, holds_series, series_columns
from isotropy.errors import listed


def _read(frame: pd.DataFrame, origin: Origin, options: Options) -> Data:
    frame, beside, label = Beside.of(frame, options)
    rows = counted_rows(len(frame), origin.name)
    frame, labels, parts = with_parts(frame, label, options.split)
    values: Any
    notes: list[str] = []
    form: dict[str, Any] = {}
    kind = options.modality or ("series" if holds_series(frame) else "table")
    if known_modality(kind).takes_frames:
        values = mask_values(as_frame(frame)[0], options.na)
        description = f"a table of {_columns(values)}"
        if (pictures := paths_column(values)) is not None:
            notes = [f"{pictures} names images, which --image-column {pictures} reads"]
    else:
        if held := series_columns(frame, options.series_columns):
            # By name: other data may have their columns in another order.
            form = {"series_columns": held}
            others = [str(name) for name in frame.columns if name not in held]
            notes = [f"not read: {listed(others, 3)} (beside the series in {listed(held, 3)})"] if others else []
            frame = frame[held]
        array = as_values(mask_values(frame, options.na).to_numpy(), options.order)
        values, kind, description = infer_modality(array, kind)
    form |= {"channels": LAST} if options.order == LAST else {}
    return finished(
        with_targets(
            values, kind, f"{origin.name}: {description}, {rows}", labels, parts, options.label_na, notes, form=form
        ),
        beside,
        options,
    )


def _columns(frame: pd.DataFrame) -> str:
    others = [str(name) for name, dtype in frame.dtypes.items() if not pd.api.types.is_numeric_dtype(dtype)]
    names = f": {', '.join(others[:3])}{', ...' if len(others) > 3 else ''}" if others else ""
    return f"{frame.shape[1]} columns ({frame.shape[1] - len(others)} numeric, {len(others)} other{names})"


TABLE = Source(
    "table",
    frozenset({"drop", "kinds", "text", "order", "series_columns"}),
    lambda content, _: isinstance(content, pd.DataFrame),
    _read,
)
