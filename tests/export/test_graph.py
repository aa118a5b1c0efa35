"""A graph gives what the library gives, from the rows that a user has."""

import errno
import json
import os
import re
import textwrap
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from isotropy.data import PREPROCESS, SeriesPreprocess, read
from isotropy.data.series import interpolate
from isotropy.encoders import ENCODERS, build, wrap
from isotropy.errors import UserError
from isotropy.export import BATCHES, FORMATS, Graph, export
from isotropy.export.features import graph_of
from isotropy.export.inputs import interpolated
from isotropy.export.prepare import prepare
from isotropy.features import SeriesSummary
from isotropy.modalities import MODALITIES
from isotropy.representation import Representation, learn_embedding

SMALL = {"width": 24, "hidden": 8, "depth": 1, "stem": 8, "filters": 4, "heads": 2}


def values_of(modality: str, rows: int = 60):
    rng = np.random.default_rng(0)
    if modality == "image":
        return rng.integers(0, 256, (rows, 1, 20, 20), dtype=np.uint8)
    if modality == "array":
        return 1e4 + rng.normal(size=(rows, 2, 3, 4))
    if modality == "series":
        series = 5 + rng.normal(size=(rows, 3, 41))
        series[::4, 1, 3:9] = np.nan
        return series
    frame = pd.DataFrame({"a": rng.normal(size=rows), "big": 1.7e9 + rng.integers(0, 1000, rows)})
    frame.loc[::7, "a"] = np.nan
    frame["tail"] = np.exp(3 * rng.normal(size=rows))
    frame["when"] = pd.to_datetime("2024-01-01") + pd.to_timedelta(rng.integers(0, 10**7, rows), unit="s")
    frame["flag"] = rng.random(rows) < 0.4
    frame["job"] = rng.choice(["cook", "smith"], rows)
    frame["code"] = rng.choice([1.0, 2.0, np.nan], rows)
    frame["code"] = frame["code"].astype(object)
    frame["told"] = [f"a note about {word}" for word in rng.choice(["wine", "bread", "salt", "oil"], rows)]
    return frame


def made_of(name: str, *, joined: bool = False) -> tuple[Representation, object]:
    modality = ENCODERS[name].modality
    values = values_of(modality)
    kind = PREPROCESS[modality]
    preprocess = kind.learn(values, kinds={"told": "text"}) if modality == "table" else kind.learn(values)
    torch.manual_seed(0)
    known = ENCODERS[name].__init__.__annotations__
    encoder = build(name, modality, preprocess.shape, **{key: SMALL[key] for key in SMALL if key in known})
    for module in encoder.modules():
        if isinstance(module, torch.nn.BatchNorm1d | torch.nn.BatchNorm2d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2.0)
    embedding = learn_embedding("joined", encoder, preprocess, preprocess.transform(values)) if joined else None
    return Representation(encoder, preprocess, method="simclr", embedding=embedding), values


def largest(a, b) -> float:
    return float(np.abs(a - b).max() / max(1.0, np.abs(b).max()))


@pytest.mark.parametrize("name", sorted(ENCODERS))
def test_every_encoder_gives_the_same_from_rows_as_a_user_has_them(name):
    made, values = made_of(name)
    graph = Graph(made)
    contract = json.loads(json.dumps({"modality": made.modality, **graph.contract()}))
    given = prepare(values, contract)
    with torch.no_grad():
        found = graph(*map(torch.from_numpy, given.values()))
    assert [one["name"] for one in contract["inputs"]] == list(given)
    assert largest(found.numpy(), made.transform(values)) < 1e-5


@pytest.mark.parametrize("modality", ["table", "series", "image"])
def test_free_features_of_a_joined_embedding_are_in_the_graph(modality):
    made, values = made_of(MODALITIES[modality].default_encoder, joined=True)
    graph = Graph(made)
    suited = {"series_course"} if modality == "series" else set()
    assert {*made.embedding.features} == {*MODALITIES[modality].free} - suited
    assert len(graph.features) == len(made.embedding.features)
    contract = {"modality": modality, **graph.contract()}
    with torch.no_grad():
        found = graph(*map(torch.from_numpy, prepare(values, contract).values()))
    assert largest(found.numpy(), made.transform(values)) < 1e-4


