import base64
import json
import re
import warnings
from datetime import date, time
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer
from sklearn.linear_model import LogisticRegression

from isotropy.data import Schema, TablePreprocess, preprocess_from, read
from isotropy.data.text import TextAxes, letters
from isotropy.errors import UserError


def people(rows=60, seed=0):
    draw = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "age": draw.integers(18, 80, rows),
            "pay": draw.normal(1e4, 3e3, rows),
            "member": draw.random(rows) < 0.4,
            "job": draw.choice(["cook", "smith", "nurse"], rows),
            "since": pd.Timestamp("2020-01-01") + pd.to_timedelta(draw.integers(0, 900, rows), "D"),
        }
    )
    frame.loc[3, "pay"] = np.nan
    frame.loc[5, "job"] = None
    return frame


def test_a_category_of_which_no_value_is_known_is_said():
    table = TablePreprocess.learn(people())
    other = people().assign(job=["Cook", None] * 30)
    said = (
        r"column 'job': none of its 30 values was there in training, such as 'Cook' \(there: 'cook', 'nurse', 'smith'"
    )
    with pytest.warns(UserWarning, match=said):
        rows = table.transform(other)
    assert rows[:, -1].tolist() == [0, 4] * 30
    table.transform(other.iloc[:18])  # nine values may be new ones
    table.transform(other.assign(job=["Cook"] * 59 + ["cook"]))


def test_rows_are_numbers_then_indicators_then_codes():
    frame = people()
    table = TablePreprocess.learn(frame)
    rows = table.transform(frame)
    assert (table.shape["numeric"], table.shape["categories"]) == (5, [5])
    assert table.schema.stored_names == ["age", "pay", "member", "since", "pay missing", "job"]
    assert rows.dtype == torch.float32 and rows.shape == (60, 6) and rows.is_contiguous()
    pay = frame["pay"].to_numpy()
    mean, std = np.nanmean(pay), np.nanstd(pay)
    np.testing.assert_allclose(rows[:, 1], np.nan_to_num((pay - mean) / std), rtol=1e-5)
    assert rows[3, 1] == 0 and rows[3, 4] == 1 and rows[:, 4].sum() == 1
    assert rows[:, 2].tolist() == frame["member"].astype(float).tolist()
    codes = {None: 4, "cook": 1, "nurse": 2, "smith": 3}
    jobs = [None if pd.isna(job) else job for job in frame["job"]]
    assert rows[:, 5].tolist() == [codes[job] for job in jobs]
    seconds = frame["since"].astype("datetime64[s]").astype(np.int64).to_numpy()
    np.testing.assert_allclose(rows[:, 3], (seconds - seconds.mean()) / seconds.std(), rtol=1e-4, atol=1e-5)


def test_schema_is_learnt_on_the_rows_given_alone():
    frame = people()
    train = frame.iloc[:40]
    alone = TablePreprocess.learn(train)
    other = frame.copy()
    other.loc[40:, "age"] = 10_000
    other.loc[40:, "job"] = "astronaut"
    rows = alone.transform(other)
    assert TablePreprocess.learn(other.iloc[:40]).to_json() == alone.to_json()
    assert (rows[40:, -1] == 0).all(), "a level never seen has code 0"
    assert torch.equal(rows[:40], alone.transform(train))


def test_json_round_trip_is_exact_to_the_bit():
    frame = people()
    table = TablePreprocess.learn(frame.iloc[:30])
    again = TablePreprocess.from_json(json.loads(json.dumps(table.to_json(), allow_nan=False)))
    assert torch.equal(again.transform(frame), table.transform(frame))
    assert again.schema == table.schema and again.to_json() == table.to_json()


