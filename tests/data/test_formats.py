"""Every format of the field gives the numbers, classes and rates that its file holds."""

import numpy as np
import pandas as pd
import pytest
from scipy.io import savemat, wavfile

from isotropy.data import read
from isotropy.data.readers import READERS
from isotropy.errors import UserError

NEEDS = {".edf": "pyedflib", ".bdf": "pyedflib", ".hea": "wfdb", ".h5": "h5py", ".hdf5": "h5py"}


def write(path, text):
    path.write_text(text)
    return path


@pytest.mark.parametrize("suffix", READERS)
@pytest.mark.parametrize("content", [b"", b"hello, world\n" * 20, b"\x00\xff" * 300])
def test_a_damaged_file_is_one_line_that_names_it(suffix, content, tmp_path):
    if suffix in NEEDS:
        pytest.importorskip(NEEDS[suffix])
    if suffix in (".csv", ".tsv") and content.startswith(b"hello"):
        pytest.skip("this is a table")
    path = tmp_path / f"bad{suffix}"
    path.write_bytes(content)
    with pytest.raises(UserError) as caught:
        read(path)
    assert "bad" in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("suffix", NEEDS)
def test_a_missing_package_is_named_with_the_command(suffix, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, NEEDS[suffix], None)
    (tmp_path / f"x{suffix}").write_bytes(b"0")
    with pytest.raises(UserError, match=rf"need the package {NEEDS[suffix]}: pip install 'isotropy\[recordings\]'"):
        read(tmp_path / f"x{suffix}")


SERIES = np.array([[[1.0, 2.5, 3.0], [0.0, np.nan, 2.0]], [[7.0, 8.0, 9.0], [4.0, 5.0, 1e3]]])
CLASSES = ["Walk", "walk"]


def ts_text(series=SERIES, classes=CLASSES, times=None) -> str:
    def values(channel):
        texts = ["?" if np.isnan(one) else f"{one:g}" for one in channel]
        return ",".join(texts if times is None else [f"({t},{x})" for t, x in zip(times, texts)])

    lines = [":".join([*map(values, case), label]) for case, label in zip(series, classes)]
    head = ["# a comment", "@problemName P", f"@timeStamps {str(times is not None).lower()}", "@univariate false"]
    return "\n".join([*head, "@classLabel true Walk walk", "@data", *lines]) + "\n"


def arff_text() -> str:
    parts = [[",".join("?" if np.isnan(x) else f"{x:g}" for x in channel) for channel in case] for case in SERIES]
    steps = [f"    @attribute t{n} numeric" for n in range(3)]
    head = ["@relation 'P'", "@attribute sequence relational", *steps, "@end sequence", "@attribute class {Walk,walk}"]
    return "\n".join([*head, "@data", *("'" + r"\n".join(p) + f"',{c}" for p, c in zip(parts, CLASSES))]) + "\n"


@pytest.mark.parametrize("suffix", [".ts", ".arff"])
def test_series_of_the_archives_keep_values_missing_ones_and_the_case_of_classes(suffix, tmp_path):
    path = write(tmp_path / f"P{suffix}", ts_text() if suffix == ".ts" else arff_text())
    data = read(path, label="class")
    assert data.modality == "series" and np.array_equal(data.values, SERIES.astype(np.float32), equal_nan=True)
    assert data.labels.tolist() == CLASSES
    assert read(path).labels is None
    with pytest.raises(UserError, match="has no label 'kind'.*--label class the label in the file"):
        read(path, label="kind")


def test_files_that_end_in_train_and_test_are_the_parts(tmp_path):
    write(tmp_path / "P_TRAIN.ts", ts_text())
    write(tmp_path / "P_TEST.ts", ts_text(SERIES[::-1], CLASSES[::-1]))
    data = read(tmp_path, label="class")
    assert data.split.tolist() == ["test"] * 2 + ["train"] * 2
    assert data.labels.tolist() == ["walk", "Walk", "Walk", "walk"]
    assert np.array_equal(data.values[0], SERIES[1].astype(np.float32))