@pytest.mark.parametrize("length", [2048, 2051])
def test_the_parts_of_long_series_are_in_the_graph(length):
    x = np.random.default_rng(0).normal(size=(6, 1, length)).cumsum(axis=2)
    preprocess = SeriesPreprocess.learn(x)
    encoder = ENCODERS["multiscale_cnn"](channels=1, length=length)
    embedding = learn_embedding("joined", encoder, preprocess, preprocess.transform(x))
    part = embedding.parts["series_course"]
    made = Representation(encoder, preprocess, method="simclr", embedding=embedding)
    graph = Graph(made)
    with torch.no_grad():
        found = graph(*map(torch.from_numpy, prepare(x, {"modality": "series", **graph.contract()}).values()))
    assert largest(found.numpy()[:, part], made.transform(x)[:, part]) < 1e-5


def test_free_features_of_very_long_series_are_refused():
    made = SeriesSummary.learn(torch.zeros(2, 1, 4097))
    with pytest.raises(UserError, match="series of 4097 steps: .* embedding=learned"):
        graph_of("series_summary", made)


def test_gaps_are_interpolated_as_the_preprocessing_does():
    rng = np.random.default_rng(0)
    for length in (1, 2, 7, 33):
        series = rng.normal(size=(50, 2, length))
        series[rng.random(series.shape) < 0.5] = np.nan
        np.testing.assert_allclose(interpolated(torch.from_numpy(series)).numpy(), interpolate(series), atol=1e-12)


@pytest.mark.parametrize("to", ["torch", "torchscript"])
@pytest.mark.parametrize("modality", ["table", "array", "series"])
def test_what_torch_reads_is_written_with_its_contract(to, modality, tmp_path):
    made, values = made_of(MODALITIES[modality].default_encoder)
    contract = export(made, to, tmp_path / "x")
    assert sorted(path.name for path in (tmp_path / "x").iterdir()) == sorted(
        ["contract.json", "prepare.py", FORMATS[to][0]]
    )
    assert json.loads((tmp_path / "x" / "contract.json").read_text()) == contract
    assert contract["checked"]["batches"] == list(BATCHES) == [1, 2, 7, 40]
    with pytest.raises(UserError, match="exists already"):
        export(made, to, tmp_path / "x")
    with pytest.raises(UserError, match="39 rows to check with, and 40 are needed"):
        export(made, to, tmp_path / "y", rows=values[:39])


# A conversion takes seconds, so that the formats of torch are tried on two networks, and ONNX on all.
@pytest.mark.parametrize("name", sorted(ENCODERS))
def test_every_encoder_exports_to_onnx_and_a_page_of_code_uses_it(name, tmp_path):
    runtime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    made, values = made_of(name)
    contract = export(made, "onnx", tmp_path / "x")
    assert contract["encoder"] == name
    assert contract["checked"]["largest_difference"] <= 1e-4
    page: dict[str, object] = {}
    exec(compile((tmp_path / "x" / "prepare.py").read_text(), "prepare.py", "exec"), page)
    session = runtime.InferenceSession(str(tmp_path / "x" / "model.onnx"))
    found = session.run(None, page["prepare"](values[:5], contract))[0]
    assert largest(found, made.transform(values[:5])) < 1e-4


def test_a_network_that_depends_on_the_batch_is_refused_by_name_and_leaves_nothing(tmp_path):
    class Odd(torch.nn.Module):
        width = 2

        def forward(self, x):
            return x[:, :2] if len(x) in (1, 3) else x[:, :2] + 1e-2

    values = values_of("array")[:, :, 0, 0]
    preprocess = PREPROCESS["array"].learn(values)
    made = Representation(wrap(Odd(), width=2), preprocess, method="simclr", chunk=8)
    for to in ("torch", "torchscript"):
        with pytest.raises(UserError, match=f"encoder custom .*{to}"):
            export(made, to, tmp_path / "x")
    assert not list(tmp_path.iterdir())


