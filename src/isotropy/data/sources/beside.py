"""What stands in a table beside the values: labels, parts, groups and times, taken out of it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from isotropy.data.column_learning import checked_kinds
from isotropy.data.data import Data
from isotropy.data.grouping import with_division
from isotropy.data.label_sets import SEVERAL, as_label_sets, joined
from isotropy.data.options import Options
from isotropy.data.target_columns import Target, is_split, pop_column, pop_target, several, with_more_labels
from isotropy.errors import UserError


@dataclass(frozen=True)
class Beside:
    """Labels beside the first one, by name, and groups and times."""

    more: dict[str, Any]
    groups: Target
    times: Target

    @classmethod
    def of(cls, frame: pd.DataFrame, options: Options) -> "tuple[pd.DataFrame, Beside, Any]":
        """Return the frame without what is dropped and beside it, that, and the first label, by name or by value."""
        label, others = several(options.label, [str(column) for column in frame.columns], len(frame))
        _refuse_dropped(options, [label, *others])
        for column in options.drop:
            frame, _ = pop_column(frame, column, "to drop")
        more = {}
        for column in others:
            frame, more[column] = pop_column(frame, column, "label")
        if options.task == SEVERAL and others:
            frame, first = pop_column(frame, label, "label")
            label, more = joined({label: first, **more}), {}
        frame, groups = _pop(frame, options.group, "group")
        frame, times = _pop(frame, options.time, "time")
        return frame, cls(more, groups, times), label


def _refuse_dropped(options: Options, labels: Sequence[Any]) -> None:
    """Raise UserError where a column is dropped that is named for something else, too."""
    asked = [("label", labels), ("split", [options.split]), ("group", [options.group]), ("time", [options.time])]
    for what, names in asked:
        if both := [one for one in names if isinstance(one, str) and one in options.drop]:
            raise UserError(
                f"column {both[0]!r} cannot be both dropped and the {what}, which is no part of the values: leave it "
                "out of drop (--drop)"
            )


def with_parts(frame: pd.DataFrame, label: Any, split: Any) -> tuple[pd.DataFrame, Target, Target]:
    """Return the frame without label and parts, and these; a column "split" of parts is taken without being named."""
    label, split = _named(label), _named(split)
    if split is None and "split" in frame.columns and label != "split" and is_split(frame["split"]):
        split = "split"
    if isinstance(label, str) and isinstance(split, str) and label == split:
        raise UserError(f"column {label!r} cannot be both the label and the split")
    frame, labels = _pop(frame, label, "label")
    frame, parts = pop_target(frame, split, "split")
    return frame, labels, parts


def finished(data: Data, beside: Beside, options: Options) -> Data:
    """Return the data with all that stands beside it."""
    if options.task == SEVERAL and data.labels is not None:
        name = next((one for one in (options.label, options.label_key) if isinstance(one, str)), "")
        data = replace(data, labels=as_label_sets(data.labels, name))
    told = options.told
    if told and isinstance(data.values, pd.DataFrame):
        told = checked_kinds(told, data.values.columns)
    data = with_division(with_more_labels(data, beside.more, options.label_na), beside.groups, beside.times)
    return replace(data, task=options.task, kinds=told)


def _pop(frame: pd.DataFrame, given: Any, what: str) -> tuple[pd.DataFrame, Target]:
    """Return what `pop_target` does; a column that is given beside the frame may still stand in it."""
    if getattr(given, "name", None) is not None:
        frame = frame.drop(columns=[name for name in frame.columns if str(name) == str(given.name)])
    return pop_target(frame, _named(given), what)


def _named(given: Any) -> Any:
    """Return a column's name: pandas counts columns without names, and their numbers are names, too."""
    return str(given) if isinstance(given, int) else given