def test_features_expand_codes_one_hot():
    frame = people()
    table = TablePreprocess.learn(frame)
    features = table.features(table.transform(frame))
    assert features.shape == (60, 10)
    assert (features[:, 5:].sum(axis=1) == 1).all()
    # Unknown, the levels in their order, missing.
    levels = [(frame["job"] == level).astype(float) for level in ("cook", "nurse", "smith")]
    expected = np.stack([np.zeros(60), *levels, frame["job"].isna().astype(float)], axis=1)
    assert features[:, 5:].tolist() == expected.tolist()


def test_missing_where_training_had_none_is_the_mean_or_unknown():
    frame = people()[["age", "job"]].dropna()
    table = TablePreprocess.learn(frame)
    rows = table.transform(pd.DataFrame({"age": [np.nan], "job": [None]}))
    assert rows.tolist() == [[0.0, 0.0]]


@pytest.mark.parametrize(
    "values",
    [
        pd.array([1, None, 3, 4], dtype="Int64"),
        pd.array([1, None, 3, 4], dtype="int64[pyarrow]"),
        [1.0, float("nan"), 3.0, 4.0],
        [1, None, 3, 4],
        [Decimal(1), None, Decimal(3), Decimal(4)],
        pd.Series([1, None, 3, 4], dtype=object),
        pd.Series(["1", None, " 3", "4.0"], dtype="string"),
        ["1", None, "3", "4"],
        pd.to_timedelta([1, None, 3, 4], unit="s"),
    ],
)
def test_numbers_in_every_form_are_the_same_numbers(values):
    plain = pd.DataFrame({"a": [1.0, np.nan, 3.0, 4.0]})
    frame = pd.DataFrame({"a": values})
    assert TablePreprocess.learn(frame).to_json() == TablePreprocess.learn(plain).to_json()
    assert torch.equal(TablePreprocess.learn(plain).transform(frame), TablePreprocess.learn(plain).transform(plain))


@pytest.mark.parametrize(
    "values",
    [
        pd.Series(["2020-01-01", None, "2020-01-03"]),
        pd.Series(pd.to_datetime(["2020-01-01", None, "2020-01-03"])),
        pd.Series(pd.to_datetime(["2020-01-01", None, "2020-01-03"]).tz_localize("UTC")),
        pd.Series([date(2020, 1, 1), None, date(2020, 1, 3)], dtype=object),
        pd.Series(["2020-01-01T00:00:00", None, "2020-01-03 00:00"]),
    ],
)
def test_dates_in_every_form_are_seconds(values):
    column = TablePreprocess.learn(pd.DataFrame({"day": values})).schema.columns[0]
    assert (column.kind, column.mean, column.std) == ("datetime", 1577836800.0 + 86400, 86400.0)


def test_what_is_no_date_is_named():
    table = TablePreprocess.learn(pd.DataFrame({"day": ["2020-01-01", "2020-01-02"]}))
    with pytest.raises(UserError, match="column 'day', row 1: 'soon' is not a date"):
        table.transform(pd.DataFrame({"day": ["2020-01-05", "soon"]}))
    with pytest.raises(UserError, match="column 'day', row 0: 7 is not a date"):
        table.transform(pd.DataFrame({"day": [7, 8]}))
    with pytest.raises(UserError, match=r"column 'day', row 0: Timedelta\('1 days 00:00:00'\) is not a date"):
        table.transform(pd.DataFrame({"day": pd.to_timedelta([1, 2], "D")}))


@pytest.mark.parametrize(
    "values", [[True, False, None], pd.array([True, False, None], dtype="boolean"), pd.Series([True, False, None])]
)
def test_booleans_stay_zero_and_one(values):
    frame = pd.DataFrame({"yes": values})
    table = TablePreprocess.learn(frame)
    assert table.transform(frame).tolist() == [[1, 0], [0, 0], [0, 1]]
    assert table.transform(pd.DataFrame({"yes": ["True", "false", 1]})).tolist() == [[1, 0], [0, 0], [1, 0]]
    with pytest.raises(UserError, match=r"column 'yes', row 1: 'maybe' is not true or false"):
        table.transform(pd.DataFrame({"yes": [True, "maybe"]}))