def test_times_in_a_ts_file_are_used_or_refused(tmp_path):
    even = read(write(tmp_path / "a.ts", ts_text(SERIES[1:], times=[0, 1, 2])), label="class")
    assert np.array_equal(even.values, SERIES[1:].astype(np.float32)), "values without a decimal point are values"
    assert even.windows.format.rate == 1
    dated = ["2004-01-01 00:00:00", "2004-01-01 01:00:00", "2004-01-01 02:00:00"]
    hours = read(write(tmp_path / "b.ts", ts_text(SERIES[1:], times=dated)))
    assert hours.windows.format.rate == 1 / 3600 and hours.windows.starts[0] == np.datetime64("2004-01-01")
    path = write(tmp_path / "c.ts", ts_text(SERIES[1:], times=[0, 1, 10]))
    with pytest.raises(UserError, match="unevenly spaced"):
        read(path)
    data = read(path, rate=1)
    assert np.array_equal(data.values[0, 0], np.interp(np.arange(11), [0, 1, 10], SERIES[1, 0]).astype(np.float32))
    apart = "@timeStamps true\n@classLabel false\n@data\n(0,1),(2,3),(4,5):(1,10),(3,30),(5,50)\n"
    path = write(tmp_path / "d.ts", apart)
    with pytest.raises(UserError, match="channels have times of their own"):
        read(path)
    assert read(path, rate=1).values.tolist() == [[[2, 3, 4, 5], [10, 20, 30, 40]]]


WRONG = {
    "class": (".ts", ts_text(classes=["Walk", "WALK"]), "line 8: the class 'WALK' is not one of those in the header"),
    "number": (".ts", ts_text().replace("2.5", "two"), "line 7: 'two' is no number"),
    "dimensions": (".ts", ts_text().replace(":4,5,1000", ""), "case 1 has 1 dimensions and case 0 has 2"),
    "no data": (".ts", "@classLabel false\n@data\n", "has no series behind @data"),
    "unsorted": (".ts", ts_text(SERIES[1:], times=[0, 2, 1]), r"times repeat or are not sorted \(2, then 1\)"),
    "nominal": (".arff", "@attribute c {a,b}\n@data\nA\n", "'c' has the value 'A', which it does not name"),
    "row": (".arff", "@attribute a numeric\n@attribute b real\n@data\n1\n", "line 4: has 1 values for 2 attributes"),
    "numeric": (".arff", "@attribute a numeric\n@data\nx\n", "attribute 'a' holds 'x', and is said to be numeric"),
    "attributes": (".tsf", "@attribute name string\n@data\n1,2\n", "line 3: 0 attributes, and the header names 1"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_what_a_text_file_says_wrong_is_named_with_its_line(case, tmp_path):
    suffix, text, said = WRONG[case]
    with pytest.raises(UserError, match=said):
        read(write(tmp_path / f"x{suffix}", text))


def test_an_arff_table_is_a_table_and_sparse_rows_have_zeros(tmp_path):
    columns = ["'a b' NUMERIC", "when DATE 'yyyy-MM-dd'", "kind {Low,'very high'}"]
    head = "\n".join(["@RELATION x", *(f"@ATTRIBUTE {one}" for one in columns), "@DATA\n"])
    data = read(write(tmp_path / "x.arff", head + "% note\n1,2024-01-02,Low\n?,?,'very high'\n"), label="kind")
    assert data.modality == "table" and list(data.values.columns) == ["a b", "when"]
    assert data.labels.tolist() == ["Low", "very high"] and data.values["a b"].isna().tolist() == [False, True]
    sparse = "@attribute a numeric\n@attribute b numeric\n@attribute c {x,y}\n@data\n{0 1.5}\n{1 2, 2 y}\n"
    data = read(write(tmp_path / "s.arff", sparse), label="c")
    assert data.values.to_numpy().tolist() == [[1.5, 0.0], [0.0, 2.0]] and data.labels.tolist() == ["x", "y"]


def test_a_forecasting_file_has_starts_and_a_rate(tmp_path):
    head = "@attribute series_name string\n@attribute start_timestamp date\n@frequency half_hourly\n@data\n"
    path = write(tmp_path / "m.tsf", head + "T1:2012-01-01 00-00-00:1,2,?,4\nT2:2012-01-02 00-00-00:5,6,7,8\n")
    data = read(path, window="1h")
    assert data.values[:, 0].tolist()[2:] == [[5, 6], [7, 8]] and np.isnan(data.values[1, 0, 0])
    assert data.windows.ids.tolist() == ["T1", "T1", "T2", "T2"]
    assert data.windows.starts[3] == np.datetime64("2012-01-02T01:00")


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int32, np.float32])
def test_sound_is_scaled_and_folders_are_classes(dtype, tmp_path):
    wave = np.sin(np.arange(800) / 9) * 0.5
    whole = {np.uint8: wave * 128 + 128, np.float32: wave}.get(dtype, wave * -float(np.iinfo(np.int16).min))
    if dtype is np.int32:
        whole = wave * 2.0**31
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        wavfile.write(tmp_path / name / "1.wav", 8000, whole.astype(dtype))
    data = read(tmp_path, label="folder")
    assert data.values.shape == (2, 1, 800) and data.labels.tolist() == ["cat", "dog"]
    assert np.abs(data.values[0, 0] - wave).max() <= 1 / 128
    assert data.windows.format.rate == 8000
    cut = read(tmp_path, label="folder", window="50ms", hop="25ms", group="file")
    assert len(cut) == 6 and cut.groups.tolist() == ["cat/1.wav"] * 3 + ["dog/1.wav"] * 3
    with pytest.raises(UserError, match="no columns, so no 't': its format says when"):
        read(tmp_path, window="50ms", time="t")


