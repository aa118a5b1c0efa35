"""Recordings in the stacked form: equal to the wide one, in any order of rows, and recognised where it is one."""

import numpy as np
import pandas as pd
import pytest

from isotropy.data import SeriesPreprocess, read
from isotropy.errors import UserError

WIDE = pd.DataFrame(
    {
        "id": np.repeat(["b", "a"], 20),
        "t": np.tile(np.arange(20) * 0.1, 2),
        "F_x": np.arange(40.0) ** 2 % 97,
        "T_z": np.random.default_rng(0).normal(size=40),
        "y": np.repeat(["up", "down"], 20),
    }
)
LONG = WIDE.melt(id_vars=["id", "t", "y"], var_name="kind", value_name="value")
BOTH = {"id": "id", "time": "t", "label": "y"}


@pytest.mark.parametrize("frame", [LONG, LONG.sample(frac=1, random_state=0), LONG.sort_values(["id", "kind", "t"])])
def test_the_stacked_form_is_the_wide_one(frame, tmp_path):
    frame.to_csv(tmp_path / "long.csv", index=False)
    for more in ({}, {"window": 5}):
        data, right = read(tmp_path / "long.csv", **BOTH, **more), read(WIDE, **BOTH, **more)
        order = np.argsort(data.windows.ids, kind="stable"), np.argsort(right.windows.ids, kind="stable")
        assert np.array_equal(data.values[order[0]], right.values[order[1]])
        assert data.labels[order[0]].tolist() == right.labels[order[1]].tolist()
        assert data.windows.format.channels == ("F_x", "T_z")
        assert "channels are those that kind names, value their values (--channel-column)" in data.description


def test_without_times_values_are_in_their_order():
    frame = LONG.drop(columns=["t", "y"])
    data = read(frame, id="id")
    assert data.values.shape == (2, 2, 20) and data.windows.ids.tolist() == ["a", "b"]
    assert np.array_equal(data.values[1, 0], WIDE["F_x"][:20])


def test_channels_with_times_of_their_own_are_missing_elsewhere():
    frame = LONG[(LONG["kind"] == "F_x") | (LONG.index % 2 == 0)]
    values = read(frame, **BOTH).values
    assert np.isnan(values[:, 1]).mean() == 0.5 and not np.isnan(values[:, 0]).any()


def test_a_text_beside_one_channel_is_no_channels_name():
    frame = WIDE[["id", "t", "F_x", "y"]]
    with pytest.raises(UserError, match="column 'y' holds 'up' .*say what it is"):
        read(frame, id="id", time="t")
    assert read(frame, **BOTH).values.shape == (2, 1, 20)


def test_new_recordings_may_have_either_form():
    data = read(LONG.rename(columns={"kind": "k"}), **BOTH, window=5, channel_column="k")
    learnt = SeriesPreprocess.learn(data.values).of_recordings(data.windows.format)
    like = SeriesPreprocess.from_json(learnt.to_json()).read_options(folder=False)
    for frame in (LONG.rename(columns={"kind": "k"}), WIDE):
        again = read(frame.drop(columns="y"), **like)
        assert sorted(again.values[:, 0, 0]) == sorted(data.values[:, 0, 0])


def test_what_does_not_fit_is_one_line():
    for frame, options, words in (
        (LONG, {**BOTH, "channel_column": "knd"}, "no column 'knd' .channel_column. .did you mean 'kind'"),
        (LONG.assign(w=1.0), {**BOTH, "channel_column": "kind"}, "left are 'value', 'w': leave others out .--drop"),
        (pd.concat([LONG, LONG.iloc[:1]]), BOTH, "channel 'F_x' has two values at id b, t 0.0: name what tells"),
        (LONG.assign(kind=LONG["kind"].where(LONG.index > 2)), BOTH, "channel_column 'kind' is missing in row 0"),
    ):
        with pytest.raises(UserError, match=words):
            read(frame, **options)


@pytest.mark.parametrize("named", [{"time": "t"}, {"id": "who"}])
def test_a_table_without_the_column_that_is_named_is_said_to_lack_it(named):
    frame = pd.DataFrame({"kind": ["x", "y"] * 50, "value": np.arange(100.0)})
    with pytest.raises(UserError, match=f"no column {next(iter(named.values()))!r}"):
        read(frame, window=10, **named)
