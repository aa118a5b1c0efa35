"""`isotropy embed`: the embeddings of the run, whole or in pieces, in either format."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from end_to_end.conftest import QUICK, SMALL_IMAGES, SMALL_TABLE
from end_to_end.test_fit_and_use import embeddings
from isotropy import batch
from isotropy.data import read, table_files
from isotropy.data.kept import kept_columns
from isotropy.errors import UserError
from isotropy.io import tables as writers
from isotropy.representation import Representation
from isotropy.runs.session import train


@pytest.fixture
def dataset():
    return "people.csv"


@pytest.fixture
def run(dataset, files, cli):
    options = ["--label", "kind", "--epochs", 1, *QUICK, *SMALL_TABLE]
    assert cli("fit", files / dataset, *options, "--out", "run").code == 0
    return embeddings("run/embeddings.parquet")


@pytest.mark.parametrize("piece", [65_536, 10])
@pytest.mark.parametrize("dataset", ["people.csv", "people.parquet"])
def test_pieces_of_a_table_give_the_embeddings_of_the_run(dataset, piece, run, files, cli, monkeypatch):
    monkeypatch.setattr(table_files, "PIECE_ROWS", piece)
    said = cli("embed", "run", files / dataset, "--out", "all.parquet")
    assert (said.code, said.err) == (0, "")
    assert said.out.splitlines()[-1] == f"all.parquet: 96 embeddings of width {run.shape[1]}"
    frame = pd.read_parquet("all.parquet")
    assert list(frame.columns) == ["row", *(f"z{place}" for place in range(run.shape[1]))]
    assert frame.pop("row").tolist() == list(range(96))
    assert np.array_equal(frame.to_numpy(), run)
    assert cli("embed", "run", files / dataset, "--out", "all.npy").code == 0
    made = np.load("all.npy", allow_pickle=False)
    assert made.dtype == np.float32
    assert np.array_equal(made, run)


def test_an_existing_file_is_replaced_whole_or_kept(run, files, cli, tmp_path):
    np.save("all.npy", np.zeros(3))
    infinite = pd.read_csv(files / "people.csv")
    infinite.loc[90, "pay"] = np.inf
    infinite.to_csv("infinite.csv", index=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(table_files, "PIECE_ROWS", 10)
        said = cli("embed", "run", "infinite.csv", "--out", "all.npy")
    assert said.code == 2
    assert "column 'pay', row 90: infinite value" in said.err
    assert np.load("all.npy").shape == (3,)
    assert {path.name for path in tmp_path.iterdir()} == {"all.npy", "infinite.csv", "run"}, "nothing half-written"
    assert cli("embed", "run", files / "people.csv", "--out", "all.npy").code == 0
    assert np.array_equal(np.load("all.npy"), run)


def test_a_full_disk_is_one_line(run, files, cli, tmp_path, monkeypatch):
    def full(self, embeddings):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(writers.Npy, "write", full)
    said = cli("embed", "run", files / "people.csv", "--out", "all.npy")
    assert (said.code, said.err) == (2, "isotropy: all.npy: could not be written (No space left on device)\n")
    assert {path.name for path in tmp_path.iterdir()} == {"run"}


@pytest.mark.parametrize("piece", [1 << 27, 3 * 16 * 16 * 7])
def test_pieces_of_images_give_the_embeddings_of_the_run(piece, files, cli, monkeypatch):
    fitted = cli("fit", files / "pets", "--method", "simclr", "--size", 16, "--epochs", 1, *SMALL_IMAGES, "--out", "r")
    assert fitted.code == 0, fitted.err
    monkeypatch.setattr(batch, "PART_BYTES", piece)
    said = cli("embed", "r", files / "pets", "--out", "all.npy")
    assert said.code == 0, said.err
    assert np.array_equal(np.load("all.npy"), embeddings("r/embeddings.parquet"))


def test_codes_of_the_segments(files, cli):
    small = [*QUICK, *SMALL_TABLE, "--set", "method.projector=[16,12]", "--set", "method.num_segments=3"]
    fitted = cli(
        "fit", files / "people.csv", "--label", "kind", "--method", "music", "--epochs", 1, *small, "--out", "m"
    )
    assert fitted.code == 0, fitted.err
    said = cli("embed", "m", files / "people.csv", "--codes", "--out", "codes.parquet")
    assert (said.code, said.out.splitlines()[-1]) == (0, "codes.parquet: 96 codes of 3 segments")
    frame = pd.read_parquet("codes.parquet")
    assert frame.pop("row").tolist() == list(range(96))
    assert list(frame.columns) == ["c0", "c1", "c2"] and (frame.dtypes == np.int32).all()
    assert cli("embed", "m", files / "people.csv", "--codes", "--out", "codes.npy").code == 0
    made = np.load("codes.npy", allow_pickle=False)
    assert made.dtype == np.int32 and np.array_equal(made, frame.to_numpy())
    assert made.min() >= 0 and made.max() < 4


def test_a_method_without_codes_says_so(run, files, cli, tmp_path):
    said = cli("embed", "run", files / "people.csv", "--codes", "--out", "codes.npy")
    assert (said.code, said.err.count("\n")) == (2, 1)
    assert "masked gives no codes: they come from a method with segments" in said.err
    assert not (tmp_path / "codes.npy").exists()


def test_columns_are_standardised_on_the_training_rows(run, files, cli, tmp_path):
    assert cli("embed", "run", files / "people.csv", "--standardise", "--out", "all.npy").code == 0
    part = pd.read_parquet("run/embeddings.parquet")["part"].to_numpy()
    made = np.load("all.npy")[part == "train"].astype(np.float64)
    np.testing.assert_allclose(made.mean(axis=0), 0, atol=1e-3)
    np.testing.assert_allclose(made.std(axis=0)[run.std(axis=0) > 1e-6], 1, rtol=1e-3)
    said = cli("embed", "run", files / "people.csv", "--standardise", "--codes", "--out", "codes.npy")
    assert (said.code, said.err.count("\n")) == (2, 1) and "--standardise is for embeddings" in said.err


def test_joined_embeddings_are_those_that_are_scored_and_written(files, cli):
    joined = ["--set", "embedding=joined"]
    assert (
        cli("fit", files / "people.csv", "--label", "kind", "--epochs", 1, *SMALL_TABLE, *joined, "--out", "j").code
        == 0
    )
    written = embeddings("j/embeddings.parquet")
    ours = json.loads(Path("j/probes.json").read_text())[0]["scores"][0]
    assert ours["representation"] == "isotropy (masked, joined)" and ours["width"] == written.shape[1] > 16
    assert cli("embed", "j", files / "people.csv", "--out", "all.npy").code == 0
    assert np.array_equal(np.load("all.npy"), written)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run on a table with an identifier, a date and missing values, which is called z0 and row in part."""
    home = tmp_path_factory.mktemp("kept")
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.normal(size=50), "b": rng.normal(size=50), "row": rng.integers(0, 9, 50)})
    frame["id"] = [f"{place:03d}" for place in range(50)]
    frame["day"] = pd.date_range("2026-01-01", periods=50).astype("datetime64[ns]")
    frame["note"] = [None, "[x]", "é"] * 16 + ["", "y"]
    frame.to_csv(home / "rows.csv", index=False)
    frame.to_parquet(home / "rows.parquet")
    drop = ["id", "day", "note", "row"]
    list(train(home / "rows.csv", drop=drop, method="simclr", epochs=1, out=home / "run", evaluators=["knn"]))
    return home