def test_category_names_do_not_depend_on_how_numbers_came():
    train = pd.DataFrame({"zone": pd.Categorical([1, 2, 1, 2]), "x": [1.0, 2, 3, 4]})
    table = TablePreprocess.learn(train)
    assert table.schema.columns[0].levels == ("1", "2")
    for zone in ([2, None], [2.0, np.nan], ["2", None], pd.Categorical([2, None])):
        assert table.transform(pd.DataFrame({"zone": zone, "x": [1.0, 1.0]}))[:, 1].tolist() == [2, 0]


def test_levels_are_capped_and_rare_ones_unknown():
    many = np.repeat([f"c{place:03d}" for place in range(300)], 3).tolist() + ["top"] * 5
    with pytest.warns(UserWarning, match=r"few rows have count as one: 'c' keeps 255 of 301 \(15.2% of rows"):
        column = Schema.learn(pd.DataFrame({"c": many})).columns[0]
    assert len(column.levels) == 255 and "top" in column.levels
    rare = ["a"] * 20_000 + ["b"] * 9_998 + ["c"] * 2
    with pytest.warns(UserWarning, match="'c' keeps 2 of 3"):
        schema = Schema.learn(pd.DataFrame({"c": rare}))
    assert schema.columns[0].levels == ("a", "b")
    assert schema.encode(pd.DataFrame({"c": ["a", "b", "c"]}))[:, 0].tolist() == [1, 2, 0]


def test_useless_columns_are_dropped_with_one_warning_that_names_them():
    frame = people()
    frame["empty"] = np.nan
    frame["one"] = 7.0
    frame["same"] = "x"
    frame["name"] = [f"person {place}" for place in range(60)]
    with pytest.warns(UserWarning) as caught:
        table = TablePreprocess.learn(frame)
    assert len(caught) == 1
    message = str(caught[0].message)
    for part in ("all missing: 'empty'", "constant: 'one', 'same'", "text of its own: 'name'"):
        assert part in message
    assert torch.equal(table.transform(frame.drop(columns=["empty", "one", "name", "same"])), table.transform(frame))


def test_no_column_left_is_refused():
    with pytest.raises(UserError, match="no column is left.*all missing: 'b'.*constant: 'a'|constant: 'a'.*'b'"):
        TablePreprocess.learn(pd.DataFrame({"a": [1, 1], "b": [None, None]}))


def test_a_constant_in_floating_point_is_constant():
    with pytest.warns(UserWarning, match="constant: 'a'"):
        table = TablePreprocess.learn(pd.DataFrame({"a": [0.1] * 10, "b": range(10)}))
    assert table.shape["numeric"] == 1


def test_large_offset_keeps_its_digits():
    values = 1e15 + np.arange(10.0)
    rows = TablePreprocess.learn(pd.DataFrame({"a": values})).transform(pd.DataFrame({"a": values}))
    np.testing.assert_allclose(rows[:, 0], (np.arange(10) - 4.5) / np.arange(10).std(), rtol=1e-6)


def test_text_among_numbers_is_named_in_training_and_after():
    frame = pd.DataFrame({"age": [str(age) for age in range(30)], "x": range(30)})
    table = TablePreprocess.learn(frame)
    frame.loc[17, "age"] = "n/k"
    with pytest.raises(UserError, match=r"column 'age', row 17: 'n/k' is not a number, but 29 other"):
        TablePreprocess.learn(frame)
    with pytest.raises(UserError, match=r"column 'age', row 17: 'n/k' is not a number, as the column was"):
        table.transform(frame.iloc[10:])
    with pytest.raises(UserError, match=r"column 'x', row 0: Timestamp.* is not a number"):
        table.transform(pd.DataFrame({"age": [1], "x": [pd.Timestamp("2020-01-01")]}))


def test_top_coded_text_stays_categorical():
    frame = pd.DataFrame({"children": ["0", "1", "2", "3+"] * 10})
    assert Schema.learn(frame).columns[0].kind == "categorical"


