"""A long recording is embedded in slices: the windows of the whole, and never the whole in memory."""

import tracemalloc
import wave

import numpy as np
import pandas as pd
import pytest
from scipy.io import wavfile

from isotropy.data import SeriesPreprocess, read, stream
from isotropy.data.recordings import slices
from isotropy.errors import UserError

STEPS, CHANNELS = 2000, 3
VALUES = np.random.default_rng(0).normal(size=(STEPS, CHANNELS)).clip(-3, 3)


def npy(path):
    np.save(path, VALUES)


def npy_by_channel(path):
    np.save(path, VALUES.T.astype(np.float32))


def one_channel(path):
    np.save(path, (VALUES[:, 0] * 100).astype(np.int16))


def wav(path):
    wavfile.write(path, 50, (VALUES * 5000).astype(np.int16))


def hdf5(path):
    with pytest.importorskip("h5py").File(path, "w") as file:
        file["a/long"] = VALUES


def edf(path):
    pyedflib = pytest.importorskip("pyedflib")
    with pyedflib.EdfWriter(str(path), CHANNELS, file_type=pyedflib.FILETYPE_EDFPLUS) as file:
        limits = {"physical_max": 4, "physical_min": -4, "digital_max": 32767, "digital_min": -32768}
        file.setSignalHeaders(
            [{"label": f"e{n}", "dimension": "uV", "sample_frequency": 50, **limits} for n in range(CHANNELS)]
        )
        file.setStartdatetime(pd.Timestamp("2024-05-06 07:08:09").to_pydatetime())
        file.writeSamples(list(VALUES.T))


def wfdb(path):
    pytest.importorskip("wfdb").wrsamp(
        path.stem, fs=50, units=["mV"] * CHANNELS, sig_name=list("abc"), p_signal=VALUES, fmt=["16"] * CHANNELS,
        write_dir=str(path.parent),
    )  # fmt: skip


FORMATS = {
    "x.npy": npy, "y.npy": npy_by_channel, "z.npy": one_channel, "x.wav": wav, "x.h5": hdf5, "x.edf": edf,
    "x.hea": wfdb,
}  # fmt: skip


def trained(path, **options):
    whole = read(path, **options)
    return whole, SeriesPreprocess.learn(whole.values).of_recordings(whole.windows.format)


@pytest.mark.filterwarnings("ignore")  # of pandas, about how wfdb writes
@pytest.mark.parametrize(("window", "hop"), [(16, 16), (16, 5), (10, 30), (300, 7)])
@pytest.mark.parametrize("name", FORMATS)
def test_slices_give_the_windows_of_the_whole(name, window, hop, tmp_path, monkeypatch):
    path = tmp_path / name
    FORMATS[name](path)
    whole, learnt = trained(path, window=window, hop=hop)
    monkeypatch.setattr(slices, "SLICE_BYTES", 8 * 350)
    flow = stream.stream(str(path), learnt)
    assert flow.rows == len(whole) and "read in" in flow.description and "slices" in flow.description
    parts = list(flow.parts)
    assert len(parts) > 4
    np.testing.assert_array_equal(np.concatenate([values for values, _ in parts]), whole.values)
    for column, expected in whole.windows.columns().items():
        found = np.concatenate([windows.columns()[column] for _, windows in parts])
        if expected.dtype.kind == "f":
            np.testing.assert_allclose(found, expected, rtol=1e-12)
        else:
            assert found.tolist() == expected.tolist(), column
    assert np.concatenate([windows.first for _, windows in parts]).tolist() == whole.windows.first.tolist()
    unused = [note for note in whole.description.split("; ") if "in no window" in note]
    assert [note for note in flow.notes if "in no window" in note] == unused


@pytest.mark.parametrize("hop", ["200ms", 10])
def test_a_hop_of_its_own_and_several_files(hop, tmp_path, monkeypatch):
    for name in ("a.wav", "b.wav"):
        wav(tmp_path / name)
    _, learnt = trained(tmp_path, window="1s")
    expected = read(tmp_path, window="1s", hop=hop).values
    monkeypatch.setattr(slices, "SLICE_BYTES", 8 * 350)
    parts = list(stream.stream(str(tmp_path), learnt, hop=hop).parts)
    assert len(parts) > 8
    np.testing.assert_array_equal(np.concatenate([values for values, _ in parts]), expected)


@pytest.mark.parametrize(
    "given", [{"rate": 25}, {"gap": "1s"}, {"group": "who"}], ids=["another rate", "a gap", "an array of groups"]
)
def test_what_needs_the_whole_is_read_whole(given, tmp_path, monkeypatch):
    monkeypatch.setattr(slices, "SLICE_BYTES", 8 * 350)
    npy(tmp_path / "x.npy")
    _, learnt = trained(tmp_path / "x.npy", window=16, rate=50)
    assert "slices" in stream.stream(str(tmp_path / "x.npy"), learnt).description
    try:
        flow = stream.stream(str(tmp_path / "x.npy"), learnt, **given)
    except UserError as error:
        assert "group" in given and "who" in str(error)  # an array has no columns
    else:
        assert "slices" not in flow.description


def test_sound_of_24_bits_is_read_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(slices, "SLICE_BYTES", 8 * 350)
    with wave.open(str(tmp_path / "x.wav"), "wb") as file:
        file.setparams((1, 3, 50, STEPS, "NONE", ""))
        file.writeframes(np.arange(3 * STEPS, dtype=np.uint8).tobytes())
    whole, learnt = trained(tmp_path / "x.wav", window=16)
    flow = stream.stream(str(tmp_path / "x.wav"), learnt)
    assert "slices" not in flow.description and np.array_equal(np.concatenate(list(flow.pieces)), whole.values)


def test_a_file_that_is_missing_or_damaged_is_one_line(tmp_path):
    npy(tmp_path / "x.npy")
    _, learnt = trained(tmp_path / "x.npy", window=16)
    with pytest.raises(UserError, match="y.npy does not exist, did you mean 'x.npy'|y.npy does not exist"):
        stream.stream(str(tmp_path / "y.npy"), learnt)
    (tmp_path / "x.npy").write_bytes((tmp_path / "x.npy").read_bytes()[:-9])
    with pytest.raises(UserError, match="x.npy is damaged"):
        stream.stream(str(tmp_path / "x.npy"), learnt)


def test_other_channels_are_refused_as_of_the_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(slices, "SLICE_BYTES", 8 * 350)
    npy(tmp_path / "x.npy")
    one_channel(tmp_path / "z.npy")
    _, learnt = trained(tmp_path / "x.npy", window=16)
    with pytest.raises(UserError, match="z.npy has 1 channel, and the training had 3"):
        list(stream.stream(str(tmp_path / "z.npy"), learnt).parts)


@pytest.mark.parametrize("name", ["x.npy", "x.wav"])
def test_memory_is_that_of_a_slice(name, tmp_path, monkeypatch):
    monkeypatch.setattr(slices, "SLICE_BYTES", 1 << 20)
    path, long = tmp_path / name, np.tile(VALUES, (400, 1))
    if name == "x.npy":
        np.save(path, long)
    else:
        wavfile.write(path, 50, (long * 5000).astype(np.int16))
    _, learnt = trained(long[:STEPS], window=100, rate=50)
    if name == "x.wav":
        wav(tmp_path / "short.wav")
        _, learnt = trained(tmp_path / "short.wav", window=100)
    stream.stream(str(path), learnt)  # what is imported late
    tracemalloc.start()
    rows = sum(len(values) for values, _ in stream.stream(str(path), learnt).parts)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert rows == len(long) // 100
    assert peak < long.astype(np.float32).nbytes