KEEP = ["--keep", "id", "--keep", "note", "--keep", "row", "--keep", "a", "--keep", "id"]


@pytest.mark.parametrize("source", ["rows.csv", "rows.parquet"])
@pytest.mark.parametrize("suffix", [".parquet", ".arrow", ".csv"])
def test_rows_keep_their_number_and_chosen_columns(trained, cli, source, suffix):
    said = cli("embed", trained / "run", trained / source, *KEEP, "--out", f"all{suffix}")
    assert (said.code, said.err) == (0, "")
    reader = {
        ".parquet": pd.read_parquet,
        ".arrow": pd.read_feather,
        ".csv": lambda p: pd.read_csv(p, dtype={"id": str}),
    }
    found = reader[suffix](f"all{suffix}")
    frame = pd.read_parquet(trained / "rows.parquet")
    assert list(found.columns[:6]) == ["row", "id", "note", "column row", "a", "z0"]
    assert found["row"].tolist() == list(range(50)) and found["id"].tolist() == frame["id"].tolist()
    assert found["column row"].tolist() == frame["row"].tolist()
    np.testing.assert_allclose(found["a"], frame["a"], rtol=1e-15)
    assert found["note"].isna().sum() >= 16 and found["note"][1:3].tolist() == ["[x]", "é"]