@pytest.mark.parametrize("value", [np.inf, -np.inf, "inf"])
def test_infinities_are_named(value):
    frame = pd.DataFrame({"a": [1.0, 2.0, 3.0], "b": pd.Series([1.0, value, 2.0], dtype=object)})
    with pytest.raises(UserError, match=r"column 'b', row 1: infinite value \(1 in the column\)"):
        TablePreprocess.learn(frame)
    table = TablePreprocess.learn(pd.DataFrame({"a": [1.0, 2.0], "b": [1.0, 2.0]}))
    with pytest.raises(UserError, match="column 'b', row 1: infinite"):
        table.transform(frame)


def test_cells_that_are_no_values_are_named():
    with pytest.raises(UserError, match="column 'a', row 1: a cell holds list"):
        TablePreprocess.learn(pd.DataFrame({"a": [1, [2], 3]}))
    with pytest.raises(UserError, match="column 'a' holds complex"):
        TablePreprocess.learn(pd.DataFrame({"a": [1j, 2j]}))
    table = TablePreprocess.learn(people())
    with pytest.raises(UserError, match="column 'job' holds cells"):
        table.transform(people().assign(job=[["cook"]] * 60))


def test_new_columns_must_be_those_of_the_schema():
    frame = people()
    table = TablePreprocess.learn(frame)
    with pytest.raises(UserError, match=r"lack 1 column of the training: 'age' \(did you mean 'Age'"):
        table.transform(frame.rename(columns={"age": "Age"}))
    with pytest.raises(UserError, match=r"lack 2 columns.*'age', 'pay'"):
        table.transform(frame.drop(columns=["age", "pay"]))
    beside = frame[frame.columns[::-1]].assign(label="x", id=range(60))
    assert torch.equal(table.transform(beside), table.transform(frame)), "order and further columns change nothing"


def test_arrays_are_matched_by_their_number_of_columns():
    values = np.random.default_rng(0).normal(size=(20, 3))
    values[2, 1] = np.nan
    table = TablePreprocess.learn(values)
    assert table.schema.stored_names == ["x0", "x1", "x2", "x1 missing"]
    rows = table.transform(values)
    assert torch.equal(table.transform(torch.from_numpy(values)), rows)
    assert torch.equal(table.transform(pd.DataFrame(values, columns=list("abc"))), rows)
    with pytest.raises(UserError, match="have 2 columns, the training had 3: 'x0', 'x1', 'x2'"):
        table.transform(values[:, :2])
    with pytest.raises(UserError, match="column 'x2', row 4: infinite"):
        values[4, 2] = np.inf
        table.transform(values)


def test_object_arrays_are_tables_of_mixed_columns():
    table = TablePreprocess.learn(np.array([[1, "a"], [2, "b"], [3, "a"]], dtype=object))
    assert (table.shape["numeric"], table.shape["categories"]) == (1, [3])


def test_shapes_that_are_no_table():
    with pytest.raises(UserError, match="at least two rows; the table has 1"):
        TablePreprocess.learn(pd.DataFrame({"a": [1]}))
    with pytest.warns(UserWarning, match="2 columns are called 'a'"):
        twice = TablePreprocess.learn(pd.DataFrame([[1, 2], [3, 4]], columns=["a", "a"]))
    assert [column.name for column in twice.schema.columns] == ["a (1)", "a (2)"]
    with pytest.raises(UserError, match="two dimensions"):
        TablePreprocess.learn(np.zeros((2, 2, 2)))


def test_extreme_new_values_stay_finite():
    table = TablePreprocess.learn(pd.DataFrame({"a": [0.0, 1e-300]}))
    assert torch.isfinite(table.transform(pd.DataFrame({"a": [1e300, -1e300]}))).all()


