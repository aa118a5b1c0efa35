"""The artefact: the same bits in any process, from any form of the data, in files of JSON and safetensors."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from isotropy.data import ImagePreprocess, SeriesPreprocess, TablePreprocess, read
from isotropy.encoders import ENCODERS, SmallResNet, build, wrap
from isotropy.errors import UserError
from isotropy.nn.segments import SegmentHead
from isotropy.representation import Representation, load
from representation.examples import lively, made, values_of


def test_a_representation_keeps_a_copy() -> None:
    representation, values = made("table_mlp")
    trained = build("table_mlp", "table", representation.preprocess.shape)
    copied = Representation(trained, representation.preprocess, method="lfr")
    before = copied.transform(values)
    nn.init.zeros_(trained.layers[0].weight)
    assert np.array_equal(copied.transform(values), before)


@pytest.mark.parametrize("name", ["table_mlp", "series_cnn", "small_resnet"])
def test_the_layout_that_training_used_changes_no_bit(name: str) -> None:
    representation, values = made(name)
    trained = lively(build(name, representation.modality, representation.preprocess.shape))
    trained.load_state_dict(representation.encoder.state_dict())
    channels_last = Representation(
        trained.to(memory_format=torch.channels_last), representation.preprocess, method="lfr"
    )
    # Transposed in memory.
    for tensor in trained.parameters():
        tensor.data = tensor.data.transpose(0, -1).contiguous().transpose(0, -1)
    strided = Representation(trained, representation.preprocess, method="lfr")
    strides = [tensor.stride() for tensor in representation.encoder.parameters()]
    for again in (channels_last, strided):
        assert [tensor.stride() for tensor in again.encoder.parameters()] == strides
        assert np.array_equal(again.transform(values), representation.transform(values))


def test_iterate_gives_transform_in_pieces() -> None:
    values = values_of("table", 150)
    preprocess = TablePreprocess.learn(values)
    representation = Representation(build("table_mlp", "table", preprocess.shape), preprocess, method="lfr", chunk=4)
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
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "embedding.safetensors",
        "encoder.safetensors",
        "model.json",
    ]
    about = json.loads((tmp_path / "model.json").read_text())
    assert about["method"] == "lfr" and about["made_with"]["torch"] == str(torch.__version__)
    assert load_file(tmp_path / "encoder.safetensors").keys() == representation.encoder.state_dict().keys()
    again = load(tmp_path)
    for act in (again.to, lambda place: load(tmp_path, device=place)):
        with pytest.raises(UserError, match="^device gpu: unknown"):
            act("gpu")
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
    with pytest.raises(UserError, match=r"encoder\.safetensors.*only the network has"):
        load(tmp_path, nn.Sequential(nn.Flatten(), nn.Linear(123, 16), nn.Linear(16, 16)))


def test_one_dark_float_image_embeds_alone_as_it_does_in_a_batch(tmp_path):
    values = np.random.default_rng(0).integers(0, 256, (20, 16, 16)).astype(np.float32)
    values[3] = np.arange(256).reshape(16, 16) % 2
    preprocess = ImagePreprocess.learn(read(values, modality="image").values)
    encoder = lively(SmallResNet(channels=1, size=(16, 16), width=8, stem=4))
    representation = Representation(encoder, preprocess, method="lfr", chunk=4)
    whole = representation.transform(values)
    np.save(tmp_path / "dark.npy", values[3:4])
    assert np.array_equal(representation.transform(values[3:4]), whole[3:4])
    representation.save(tmp_path / "made")
    assert np.array_equal(load(tmp_path / "made").transform(tmp_path / "dark.npy"), whole[3:4])


def with_codes():
    preprocess = TablePreprocess.learn(values_of("table", 60))
    torch.manual_seed(0)
    encoder = build("table_mlp", "table", preprocess.shape, width=16)
    coder = SegmentHead((16, 32, 24), num_segments=6)
    return Representation(encoder, preprocess, method="music", coder=coder), values_of("table", 60)


def test_codes_are_the_heads_and_survive_saving(tmp_path):
    representation, values = with_codes()
    codes = representation.codes(values)
    assert codes.shape == (60, 6) and codes.dtype == np.int64 and representation.code_names[-1] == "c5"
    logits = representation.coder(torch.from_numpy(representation.transform(values))).view(60, 6, 4)
    assert np.array_equal(codes, logits.argmax(2).numpy())
    assert np.array_equal(representation.codes(values.iloc[[4, 2]]), codes[[4, 2]])
    representation.save(tmp_path)
    again = load(tmp_path)
    assert np.array_equal(again.codes(values), codes)
    assert np.array_equal(again.transform(values), representation.transform(values))


def test_what_is_wrong_with_codes_is_named(tmp_path):
    representation, values = with_codes()
    with pytest.raises(UserError, match="lfr gives no codes"):
        Representation(representation.encoder, representation.preprocess, method="lfr").codes(values)
    representation.save(tmp_path)
    (tmp_path / "coder.safetensors").write_bytes(b"other")
    with pytest.raises(UserError, match=r"coder\.safetensors: truncated, damaged or of another artefact"):
        load(tmp_path)
    (tmp_path / "coder.safetensors").unlink()
    with pytest.raises(UserError, match=r"coder\.safetensors: cannot be read"):
        load(tmp_path)
    about = json.loads((tmp_path / "model.json").read_text())
    coder = about["coder"] | {"widths": [16, 24], "num_segments": 7}
    (tmp_path / "model.json").write_text(json.dumps(about | {"coder": coder}))
    with pytest.raises(UserError, match=r"model\.json: 7 segments do not divide an output of 24"):
        load(tmp_path)