def test_matlab_arrays_are_read_by_key_and_cut(tmp_path):
    rng = np.random.default_rng(0)
    x, y, long = rng.normal(size=(6, 2, 9)), np.arange(6), rng.normal(size=(100, 3))
    savemat(tmp_path / "x.mat", {"X": x, "y": y, "long": long, "about": {"who": "a"}})
    data = read(tmp_path / "x.mat", key="X", label_key="y")
    assert np.array_equal(data.values, x) and data.labels.tolist() == y.tolist()
    cut = read(tmp_path / "x.mat", key="long", window=25)
    assert np.array_equal(cut.values[1], long[25:50].T.astype(np.float32))
    with pytest.raises(UserError, match=r"has no array 'about' \(valid: X, long, y\)"):
        read(tmp_path / "x.mat", key="about")


def test_hdf5_arrays_are_read_by_key_and_a_matlab_7_3_file_is_one(tmp_path):
    h5py = pytest.importorskip("h5py")
    long, kinds = np.random.default_rng(0).normal(size=(100, 3)), np.repeat(["sit", "walk"], 50)
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["day/acc"] = long
        file.create_dataset("day/kind", data=kinds.astype(object), dtype=h5py.string_dtype())
        file["table"] = np.zeros(3, dtype=[("a", "f4"), ("b", "i4")])
    data = read(tmp_path / "x.h5", key="day/acc", label="day/kind", window="1s", rate=20)
    assert np.array_equal(data.values[2], long[40:60].T.astype(np.float32))
    assert data.labels.tolist() == ["sit", "sit", "sit", "walk", "walk"] and "labels from day/kind" in data.description
    with pytest.raises(UserError, match="has no array 'day/accs' .did you mean 'day/acc'"):
        read(tmp_path / "x.h5", key="day/accs")
    with h5py.File(tmp_path / "y.mat", "w", userblock_size=512) as file:
        file["long"] = long.T  # MATLAB counts the first axis fastest
    with open(tmp_path / "y.mat", "r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file".ljust(128))
    assert np.array_equal(read(tmp_path / "y.mat", window=25).values[0], long[:25].T.astype(np.float32))