def test_foreign_json_is_refused():
    with pytest.raises(UserError, match="no table schema"):
        TablePreprocess.from_json({"schema": {"columns": [{"nam": "a"}]}})
    with pytest.raises(UserError, match="no table schema"):
        TablePreprocess.from_json({})
    data = TablePreprocess.learn(people()).to_json()
    data["schema"]["columns"][0]["kind"] = "numerical"
    with pytest.raises(UserError, match="kind is 'numerical', and one of 'numeric'"):
        TablePreprocess.from_json(data)


@pytest.mark.parametrize("kind", ["str", "category"])
def test_text_and_categories_have_the_codes_that_the_same_objects_have(kind):
    draw = np.random.default_rng(0)
    texts = pd.Series(draw.choice(["b", "a", "1", "1.0", "ß"], 200), dtype=object)
    cells = texts if kind == "str" else pd.Series(draw.choice([3.0, 1.0, 2.5], 200), dtype=object)
    cells[::7] = None
    plain, stored = pd.DataFrame({"x": cells}), pd.DataFrame({"x": cells.astype(kind)})
    schema = Schema.learn(stored)
    assert schema.columns[0].kind == "categorical" and schema.columns[0].missing
    np.testing.assert_array_equal(schema.encode(stored), schema.encode(plain))
    np.testing.assert_array_equal(schema.encode(stored[::-1]), schema.encode(plain)[::-1])


def learnt(column, name="a", **options):
    """Return the schema of one column beside a plain one, and the lines that were said."""
    frame = pd.DataFrame({name: column, "z": np.arange(len(column)) % 7})
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        schema = Schema.learn(frame, **options)
    return schema, [str(line.message) for line in caught]


AMOUNTS = np.random.default_rng(0).uniform(1, 9999, 100).round(2)


@pytest.mark.parametrize(
    ("write", "line"),
    [
        (lambda x: f"${x:,.2f}", r"columns read: 'a' as numbers \(\$; as '\$6,3.*--kind NAME=KIND says otherwise"),
        (lambda x: f"{x:.2f}".replace(".", ",") + " EUR", "EUR, decimal comma"),
        (lambda x: f"({x:.2f} %)", "%"),
    ],
)
def test_amounts_are_read_as_the_numbers_they_are(write, line):
    frame = pd.DataFrame({"a": [write(x) for x in AMOUNTS], "z": range(100)})
    plain = pd.DataFrame({"a": AMOUNTS if write(1)[0] != "(" else -AMOUNTS, "z": range(100)})
    with pytest.warns(UserWarning, match=line):
        table = TablePreprocess.learn(frame)
    assert torch.equal(table.transform(frame), TablePreprocess.learn(plain).transform(plain))
    assert torch.equal(table.transform(plain), table.transform(frame)), "numbers are numbers"
    again = TablePreprocess.from_json(json.loads(json.dumps(table.to_json())))
    assert torch.equal(again.transform(frame), table.transform(frame)) and table.text_columns == ["a"]
    with pytest.warns(UserWarning, match=r"column 'a': 1 of 2 values are no numbers as in training.*'soon' \(row 1\)"):
        rows = table.transform(pd.DataFrame({"a": [write(5.0), "soon"], "z": [1, 2]}))
    assert rows[1, 0] == 0


def test_a_few_values_that_are_no_amounts_are_missing_and_many_make_categories():
    amounts = [f"{x:.2f} kg" for x in AMOUNTS]
    schema, _ = learnt([*amounts[:97], "n/k", "?", "-"])
    assert schema.columns[0].kind == "numeric" and schema.columns[0].missing
    schema, _ = learnt(["5 kg", "6 kg", "light", "heavy"] * 25)
    assert schema.columns[0].kind == "categorical"


