"""Weights to begin with: what matches, what does not, and what stays as it was."""

import contextlib
import random
import time

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

import isotropy
from isotropy.encoders import build
from isotropy.errors import UserError
from isotropy.methods import BYOL
from isotropy.runs.events import Finished, Planned
from isotropy.runs.initial import begin_with, freeze
from isotropy.runs.prepare import weights_taken
from isotropy.training import fit

ROWS = np.random.default_rng(0).normal(size=(60, 3)).astype(np.float32)
TINY = {"train.batch_size": 20, "encoder.width": 6, "encoder.hidden": 5, "encoder.depth": 3}


def network(depth=3, width=6):
    return build("table_mlp", "table", {"numeric": 3, "categories": []}, hidden=5, depth=depth, width=width)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "first"
    list(isotropy.train(ROWS, method="vicreg", encoder="table_mlp", settings=TINY, epochs=1, out=folder))
    return folder


def test_a_run_goes_on_from_another_with_its_encoder_and_frozen_layers(run):
    events = isotropy.train(
        ROWS, method="simclr", init=run, freeze=1, epochs=2, seed=4, settings={"train.batch_size": 20}
    )
    *_, finished = events
    assert isinstance(finished, Finished)
    assert finished.prepared.recipe.encoder == "table_mlp"
    before, after = load_file(run / "encoder.safetensors"), finished.representation.encoder.state_dict()
    assert before.keys() == after.keys()
    layers = [name for name, value in before.items() if value.dim() > 1]
    moved = [not torch.equal(before[name], after[name]) for name in layers]
    assert moved == [False, True, True]
    untrained = finished.prepared.untrained().state_dict()
    assert all(torch.equal(before[name], untrained[name]) for name in before)
    assert all(one.requires_grad for one in finished.representation.encoder.parameters())


@pytest.mark.parametrize(
    ("modality", "shape"),
    [("table", (60, 3)), ("series", (24, 2, 40)), ("image", (24, 3, 16, 16)), ("array", (24, 2, 4, 4))],
)
def test_a_run_with_the_default_encoder_is_gone_on_from(modality, shape, tmp_path):
    draw = np.random.default_rng(0)
    rows = draw.integers(0, 256, shape, dtype=np.uint8) if modality == "image" else draw.normal(size=shape)
    method = {"method": "autoencoder"} if modality == "array" else {}
    given = {"modality": modality, **method, "epochs": 1, "settings": {"train.batch_size": 12}}
    list(isotropy.train(rows, out=tmp_path / "first", **given))
    planned = next(iter(isotropy.train(rows, init=tmp_path / "first", **given)))
    began = planned.prepared.untrained().state_dict()
    assert all(
        torch.equal(value, began[name]) for name, value in load_file(tmp_path / "first/encoder.safetensors").items()
    )


def table(rows, *, levels, shift=0.0):
    draw = np.random.default_rng(rows)
    made = {
        "age": shift + draw.normal(size=rows),
        "job": draw.choice(levels, rows),
        "pay": np.exp(draw.normal(size=rows)),
    }
    made["since"] = pd.Timestamp("2024-01-01") + pd.to_timedelta(draw.integers(0, 10**7, rows), unit="s")
    return pd.DataFrame(made)


def test_a_table_s_columns_are_found_by_name_and_cut_at_their_own_quantiles(tmp_path):
    given = {"method": "masked", "epochs": 1, "settings": {"encoder.width": 8, "encoder.hidden": 4}}
    list(isotropy.train(table(300, levels=["cook", "nurse", "smith"]), out=tmp_path / "first", **given))
    before = isotropy.load(tmp_path / "first")
    other = table(90, levels=["nurse", "pilot", "smith"], shift=50.0).assign(tall=np.arange(90) % 7 + 0.5)
    event = next(iter(isotropy.train(other[["since", "pay", "tall", "job", "age"]], init=tmp_path / "first", **given)))
    old, new = before.encoder, event.prepared.untrained()
    fresh = next(iter(isotropy.train(other[["since", "pay", "tall", "job", "age"]], **given))).prepared.untrained()
    schema = event.prepared.preprocess.schema
    assert [schema.stored_names, before.preprocess.schema.stored_names] == [
        ["since", "pay", "tall", "age", "job"], ["age", "pay", "since", "job"],
    ]  # fmt: skip
    age, edges = schema.columns[4], new.knots.inner[3][new.knots.inner[3].isfinite()]
    assert age.mean > 49 and edges.tolist() == pytest.approx(list(age.edges)[1:-1], rel=1e-5), "edges are the new rows'"

    def vectors(encoder, place, count):
        start = int(encoder.offsets[place])
        return encoder.vectors.weight[start : start + count].detach()

    ends = [0, -1]
    assert torch.equal(vectors(new, 3, new.knots.counts[3])[ends], vectors(old, 0, old.knots.counts[0])[ends])
    assert torch.equal(vectors(new, 4, 4)[[0, 1, 3]], vectors(old, 3, 4)[[0, 2, 3]]), "unknown, nurse, smith"
    tall = new.knots.counts[2]
    assert torch.equal(vectors(new, 2, tall), vectors(fresh, 2, tall)) and not torch.equal(
        vectors(new, 1, new.knots.counts[1]), vectors(fresh, 1, new.knots.counts[1])
    )
    assert torch.equal(new.vectors.weight[new.absent[3]], old.vectors.weight[old.absent[0]])
    assert torch.equal(new.cycles.weight, old.cycles.weight)
    assert "4 of 5 columns found by name, new: tall" in weights_taken(event.prepared)


