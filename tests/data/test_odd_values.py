"""Complex numbers and halves of letters, wherever a table or what is beside it holds them: one line."""

import numpy as np
import pandas as pd
import pytest

from isotropy import SelfSupervisedClassifier, SelfSupervisedEncoder
from isotropy.data import TablePreprocess, read
from isotropy.data.column_kinds import WANTED
from isotropy.errors import UserError

ROWS = 40
HALF, COMPLEX = "x\ud800", 1 + 2j
SAID = {
    "half": r"holds 'x\\ud800', half a letter of UTF-16, which no file takes: leave it out$",
    "complex": "holds complex",
}
VALUES = {"half": HALF, "complex": COMPLEX}


def frame(**columns):
    return pd.DataFrame({"a": np.arange(float(ROWS)), "b": ["u", "v"] * (ROWS // 2), **columns})


def column(value):
    """Return values of which one is odd, as pandas keeps what it cannot type."""
    return pd.Series(["u", "v"] * (ROWS // 2 - 1) + [value, "u"], dtype=object)


def records(value):
    return [{"a": float(row), "b": value} for row in range(ROWS)]


@pytest.mark.parametrize("odd", VALUES)
@pytest.mark.parametrize("kind", [None, *WANTED])
def test_a_column_is_named_whatever_it_is_said_to_be(odd, kind):
    values = frame(c=column(VALUES[odd]))
    told = {"kinds": {"c": kind}} if kind else {}
    with pytest.raises(UserError, match=f"^column 'c' .*{SAID[odd]}"):
        TablePreprocess.learn(values, **told)
    # Rows that are not learnt from are written, too.
    with pytest.raises(UserError, match=f"^column 'c' .*{SAID[odd]}"):
        read(values, split=["train"] * (ROWS - 4) + ["test"] * 4, **told)
    assert list(read(values, drop=["c"]).values.columns) == ["a", "b"]
    categories = pd.Series(pd.Categorical.from_codes([0, 1] * (ROWS // 2), pd.Index([VALUES[odd], "v"], dtype=object)))
    with pytest.raises(UserError, match=f"^column 'c' .*{SAID[odd]}"):
        read(frame(c=categories), **told)


def test_a_text_that_means_missing_is_named(tmp_path):
    frame().to_csv(tmp_path / "rows.csv", index=False)
    for dataset in (frame(), tmp_path / "rows.csv"):
        with pytest.raises(UserError, match=rf"^na \(--na\) {SAID['half']}"):
            read(dataset, na=["?", HALF])


@pytest.mark.parametrize("odd", VALUES)
@pytest.mark.parametrize("what", ["label", "group", "time", "split"])
def test_what_stands_beside_is_named(odd, what):
    beside = {} if what == "label" else {"label": "b"}
    for given in (list(column(VALUES[odd])), column(VALUES[odd]).to_numpy()):
        with pytest.raises(UserError, match=f"{what}.* {SAID[odd]}"):
            read(frame(), **beside, **{what: given})
    with pytest.raises(UserError, match=f"{what}.* {SAID[odd]}"):
        read(frame(c=column(VALUES[odd])), **beside, **{what: "c"})


@pytest.mark.parametrize(
    ("values", "options"),
    [
        (frame().set_axis(pd.Index(["a", HALF], dtype=object), axis=1), {}),
        ({"a": np.arange(40.0), HALF: np.arange(40.0)}, {}),
        (records(HALF), {}),
        ([{HALF: 1.0}] * ROWS, {}),
        (np.array([(1.0, HALF)] * ROWS, dtype=[("a", float), ("b", "O")]), {}),
        (np.array([(1.0, HALF)] * ROWS, dtype=[("a", float), ("b", "U9")]), {}),
        (np.array([[1.0, HALF]] * ROWS, dtype=object), {}),
        (frame(), {"label": [[HALF], ["v"]] * (ROWS // 2)}),
        (frame(), {"label": np.array([HALF, "v"] * (ROWS // 2))}),
    ],
)
def test_half_a_letter_is_named_in_every_container(values, options):
    with pytest.raises(UserError, match=SAID["half"]):
        read(values, **options)


def test_new_rows_are_read_where_a_text_is_only_compared():
    known = frame(c=["u", "v"] * (ROWS // 2), d=pd.date_range("2020", periods=ROWS), t=["red wine", "white"] * 20)
    table = TablePreprocess.learn(known, kinds={"t": "text"})
    assert len(table.transform(known.assign(c=column(HALF)))) == ROWS  # as any category that training lacks
    for name in ("a", "d", "t"):
        for odd, value in VALUES.items():
            with pytest.raises(UserError, match=f"^column '{name}' {SAID[odd]}"):
                table.transform(known.assign(**{name: column(value)}))


def test_estimators_say_it_in_a_line():
    values, labels = np.zeros((ROWS, 3)), np.array([0, 1] * 20)
    with pytest.raises(UserError, match="^Complex data not supported: split X into real and imaginary parts$"):
        SelfSupervisedEncoder().fit(values + 1j)
    with pytest.raises(UserError, match="^Complex data not supported: split y into real and imaginary parts$"):
        SelfSupervisedClassifier().fit(values, labels + 0j)
    with pytest.raises(UserError, match=SAID["half"]):
        SelfSupervisedClassifier().fit(values, [HALF, "v"] * 20)
    with pytest.raises(UserError, match=f"^column 'c' {SAID['half']}"):
        SelfSupervisedEncoder(kinds={"c": "text"}).fit(frame(c=column(HALF)))