def test_edf_channels_keep_their_rates_until_they_are_brought_together(tmp_path):
    pyedflib = pytest.importorskip("pyedflib")
    rng = np.random.default_rng(0)
    brain, heat = rng.normal(size=1000) * 20, np.linspace(36, 37, 10)
    common = {"dimension": "uV", "physical_max": 100, "physical_min": -100, "digital_max": 32767, "digital_min": -32768}
    with pyedflib.EdfWriter(str(tmp_path / "n.edf"), 3, file_type=pyedflib.FILETYPE_EDFPLUS) as file:
        named = (("EEG", 100), ("EEG", 100), ("Temp", 1))
        file.setSignalHeaders([{"label": name, "sample_frequency": rate, **common} for name, rate in named])
        file.setStartdatetime(pd.Timestamp("2024-05-06 07:08:09").to_pydatetime())
        file.writeSamples([brain, -brain, heat])
    path = tmp_path / "n.edf"
    with pytest.raises(UserError, match=r"Temp 1 Hz, EEG 100 Hz.: --rate 100 brings all to one rate"):
        read(path, window="1s")
    data = read(path, window="1s", drop=["Temp"])
    assert data.values.shape == (10, 2, 100) and data.windows.format.channels == ("EEG", "EEG 2")
    assert np.abs(data.values[3, 0] - brain[300:400]).max() < 0.01
    assert data.windows.starts[3] == np.datetime64("2024-05-06T07:08:12")
    together = read(path, window="1s", rate=100)
    assert together.values.shape == (10, 3, 100) and "channels of 1, 100 Hz brought to 100 Hz" in together.description
    assert np.array_equal(together.values[:, :2], data.values)
    assert np.abs(together.values[2:-2, 2, 0] - heat[2:-2]).max() < 0.05


@pytest.mark.filterwarnings("ignore")  # of pandas, about how wfdb writes
def test_wfdb_records_keep_every_sample_of_a_frame_and_invalid_ones_are_missing(tmp_path):
    wfdb = pytest.importorskip("wfdb")
    rng = np.random.default_rng(0)
    fast, slow = rng.integers(-100, 100, 400), rng.integers(-100, 100, 200)
    fast[10:15] = -32768
    wfdb.wrsamp(
        "r", fs=100, units=["mV", "mV"], sig_name=["fast", "slow"], e_d_signal=[fast, slow], fmt=["16", "16"],
        adc_gain=[100.0, 100.0], baseline=[0, 0], samps_per_frame=[2, 1], write_dir=str(tmp_path),
    )  # fmt: skip
    with pytest.raises(UserError, match=r"slow 100 Hz, fast 200 Hz"):
        read(tmp_path / "r.hea", window="1s")
    data = read(tmp_path / "r.hea", window="1s", drop=["slow"])
    assert data.values.shape == (2, 1, 200) and np.isnan(data.values[0, 0, 10:15]).all()
    assert data.values[1, 0] == pytest.approx(fast[200:] / 100) and np.isnan(data.values).sum() == 5
    both = read(tmp_path / "r.hea", window="1s", rate=100)
    assert both.values.shape == (2, 2, 100) and both.values[1, 1] == pytest.approx(slow[100:] / 100)
    (tmp_path / "r.dat").unlink()
    with pytest.raises(UserError, match="names the file r.dat, which is not beside it"):
        read(tmp_path / "r.hea", window="1s")


@pytest.mark.filterwarnings("ignore")  # of pandas, about how wfdb writes
def test_wfdb_segments_are_one_record_with_gaps_and_every_sample(tmp_path):
    wfdb = pytest.importorskip("wfdb")
    rng = np.random.default_rng(0)
    parts = {"a": ["fast", "slow"], "b": ["fast"]}
    signals = {name: (rng.integers(-100, 100, 400), rng.integers(-100, 100, 200)) for name in parts}
    for name, names in parts.items():
        count = len(names)
        wfdb.wrsamp(
            name, fs=100, units=["mV"] * count, sig_name=names, e_d_signal=list(signals[name][:count]),
            fmt=["16"] * count, adc_gain=[100.0] * count, baseline=[0] * count, samps_per_frame=[2, 1][:count],
            write_dir=str(tmp_path),
        )  # fmt: skip
    (tmp_path / "lay.hea").write_text("lay 2 100 0\n~ 0x2 100(0)/mV 0 0 0 0 0 fast\n~ 0 100(0)/mV 0 0 0 0 0 slow\n")
    (tmp_path / "m.hea").write_text("m/4 2 100 500\nlay 0\na 200\n~ 100\nb 200\n")
    data = read(tmp_path / "m.hea", window="1s", drop=["slow"])
    assert data.windows.format.rate == 200 and data.values.shape == (5, 1, 200)
    assert data.values[1, 0] == pytest.approx(signals["a"][0][200:] / 100)
    assert data.values[3, 0] == pytest.approx(signals["b"][0][:200] / 100) and np.isnan(data.values[2]).all()
    slow = read(tmp_path / "m.hea", window="1s", drop=["fast"]).values
    assert slow[0, 0] == pytest.approx(signals["a"][1][:100] / 100) and np.isnan(slow[2:]).all()
    (tmp_path / "b.hea").unlink()
    with pytest.raises(UserError, match="m.hea names the segment b.hea, which is not beside it"):
        read(tmp_path / "m.hea", window="1s")


