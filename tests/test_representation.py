"""The artefact: the same bits for any rows in any process, and clear words for anything that is not one."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from isotropy.data import PREPROCESS, ImagePreprocess, SeriesPreprocess, TablePreprocess, read
from isotropy.embedding import embed_rows, example_rows, steady_chunk
from isotropy.encoders import ENCODERS, build, wrap
from isotropy.errors import UserError
from isotropy.representation import Representation, load

SHAPES: dict[str, dict[str, Any]] = {
    "table": {"numeric": 5, "categories": [4, 2]},
    "series": {"channels": 3, "length": 41},
    "image": {"channels": 1, "size": [18, 22]},
}


def encoder_of(name: str) -> tuple[nn.Module, str]:
    torch.manual_seed(0)
    if name == "wrapped gru":
        return wrap(nn.GRU(41, 7, batch_first=True), example=torch.randn(2, 3, 41)), "series"
    if name == "narrow":
        network = nn.Sequential(nn.Linear(7, 5), nn.ReLU(), nn.Linear(5, 7), nn.ReLU(), nn.Linear(7, 3))
        return wrap(network, width=3), "table"
    modality = "image" if name.startswith("timm:") else ENCODERS[name].modality
    return lively(build(name, SHAPES[modality])), modality


def lively(encoder: nn.Module) -> nn.Module:
    """Give batch norms statistics of their own, as training would."""
    for module in encoder.modules():
        if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2.0)
    return encoder


def values_of(modality: str, rows: int, seed: int = 0) -> Any:
    random = np.random.default_rng(seed)
    if modality == "image":
        return random.integers(0, 256, (rows, 1, 18, 22), dtype=np.uint8)
    if modality == "series":
        return random.normal(size=(rows, 3, 41))
    frame = pd.DataFrame(random.normal(size=(rows, 5)), columns=list("abcde"))
    frame["f"] = random.choice(["red", "green", "blue"], rows)
    frame["g"] = random.choice(["x", "y"], rows)
    frame.loc[frame.index[::7], "f"] = None
    return frame


def made(name: str) -> tuple[Representation, Any]:
    _, modality = encoder_of(name)
    values = values_of(modality, 150)
    preprocess = PREPROCESS[modality].learn(values)
    encoder = lively(build(name, preprocess.shape)) if name in ENCODERS else encoder_of(name)[0]
    return Representation(encoder, preprocess, method="lfr"), values


NAMES = [*ENCODERS, "timm:test_resnet", "wrapped gru", "narrow"]


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("name", NAMES)
def test_a_row_has_the_same_bits_in_every_subset_and_order(name: str, threads: int) -> None:
    if name.startswith("timm:"):
        pytest.importorskip("timm")
    encoder, modality = encoder_of(name)
    preprocess = _Stored(modality)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        representation = Representation(encoder, preprocess, method="lfr")  # type: ignore[arg-type]
        rows = example_rows(modality, SHAPES[modality], representation.chunk + 13)
        whole = representation.embed_stored(rows)
        order = torch.from_numpy(np.random.default_rng(1).permutation(len(rows)))
        assert np.array_equal(representation.embed_stored(rows[order]), whole[order])
        for part in (slice(5, 6), slice(3, 40), slice(len(rows) - 1, None)):
            assert np.array_equal(representation.embed_stored(rows[part]), whole[part])
    finally:
        torch.set_num_threads(before)
    assert whole.dtype == np.float32
    assert np.isfinite(whole).all()
    assert len(np.unique(whole, axis=0)) > 1


class _Stored:
    """Rows that are stored already."""

    def __init__(self, modality: str) -> None:
        self.modality = modality
        self.shape = SHAPES[modality]

    def prepare(self, rows: torch.Tensor) -> torch.Tensor:
        return rows.float() / 255 if self.modality == "image" else rows


def test_networks_that_are_not_steady_in_a_chunk_go_row_by_row() -> None:
    class Placed(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x + 1e-6 * (torch.arange(len(x)) == len(x) - 1)[:, None]

    rows = torch.randn(64, 3)
    assert steady_chunk(Placed(), lambda x: x, rows) == 1
    assert steady_chunk(nn.Identity(), lambda x: x, rows) == 64


def test_embedding_leaves_the_encoder_as_it_was() -> None:
    encoder = nn.Sequential(nn.Linear(3, 20), nn.BatchNorm1d(20), nn.Dropout(0.5)).train()
    encoder[2].eval()
    before = {name: tensor.clone() for name, tensor in encoder.state_dict().items()}
    rows = torch.randn(300, 3)
    with torch.autocast("cpu", torch.bfloat16):
        first = embed_rows(encoder, lambda x: x, rows)
    assert [module.training for module in encoder] == [True, True, False]
    assert all(torch.equal(tensor, before[name]) for name, tensor in encoder.state_dict().items())
    # Eval mode, float32.
    encoder.eval()
    np.testing.assert_allclose(first, encoder(rows).detach().numpy(), atol=1e-6)


def test_a_representation_keeps_a_copy() -> None:
    representation, values = made("table_mlp")
    trained = build("table_mlp", representation.preprocess.shape)
    copied = Representation(trained, representation.preprocess, method="lfr")
    before = copied.transform(values)
    nn.init.zeros_(trained.layers[0].weight)
    assert np.array_equal(copied.transform(values), before)


@pytest.mark.parametrize("name", ["table_mlp", "series_cnn", "small_resnet"])
def test_the_layout_that_training_used_changes_no_bit(name: str, tmp_path: Path) -> None:
    representation, values = made(name)
    trained = lively(build(name, representation.preprocess.shape))
    trained.load_state_dict(representation.encoder.state_dict())
    for layout in (torch.channels_last, torch.contiguous_format):
        again = Representation(trained.to(memory_format=layout), representation.preprocess, method="lfr")
        assert np.array_equal(again.transform(values), representation.transform(values))


def test_iterate_gives_transform_in_pieces() -> None:
    values = values_of("table", 150)
    preprocess = TablePreprocess.learn(values)
    representation = Representation(build("table_mlp", preprocess.shape), preprocess, method="lfr", chunk=4)
    seen: list[tuple[int, int]] = []
    pieces = list(representation.iterate(values, progress=lambda done, rows: seen.append((done, rows))))
    assert [len(piece) for piece in pieces] == [64, 64, 22]
    assert seen == [(64, 150), (128, 150), (150, 150)]
    assert np.array_equal(np.concatenate(pieces), representation.transform(values))


def test_values_come_in_many_forms(tmp_path: Path) -> None:
    representation, values = made("series_cnn")
    expected = representation.transform(values)
    np.save(tmp_path / "series.npy", values)
    for form in (values.astype(np.float64), torch.from_numpy(values), tmp_path / "series.npy", read(values)):
        assert np.array_equal(representation.transform(form), expected)
    images, pixels = made("small_resnet")
    assert np.array_equal(images.transform(pixels[:, 0]), images.transform(pixels))
    assert np.array_equal(images.transform(np.moveaxis(pixels, 1, 3)), images.transform(pixels))
    table, frame = made("table_mlp")
    frame.to_parquet(tmp_path / "table.parquet")
    expected = table.transform(frame)
    assert np.array_equal(table.transform(tmp_path / "table.parquet"), expected)
    # Columns are found by name; what was not there in training is not read.
    assert np.array_equal(table.transform(frame[list("gfedcba")].assign(label=1)), expected)
    assert table.transform(frame.iloc[:0]).shape == (0, table.width)


def test_rows_of_another_form_are_refused() -> None:
    table, frame = made("table_mlp")
    with pytest.raises(UserError, match="'c'"):
        table.transform(frame.drop(columns="c"))
    series, values = made("series_cnn")
    with pytest.raises(UserError, match="channels"):
        series.transform(values[:, :2])
    with pytest.raises(UserError, match="does not exist"):
        series.transform("nowhere.npy")


FRESH = """
import sys
from pathlib import Path
import numpy as np, pandas as pd
import isotropy