def test_shards_go_on_where_they_stopped(trained, cli, tmp_path, monkeypatch):
    whole = cli("embed", trained / "run", trained / "rows.csv", "--keep", "id", "--out", "whole.parquet")
    assert whole.code == 0
    call = ("embed", trained / "run", trained / "rows.csv", "--keep", "id", "--shard-rows", 12, "--out", "all.parquet")
    Path("all.parquet").mkdir()
    Path("all.parquet/._shards.json.writing-killed").touch()
    written, embeds = [], Representation.embed_stored

    def stops(self, values, **options):
        written.append(len(values))
        if sum(written) > 30:
            raise KeyboardInterrupt
        return embeds(self, values, **options)

    monkeypatch.setattr(table_files, "PIECE_ROWS", 7)
    monkeypatch.setattr(Representation, "embed_stored", stops)
    said = cli(*call)
    assert said.code == 130 and "nothing was left half-written" in said.err
    assert {path.name for path in Path("all.parquet").iterdir()} == {
        "_shards.json", "part-00000.parquet", "part-00001.parquet"
    }  # fmt: skip
    monkeypatch.setattr(Representation, "embed_stored", embeds)
    Path("all.parquet/.part-00002.parquet.killed").touch()
    Path("all.parquet/part-00000.parquet").unlink()
    said = cli(*call)
    assert said.out.splitlines()[-1].startswith("all.parquet: 50 embeddings of width")
    assert said.out.endswith("(12 were there before)\n")
    assert len(list(Path("all.parquet").iterdir())) == 6
    # A folder of Parquet files is a table.
    pd.testing.assert_frame_equal(pd.read_parquet("all.parquet"), pd.read_parquet("whole.parquet"))
    assert "(50 were there before)" in cli(*call).out
    # A bit that flipped since is noticed; shards of an older version have no checksums.
    last = Path("all.parquet/part-00003.parquet")
    whole = last.read_bytes()
    last.write_bytes(whole[:99] + bytes([whole[99] ^ 4]) + whole[100:])
    said = cli(*call)
    assert "part-00003.parquet: damaged since it was written, so it is made again" in said.err
    assert "(38 were there before)" in said.out
    pd.testing.assert_frame_equal(pd.read_parquet("all.parquet"), pd.read_parquet("whole.parquet"))
    record = json.loads(Path("all.parquet/_shards.json").read_text())
    assert sorted(sums := record.pop("crc32")) == [f"part-{number:05d}.parquet" for number in range(5)]
    Path("all.parquet/_shards.json").write_text(json.dumps(record))
    assert "(50 were there before)" in cli(*call).out
    # They get them then, as does a shard behind which a kill came before its checksum was noted.
    assert json.loads(Path("all.parquet/_shards.json").read_text())["crc32"] == sums
    for change, words in [(["--keep", "a"], "other options"), (["--shard-rows", 13], "shards of another size")]:
        said = cli(*call, *change)
        assert (said.code, said.err.count("\n")) == (2, 1) and f"was begun with {words}: name another" in said.err
    other = cli("embed", trained / "run", trained / "rows.parquet", *call[3:])
    assert other.code == 2 and "was begun with other data" in other.err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--keep", "ide", "--out", "all.csv"], "rows.csv has no column 'ide' (did you mean 'id'?)"),
        (["--keep", "id", "--out", "all.npy"], "--keep id: a .npy file holds numbers alone"),
        (["--out", "run.csv"], "--out run.csv: is a folder; with --shard-rows N it is filled"),
        (["--shard-rows", 9, "--out", "full.csv"], "--out full.csv: is a folder that no shards were begun in"),
        (["--shard-rows", 9, "--out", "file.csv"], "--out file.csv: is a file, and --shard-rows fills a folder"),
        (["--shard-rows", 0, "--out", "all.csv"], "--shard-rows"),
        (
            ["--shard-rows", 9, "--out", "all"],
            "--out all: a folder of shards is called what its files are: end it in .p",
        ),
        (["--out", "some"], "--out some: the file has to end in .parquet"),
    ],
)
def test_wrong_places_and_columns_are_one_line(trained, cli, options, message):
    Path("run.csv").mkdir()
    Path("some").mkdir()
    Path("full.csv").mkdir()
    Path("full.csv/mine").touch()
    Path("file.csv").touch()
    said = cli("embed", trained / "run", trained / "rows.csv", *options)
    assert (said.code, said.err.count("\n")) == (2, 1) and message in said.err
    assert not Path("all.csv").exists()


