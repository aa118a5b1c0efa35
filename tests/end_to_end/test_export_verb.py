"""`isotropy export`."""

import json

import numpy as np
import pytest

import isotropy

from .conftest import QUICK, SMALL_TABLE


@pytest.fixture(scope="module")
def run(files, tmp_path_factory):
    from isotropy.cli import main

    folder = tmp_path_factory.mktemp("export") / "run"
    main(["fit", str(files / "people.csv"), "--epochs", "1", "--out", str(folder), *QUICK, *SMALL_TABLE])
    return folder


def test_a_run_is_exported_and_says_how_near(cli, run, tmp_path):
    said = cli("export", run, "--to", "torchscript", "--out", tmp_path / "x")
    assert said.code == 0 and "at batches 1, 2, 7" in said.out and "contract.json" in said.out
    said = cli("export", run, "--to", "torchscript", "--out", tmp_path / "x")
    assert said.code == 2 and "exists already" in said.err
    said = cli("export", run, "--to", "torchscript", "--out", tmp_path / "y", "--json")
    assert json.loads(said.out)["checked"]["batches"] == [1, 2, 7, 40]


def test_a_folder_for_a_hub_gives_the_same(cli, run, files, tmp_path):
    said = cli("export", run, "--to", "huggingface", "--out", tmp_path / "hub", "--licence", "mit")
    assert said.code == 0 and "model card" in said.out
    assert "license: mit" in (tmp_path / "hub" / "README.md").read_text()
    again = isotropy.Representation.from_pretrained(tmp_path / "hub")
    rows = files / "people.csv"
    assert np.array_equal(again.transform(rows), isotropy.load(run).transform(rows))


def test_what_does_not_fit_is_one_line(cli, run, tmp_path):
    assert "did you mean 'onnx'" in cli("export", run, "--to", "onxx").err
    assert "--licence" in cli("export", run, "--to", "torch", "--licence", "mit").err
    assert cli("export", tmp_path, "--to", "torch").code == 2