@pytest.mark.parametrize(
    ("values", "kind", "reading", "line"),
    [
        (
            [f"{d:02d}/{m:02d}/2024" for d in range(1, 29) for m in range(1, 13)],
            "datetime",
            ("dates", "dmy"),
            "day first",
        ),
        (
            [f"{m:02d}/{d:02d}/2024" for d in range(1, 29) for m in range(1, 13)],
            "datetime",
            ("dates", "mdy"),
            "month first",
        ),
        (["01/02/2024", "03/04/2024"] * 5, "datetime", ("dates", "dmy"), "a guess: --kind a=mdy"),
        ([f"{h}:{m:02d}" for h in range(24) for m in range(60)], "datetime", ("times",), "times of day"),
        ([time(h, 30) for h in range(24)], "datetime", ("times",), ""),
        ([f"{h}:15:00" for h in range(20, 90)], "numeric", ("durations",), "durations"),
        (["01067", "10115", "80331"] * 9, "categorical", (), "leading zeros, '01067'"),
        (["red", "green", "blue"] * 9, "categorical", (), ""),
    ],
)
def test_what_texts_are_and_what_is_said_of_it(values, kind, reading, line):
    schema, said = learnt(values)
    assert (schema.columns[0].kind, schema.columns[0].reading) == (kind, reading)
    assert (line in said[0]) if line else not said
    assert schema.encode(pd.DataFrame({"a": values, "z": 0})).std(axis=0).max() > 0


def test_codes_of_places_are_categories_whatever_their_type():
    codes = [80331, 10115, 1067] * 9
    for name in ("zip", "ZipCode", "postal_code", "home.PLZ", "zip code"):
        schema, said = learnt(codes, name)
        assert schema.columns[0].kind == "categorical" and "code of places" in said[0], name
    assert learnt(codes, "zipper")[0].columns[0].kind == "numeric"
    assert learnt(codes, "zip", kinds={"zip": "numeric"})[0].columns[0].kind == "numeric"


def test_kinds_that_the_user_gives():
    day = ["01/02/2024", "03/04/2024"] * 5
    assert learnt(day, kinds={"a": "mdy"})[0].columns[0].reading == ("dates", "mdy")
    assert learnt(day, kinds={"a": "categorical"})[0].columns[0].levels == ("01/02/2024", "03/04/2024")
    half = ["5 kg", "6 kg", "light", "heavy"] * 5
    assert learnt(half, kinds={"a": "numeric"})[0].columns[0].missing
    *_, said = learnt(["red", "blue"] * 5, kinds={"a": "numeric"})[1]
    assert "no value can be read as numeric: 'a'" in said
    numbers = learnt([1, 2, 3] * 5, kinds={"a": "categorical"})[0].columns
    assert next(column for column in numbers if column.name == "a").levels == ("1", "2", "3")
    with pytest.raises(UserError, match="no column 'b' .to be text."):
        learnt(day, kinds={"b": "text"})
    with pytest.raises(UserError, match="cannot be of kind 'number' .did you mean 'numeric'"):
        learnt(day, kinds={"a": "number"})
    with pytest.raises(UserError, match="no column is left"):
        Schema.learn(pd.DataFrame({"a": ["x", "y"] * 9}), {"a": "numeric"})


def reviews(rows=300, seed=0):
    """Return texts about wine or houses, which share words with each other, and what each is about."""
    draw = np.random.default_rng(seed)
    about = draw.integers(0, 2, rows)
    words = np.array([["grape", "barrel", "bottle", "vineyard"], ["window", "garden", "kitchen", "stairs"]])
    both = np.array(["good", "old", "small", "expensive", "lovely", "new"])
    texts = [" ".join([*draw.choice(both, 3), draw.choice(words[one]), f"no {n}"]) for n, one in enumerate(about)]
    return pd.Series(texts, name="a"), about


