"""A damaged, foreign or half-written artefact is answered by one line that names the file."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file, save_file

from isotropy.data import ImagePreprocess
from isotropy.encoders import build
from isotropy.errors import UserError
from isotropy.representation import Representation, load
from isotropy.runs.session import train
from representation.examples import made, values_of


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("saved")
    values = values_of("image", 20)
    preprocess = ImagePreprocess.learn(values)
    Representation(build("small_resnet", "image", preprocess.shape, stem=4, width=16), preprocess, method="byol").save(
        folder
    )
    return folder


def damaged(saved: Path, tmp_path: Path, **changes: Any) -> Path:
    """Return a copy of the artefact with entries of its JSON changed (None takes one out)."""
    about = json.loads((saved / "model.json").read_text()) | changes
    about = {name: value for name, value in about.items() if value is not None}
    (tmp_path / "model.json").write_text(json.dumps(about))
    for name in ("encoder.safetensors", "embedding.safetensors"):
        (tmp_path / name).write_bytes((saved / name).read_bytes())
    return tmp_path


def refused(folder: Path) -> str:
    with pytest.raises(UserError) as caught:
        load(folder)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    "changes",
    [
        {"modality": "sound"},
        {"modality": None},
        {"preprocess": {"modality": "image"}},
        {"preprocess": 3},
        {"encoder": {"name": "small_resnetz", "arguments": {}}},
        {"encoder": {"name": "small_resnet", "arguments": {"colour": 3}}},
        {"encoder": {"name": "small_resnet", "arguments": {"channels": "one", "size": [18, 22]}}},
        {"encoder": {"name": "small_resnet", "arguments": {"channels": 1, "size": 18}}},
        {"encoder": None},
        {"chunk": 0},
        {"chunk": "many"},
        {"weights": {}},
        {"embedding": {"name": "joint"}},
        {"embedding": 3},
        {"made_with": None},
        {"format": None},
        {"format": "x"},
    ],
)
def test_a_damaged_description_is_named(saved: Path, tmp_path: Path, changes: dict[str, Any]) -> None:
    assert str(tmp_path / "model.json") in refused(damaged(saved, tmp_path, **changes))


def test_a_newer_format_is_named(saved: Path, tmp_path: Path) -> None:
    assert "newer isotropy" in refused(damaged(saved, tmp_path, format=3))


@pytest.mark.parametrize("text", ["", "{", "[1]", "3", "\udcff"])
def test_a_description_that_is_none_is_named(saved: Path, tmp_path: Path, text: str) -> None:
    damaged(saved, tmp_path)
    (tmp_path / "model.json").write_bytes(text.encode(errors="surrogateescape"))
    assert str(tmp_path / "model.json") in refused(tmp_path)


def test_missing_files_are_named(saved: Path, tmp_path: Path) -> None:
    assert str(tmp_path / "model.json") in refused(tmp_path)
    damaged(saved, tmp_path)
    (tmp_path / "encoder.safetensors").unlink()
    assert str(tmp_path / "encoder.safetensors") in refused(tmp_path)


def test_damaged_weights_are_named(saved: Path, tmp_path: Path) -> None:
    weights = (saved / "encoder.safetensors").read_bytes()
    flipped = weights[:-5] + bytes([weights[-5] ^ 1]) + weights[-4:]
    for data in (weights[:-1], weights[:4], b"", flipped):
        damaged(saved, tmp_path)
        (tmp_path / "encoder.safetensors").write_bytes(data)
        assert str(tmp_path / "encoder.safetensors") in refused(tmp_path)


def test_weights_that_do_not_fit_are_named(saved: Path, tmp_path: Path) -> None:
    state = load_file(saved / "encoder.safetensors")
    name = next(iter(state))
    path = tmp_path / "encoder.safetensors"
    strange = [
        state | {"more": torch.zeros(1)},
        {key: tensor for key, tensor in state.items() if key != name},
        state | {name: torch.zeros(3)},
    ]
    for wrong in strange:
        damaged(saved, tmp_path)
        save_file(wrong, path)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        damaged_about = json.loads((tmp_path / "model.json").read_text()) | {"weights": {"sha256": digest}}
        (tmp_path / "model.json").write_text(json.dumps(damaged_about))
        assert str(path) in refused(tmp_path) and "does not fit" in refused(tmp_path)
    # Consistent with nothing but themselves: no safetensors at all.
    path.write_bytes(b"not a file of tensors")
    about = json.loads((saved / "model.json").read_text())
    about["weights"]["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    (tmp_path / "model.json").write_text(json.dumps(about))
    assert "safetensors" in refused(tmp_path)


def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    representation, _ = made("table_mlp")

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UserError, match="No space left"):
        representation.save(tmp_path / "run")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("embedding", ["learned", "joined"])
def test_a_preprocessing_that_does_not_fit_the_encoder_is_named(embedding: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rows = pd.DataFrame({"a": rng.normal(size=60), "b": rng.normal(size=60), "c": ["x", "y", "z"] * 20})
    options: Any = {"method": "simclr", "epochs": 1, "embedding": embedding, "out": tmp_path / "run"}
    assert list(train(rows, settings={"encoder.width": 16}, **options))
    whole = (tmp_path / "run/model.json").read_text()
    columns: Any = lambda about: about["preprocess"]["schema"]["columns"]  # noqa: E731
    for change in (
        lambda about: columns(about)[2]["levels"].append("w"),
        lambda about: columns(about)[2]["levels"].pop(),
        lambda about: columns(about)[0].update(missing=True),
        lambda about: columns(about).append(columns(about)[0] | {"name": "d"}),
    ):
        about = json.loads(whole)
        change(about)
        (tmp_path / "run/model.json").write_text(json.dumps(about))
        assert "do not fit" in refused(tmp_path / "run")