def test_files_and_folders_of_images_and_arrays_of_an_archive_are_kept(files, tmp_path):
    preprocess = read(files / "pets", size=16)
    kept = kept_columns(files / "pets", ["file", "folder"], data=preprocess)
    assert all((files / "pets" / name).is_file() for name in kept["file"])
    assert set(kept["folder"]) == {Path(name).parent.as_posix() for name in kept["file"]}
    np.savez(tmp_path / "a.npz", X=np.zeros((4, 2)), y=np.arange(4), names=np.array(["a", "b", "c", "d"]))
    kept = kept_columns(tmp_path / "a.npz", ["y", "names"], data=read(tmp_path / "a.npz"))
    assert kept["y"].tolist() == [0, 1, 2, 3] and kept["names"].tolist() == ["a", "b", "c", "d"]
    with pytest.raises(UserError, match=r"'X' of a.npz has the shape \(4, 2\), and"):
        kept_columns(tmp_path / "a.npz", ["X"], data=read(tmp_path / "a.npz"))


def test_several_files_are_embedded_as_one_and_in_shards_that_go_on(trained, cli, tmp_path, monkeypatch):
    rows = pd.read_csv(trained / "rows.csv", dtype={"id": "str"})
    for part in range(3):
        rows[part * len(rows) // 3 : (part + 1) * len(rows) // 3].to_parquet(tmp_path / f"rows{part}.parquet")
    assert cli("embed", trained / "run", trained / "rows.csv", "--out", "one.parquet", "--keep", "id").code == 0
    call = ("embed", trained / "run", tmp_path / "rows*.parquet", "--keep", "id", "--shard-rows", 7)
    said = cli(*call, "--out", "all.parquet")
    assert (said.code, said.err) == (0, "")
    assert said.out.startswith(f"3 files of {tmp_path.name}: {len(rows)} rows in 3 blocks")
    pd.testing.assert_frame_equal(pd.read_parquet("all.parquet"), pd.read_parquet("one.parquet"))
    (Path("all.parquet") / "part-00001.parquet").unlink()
    assert f"({len(rows) - 7} were there before)" in cli(*call, "--out", "all.parquet").out
    pd.testing.assert_frame_equal(pd.read_parquet("all.parquet"), pd.read_parquet("one.parquet"))
    # A folder of them is the same, and data that change behind a pattern, wherever it begins, are other data.
    (tmp_path / "apart").mkdir()
    for part in range(3):
        (tmp_path / f"rows{part}.parquet").rename(tmp_path / f"apart/rows{part}.parquet")
    monkeypatch.setenv("HOME", str(tmp_path))
    for place, out in (("apart", "folder.parquet"), ("~/apart/*.parquet", "home.parquet")):
        call = ("embed", trained / "run", place, "--keep", "id", "--shard-rows", 7, "--out", out)
        assert cli(*call).code == 0
        pd.testing.assert_frame_equal(pd.read_parquet(out), pd.read_parquet("one.parquet"))
    rows[:4].to_parquet(tmp_path / "apart/rows3.parquet")
    said = cli(*call)
    assert said.code == 2 and "was begun with other data" in said.err
