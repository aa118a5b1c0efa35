"""Weka's .arff: a table of typed columns, or series as a relational attribute, as the UEA archive writes them."""

import csv
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from isotropy.data.recordings.recording import Signals
from isotropy.errors import UserError

_NUMBERS = ("numeric", "real", "integer")
_ATTRIBUTE = re.compile(r"""@attribute\s+('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|[^\s{]+)\s*(.*)$""", re.IGNORECASE)
_MISSING = "?"


@dataclass
class _Attribute:
    name: str
    kind: str
    parts: "list[_Attribute]" = field(default_factory=list)


def read(path: Path) -> pd.DataFrame | list[Signals]:
    """Return a frame of the columns, or records where one of them is relational; names of classes keep their case.

    Raises:
        UserError: no data, a row of another length, or a value that is not of its column.
    """
    lines = path.read_text(encoding="utf-8-sig").splitlines()
    begin = next((n for n, line in enumerate(lines) if line.strip().lower() == "@data"), None)
    if begin is None:
        raise UserError(f"{path} has no line @data: is it an .arff file?")
    attributes = _attributes(lines[:begin], path)
    rows = []
    for number, line in enumerate(lines[begin + 1 :], begin + 2):
        text = line.strip()
        if text and not text.startswith("%"):
            rows.append(_row(text, len(attributes), f"{path.name}, line {number}"))
    if not rows:
        raise UserError(f"{path} has no rows behind @data")
    relational = [place for place, one in enumerate(attributes) if one.parts]
    if not relational:
        return pd.DataFrame({one.name: _column([r[n] for r in rows], one, path) for n, one in enumerate(attributes)})
    if len(relational) > 1:
        raise UserError(f"{path} has {len(relational)} relational attributes: series of one are read")
    place = relational[0]
    beside = [n for n in range(len(attributes)) if n != place]
    if len(beside) > 1:
        raise UserError(f"{path} has {len(beside)} attributes beside its series: one, the class, is read")
    return [
        _series(row[place], None if not beside else row[beside[0]], attributes[place], number, path)
        for number, row in enumerate(rows)
    ]


def _attributes(lines: list[str], path: Path) -> list[_Attribute]:
    found: list[_Attribute] = []
    inside: _Attribute | None = None
    for line in (text.strip() for text in lines):
        if inside is not None and line.lower().startswith("@end"):
            inside = None
        elif match := _ATTRIBUTE.match(line):
            one = _Attribute(_unquoted(match[1]), match[2].strip())
            (found if inside is None else inside.parts).append(one)
            if one.kind.lower() == "relational":
                inside = one
    if not found:
        raise UserError(f"{path} names no @attribute: is it an .arff file?")
    return found


def _row(text: str, columns: int, where: str) -> list[str | None]:
    """Return the values of a row, None where one is missing; a sparse one, {place value, ...}, has 0 elsewhere."""
    if text.startswith("{") and text.endswith("}"):
        row: list[str | None] = ["0"] * columns
        for pair in _divided(text[1:-1]):
            place, _, value = pair.strip().partition(" ")
            if not place.isdigit() or int(place) >= columns:
                raise UserError(f"{where}: {pair.strip()!r} is no place and value of a sparse row")
            row[int(place)] = _value(value)
        return row
    values = [_value(one) for one in _divided(text)]
    if len(values) != columns:
        raise UserError(f"{where}: has {len(values)} values for {columns} attributes")
    return values


def _divided(text: str) -> list[str]:
    """Return texts between commas that stand in no quotes, quotes kept."""
    if "'" not in text and '"' not in text:
        return text.split(",") if text.strip() else []
    return re.findall(r"""(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|[^,'"])+""", text)


def _value(text: str) -> str | None:
    text = text.strip()
    return None if text == _MISSING else _unquoted(text)


def _unquoted(text: str) -> str:
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        return text[1:-1].replace("\\'", "'").replace('\\"', '"')
    return text


def _column(values: list[str | None], about: _Attribute, path: Path) -> Any:
    kind = about.kind.lower().split()[0] if about.kind else ""
    if kind in _NUMBERS:
        return _floats(values, f"{path.name}: attribute {about.name!r}")
    if kind == "date":
        return pd.to_datetime(pd.Series(values, dtype=object), format="ISO8601")
    if about.kind.startswith("{"):
        names = [
            _unquoted(one.strip())
            for one in next(csv.reader([about.kind.strip("{} ")], quotechar="'", skipinitialspace=True))
        ]
        strange = [one for one in values if one is not None and one not in names]
        if strange and strange[0] == "0":  # a sparse row leaves out the first name
            values = [names[0] if one == "0" else one for one in values]
        elif strange:
            raise UserError(
                f"{path.name}: attribute {about.name!r} has the value {strange[0]!r}, which it does not name "
                f"({', '.join(names[:5])})"
            )
    return pd.Series(values, dtype=object)


def _floats(values: list[str | None], where: str) -> Any:
    try:
        return np.array([np.nan if one is None else float(one) for one in values])
    except ValueError as error:
        raise UserError(f"{where} holds {str(error).rpartition(': ')[2]}, and is said to be numeric") from None


def _series(text: str | None, label: str | None, about: _Attribute, place: int, path: Path) -> Signals:
    """Return the dimensions of a case, which stand behind each other between the two characters \\n."""
    parts = re.split(r"\\n|\n", text or "")
    where = f"{path.name}, case {place}"
    series = [_floats([_value(one) for one in _divided(part)], where) for part in parts if part.strip()]
    if not series or len({len(one) for one in series}) > 1:
        raise UserError(f"{where}: its dimensions have {', '.join(str(len(one)) for one in series) or 'no'} values")
    if len(series[0]) != len(about.parts):
        raise UserError(f"{where}: has {len(series[0])} steps, and the attribute {about.name!r} {len(about.parts)}")
    return Signals([f"dim_{n}" for n in range(len(series))], series, [None] * len(series), str(place), label)