for folder in map(Path, sys.argv[1:]):
    file = folder / "values.npy"
    values = np.load(file) if file.exists() else pd.read_parquet(folder / "values.parquet")
    order = np.random.default_rng(0).permutation(len(values))[:90]
    rows = values[order] if file.exists() else values.iloc[order]
    np.save(folder / "again.npy", isotropy.load(folder).transform(rows))
"""


def test_a_fresh_process_finds_the_same_bits(tmp_path: Path) -> None:
    folders, expected = [], []
    for name in ENCODERS:
        representation, values = made(name)
        folder = tmp_path / name
        representation.save(folder)
        if isinstance(values, pd.DataFrame):
            values.to_parquet(folder / "values.parquet")
        else:
            np.save(folder / "values.npy", values)
        folders.append(folder)
        expected.append(representation.transform(values))
    done = subprocess.run(
        [sys.executable, "-c", FRESH, *map(str, folders)],
        env=os.environ | {"OMP_NUM_THREADS": str(torch.get_num_threads())},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    order = np.random.default_rng(0).permutation(150)[:90]
    for folder, whole in zip(folders, expected, strict=True):
        assert np.array_equal(np.load(folder / "again.npy"), whole[order]), folder.name


def test_the_files_are_json_and_safetensors(tmp_path: Path) -> None:
    representation, _ = made("table_resnet")
    representation.scores = [{"label": "colour", "score": 0.5}]
    representation.save(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["encoder.safetensors", "model.json"]
    about = json.loads((tmp_path / "model.json").read_text())
    assert about["method"] == "lfr" and about["made_with"]["torch"] == str(torch.__version__)
    assert load_file(tmp_path / "encoder.safetensors").keys() == representation.encoder.state_dict().keys()
    again = load(tmp_path)
    assert again.scores == representation.scores
    assert (again.chunk, again.width, again.names[-1], again.modality) == (256, 256, "z255", "table")
    again.save(tmp_path / "again")
    assert (tmp_path / "again" / "model.json").read_text() == (tmp_path / "model.json").read_text()


def test_a_network_of_the_users_own_is_given_when_loading(tmp_path: Path) -> None:
    def network() -> nn.Module:
        return nn.Sequential(nn.Flatten(), nn.Linear(123, 16), nn.Tanh()).double()

    values = values_of("series", 50)
    own = network()
    encoder = wrap(own, example=torch.randn(2, 3, 41, dtype=torch.float64))
    representation = Representation(encoder, SeriesPreprocess.learn(values), method="simclr")
    representation.save(tmp_path)
    empty = network()
    before = empty[1].weight.clone()
    assert np.array_equal(load(tmp_path, empty).transform(values), representation.transform(values))
    assert torch.equal(empty[1].weight, before)
    with pytest.raises(UserError, match=r"model\.json.*network of your own"):
        load(tmp_path)
    with pytest.raises(UserError, match=r"encoder\.safetensors.*shape"):
        load(tmp_path, nn.Sequential(nn.Flatten(), nn.Linear(123, 17), nn.Tanh()))
    with pytest.raises(UserError, match=r"encoder\.safetensors.*only the encoder has"):
        load(tmp_path, nn.Sequential(nn.Flatten(), nn.Linear(123, 16), nn.Linear(16, 16)))


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("saved")
    values = values_of("image", 20)
    preprocess = ImagePreprocess.learn(values)
    Representation(build("small_resnet", preprocess.shape, stem=4, width=16), preprocess, method="byol").save(folder)
    return folder


def damaged(saved: Path, tmp_path: Path, **changes: Any) -> Path:
    """Return a copy of the artefact with entries of its JSON changed (None takes one out)."""
    about = json.loads((saved / "model.json").read_text()) | changes
    about = {name: value for name, value in about.items() if value is not None}
    (tmp_path / "model.json").write_text(json.dumps(about))
    (tmp_path / "encoder.safetensors").write_bytes((saved / "encoder.safetensors").read_bytes())
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
        {"made_with": None},
        {"format": None},
        {"format": "x"},
    ],
)
def test_a_damaged_description_is_named(saved: Path, tmp_path: Path, changes: dict[str, Any]) -> None:
    assert str(tmp_path / "model.json") in refused(damaged(saved, tmp_path, **changes))


def test_a_newer_format_is_named(saved: Path, tmp_path: Path) -> None:
    assert "newer isotropy" in refused(damaged(saved, tmp_path, format=2))


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
    assert list((tmp_path / "run").iterdir()) == []
