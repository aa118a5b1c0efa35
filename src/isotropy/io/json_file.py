"""JSON that anyone may have changed: read within bounds, and checked against the types that say what it holds."""

import inspect
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import is_dataclass
from functools import cache
from math import isfinite, isnan, nan
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NotRequired, Union, get_args, get_origin, get_type_hints, is_typeddict

from isotropy.errors import UserError

# A file of a run holds some megabytes at most; what claims more is not read.
MOST_BYTES = 1 << 28
# What is larger overflows where numbers are squared.
MOST_NUMBER = 1e150
Count = Annotated[int, range(1 << 53)]
Positive = Annotated[int, range(1, 1 << 53)]
# A measurement, which may not be defined.
Measured = Annotated[float, nan]
# In a TypedDict: the type of all fields that it does not name.
OTHERS = "*"
_WORDS = {bool: "true or false", int: "a whole number", float: "a finite number", str: "a text", NoneType: "null"}
_LEAVES: dict[Any, Callable[[Any], bool]] = {
    Any: lambda value: True,
    bool: lambda value: type(value) is bool,
    int: lambda value: type(value) is int,
    float: lambda value: type(value) in (int, float) and abs(value) < MOST_NUMBER,
    str: lambda value: type(value) is str,
    None: lambda value: value is None,
    NoneType: lambda value: value is None,
    dict: lambda value: type(value) is dict,
}


def read_json(path: Path, kind: Any, remedy: str) -> Any:
    """Return what a JSON file holds.

    Args:
        path: the file. kind: what it must hold, see `check`. remedy: what to do where it does not.

    Raises:
        UserError: it cannot be read, is no JSON, or departs from `kind`; file, field and what is expected are named.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}): {remedy}") from error
    if len(data) > MOST_BYTES:
        raise UserError(f"{path}: damaged (more than {MOST_BYTES >> 20} MiB): {remedy}")
    return parse_json(data, kind, str(path), remedy)


def parse_json(data: bytes | str, kind: Any, where: str, remedy: str) -> Any:
    """Return what JSON says; raises what `read_json` raises, naming the place `where` it stood."""
    try:
        value = json.loads(data, parse_constant=_constant, parse_float=_float, parse_int=_int)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{where}: damaged ({error}): {remedy}") from None
    return checked(value, kind, where, remedy)


def checked(value: Any, kind: Any, where: str, remedy: str) -> Any:
    """Return the value; raise UserError where it departs from a type."""
    if problem := departure(value, kind):
        raise UserError(f"{where}: damaged: {problem}: {remedy}")
    return value


def check_arguments(function: Any, arguments: Any) -> None:
    """Raise UserError, naming the field, where JSON values do not fit the annotations of what they are arguments of.

    Example:
        >>> def scale(x: list[float], *, by: float = 1.0) -> None: ...
        >>> check_arguments(scale, {"x": [1, "b"]})
        Traceback (most recent call last):
        isotropy.errors.UserError: x[1] is 'b', and a finite number is expected
    """
    found = _of_arguments(arguments, function) if isinstance(arguments, Mapping) else _departure(arguments, dict)
    if found is not None:
        raise UserError(_sentence(found))


def departure(value: Any, kind: Any) -> str:
    """Return where a JSON value first departs from a type, as a sentence without its end; "" where it fits.

    Args:
        kind: as an annotation says it: int, float (finite), str, bool, None, Any, Literal, unions, lists, sequences,
            tuples, mappings with text keys, TypedDicts (fields beside theirs may be there), dataclasses; whole numbers
            and the lengths of lists may have a range (`Count`), numbers may be NaN (`Measured`).

    Example:
        >>> departure({"steps": [3, -1]}, dict[str, list[Count]])
        'steps[1] is -1, and a whole number from 0 to 9,007,199,254,740,991 is expected'
    """
    found = _departure(value, kind)
    return "" if found is None else _sentence(found)


# Where in a value it departs, as ".rows[3]", and what is wrong there.
_Departure = tuple[str, str] | None


def _departure(value: Any, kind: Any) -> _Departure:
    if kind in _LEAVES:
        if _LEAVES[kind](value):
            return None
    elif (fields := _fields_of(kind)) is not None:
        if isinstance(value, dict):
            return _of_fields(value, *fields)
    elif is_dataclass(kind):
        if isinstance(value, dict):
            return _of_arguments(value, kind)
    else:
        origin, inside = _parts(kind)
        if origin in (Union, UnionType):
            found = [_departure(value, one) for one in inside if one is not NoneType or value is None]
            if None in found:
                return None
            # Of a list or an object, what departs inside it says more than that another was expected.
            inner = [one for one in found if one is not None and (one[0] or len(found) == 1)]
            if inner and isinstance(value, list | dict):
                return inner[0]
        elif origin is Annotated and get_origin(inside[0]) is list:
            if isinstance(value, list) and len(value) in inside[1]:
                return _departure(value, inside[0])
        elif origin is tuple and inside[-1] is not Ellipsis:
            if isinstance(value, list) and len(value) == len(inside):
                return _first(enumerate(value), inside.__getitem__)
        elif origin in (list, tuple, Sequence):
            if isinstance(value, list):
                return _first(enumerate(value), lambda _: inside[0])
        elif origin in (dict, Mapping):
            if isinstance(value, dict):
                return _first(value.items(), lambda _: inside[1])
        elif _is(value, origin, inside):
            return None
    return "", f"is {_shown(value)}, and {_words(kind)} is expected"


def _is(value: Any, origin: Any, inside: tuple[Any, ...]) -> bool:
    """Return whether a value is in a range or one of some; types that JSON has no value for allow any."""
    if origin is Annotated:
        base, bounds = inside
        if isinstance(bounds, range):
            return type(value) is base and value in bounds
        return _LEAVES[base](value) or (isinstance(value, float) and isnan(value))
    if origin is Literal:
        return any(type(value) is type(one) and value == one for one in inside)
    return True


def _of_fields(value: Mapping[str, Any], fields: Mapping[str, Any], required: frozenset[str]) -> _Departure:
    for name in required:
        if name not in value:
            return f".{_shortened(name)}", f"is missing, and {_words(fields[name])} is expected"
    others = fields.get(OTHERS, Any)
    return _first(value.items(), lambda name: fields.get(name, others))


def _of_arguments(value: Mapping[str, Any], function: Any) -> _Departure:
    fields, required = _parameters(function)
    unknown = next((name for name in value if name not in fields and OTHERS not in fields), None)
    return (f".{_shortened(unknown)}", "is unknown") if unknown is not None else _of_fields(value, fields, required)


def _first(items: Iterable[tuple[Any, Any]], kind_of: Callable[[Any], Any]) -> _Departure:
    """Return the first departure among the items of a list or an object."""
    for key, value in items:
        if found := _departure(value, kind_of(key)):
            return (f"[{key}]" if isinstance(key, int) else f".{_shortened(key)}") + found[0], found[1]
    return None


@cache
def _parts(kind: Any) -> tuple[Any, tuple[Any, ...]]:
    return get_origin(kind), get_args(kind)


@cache
def _fields_of(kind: Any) -> tuple[dict[str, Any], frozenset[str]] | None:
    """Return the types of a TypedDict's fields, and which are required; None for other types."""
    if not is_typeddict(kind):
        return None
    hints = get_type_hints(kind, include_extras=True).items()
    types = {name: get_args(one)[0] if get_origin(one) is NotRequired else one for name, one in hints}
    return types, kind.__required_keys__ - {OTHERS}


