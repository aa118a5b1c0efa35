"""Of several ranks the first one decodes; a verb's encoder stays on the kind of device that it was trained on."""

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from isotropy.cli import inputs
from isotropy.data import TablePreprocess
from isotropy.encoders import TableMLP
from isotropy.errors import UserError
from isotropy.representation import Representation
from isotropy.training import comm


@pytest.mark.parametrize("rank", [0, 1])
def test_other_ranks_wait_until_the_first_one_has_decoded(rank, tmp_path, monkeypatch):
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    monkeypatch.setenv("ISOTROPY_CACHE", str(tmp_path / "cache"))
    order = []
    real = inputs.read
    monkeypatch.setattr(inputs, "read", lambda *a, **o: order.append("read") or real(*a, **o))
    monkeypatch.setattr(comm, "rank", lambda: rank)
    monkeypatch.setattr(comm, "broadcast_object", lambda value: order.append("met") or value)
    assert len(inputs.read_with_bar({"path": str(tmp_path), "size": 8})) == 1
    assert order == (["read", "met"] if rank == 0 else ["met", "read"])


def test_what_the_first_rank_cannot_read_ends_the_others(tmp_path, monkeypatch):
    monkeypatch.setattr(inputs, "read", lambda *_, **__: pytest.fail("this rank reads nothing"))
    monkeypatch.setattr(comm, "rank", lambda: 1)
    monkeypatch.setattr(comm, "broadcast_object", lambda _: "no image")
    with pytest.raises(UserError, match="^no image$"):
        inputs.read_with_bar({"path": str(tmp_path)})


def test_folders_of_recordings_and_of_partitions_are_no_images(tmp_path):
    frame = pd.DataFrame({"g": ["u", "v"] * 20, "x": np.sin(np.arange(40.0)), "y": np.cos(np.arange(40.0))})
    frame.to_parquet(tmp_path / "parts", partition_cols=["g"])
    assert inputs.read_with_bar({"path": str(tmp_path / "parts")}).values.shape == (40, 3)
    (tmp_path / "days").mkdir()
    for day in range(3):
        frame[["x", "y"]].to_csv(tmp_path / "days" / f"{day}.csv", index=False)
    assert inputs.read_with_bar({"path": str(tmp_path / "days"), "window": "10"}).values.shape == (12, 2, 10)


def test_an_encoder_made_on_a_processor_stays_there_beside_a_gpu(tmp_path, monkeypatch):
    preprocess = TablePreprocess.learn(np.random.default_rng(0).normal(size=(20, 3)))
    Representation(TableMLP(numeric=3, width=8), preprocess, method="lfr").save(tmp_path)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert inputs.pick_device("auto").type == "cuda"
    assert inputs.load_on(tmp_path, "auto").device.type == "cpu"


def test_an_array_of_the_name_that_the_run_read_is_read_without_its_key(tmp_path):
    np.savez(tmp_path / "new.npz", emb=np.zeros((3, 2)), other=np.zeros((3, 5)))
    np.savez(tmp_path / "old.npz", X=np.zeros((3, 2)))
    before = {"key": "emb", "channels": "last"}

    def found(name, **given):
        return inputs.as_the_run(before, {"path": str(tmp_path / name), **given})

    assert found("new.npz")["key"] == "emb" and found("new.npz", key="other")["key"] == "other"
    assert not any("key" in found(name) for name in ("old.npz", "gone.npz", "new.csv")), "a file without such an array"
    assert found("old.npz")["channels"] == "last" and found("new.npz", channels="first")["channels"] == "first"
