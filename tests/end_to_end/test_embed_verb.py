"""`isotropy embed`: the embeddings of the run, whole or in pieces, in either format."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from end_to_end.conftest import QUICK, SMALL_IMAGES, SMALL_TABLE
from end_to_end.test_fit_and_use import embeddings
from isotropy import batch
from isotropy.data import readers
from isotropy.io import tables as writers


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
    monkeypatch.setattr(readers, "PIECE_ROWS", piece)
    said = cli("embed", "run", files / dataset, "--out", "all.parquet")
    assert (said.code, said.err) == (0, "")
    assert said.out.splitlines()[-1] == f"all.parquet: 96 embeddings of width {run.shape[1]}"
    frame = pd.read_parquet("all.parquet")
    assert list(frame.columns) == [f"z{place}" for place in range(run.shape[1])]
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
        patch.setattr(readers, "PIECE_ROWS", 10)
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
