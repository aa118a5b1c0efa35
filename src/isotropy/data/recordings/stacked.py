"""Recordings in the stacked form: one value a row, whose channel another column names (tsfresh, sktime)."""

from dataclasses import replace

import pandas as pd

from isotropy.data.recordings.frames import Roles
from isotropy.errors import UserError, listed, nearest

_STEP = "step"
_REPEATED = 0.5  # of the rows: channels share most of their times


def unstacked(frame: pd.DataFrame, file: str, roles: Roles) -> tuple[pd.DataFrame, Roles, list[str]]:
    """Return a table in the stacked form with a row a step and a column a channel; any other as it is.

    It is in that form where `roles.channel_column` says so, or where ids or times are named and of the other columns
    one holds texts and one numbers.

    Raises:
        UserError: two values of one channel at one step, or not one column of values.

    Example:
        >>> rows = [(1, 0, "x", 1), (1, 1, "x", 2), (1, 0, "y", 3), (1, 1, "y", 4)]
        >>> long = pd.DataFrame(rows, columns=["id", "t", "kind", "value"])
        >>> unstacked(long, "long.csv", Roles(id="id", time="t"))[0]
           id  t  x  y
        0   1  0  1  3
        1   1  1  2  4
    """
    named = [one for one in (roles.id, roles.time, roles.group, roles.split, *roles.labels) if isinstance(one, str)]
    beside = [name for name in dict.fromkeys(named) if name in frame.columns]
    others = [str(name) for name in frame.columns if name not in beside and name not in roles.drop]
    column = roles.channel_column
    if column is None:
        column = _recognised(frame, others, roles)
    elif column not in frame.columns:
        if roles.channels is not None and set(roles.channels) <= set(frame.columns):
            return frame, roles, []
        raise UserError(f"{file} has no column {column!r} (channel_column){nearest(column, others)}")
    if column is None:
        return frame, roles, []
    values = [name for name in others if name != column]
    if len(values) != 1:
        raise UserError(
            f"{file}: of the values that {column!r} names the channels of there is one column, and left are "
            f"{listed(values, 5) or 'none'}: leave others out (--drop)"
        )
    if any(one is not None and not isinstance(one, str) for one in (roles.time, roles.group, roles.split)):
        raise UserError(f"{file} is stacked, one value a row: name the columns of times, groups and parts")
    if frame[column].isna().any():
        raise UserError(f"{file}: channel_column {column!r} is missing in row {int(frame[column].isna().argmax())}")
    frame = frame[[*beside, column, values[0]]]
    key = [one for one in (roles.id, roles.time) if one in beside]
    if roles.time is None:
        # Without times the values of a channel are in their order.
        by = [*([roles.id] if roles.id in beside else []), column]
        frame = frame.assign(**{_STEP: frame.groupby(by, sort=False).cumcount()})
        key.append(_STEP)
    if (twice := frame.duplicated([*key, column]).to_numpy()).any():
        row = frame.iloc[int(twice.argmax())]
        where = ", ".join(f"{name} {row[name]}" for name in key)
        raise UserError(f"{file}: channel {row[column]!r} has two values at {where}: name what tells them apart (--id)")
    wide = frame.pivot(index=key, columns=column, values=values[0])
    rest = frame.drop(columns=[column, values[0]]).groupby(key, sort=True).first()
    wide = pd.concat([rest, wide.set_axis([str(name) for name in wide.columns], axis=1)], axis=1).reset_index()
    wide = wide.drop(columns=_STEP) if roles.time is None else wide
    drop = [name for name in roles.drop if name in wide.columns]
    note = f"channels are those that {column} names, {values[0]} their values (--channel-column)"
    return wide, replace(roles, drop=drop), [note]


def _recognised(frame: pd.DataFrame, others: list[str], roles: Roles) -> str | None:
    """Return the column that names channels where one of texts and one of numbers are left, and texts alternate."""
    keyed = isinstance(roles.id, str) or isinstance(roles.time, str)
    if not keyed or len(others) != 2 or (roles.channels is not None and set(roles.channels) <= set(others)):
        return None
    texts = [name for name in others if not pd.api.types.is_numeric_dtype(frame[name].dtype)]
    if len(texts) != 1 or pd.api.types.is_datetime64_any_dtype(frame[texts[0]].dtype):
        return None
    if pd.to_numeric(frame[texts[0]], errors="coerce").notna().any():
        return None
    key = [one for one in (roles.id, roles.time) if isinstance(one, str) and one in frame.columns]
    if not key or (isinstance(roles.time, str) and roles.time not in key):
        return None  # what is named is not there, which is said where it is read
    if isinstance(roles.time, str):
        # A text that says something of each step, as a label does, does not repeat its time.
        return texts[0] if frame.duplicated(key, keep=False).mean() > _REPEATED else None
    counts = frame.groupby([*key, texts[0]], observed=True).size().groupby(level=0)
    alike = counts.nunique().eq(1) & counts.size().gt(1)
    return texts[0] if alike.all() else None