@cache
def _parameters(function: Any) -> tuple[dict[str, Any], frozenset[str]]:
    """Return the types of a function's parameters, and which are required."""
    kinds: dict[str, Any] = {}
    required = set()
    for name, one in inspect.signature(function, eval_str=True).parameters.items():
        if one.kind in (one.VAR_KEYWORD, one.VAR_POSITIONAL):
            kinds |= {OTHERS: Any} if one.kind == one.VAR_KEYWORD else {}
            continue
        kinds[name] = Any if one.annotation is one.empty else one.annotation
        required |= {name} if one.default is one.empty else set()
    return kinds, frozenset(required)


def _sentence(found: tuple[str, str]) -> str:
    place, said = found
    return f"{place.removeprefix('.') or 'the whole'} {said}"


def _shown(value: Any) -> str:
    if isinstance(value, list | dict):
        return "a list" if isinstance(value, list) else "an object"
    return _shortened(repr(value)) if value is not None else "null"


def _shortened(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:57]}..."


def _words(kind: Any) -> str:
    """Return what a type is called in a message."""
    origin, inside = get_origin(kind), get_args(kind)
    if origin is Annotated:
        base, bounds = inside
        if not isinstance(bounds, range):
            return "a number"
        of = " of" if get_origin(base) is list else ""
        return f"{_words(base)}{of} from {bounds[0]:,} to {bounds[-1]:,}"
    if origin is Literal:
        return f"one of {', '.join(map(repr, inside))}"
    if origin in (Union, UnionType):
        return " or ".join(dict.fromkeys(map(_words, inside)))
    if origin is tuple and inside[-1] is not Ellipsis:
        return f"a list of {len(inside)}"
    if origin in (list, tuple, Sequence):
        return "a list"
    return _WORDS.get(kind, "an object")


def _constant(text: str) -> float:
    if text != "NaN":
        raise ValueError(f"{text} is no number")
    return nan


def _float(text: str) -> float:
    if not isfinite(number := float(text)):
        raise ValueError(f"the number {_shortened(text)} is too large")
    return number


def _int(text: str) -> int:
    if len(text) > 20 or not -(1 << 63) <= (number := int(text)) < 1 << 63:
        raise ValueError(f"the number {_shortened(text)} is too large")
    return number
