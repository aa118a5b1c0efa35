"""JSON is checked against types: what departs first is named, with what is expected."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, NotRequired, TypedDict

import pytest

from isotropy.errors import UserError
from isotropy.io.json_file import Count, Measured, check_arguments, departure, parse_json, read_json


class Row(TypedDict):
    name: str
    size: NotRequired[Count]


Numbers = TypedDict("Numbers", {"step": Count, "*": float | None})


@dataclass
class Column:
    name: str
    edges: tuple[float, ...] = ()


@pytest.mark.parametrize(
    ("value", "kind", "said"),
    [
        (3, int, ""),
        (True, int, "the whole is True, and a whole number is expected"),
        (3, float, ""),
        (True, float, "a finite number is expected"),
        (float("nan"), float, "a finite number"),
        (float("nan"), Measured, ""),
        (10**200, float, "a finite number"),
        (None, int | None, ""),
        ("x", int | None, "the whole is 'x', and a whole number or null is expected"),
        (2, Literal["a", 2], ""),
        ("b", Literal["a", 2], "one of 'a', 2"),
        ([1, "x"], list[int], "[1] is 'x', and a whole number"),
        ([["a", 1.0]], list[tuple[str, float]], ""),
        ([["a"]], list[tuple[str, float]], "[0] is a list, and a list of 2 is expected"),
        ({"a": 3}, list[str] | dict[str, str] | None, "a is 3, and a text is expected"),
        ({}, int | list[str], "the whole is an object, and a whole number or a list is expected"),
        ([], Annotated[list[int], range(1, 9)], "a list of from 1 to 8"),
        ({"a": {"b": -1}}, dict[str, dict[str, Count]], "a.b is -1, and a whole number from 0"),
        ({"name": "x", "more": [1]}, Row, ""),
        ({"size": 3}, Row, "name is missing, and a text is expected"),
        ({"name": "x", "size": -3}, Row, "size is -3"),
        ([], Row, "the whole is a list, and an object is expected"),
        ({"step": 1, "loss": None, "rank": 2.5}, Numbers, ""),
        ({"step": 1, "loss": "x"}, Numbers, "loss is 'x', and a finite number or null"),
        ({"name": "x", "edges": [1, 2.5]}, Column, ""),
        ({"name": "x", "edges": [1, None]}, Column, "edges[1] is null"),
        ({"name": "x", "colour": 1}, Column, "colour is unknown"),
        ({"name": object()}, dict[str, Any], ""),
    ],
)
def test_the_first_departure_is_named(value: Any, kind: Any, said: str) -> None:
    found = departure(value, kind)
    assert said in found and bool(found) == bool(said)


@pytest.mark.parametrize(
    "text", ["", "{", "[1,]", "NaNN", "Infinity", "[-Infinity]", "1e999", "1" + "0" * 30, "[" * 10**5, '"\\ud8', "\x00"]
)
def test_what_is_no_json_or_out_of_bounds_is_one_line(text: str, tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(UserError, match="x.json: damaged .*: make it again") as caught:
        read_json(tmp_path / "x.json", Any, "make it again")
    assert "\n" not in str(caught.value)


def test_a_missing_file_and_a_file_that_is_too_large_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match=r"x.json: cannot be read \(No such file"):
        read_json(tmp_path / "x.json", Any, "make it again")
    monkeypatch.setattr("isotropy.io.json_file.MOST_BYTES", 8)
    (tmp_path / "x.json").write_text("[1, 2, 3]")
    with pytest.raises(UserError, match="x.json: damaged .more than"):
        read_json(tmp_path / "x.json", Any, "make it again")


def test_arguments_are_checked_by_the_annotations() -> None:
    check_arguments(Column, {"name": "x"})
    for wrong, said in (({}, "name is missing"), ({"name": 3}, "name is 3"), ([], "an object is expected")):
        with pytest.raises(UserError, match=said):
            check_arguments(Column, wrong)
    assert parse_json("[1, NaN]", list[Measured], "here", "") == [1, pytest.approx(float("nan"), nan_ok=True)]
