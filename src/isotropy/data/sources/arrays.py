"""Arrays: one in memory or in a file, or several by their keys."""

from collections.abc import Iterable
from math import prod
from typing import Any

import numpy as np
import pandas as pd

from isotropy.data.archive import Archive
from isotropy.data.data import Data
from isotropy.data.frames import as_frame
from isotropy.data.infer import infer_modality, known_modality
from isotropy.data.label_sets import SEVERAL, joined, label_rows
from isotropy.data.missing import mask_values
from isotropy.data.options import Options
from isotropy.data.sources.beside import Beside, finished
from isotropy.data.sources.source import KEYS, Origin, Source
from isotropy.data.sparse import is_sparse
from isotropy.data.target_columns import Target, as_labels, counted_rows, is_split, several, with_targets
from isotropy.data.unequal import LAST, as_values
from isotropy.errors import UserError


def _in_memory(content: Any, origin: Origin, options: Options) -> Data:
    name = origin.name
    if is_sparse(content):
        name = f"the sparse matrix ({content.nnz / max(1, prod(content.shape)):.1%} filled, read as all its numbers)"
    data = _array(content, name, options, Target(options.label), Target(options.split))
    _refuse_names(name, options.group, options.time)
    return finished(data, Beside({}, Target(options.group), Target(options.time)), options)


def _array(content: Any, name: str, options: Options, label: Target, split: Target) -> Data:
    array = as_values(content, options.order)
    _refuse_names(name, label.values, split.values)
    values: Any
    values, kind, description = infer_modality(array, options.modality, scale=options.scale, channels=options.channels)
    description = f"{name}: {description}, {counted_rows(len(values), name)} ({array.dtype})"
    if array.dtype.kind in "OSU":
        values = mask_values(as_frame(values)[0], options.na)
    form = {"channels": LAST} if options.order == LAST else {}
    return with_targets(values, kind, description, label, split, options.label_na, form=form)


def _refuse_names(name: str, *given: Any) -> None:
    for one in given:
        if isinstance(one, str):
            raise UserError(f"{name} has no column names, so no {one!r}: give one value per row instead")


def _by_key(arrays: Archive, origin: Origin, options: Options) -> Data:
    label, others = several(options.label if options.label_key is None else options.label_key, arrays.shapes)
    if others and options.test_key is not None:
        raise UserError("several labels with test_key: put both parts into one array, and name the split")
    more = {one: arrays[one] for one in others}
    if options.task == SEVERAL and others:
        label, more = joined({label: arrays[label], **more}), {}
    elif options.task == SEVERAL and isinstance(label, str) and options.test_key is None:
        label = label_rows(arrays[label])
    groups, times = (
        Target(arrays[given], given) if isinstance(given, str) else Target(given)
        for given in (options.group, options.time)
    )
    return finished(_keyed(arrays, label, more, options), Beside(more, groups, times), options)


def _keyed(arrays: Archive, label_key: Any, more: Iterable[str], options: Options) -> Data:
    test_key, test_label_key, split = options.test_key, options.test_label_key, options.split
    taken = [one for one in (label_key, split, options.group, options.time) if isinstance(one, str)]
    key = arrays.choose([*taken, *more]) if options.key is None else options.key
    _check_keys(key, label_key, split, test_key, test_label_key)
    data = _array(arrays[key], f"{arrays.path.name}, {key}", options, Target(None), Target(None))
    values, label = data.values, arrays[label_key] if isinstance(label_key, str) else label_key
    if test_key is not None:
        test = _array(arrays[test_key], f"{arrays.path.name}, {test_key}", options, Target(None), Target(None))
        values = _joined(data, test)
        if label is not None:
            assert test_label_key is not None
            test_label = as_labels(arrays[test_label_key], len(test), options.label_na)
            parts_of_label = [as_labels(label, len(data), options.label_na), test_label]
            if len({part.dtype.kind in "biuf" for part in parts_of_label}) > 1:
                # numpy would turn numbers to text.
                parts_of_label = [part.astype(object) for part in parts_of_label]
            label = np.concatenate(parts_of_label)
        split = np.repeat(["train", "test"], [len(data), len(test)])
    elif split is None and "split" in arrays.shapes and "split" not in (key, label_key) and is_split(arrays["split"]):
        split = "split"
    labels = Target(label, " and ".join(k for k in (label_key, test_label_key) if isinstance(k, str)) or "given")
    parts = Target(arrays[split], split) if isinstance(split, str) else Target(split, test_key or "given")
    unread = key.replace("train", "test")
    unused = split is None and unread != key and unread in arrays.shapes
    notes = [f"{unread} is not read (test_key names a test part)"] if unused else []
    return with_targets(values, data.modality, data.description, labels, parts, options.label_na, notes, form=data.form)


def _check_keys(key: str, label_key: Any, split: Any, test_key: str | None, test_label_key: str | None) -> None:
    """Raise UserError unless every array is read as one thing, and a test part comes whole."""
    named = [name for name in (key, label_key, split, test_key, test_label_key) if isinstance(name, str)]
    twice = [name for name in named if named.count(name) > 1]
    if twice:
        raise UserError(f"array {twice[0]!r} cannot be read as two things: values, labels and parts are kept apart")
    if test_label_key is not None and (test_key is None or label_key is None):
        raise UserError("test_label_key needs test_key and label_key beside it")
    if test_key is not None and label_key is not None and test_label_key is None:
        raise UserError("test_key beside label_key needs test_label_key: the labels of the test part")
    if test_key is not None and split is not None:
        raise UserError("test_key and split both say what the test part is: give one of them")


def _joined(train: Data, test: Data) -> Any:
    last = -1 if known_modality(train.modality).lengths_vary else None
    if train.modality != test.modality or train.values.shape[1:last] != test.values.shape[1:last]:
        raise UserError(f"the parts differ in form: {train.description}; {test.description}")
    if isinstance(train.values, pd.DataFrame):
        return pd.concat([train.values, test.values])
    return known_modality(train.modality).concatenate(train.values, test.values)


_FORMS = frozenset({"scale", "channels", "order"})
ARRAY = Source("array", _FORMS, lambda content, _: True, _in_memory)
ARRAYS = Source("arrays by key", _FORMS | KEYS, lambda content, _: isinstance(content, Archive), _by_key)