@pytest.mark.filterwarnings("ignore")
def test_wfdb_annotations_are_labels_of_windows(tmp_path):
    wfdb = pytest.importorskip("wfdb")
    signal = np.random.default_rng(0).normal(size=(1000, 1))
    wfdb.wrsamp("r", fs=100, units=["mV"], sig_name=["x"], p_signal=signal, fmt=["16"], write_dir=str(tmp_path))
    at, symbols = np.array([100, 250, 400, 700]), ["N", "+", "V", "N"]
    wfdb.wrann("r", "atr", at, symbol=symbols, aux_note=["", "(AFIB", "", ""], write_dir=str(tmp_path))
    data = read(tmp_path / "r.hea", window="1s", label="atr")
    assert data.labels.tolist() == [None, "N", "N", "N", "V", "V", "V", "N", "N", "N"]
    noted = read(tmp_path / "r.hea", window="1s", label="atr_note")
    assert noted.labels.tolist() == [None] * 3 + ["(AFIB"] * 7
    with pytest.raises(UserError, match="no label 'rhythm': .*--label atr its annotations"):
        read(tmp_path / "r.hea", window="1s", label="rhythm")


def test_edf_annotations_are_labels_of_windows(tmp_path):
    pyedflib = pytest.importorskip("pyedflib")
    header = {"label": "EEG", "sample_frequency": 10, "dimension": "uV", "physical_max": 100, "physical_min": -100}
    with pyedflib.EdfWriter(str(tmp_path / "n.edf"), 1, file_type=pyedflib.FILETYPE_EDFPLUS) as file:
        file.setSignalHeaders([{**header, "digital_max": 32767, "digital_min": -32768}])
        file.writeSamples([np.random.default_rng(0).normal(size=100)])
        for mark in ((0, 4, "Sleep stage W"), (3, -1, "Lights off"), (4, 5, "Sleep stage 1")):
            file.writeAnnotation(*mark)
    data = read(tmp_path / "n.edf", window="1s", label="annotation")
    assert data.labels.tolist() == ["Sleep stage W"] * 4 + ["Sleep stage 1"] * 5 + [None]


@pytest.mark.parametrize("channels", [0, 3, 65_535])
def test_sound_of_a_header_that_contradicts_itself_is_damaged(channels, tmp_path):
    path = tmp_path / "a.wav"
    wavfile.write(path, 8000, (1e4 * np.sin(np.arange(800))).astype(np.int16))
    whole = path.read_bytes()
    path.write_bytes(whole[:22] + channels.to_bytes(2, "little") + whole[24:])
    with pytest.raises(UserError, match=r"a.wav is damaged or no .wav file: it does not say at which rate or how"):
        read(path, window="10ms")


def test_sound_that_was_cut_off_is_damaged(tmp_path):
    wavfile.write(tmp_path / "a.wav", 8000, (1e4 * np.sin(np.arange(8000))).astype(np.int16))
    whole = (tmp_path / "a.wav").read_bytes()
    for cut in (3000, len(whole) - 2):
        (tmp_path / "a.wav").write_bytes(whole[:cut])
        with pytest.raises(UserError, match=r"a.wav is damaged or no .wav file: it ends before the length"):
            read(tmp_path / "a.wav", window="10ms")
    # Sound that came through a pipe: nobody knew its length.
    (tmp_path / "a.wav").write_bytes(whole[:4] + b"\xff" * 4 + whole[8:40] + b"\xff" * 4 + whole[44:])
    assert len(read(tmp_path / "a.wav", window="10ms")) == 100