def test_norms_of_frozen_layers_do_not_move():
    net = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 4), nn.BatchNorm1d(4))
    encoder = isotropy.encoders.wrap(net, width=4)
    assert freeze(encoder, 1) == ["module.0", "module.1"]
    method = BYOL(encoder, projector=(4, 4), predictor_hidden=4)
    _, dataset, views = planned()
    list(fit(method, dataset, views, epochs=1, batch_size=20))
    assert int(net[1].num_batches_tracked) == 0 and int(net[4].num_batches_tracked) > 0
    norms = [m for m in method.modules() if isinstance(m, nn.BatchNorm1d) and m.num_features == 4]
    assert sum(int(norm.num_batches_tracked) == 0 for norm in norms) >= 2, "the teacher's, too"


def planned():
    event = next(iter(isotropy.train(ROWS, method="byol", encoder="table_mlp", epochs=1)))
    assert isinstance(event, Planned)
    return event.prepared.recipe, event.prepared.dataset, event.prepared.views


@pytest.mark.parametrize("kind", ["safetensors", "plain", "nested", "prefixed"])
def test_files_of_weights(tmp_path, kind):
    torch.manual_seed(1)
    source, target = network(), network()
    state = {name: value.clone() for name, value in source.state_dict().items()}
    path = tmp_path / ("w.safetensors" if kind == "safetensors" else "w.pt")
    if kind == "safetensors":
        save_file(state, path)
    elif kind == "prefixed":
        torch.save({f"module.backbone.{name}": value for name, value in state.items()} | {"head": torch.zeros(3)}, path)
    else:
        torch.save({"epoch": 3, "state_dict": state} if kind == "nested" else state, path)
    begun = begin_with(target, path)
    assert all(torch.equal(value, state[name]) for name, value in target.state_dict().items())
    assert begun.words.startswith(f"{len(state)} of {len(state)} weights taken")
    assert ("not used: head" in begun.words) == (kind == "prefixed")


def test_what_differs_is_named(tmp_path):
    torch.save(network(width=9).state_dict(), tmp_path / "w.pt")
    begun = begin_with(network(), tmp_path / "w.pt")
    assert begun.differing and "(9, 5) in the file, (6, 5) here" in begun.words
    torch.save({"a.weight": torch.zeros(3, 9), "b.weight": torch.zeros(2, 3)}, tmp_path / "other.pt")
    own = nn.ModuleDict({"net": nn.ModuleDict({"a": nn.Linear(5, 3), "b": nn.Linear(3, 4)})})
    with pytest.raises(
        UserError, match=r"a.weight is \(3, 9\) there and \(3, 5\) here, b.weight is \(2, 3\) there and"
    ):
        begin_with(own, tmp_path / "other.pt")
    deeper = begin_with(network(depth=4), tmp_path / "w.pt").words
    assert "not in the file: " in deeper


