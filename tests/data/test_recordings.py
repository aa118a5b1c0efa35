"""Recordings are cut into windows that cross nothing, whatever file or frame they come in."""

import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from isotropy.data import SeriesPreprocess, read
from isotropy.data.recordings.resample import change_rate, even_out
from isotropy.data.recordings.spans import UNITS, Span, duration
from isotropy.errors import UserError
from isotropy.runs.division import divide

RATE = 50


def recording(subjects="aaabbb", steps=100, gap_after=None, rate=RATE, seed=0) -> pd.DataFrame:
    """Return a table of steps: so many a letter, each with a label that changes in the middle of it."""
    rng = np.random.default_rng(seed)
    who = np.repeat(list(subjects), steps)
    step = np.full(len(who), 1 / rate)
    if gap_after is not None:
        step[gap_after] = 3.0
    t = np.concatenate([[0.0], np.cumsum(step)[:-1]])
    kind = np.where(np.arange(len(who)) % steps < steps // 2, "sit", "walk")
    frame = pd.DataFrame({"t": t.round(6), "x": rng.normal(size=len(who)), "y": rng.normal(size=len(who))})
    return frame.assign(kind=kind, who=who)


def slow_windows(frame: pd.DataFrame, steps: int, hop: int) -> list[tuple[np.ndarray, str, float, str, float]]:
    """Return values, group, start, commonest label and its fraction of each window, step by step."""
    found, begin = [], 0
    for place in range(1, len(frame) + 1):
        ends = place == len(frame) or frame.who[place] != frame.who[place - 1]
        if ends or frame.t[place] - frame.t[place - 1] > 1.5 / RATE:
            at = begin
            while at + steps <= place:
                rows = frame.iloc[at : at + steps]
                counts = {kind: (rows.kind == kind).sum() for kind in rows.kind}
                best = max(counts, key=lambda kind: (counts[kind], -list(rows.kind).index(kind)))
                found.append(
                    (rows[["x", "y"]].to_numpy().T, rows.who.iloc[0], rows.t.iloc[0], best, counts[best] / steps)
                )
                at += hop
            begin = place
    return found


@pytest.mark.parametrize(
    ("window", "hop", "steps", "jump"), [("1s", "0.5s", 50, 25), (30, 40, 30, 40), ("700ms", None, 35, 35)]
)
def test_windows_are_those_of_a_slow_cut(window, hop, steps, jump):
    frame = recording("aabca", steps=90, gap_after=120)
    data = read(frame, window=window, hop=hop, time="t", group="who", label="kind")
    slow = slow_windows(frame, steps, jump)
    assert len(data) == len(slow) and data.values.dtype == np.float32
    assert np.array_equal(data.values, np.float32([one[0] for one in slow]))
    assert data.groups.tolist() == [one[1] for one in slow]
    assert data.windows.starts == pytest.approx([one[2] for one in slow])
    assert data.windows.ends == pytest.approx([one[2] + steps / RATE for one in slow])
    assert data.labels.tolist() == [one[3] for one in slow]
    assert data.windows.shares["kind"] == pytest.approx([one[4] for one in slow])
    assert "1 gap that no window crosses" in data.description


def test_equal_values_in_other_containers_give_equal_windows(tmp_path):
    frame = recording()
    frame.to_csv(tmp_path / "r.csv", index=False)
    frame.to_parquet(tmp_path / "r.parquet")
    arrays = {
        "X": frame[["x", "y"]].to_numpy(),
        "t": frame.t,
        "kind": frame.kind.to_numpy(str),
        "who": frame.who.to_numpy(str),
    }
    np.savez(tmp_path / "r.npz", **arrays)
    options = {"window": "1s", "hop": 10, "time": "t", "group": "who", "label": "kind"}
    of_frame = read(frame, **options)
    for other in (tmp_path / "r.csv", tmp_path / "r.parquet", tmp_path / "r.npz"):
        data = read(other, **options)
        assert np.array_equal(data.values, of_frame.values) and data.labels.tolist() == of_frame.labels.tolist()
        assert data.groups.tolist() == of_frame.groups.tolist()
        assert np.array_equal(data.windows.starts, of_frame.windows.starts)
    by_value = read(frame[["x", "y"]], window=50, hop=10, group=frame.who, label=frame.kind)
    assert np.array_equal(by_value.values, of_frame.values)


@pytest.mark.parametrize("how", ["list", "pattern", "folder"])
def test_several_files_are_one_data_set_and_each_is_a_group(how, tmp_path):
    for number in range(3):
        recording("a", seed=number).drop(columns="who").to_csv(tmp_path / f"day{number}.csv", index=False)
    files = sorted(tmp_path.glob("*.csv"))
    dataset = {"list": [str(path) for path in files], "pattern": str(tmp_path / "day*.csv"), "folder": tmp_path}[how]
    data = read(dataset, window=20, time="t", label="kind")
    assert data.windows.files.tolist() == [path.name for path in files for _ in range(5)]
    assert data.groups.tolist() == data.windows.files.tolist()
    assert "groups are the files (3; --group divides otherwise)" in data.description
    one = read(files[1], window=20, time="t", label="kind")
    assert np.array_equal(one.values, data.values[5:10])


def test_the_long_form_gives_a_series_an_id_and_windows_cross_no_id():
    rows = np.arange(40)
    frame = pd.DataFrame({"id": rows % 4, "time": rows // 4, "a": rows * 1.0, "kind": np.array(list("uvuv"))[rows % 4]})
    data = read(frame, id="id", time="time", label="kind")
    assert data.values.shape == (4, 1, 10) and data.values[2, 0].tolist() == [2.0 + 4 * k for k in range(10)]
    assert data.labels.tolist() == list("uvuv") and data.groups is None
    cut = read(frame, id="id", time="time", label="kind", window=4, hop=3)
    assert cut.values[:3, 0, 0].tolist() == [0.0, 12.0, 24.0] and len(cut) == 12
    assert cut.groups is not None and len(set(cut.groups)) == 4
    indexed = read(frame.set_index(["id", "time"]), id="id", time="time", label="kind")
    assert np.array_equal(indexed.values, data.values)


@pytest.mark.parametrize("unit", ["s", "ms", "dates", "text", "epoch"])
def test_times_are_numbers_of_a_unit_or_dates(unit):
    frame = recording("a")
    dates = pd.Timestamp("2024-03-01") + pd.to_timedelta(frame.t, unit="s")
    frame["t"] = {
        "s": frame.t, "ms": frame.t * 1000, "dates": dates, "text": dates.dt.strftime("%Y-%m-%dT%H:%M:%S.%f"),
        "epoch": dates.astype("datetime64[ns]").astype(np.int64) // 10**6,
    }[unit]  # fmt: skip
    data = read(frame, window="1s", time="t", label="kind", drop=["who"], time_unit="ms" if unit == "ms" else None)
    assert data.values.shape == (2, 2, 50) and "at 50 Hz" in data.description
    expected = {"s": 1.0, "ms": 1000.0, "epoch": frame.t[50]}.get(unit, dates[50].to_datetime64())
    assert data.windows.starts[1] == expected
    assert (np.diff(data.times) > 0).all()


def test_labels_of_numbers_are_averaged_and_those_that_miss_stay_missing():
    frame = recording("a").drop(columns=["kind", "who"])
    frame["pulse"] = np.arange(100) + 0.5
    data = read(frame, window=50, time="t", label="pulse")
    assert data.labels.tolist() == [25.0, 75.0] and "the mean of a window's steps" in data.description
    frame["pulse"] = np.arange(100)
    assert read(frame, window=50, time="t", label="pulse", task="numbers").labels.tolist() == [24.5, 74.5]
    frame["pulse"] = ["run"] * 20 + [None] * 30 + ["run"] * 50
    data = read(frame, window=50, time="t", label="pulse")
    assert data.labels.tolist() == [None, "run"] and data.windows.shares["pulse"].tolist() == [0.6, 1.0]


def test_another_rate_is_filtered_and_uneven_times_are_interpolated():
    t = np.arange(1000) / 100
    slow, fast = np.sin(2 * np.pi * 1.5 * t), np.sin(2 * np.pi * 40 * t)
    values, places = change_rate(np.stack([slow, slow + fast, slow + 1e6]), 100, 50)
    assert np.array_equal(places, np.arange(0, 1000, 2))
    inside = slice(20, -20)
    assert np.abs(values[:2] - slow[::2])[:, inside].max() < 0.02, "what 50 Hz cannot carry is left out"
    assert np.abs(values[2] - 1e6 - slow[::2]).max() < 0.1, "no edge falls to zero"
    uneven = np.sort(np.random.default_rng(0).uniform(0, 10, 300))
    even, nearest = even_out(np.sin(uneven)[None], uneven, 30)
    grid = uneven[0] + np.arange(even.shape[1]) / 30
    assert even[0] == pytest.approx(np.interp(grid, uneven, np.sin(uneven)))
    assert all(abs(uneven[one] - at) == np.abs(uneven - at).min() for one, at in zip(nearest, grid))
    gone = np.where((t > 4) & (t < 5), np.nan, slow)
    found = change_rate(gone[None], 100, 50)[0][0]
    assert np.array_equal(np.isnan(found), np.isnan(gone[::2])) and np.abs(found - slow[::2])[20:150].max() < 0.02


def test_gaps_may_be_interpolated_and_rates_brought_together(tmp_path):
    frame = recording("a", steps=200).drop(columns="who").drop(index=[60, 61])
    apart = read(frame, window="1s", time="t", label="kind")
    assert len(apart) == 3 and "1 gap" in apart.description
    bridged = read(frame, window="1s", time="t", label="kind", gap="0.1s")
    assert len(bridged) == 4 and "gap " not in bridged.description
    line = np.interp([60, 61], [59, 62], frame.x[[59, 62]])
    assert bridged.values[1, 0, [10, 11]] == pytest.approx(line, abs=1e-6)
    recording("a").to_csv(tmp_path / "a.csv", index=False)
    recording("b", rate=100, steps=200).to_csv(tmp_path / "b.csv", index=False)
    options = {"time": "t", "window": "1s", "group": "who", "label": "kind"}
    with pytest.raises(UserError, match=r"a.csv has 50 samples a second and b.csv has 100: --rate 50 brings"):
        read(tmp_path, **options)
    both = read(tmp_path, rate=50, **options)
    assert both.values.shape == (4, 2, 50) and "1 of 2 recordings resampled from 100 Hz to 50 Hz" in both.description


def test_a_trained_form_cuts_new_recordings_alike():
    trained = read(recording(), window="1s", hop="0.5s", time="t", group="who", label="kind")
    learnt = SeriesPreprocess.learn(trained.values).of_recordings(trained.windows.format)
    again = SeriesPreprocess.from_json(learnt.to_json())
    assert again.to_json() == learnt.to_json() and again.recordings == trained.windows.format
    like = again.read_options(folder=False)["like"]
    new = recording("c", seed=5)
    same = read(new[["y", "t", "x"]], like=like)
    assert np.array_equal(same.values, read(new, window=50, hop=25, time="t", label="kind", drop=["who"]).values)
    faster = read(recording("c", rate=100, steps=200)[["t", "x", "y"]], like=like)
    assert faster.values.shape == same.values.shape and "resampled from 100 Hz to 50 Hz" in faster.description
    with pytest.raises(UserError, match="has no channel 'y', which the training had"):
        read(new[["t", "x"]], like=like)
    plain = SeriesPreprocess.learn(trained.values)
    assert "recordings" not in plain.to_json() and SeriesPreprocess.from_json(plain.to_json()).recordings is None


def test_subjects_files_and_overlapping_windows_are_on_one_side():
    data = read(recording("abcdef"), window=20, hop=10, time="t", group="who", label="kind")
    division = divide(data, 0)
    assert not set(data.groups[division.train]) & set(data.groups[division.test])
    alone = read(recording("a", steps=2000).drop(columns="t"), window=20, hop=10, label="kind", drop=["who"])
    assert alone.groups is None and alone.times is None
    division = divide(alone, 0)
    first = alone.windows.first
    near = np.abs(first[division.train][:, None] - first[division.test]) < 20
    assert len(division.test) and not near.any()
    assert any("overlapping windows, 10 steps apart" in note for note in division.notes)
    both = recording("a", steps=2000).assign(kind=np.array(["sit", "walk"])[np.arange(2000) // 100 % 2])
    apart = divide(read(both, window=20, time="t", label="kind", drop=["who"]), 0)
    assert apart.train.max() < apart.test.min(), "later windows test"


def test_a_clock_or_a_subject_among_the_channels_is_noticed():
    frame = recording("abc", steps=300).drop(columns="kind").assign(who=np.repeat([1, 2, 3], 300))
    with pytest.warns(UserWarning) as heard:
        read(frame, window=50)
    said = " ".join(str(one.message) for one in heard)
    assert (
        len(heard) == 2 and "'t' rises all the time, as a clock does" in said and "(--group who, --label who)" in said
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read(frame, window=50, time="t", group="who")


def test_a_small_change_on_a_large_offset_is_kept():
    frame = recording("a").drop(columns=["who", "kind"])
    frame["x"] = 1e8 + frame.x
    data = read(frame, window=50, time="t")
    assert data.values.dtype == np.float64 and np.array_equal(data.values[0, 0], frame.x[:50])


def test_spans_are_read_with_their_units():
    for unit, seconds in UNITS.items():
        assert Span.read(f"3{unit}", "window").seconds == pytest.approx(3 * seconds)
        assert Span.read(duration(3 * seconds), "window").seconds == pytest.approx(3 * seconds)
    assert Span.read("1.5 s", "hop").at(50, "hop") == 75


def uneven(frame):
    return frame.assign(t=np.cumsum(np.random.default_rng(0).exponential(0.02, len(frame))))


def changed(**cells):
    def change(frame):
        frame = frame.astype({"t": object})
        for place, value in cells["t"].items():
            frame.loc[place, "t"] = value
        return frame

    return change


WRONG = {
    "2parsec": ({"window": "2parsec"}, None, r"window '2parsec': the unit 'parsec' is unknown \(valid: d, h, min"),
    "hop 0": ({"hop": "0s"}, None, "hop '0s' must be above 0"),
    "no window": ({"window": None, "hop": "1s"}, None, "a hop needs a window"),
    "half a sample": ({"window": 2.5}, None, "no whole number of samples: for a time name its unit, as 2.5s"),
    "nothing": ({"window": "long"}, None, "window 'long' is no length"),
    "longer": ({"window": "1h"}, None, r"a window \(180,000 steps, 3600 s\) is longer than every recording"),
    "shorter": ({"window": "1ms"}, None, r"window 1ms is shorter than one step of 20ms: .* \(--time-unit ms\)"),
    "unknown rate": ({"time": None, "drop": ["t"]}, None, "window 1s is a time, and nothing says how many samples"),
    "no group": ({"group": "whom"}, None, r"no column 'whom' \(group, the frame\) \(did you mean 'who'"),
    "no label": ({"label": "kin"}, None, r"no column 'kin' \(label, the frame\) \(did you mean 'kind'"),
    "no time": ({"time": "T"}, None, r"no column 'T' \(time, the frame\)"),
    "two roles": ({"label": "who"}, None, "'who' cannot be both the label and the group"),
    "twice": ({"label": ["kind", "kind"]}, None, "label 'kind' is given twice"),
    "text": ({"label": None}, None, r"column 'kind' holds 'sit' \(row 0\), and channels are numbers: say what it is"),
    "unit": ({"time_unit": "fortnight"}, None, "time unit 'fortnight' is unknown"),
    "rate": ({"rate": -1.0}, None, "rate -1 must be a number of samples a second above 0"),
    "one group": ({}, lambda f: f.assign(who="a"), "group 'who' is a in every window"),
    "no name": ({}, lambda f: f.assign(who=f.who.mask(f.index == 7)), "'who' is missing in 1 row, first in row 7"),
    "repeats": ({}, changed(t={5: 0.08}), "time 't' repeats: 0.08 in row 5 after 0.08 in row 4"),
    "unsorted": ({}, changed(t={5: 0.0}), "time 't' is not sorted: 0.0 in row 5 after 0.08 in row 4"),
    "word": ({}, changed(t={7: "noon"}), "time 't' cannot be sorted: 'noon' .row 7. is no number"),
    "gone": ({}, changed(t={7: None}), "the frame: time 't' is missing in row 7"),
    "uneven": ({}, uneven, r"unevenly spaced \(.*ms to .*ms for 90% .*\): --rate 44 interpolates them linearly"),
    "empty": ({}, lambda f: f.iloc[:0], "has no rows"),
    "table": ({"modality": "table"}, None, "recordings are series, not table"),
    "parts": ({"split": "kind", "label": None}, None, "split and group both say what the test part is"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_wrong_input_is_one_line(case):
    options, change, said = WRONG[case]
    frame = recording() if change is None else change(recording())
    with pytest.raises(UserError, match=said) as caught:
        read(frame, **{"window": "1s", "time": "t", "group": "who", "label": "kind", **options})
    assert "\n" not in str(caught.value)


def test_files_that_do_not_fit_each_other_are_named(tmp_path):
    recording("a").to_csv(tmp_path / "a.csv", index=False)
    recording("b").rename(columns={"y": "z"}).to_csv(tmp_path / "b.csv", index=False)
    options = {"window": 20, "time": "t", "group": "who", "label": "kind"}
    with pytest.raises(UserError, match="a.csv has a channel 'y' and b.csv has none"):
        read(tmp_path, **options)
    with pytest.raises(UserError, match=r"c\*.csv matches no file"):
        read(tmp_path / "c*.csv", **options)
    with pytest.raises(UserError, match="is given twice"):
        read([tmp_path / "a.csv"] * 2, **options)
    with pytest.raises(UserError, match=r"aa.csv does not exist \(did you mean 'a.csv'\?\)"):
        read([tmp_path / "a.csv", tmp_path / "aa.csv"], **options)
    Path(tmp_path / "c.wav").touch()
    with pytest.raises(UserError, match=r"holds .csv and .wav files: name those to be read"):
        read(tmp_path, **options)


def test_recordings_of_unequal_length_are_rows_without_a_window():
    frame = pd.DataFrame(
        {
            "id": np.repeat(["a", "b", "c"], [6, 4, 9]),
            "x": np.random.default_rng(0).normal(size=19),
            "y": np.repeat(["up", "down", "up"], [6, 4, 9]),
        }
    )
    data = read(frame, id="id", label="y")
    assert data.values.shape == (3, 1, 9) and "4 to 9 steps, 3 rows, one a recording" in data.description
    for name, row in zip("abc", data.values):
        one = frame.x[frame.id == name].to_numpy(np.float32)
        assert np.array_equal(row[0, : len(one)], one) and np.isnan(row[0, len(one) :]).all()
    assert data.labels.tolist() == ["up", "down", "up"] and data.windows.ends.tolist() == [6, 4, 9]
    assert read(frame, id="id", label="y", task="classes", window=4).values.shape == (4, 1, 4)


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_clocks_of_every_unit_are_the_same(unit):
    x = np.random.default_rng(0).normal(size=50)
    steps = pd.Series(pd.to_timedelta(np.arange(50) * 2, unit="s")).astype(f"timedelta64[{unit}]")
    right = read(pd.DataFrame({"t": np.arange(50) * 2.0, "x": x}), time="t", window="20s")
    for frame, options in (
        (pd.DataFrame({"t": steps, "x": x}), {"time": "t"}),
        (pd.DataFrame({"t": pd.Timestamp("2024-01-01") + steps, "x": x}), {"time": "t"}),
        (pd.DataFrame({"x": x}, index=pd.DatetimeIndex(pd.Timestamp("2024-01-01") + steps).as_unit(unit)), {}),
        (pd.DataFrame({"x": x}, index=pd.TimedeltaIndex(steps)), {}),
    ):
        for window in ("20s", pd.Timedelta("20s"), np.timedelta64(20, "s")):
            data = read(frame, window=window, **options)
            assert np.array_equal(data.values, right.values) and data.windows.format.rate == 0.5


def test_times_of_which_no_piece_has_three_samples_are_not_even():
    frame = pd.DataFrame({"id": np.repeat([0, 1], 4), "t": [0.0, 1.0, 7.0, 7.5] * 2, "x": np.arange(8.0)})
    with pytest.raises(UserError, match="unevenly spaced .*median 1s"):
        read(frame, id="id", time="t")
