"""The inputs of an exported isotropy encoder, from data as people have them. Needs numpy and pandas, nothing more.

    contract = json.load(open("contract.json"))
    session = onnxruntime.InferenceSession("model.onnx")
    embeddings = session.run(None, prepare(data, contract))[0]

Everything that is arithmetic (standardising, filling gaps of series, normalising pixels) is in the graph itself. What
is here is what a graph of tensors cannot do: reading text, dates and names of categories. A text described by its
letters needs scikit-learn besides.
"""

import base64
from typing import Any

import numpy as np
import pandas as pd

_TRUTH = {"true": 1.0, "false": 0.0, "1": 1.0, "0": 0.0, "1.0": 1.0, "0.0": 0.0}


def prepare(data: Any, contract: dict[str, Any]) -> dict[str, Any]:
    """Return the arrays that the graph takes, by the names of its inputs.

    Args:
        data: a frame of the training's columns (an array (N, D) in their order), or an array (N, ...): images uint8,
            their channels first or last, series (N, channels, time) with NaN where a value is missing. A single
            channel needs no axis.
        contract: what contract.json holds.

    Raises:
        ValueError: a column that is absent or cannot be read, or an array of another shape.
    """
    if contract["modality"] == "table":
        return _table(data, contract)
    about = contract["inputs"][0]
    array, shape = np.asarray(data), about["shape"][1:]
    if contract["modality"] == "image" and list(array.shape[1:]) == [*shape[1:], shape[0]]:
        array = np.moveaxis(array, -1, 1)
    elif contract["modality"] in ("image", "series") and shape[0] == 1 and list(array.shape[1:]) == shape[1:]:
        array = array[:, None]
    if list(array.shape[1:]) != shape:
        raise ValueError(f"rows have the shape {array.shape[1:]}; the graph takes {tuple(shape)}")
    if contract["modality"] == "image" and array.dtype != np.uint8:
        # Floats are fractions of white, or grey levels 0 to 255 as they are.
        unit = array.dtype == bool or (contract["scale"] == "unit" and array.dtype.kind == "f")
        array = np.rint(array.astype(np.float32) * 255) if unit else array
    return {about["name"]: array.astype(about["dtype"])}


def _table(data: Any, contract: dict[str, Any]) -> dict[str, Any]:
    frame = data if isinstance(data, pd.DataFrame) else pd.DataFrame(np.asarray(data), columns=contract["seen"])
    for column in contract["columns"]:
        if column["source"] not in frame.columns:
            raise ValueError(f"the data lack the column {column['source']!r}")
    texts = {name: _described(frame[name], **learnt) for name, learnt in contract.get("texts", {}).items()}
    made: dict[str, list[Any]] = {"numbers": [], "codes": []}
    for column in contract["columns"]:
        values = frame[column["source"]]
        if column["kind"] == "categorical":
            made["codes"].append(_codes(values, column))
        elif "axis" in column:
            made["numbers"].append(texts[column["source"]][:, column["axis"]])
        else:
            made["numbers"].append(_numbers(values, column))
    arrays = {about["name"]: (np.stack(made[about["name"]], axis=1), about["dtype"]) for about in contract["inputs"]}
    return {name: array.astype(dtype) for name, (array, dtype) in arrays.items()}


def _codes(values: "pd.Series[Any]", column: dict[str, Any]) -> Any:
    """0 for a level that training did not have, i + 1 for level i, the last code for missing if training had that."""
    known = {level: code for code, level in enumerate(column["levels"], start=1)}
    gone = len(column["levels"]) + 1 if column["missing"] else 0
    return np.array([gone if pd.isna(value) else known.get(_name(value), 0) for value in values], dtype=np.int64)


def _name(value: Any) -> str:
    whole = isinstance(value, (float, np.floating)) and float(value).is_integer()
    return str(int(value) if whole else value)


def _numbers(values: "pd.Series[Any]", column: dict[str, Any]) -> Any:
    """Numbers as they are, 0 and 1 for false and true, seconds since 1970 (UTC) for dates; NaN where missing."""
    gone = values.isna().to_numpy()
    if column.get("letters"):
        return _letters(values, gone, *column["letters"])
    if column["kind"] == "boolean":
        numbers = values.astype(str).str.strip().str.lower().map(_TRUTH).astype(np.float64)
    elif column["kind"] == "datetime" and not pd.api.types.is_numeric_dtype(values.dtype):
        dates = pd.to_datetime(values, utc=True, errors="coerce")
        numbers = (dates - pd.Timestamp(0, tz="UTC")) / pd.Timedelta(seconds=1)
    else:
        numbers = pd.to_numeric(values, errors="coerce").astype(np.float64)
    found = numbers.to_numpy(np.float64, copy=True)
    unread = np.flatnonzero(np.isnan(found) & ~gone)
    if len(unread):
        reading = f" (training read its texts as {column['reading'][0]})" if column.get("reading") else ""
        raise ValueError(f"column {column['name']!r}: {values.iloc[unread[0]]!r} is no {column['kind']} value{reading}")
    return found


def _described(values: "pd.Series[Any]", weights: str, axes: str) -> Any:
    """Texts along the axes that training learnt, each by itself alone; NaN where missing."""
    from sklearn.feature_extraction.text import HashingVectorizer

    rare = np.frombuffer(base64.b64decode(weights), "<f4").astype(np.float64)
    along = np.frombuffer(base64.b64decode(axes), "<f2").astype(np.float64).reshape(-1, len(rare))
    there = values.notna().to_numpy()
    found = np.full((len(values), len(along)), np.nan)
    if there.any():
        hashing = HashingVectorizer(
            analyzer="char_wb", ngram_range=(3, 4), n_features=len(rare), norm=None, alternate_sign=False
        )
        weighted = hashing.transform(values[there].astype(str)).multiply(rare).tocsr()
        length = np.sqrt(weighted.multiply(weighted).sum(axis=1))
        found[there] = (weighted @ along.T) / np.maximum(np.asarray(length).reshape(-1, 1), 1e-12)
    return found


def _letters(values: "pd.Series[Any]", gone: Any, place: int, width: int) -> Any:
    from sklearn.feature_extraction.text import HashingVectorizer

    found = np.full(len(values), np.nan)
    if not gone.all():
        hashing = HashingVectorizer(analyzer="char_wb", ngram_range=(2, 4), n_features=width, norm="l2")
        found[~gone] = hashing.transform(values[~gone].astype(str)).toarray()[:, place]
    return found