def test_what_cannot_be_begun_with(tmp_path, run):
    torch.save(nn.Linear(3, 2), tmp_path / "module.pt")
    torch.save([1, 2], tmp_path / "list.pt")
    torch.save(nn.Conv1d(2, 3, 9).state_dict(), tmp_path / "conv.pt")
    (tmp_path / "cut.safetensors").write_bytes((run / "encoder.safetensors").read_bytes()[:-9])
    for name, line in {
        "module.pt": "more than weights, which is never read: save its weights alone",
        "list.pt": "holds no weights by name",
        "conv.pt": "no weights fit the encoder: it has .*, the file weight, bias",
        "cut.safetensors": "damaged, or more than weights",
        "gone.pt": "no such file: weights come from",
    }.items():
        with pytest.raises(UserError, match=line) as said:
            begin_with(network(), tmp_path / name)
        assert "\n" not in str(said.value)
    with pytest.raises(UserError, match="the encoder has 3 layers, and the last has to be trained"):
        freeze(network(), 3)
    with pytest.raises(UserError, match="init has no setting 'weight'.*'weights'"):
        next(iter(isotropy.train(ROWS, settings={"init.weight": "x"})))


def test_of_equal_copies_in_a_file_the_first_is_taken_and_very_many_names_take_no_time(tmp_path):
    state = network().state_dict()
    copies = {
        f"{copy}.{name}": value + n for n, copy in enumerate(["online", "target"]) for name, value in state.items()
    }
    torch.save(copies, tmp_path / "two.pt")
    target = network()
    begin_with(target, tmp_path / "two.pt")
    assert all(torch.equal(value, copies[f"online.{name}"]) for name, value in target.state_dict().items())
    many = {f"{n}.{n % 7}.{n % 3}.weight": torch.zeros(1) for n in range(30_000)}
    save_file(many | dict(state), tmp_path / "many.safetensors")
    started = time.process_time()
    assert begin_with(network(), tmp_path / "many.safetensors").words.startswith(
        f"{len(state)} of {len(state)} weights"
    )
    assert time.process_time() - started < 10


@pytest.mark.parametrize("kind", ["sparse", "meta", "complex", "quantised"])
@pytest.mark.filterwarnings("ignore")
def test_tensors_that_are_no_plain_numbers_are_no_weights(tmp_path, kind):
    made = {
        "sparse": lambda x: x.to_sparse(),
        "meta": lambda x: x.to("meta"),
        "complex": lambda x: x + 0j,
        "quantised": lambda x: torch.quantize_per_tensor(x, 0.1, 0, torch.qint8),
    }[kind]
    state = dict(network().state_dict())
    first = next(iter(state))
    torch.save(state | {first: made(state[first])}, tmp_path / "w.pt")
    assert f"not in the file: {first}" in begin_with(network(), tmp_path / "w.pt").words


def test_weights_that_are_not_finite_and_files_that_hold_themselves_are_refused(tmp_path):
    state = dict(network().state_dict())
    last = [name for name in state if name.endswith("weight")][-1]
    save_file(state | {last: torch.full_like(state[last], np.nan)}, tmp_path / "nan.safetensors")
    with pytest.raises(UserError, match=f"{last} holds numbers that are not finite"):
        begin_with(network(), tmp_path / "nan.safetensors")
    itself = {}
    itself["model"] = itself
    torch.save(itself, tmp_path / "itself.pt")
    with pytest.raises(UserError, match="holds no weights by name"):
        begin_with(network(), tmp_path / "itself.pt")


def test_bytes_of_a_damaged_pickle_are_one_line(tmp_path):
    torch.save(network().state_dict(), tmp_path / "w.pt")
    whole, dice = (tmp_path / "w.pt").read_bytes(), random.Random(0)
    begin = whole.index(b"data.pkl") + 8
    for _ in range(300):
        data = bytearray(whole)
        data[dice.randrange(begin, begin + 400)] = dice.randrange(256)
        (tmp_path / "d.pt").write_bytes(data)
        with contextlib.suppress(UserError):
            begin_with(network(), tmp_path / "d.pt")


def test_pretrained_weights_of_timm_are_normalised_as_they_were(tmp_path):
    timm = pytest.importorskip("timm")
    source = timm.create_model("resnet10t", num_classes=5)
    torch.save(source.state_dict(), tmp_path / "w.pt")
    images = np.random.default_rng(0).integers(0, 256, (8, 3, 32, 32), dtype=np.uint8)
    settings = {"encoder.small_stem": False, "train.batch_size": 4}
    events = isotropy.train(
        images, method="simclr", encoder="timm:resnet10t", init=tmp_path / "w.pt", epochs=1, settings=settings
    )
    prepared = next(iter(events)).prepared
    assert prepared.preprocess.mean == source.pretrained_cfg["mean"]
    weights = prepared.method.encoder.state_dict()
    assert torch.equal(weights["model.layer1.0.conv1.weight"], source.state_dict()["layer1.0.conv1.weight"])