def test_a_text_is_described_along_the_axes_of_its_letters_on_request():
    texts, about = reviews()
    frame = pd.DataFrame({"a": texts, "z": range(300)})
    assert "nearly every row has a text of its own: 'a'; --kind NAME=text" in learnt(frame["a"].tolist())[1][0]
    table = TablePreprocess.learn(frame, kinds={"a": "text"})
    rows = table.transform(frame).numpy()
    assert rows.shape == (300, 65) and table.column_names == ["a", "z"] and table.text_columns == ["a"]
    new, truth = reviews(seed=1)
    probe = LogisticRegression(max_iter=500).fit(rows[:, :64], about)
    found = table.transform(pd.DataFrame({"a": new, "z": range(300)})).numpy()
    assert probe.score(found[:, :64], truth) > 0.95
    few = pd.DataFrame({"a": new[[7, 3]], "z": [7, 3]})
    np.testing.assert_array_equal(table.transform(few).numpy(), found[[7, 3]], "each text by itself")
    again = preprocess_from(json.loads(json.dumps(table.to_json())))
    np.testing.assert_array_equal(again.transform(few).numpy(), found[[7, 3]])
    gone = frame.assign(a=frame["a"].where(frame.index > 5))
    table = TablePreprocess.learn(gone, kinds={"a": "text"})
    assert table.schema.numeric == 66 and table.transform(gone)[:, 65].tolist() == [1.0] * 6 + [0.0] * 294


def test_axes_are_those_of_tf_idf_and_as_many_as_texts_have():
    texts, _ = reviews(rows=40)
    axes = TextAxes.learn(texts)
    hashing = HashingVectorizer(
        analyzer="char_wb", ngram_range=(3, 4), n_features=4096, norm=None, alternate_sign=False
    )
    weighted = TfidfTransformer().fit_transform(hashing.transform(texts)).toarray()
    _, values, right = np.linalg.svd(weighted, full_matrices=False)
    assert len(axes) == np.linalg.matrix_rank(weighted)
    np.testing.assert_allclose(np.abs(axes.describe(texts)[:, :5]), np.abs(weighted @ right[:5].T), atol=2e-3)
    assert len(TextAxes.learn(pd.Series(["same"] * 9 + ["other"]))) == 2
    assert TextAxes.learn(pd.Series(["a", ""])).describe(pd.Series(["", "a"]))[0].tolist() == [0.0]


def test_a_schema_whose_texts_were_damaged_is_refused():
    texts, _ = reviews(rows=30)
    about = Schema.learn(pd.DataFrame({"a": texts, "z": range(30)}), {"a": "text"}).to_json()
    axes = about["texts"]["a"]
    one_less = base64.b64encode(base64.b64decode(axes["axes"])[: -2 * 4096]).decode()
    for damaged in (
        {"a": axes | {"axes": one_less}},
        {}, {"a": axes | {"axes": axes["axes"][:-8]}}, {"a": axes | {"weights": "no base64"}},
        {"a": axes | {"weights": axes["axes"]}}, {"a": {"axes": 3, "weights": ""}}, {"a": axes | {"axes": ""}},
    ):  # fmt: skip
        with pytest.raises(UserError, match="no table schema"):
            Schema.from_json(about | {"texts": damaged})
    with pytest.raises(UserError, match="no table schema"):
        Schema.from_json({name: value for name, value in about.items() if name != "texts"})


def test_letters_of_older_schemas_are_read_as_they_were():
    column = {"name": "a~0", "kind": "numeric", "mean": 0.0, "std": 0.5, "reading": ["letters", "a", "0", "64"]}
    schema = Schema.from_json({"columns": [column], "seen": ["a"], "named": True})
    texts = pd.DataFrame({"a": ["red wine", "lorry"]})
    np.testing.assert_allclose(schema.encode(texts)[:, 0], letters(texts["a"], 64)[:, 0] / 0.5, rtol=1e-6)


def test_a_category_seen_once_is_rare():
    schema, said = learnt(["a", "b"] * 20 + ["c"])
    assert schema.columns[0].levels == ("a", "b") and "'a' keeps 2 of 3 (2.4% of rows have the others)" in said[0]


