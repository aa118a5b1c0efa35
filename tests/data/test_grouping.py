"""Groups and times stand beside the values, never in them, of every kind of data."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from isotropy.data import read
from isotropy.errors import UserError


def frame():
    return pd.DataFrame(
        {"a": range(6), "kind": list("uvuvuv"), "who": list("xxyyzz"), "when": pd.date_range("2024-01-01", periods=6)}
    )


@pytest.mark.parametrize("kind", ["csv", "parquet", "frame"])
def test_group_and_time_are_taken_out_of_a_table(tmp_path, kind):
    dataset = frame() if kind == "frame" else tmp_path / f"t.{kind}"
    if kind != "frame":
        getattr(frame(), f"to_{kind}")(dataset, index=False)
    data = read(dataset, label="kind", group="who", drop=["when"])
    assert list(data.values.columns) == ["a"] and data.groups.tolist() == list("xxyyzz")
    assert "labels from kind; groups from who (3)" in data.description
    data = read(dataset, label="kind", time="when", drop=["who"])
    assert list(data.values.columns) == ["a"] and (np.diff(data.times) > 0).all()
    part = data.take(np.array([4, 1]))
    assert part.times.tolist() == data.times[[4, 1]].tolist()


def test_group_and_time_stand_beside_arrays_and_folders(tmp_path):
    series, who = np.zeros((6, 2, 9)), np.repeat([1, 2, 3], 2)
    assert read(series, group=who).groups.tolist() == who.tolist()
    assert read(series, time=who * 0.5).times.tolist() == (who * 0.5).tolist()
    np.savez(tmp_path / "x.npz", X=series, y=who, subject=who, hour=np.arange(6))
    data = read(tmp_path / "x.npz", label="y", group="subject")
    assert data.groups.tolist() == data.labels.tolist() == who.tolist()
    assert read(tmp_path / "x.npz", time="hour").times.tolist() == list(range(6))
    for number in range(4):
        place = tmp_path / "photos" / ("anna" if number < 2 else "ben")
        place.mkdir(parents=True, exist_ok=True)
        Image.new("L", (32, 32), number).save(place / f"{number}.png")
    images = read(tmp_path / "photos", group="folder", label=[0, 1, 0, 1], store=tmp_path / "store")
    assert images.groups.tolist() == ["anna", "anna", "ben", "ben"]


def test_a_column_given_by_its_values_does_not_stay_in_the_frame():
    table = frame()
    data = read(table, label=table["kind"], group=table["who"], drop=["when"])
    assert list(data.values.columns) == ["a"]


def test_named_parts_that_are_found_give_way_to_groups_and_that_is_said():
    data = read(frame().assign(split=["train"] * 4 + ["test"] * 2), label="kind", group="who", drop=["when"])
    assert data.split is None and "split" not in data.values.columns
    assert data.description.endswith("parts from split (4 train, 2 test); those parts are not taken, but groups; "
                                     "groups from who (3)")  # fmt: skip


@pytest.mark.parametrize(
    ("times", "order"),
    [
        (["2024-03-01", "2023-12-31T10:00", "2024-01-01 00:30"], [1, 2, 0]),
        (["10", "9", "100"], [1, 0, 2]),
        (pd.to_timedelta([5, 3, 4], unit="s"), [1, 2, 0]),
        (pd.Series([0.5, -1, 2]), [1, 0, 2]),
        (["28.03.2024", "1.4.2023", "02.04.2023"], [1, 2, 0]),
        (["12/31/2024 09:00:00.5", "12/31/2024 09:00:00", "01/02/2024"], [2, 1, 0]),
        (["31.12.2024 09:00:00,04", "31.12.2024 09:00:00", "30.12.2024 23:00"], [2, 1, 0]),
        (["0,5", "0,04", "1.000,5"], [1, 0, 2]),
        (["2024/03/01", "2023/12/31 10:00", "2024/01/01"], [1, 2, 0]),
    ],
)
def test_times_sort_as_they_were_recorded(times, order):
    assert np.argsort(read(np.zeros((3, 2, 9)), time=pd.Series(times)).times).tolist() == order


def test_a_time_of_which_no_date_tells_days_from_months_is_refused():
    with pytest.raises(UserError, match="'01/02/2024' .row 0. is no number and no date .* where some day is above 12"):
        read(np.zeros((2, 2, 9)), time=["01/02/2024", "02/01/2024"])


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"group": "whoo"}, "there is no column 'whoo' .group. .did you mean 'who'"),
        ({"time": "wen"}, "there is no column 'wen' .time. .did you mean 'when'"),
        ({"group": "same"}, "group 'same' holds 'q' in every row: a split needs at least two groups"),
        ({"group": "flat"}, "group 'flat' holds 7 in every row"),
        ({"split": "flat"}, "the split 'flat' holds 7 .row 0.; only 'train' and 'test' are known"),
        (
            {"label": ["flat", "who"], "task": "labels"},
            "label 'flat' holds 7: of several columns that are one label each",
        ),
        ({"time": "same"}, "time 'same' cannot be sorted: 'q' .row 0. is no number and no date"),
        ({"time": "flat"}, "time 'flat' is 7 in every row: no row is before another"),
        ({"time": "truth"}, "time 'truth' holds true and false"),
        ({"time": "gap"}, "time 'gap' is missing in row 2: fill it, or drop the row"),
        ({"group": [None] * 6}, "group 'given' holds no value in every row"),
        (
            {"group": "gap"},
            "^group 'gap' is missing in 2 rows, first in row 2: such rows could be of a group on the other",
        ),
        ({"group": "who", "time": "when"}, "group and time both say what the test part is: give one of them"),
        ({"group": "who", "split": ["train", "test"] * 3}, "split and group both say what the test part is"),
        ({"group": "kind", "label": "kind"}, "'kind' cannot be both the label and the group"),
        ({"group": [1, 2]}, "group 'given' has 2 values for 6 rows"),
        ({"group": np.zeros((6, 2))}, "group 'given' has shape .6, 2.: give one value per row"),
    ],
)
def test_what_divides_nothing_is_refused_in_one_line(options, line):
    table = frame().assign(same="q", flat=7, truth=[True, False] * 3, gap=[1, 2, None, 4, None, 6])
    with pytest.raises(UserError, match=line):
        read(table, **options)


def test_names_need_something_that_has_names(tmp_path):
    with pytest.raises(UserError, match="has no column names, so no 'who'"):
        read(np.zeros((4, 3)), group="who")
    np.savez(tmp_path / "x.npz", X=np.zeros((4, 3)), y=np.arange(4))
    with pytest.raises(UserError, match="has no array 'subject'"):
        read(tmp_path / "x.npz", group="subject")
    with pytest.raises(UserError, match="test_key and group both say"):
        read(tmp_path / "x.npz", key="X", test_key="X", group="y")


def test_several_labels_are_taken_out_and_stay_beside_each_other(tmp_path):
    data = read(frame(), label=["kind", "who"], drop=["when"])
    assert list(data.values.columns) == ["a"] and data.labels.tolist() == list("uvuvuv")
    assert data.more_labels["who"].tolist() == list("xxyyzz")
    assert data.take(np.array([5, 0])).more_labels["who"].tolist() == ["z", "x"]
    assert read(frame(), label=list("uvuvuv")).more_labels == {}, "one text per row is a label by value"
    assert read(frame(), label=["kind"]).more_labels == {}
    np.savez(tmp_path / "x.npz", X=np.zeros((6, 2, 9)), y=np.arange(6) % 2, z=np.arange(6))
    assert read(tmp_path / "x.npz", label=["y", "z"]).more_labels["z"].tolist() == list(range(6))


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"label": ["kind", "kind"]}, "label 'kind' is given twice"),
        ({"label": ["kind", "whoo"]}, "there is no column 'whoo' .label. .did you mean 'who'"),
        ({"label": ["kind", "who"], "group": "who"}, "'who' cannot be both the label and the group"),
        ({"label": ["kind", "who"], "split": "who"}, "'who' cannot be both the label and the split"),
        ({"label": ["kind", "who"], "drop": ["who"]}, "'who' cannot be both dropped and the label"),
        ({"group": "who", "drop": ["who"]}, "'who' cannot be both dropped and the group"),
    ],
)
def test_labels_that_are_no_columns_or_something_else_are_refused(options, line):
    with pytest.raises(UserError, match=line):
        read(frame(), **options)