def test_what_has_no_graph_is_refused():
    series = np.random.default_rng(0).normal(size=(20, 1, 30))
    series[3, :, 20:] = np.nan
    preprocess = SeriesPreprocess.learn(series, any_length=True)
    made = Representation(build("gru", "series", preprocess.shape, width=8), preprocess, method="simclr")
    with pytest.raises(UserError, match="differ in length"):
        Graph(made)
    with pytest.raises(UserError, match="did you mean 'onnx'"):
        export(made_of("array_mlp")[0], "onx", "x")


def test_the_page_refuses_what_it_cannot_read():
    made, values = made_of("table_mlp")
    contract = {"modality": "table", **Graph(made).contract()}
    read = partial(prepare, contract=contract)
    with pytest.raises(ValueError, match="lack the column 'job'"):
        read(values.drop(columns="job"))
    with pytest.raises(ValueError, match="column 'tail': 'many' is no numeric"):
        read(values.assign(tail="many"))
    image, pixels = made_of("small_resnet")
    told = {"modality": "image", **Graph(image).contract()}
    with pytest.raises(ValueError, match="shape"):
        prepare(pixels[:, :, :10], told)
    unit = prepare(pixels / 255.0, told | {"scale": "unit"})["images"]
    assert np.array_equal(unit, pixels)


def test_a_program_cuts_windows_as_the_page_shows(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    steps = np.random.default_rng(0).normal(size=(610, 2))
    clock = {"t": np.arange(610) / 50, "other": "x"}
    pd.DataFrame({"ay": steps[:, 1], **clock, "ax": steps[:, 0]}).to_csv("watch.csv", index=False)
    data = read("watch.csv", time="t", window="1s", hop="0.5s", drop=["other"])
    preprocess = SeriesPreprocess.learn(data.values).of_recordings(data.windows.format)
    torch.manual_seed(0)
    made = Representation(build("multiscale_cnn", "series", preprocess.shape), preprocess, method="simclr")
    contract = {"modality": "series", **Graph(made).contract()}
    page = (Path(__file__).parents[2] / "docs/export.md").read_text()
    shown = re.search(r"    (cut = .*?\n)    embeddings = ", page, re.DOTALL).group(1)
    names = {"contract": contract, "np": np, "pd": pd}
    exec(textwrap.dedent("    " + shown), names)
    assert np.array_equal(names["windows"].astype(np.float32), data.values) and len(data) == 23
    assert list(prepare(names["windows"], contract)["series"].shape) == [23, 2, 50]


def test_channels_may_be_last_and_a_single_one_needs_no_axis():
    def read(name, array):
        made, values = made_of(name)
        contract = {"modality": made.preprocess.modality, **Graph(made).contract()}
        (found,) = prepare(array(values), contract).values()
        (plain,) = prepare(values, contract).values()
        return np.array_equal(found, plain)

    assert read("small_resnet", lambda pixels: np.moveaxis(pixels, 1, -1))
    for modality, shape in (("image", [1, 8, 8]), ("series", [1, 20])):
        inputs = [{"name": "x", "dtype": "uint8", "shape": ["batch", *shape]}]
        contract = {"modality": modality, "scale": "levels", "inputs": inputs}
        assert prepare(np.zeros((5, *shape[1:]), np.uint8), contract)["x"].shape == (5, *shape)
    with pytest.raises(ValueError, match="shape"):
        prepare(np.zeros((5, 8, 9), np.uint8), contract)


@pytest.mark.parametrize("to", ["torch", "torchscript"])
def test_a_full_disk_is_not_the_encoders_fault_and_nothing_is_left(to, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    made, _ = made_of("table_mlp")
    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(UserError, match=r"new/graph: cannot be written \(No space left on device\)$"):
        export(made, to, tmp_path / "new" / "graph")
    assert not list(tmp_path.iterdir())