def test_a_boolean_missing_only_later_is_neither_true_nor_false():
    table = TablePreprocess.learn(pd.DataFrame({"a": [True, False, False, False], "z": range(4)}))
    assert table.transform(pd.DataFrame({"a": [None, True], "z": [0, 0]}))[:, 0].tolist() == [0.25, 1.0]
    again = TablePreprocess.from_json(table.to_json())
    assert again.schema.columns[0].fill == 0.25
    old = table.to_json()
    for column in old["schema"]["columns"]:
        del column["fill"], column["reading"]
    assert TablePreprocess.from_json(old).transform(pd.DataFrame({"a": [None], "z": [0]}))[0, 0] == 0.0


LONG = [2**63 + 3 * n for n in range(10)]


@pytest.mark.parametrize(
    "values",
    [
        np.array(LONG, dtype=np.uint64),
        pd.array(LONG, dtype="UInt64"),
        [str(n) for n in LONG],
        [n + 10**30 for n in LONG],
        [Decimal(n) for n in LONG],
        np.array([n - 2**63 - 2**62 for n in LONG], dtype=np.int64),
    ],
    ids=["unsigned", "nullable", "text", "longer than 64 bits", "decimal", "negative"],
)
def test_numbers_too_long_for_a_float_keep_what_tells_them_apart(values):
    table = TablePreprocess.learn(pd.DataFrame({"x": values}))
    apart = table.transform(pd.DataFrame({"x": values}))[:, 0].double() * np.arange(10).std()
    np.testing.assert_allclose(apart.numpy(), np.arange(10) - 4.5, atol=1e-6)
    again = TablePreprocess.from_json(json.loads(json.dumps(table.to_json())))
    more = pd.DataFrame({"x": list(values)[3:4]})
    assert again.transform(more).numpy() == pytest.approx(table.transform(pd.DataFrame({"x": values})).numpy()[3:4])
    with pytest.warns(UserWarning, match="1 of 1 values are no exact numbers as in training"):
        assert again.transform(pd.DataFrame({"x": ["many"]})).item() == 0.0
    foreign = table.to_json()
    foreign["schema"]["columns"][0]["reading"][1] = "1e3"
    with pytest.raises(UserError, match="no table schema"):
        TablePreprocess.from_json(foreign)


@pytest.mark.parametrize("mark", ["?", "-", "n/a"])
def test_numbers_among_which_a_text_may_mean_missing_are_named(mark):
    numbers = [mark if n % 6 == 0 else f"{n}.5" for n in range(60)]
    frame = pd.DataFrame({"x": numbers, "y": np.arange(60.0)})
    with pytest.warns(
        UserWarning, match=rf"numbers except for '{re.escape(mark)}': name what means missing with --na.*'x'"
    ):
        TablePreprocess.learn(frame)
    data = read(frame, na=[mark])
    assert [column.kind for column in TablePreprocess.learn(data.values).schema.columns] == ["numeric"] * 2


@pytest.mark.parametrize("comma", [False, True])
def test_columns_of_few_numbers_say_which_text_keeps_them_categories(comma):
    ages = [f"{20 + n % 30}.0".replace(".", "," if comma else ".") for n in range(600)]
    frame = pd.DataFrame({"age": ages, "pay": [str(n % 4) for n in range(600)], "y": np.arange(600.0)})
    frame.loc[::9, ["age", "pay"]] = "k.A."
    with pytest.warns(UserWarning, match=r"'age' as categorical \(numbers except for 'k.A.': name .* --na") as said:
        learnt = TablePreprocess.learn(frame)
    assert [column.kind for column in learnt.schema.columns] == ["categorical", "categorical", "numeric"]
    assert not any("'pay'" in str(one.message) for one in said)  # four numbers may be codes
    with warnings.catch_warnings():
        warnings.simplefilter("error" if not comma else "ignore")
        learnt = TablePreprocess.learn(read(frame, na=["k.A."]).values)
    assert [column.kind for column in learnt.schema.columns][0] == "numeric"
    ours = frame["age"].astype(pd.CategoricalDtype())  # who says that these are categories is told nothing
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        TablePreprocess.learn(pd.DataFrame({"age": ours, "y": frame["y"]}))
