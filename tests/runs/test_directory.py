"""The run directory: what is written, refused and read back; watching disturbs nothing."""

import errno
import hashlib
import json
import os
from copy import deepcopy
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

import isotropy.runs.embeddings
from isotropy.data import read
from isotropy.diagnostics.codes import mutual_information, purity, usage
from isotropy.errors import UserError
from isotropy.evaluation.evidence import codes_evidence
from isotropy.methods import BYOL
from isotropy.nn.segments import SegmentHead
from isotropy.report import summarise
from isotropy.representation import Representation, load
from isotropy.runs import directory, prepare
from isotropy.runs.directory import Run
from isotropy.runs.fingerprint import fingerprint
from isotropy.runs.monitor import Monitor
from isotropy.runs.recipe import Recipe
from isotropy.runs.session import train

RECIPE = Recipe.default("simclr", "table").changed(
    {"encoder.width": 8, "encoder.hidden": 8, "train.batch_size": 16, "train.epochs": 6}
)
ROWS = np.random.default_rng(0).normal(size=(80, 3))


def represented(prepared):
    return Representation(prepared.method.encoder, prepared.preprocess, method="simclr")


@pytest.fixture
def prepared():
    return prepare.prepare(RECIPE, read(ROWS, label=np.arange(80) % 2))


def test_a_created_run_reads_back_and_refuses_another(prepared, tmp_path):
    run = Run(tmp_path / "deep" / "run")
    run.create(prepared)
    opened = Run.opened(run.folder)
    assert opened.recipe == RECIPE
    assert opened.preprocess.to_json() == prepared.preprocess.to_json()
    assert not opened.finished
    assert not opened.has_checkpoint
    about = json.loads((run.folder / "data.json").read_text())
    assert (about["rows"], about["training_rows"]) == (80, 64)
    with pytest.raises(UserError, match="holds a run already"):
        run.create(prepared)
    with pytest.raises(UserError, match="holds no run"):
        Run.opened(tmp_path)


def test_other_rows_have_another_fingerprint(prepared, tmp_path):
    run = Run(tmp_path / "run")
    run.create(prepared)
    run.refuse_other_data(prepared.rows)
    changed = prepared.rows.clone()
    changed[41, 1] += 1e-3
    assert fingerprint(changed) != fingerprint(prepared.rows)
    for other in (changed, prepared.rows[:-1], prepared.rows.flip(0)):
        with pytest.raises(UserError, match="the data is not what the run began with"):
            run.refuse_other_data(other)


def test_every_row_is_in_the_fingerprint_and_one_of_version_0_1_is_still_known(prepared, tmp_path):
    rows = torch.randn(5000, 4, generator=torch.Generator().manual_seed(0))
    for place in (2501, 3, 4999):
        changed = rows.clone()
        changed[place] = 9
        assert fingerprint(changed) != fingerprint(rows)
    assert fingerprint(rows.view(2500, 8)) != fingerprint(rows)
    run = Run(tmp_path / "run")
    run.create(prepared)
    about = json.loads((run.folder / "data.json").read_text())
    places = torch.linspace(0, len(prepared.rows) - 1, len(prepared.rows)).long()
    old = hashlib.sha256(prepared.rows[places].numpy().tobytes()).hexdigest()[:16]
    (run.folder / "data.json").write_text(json.dumps(about | {"fingerprint": old}))
    run.refuse_other_data(prepared.rows)
    with pytest.raises(UserError, match="the data is not what the run began with"):
        run.refuse_other_data(prepared.rows.flip(0))


def test_a_long_training_looks_at_its_encoder_fifty_times(prepared):
    class Cheap(Monitor):
        def _embedded(self, encoder):
            return np.eye(4)

    watch = Cheap(prepared.method, prepared.rows[:4], prepared.preprocess.to_input, prepared.method.encoder)
    outputs = {"z": [torch.eye(4), torch.eye(4)]}
    numbers = [*range(1, 40), 600, 1190, 1200, 1201]
    steps = [SimpleNamespace(number=n, steps=1201, epoch=n / 10, loss=1.0, lr=1e-3, outputs=outputs) for n in numbers]
    records = [record for step in steps if (record := watch.at(step))]
    assert [record["step"] for record in records] == [1, 10, 20, 30, 600, 1190, 1200, 1201]
    assert [r["step"] for r in records if "effective_rank" in r] == [1, 30, 600, 1200, 1201]
    assert all("views_rank" in r and "teacher_way" not in r for r in records)


@pytest.mark.parametrize(("momentum", "way"), [(1.0, 0.0), (0.5, 0.5)])
def test_a_teacher_is_watched_on_its_way(prepared, momentum, way):
    encoder = deepcopy(prepared.method.encoder)
    method = BYOL(deepcopy(encoder), projector=(8, 4), predictor_hidden=8, momentum=momentum)
    watch = Monitor(method, prepared.rows[:32], prepared.preprocess, encoder)
    with torch.no_grad():
        for weight in method.encoder.parameters():
            weight += 1
    method.update()
    outputs = {"prediction": [torch.eye(4)] * 2, "target": [torch.eye(4)] * 2}
    record = watch.at(SimpleNamespace(number=1, steps=100, epoch=0.1, loss=1.0, lr=1e-3, outputs=outputs))
    assert record["teacher_way"] == pytest.approx(way, abs=1e-5)


def test_watching_leaves_modes_and_weights_as_they_were(prepared):
    encoder = prepared.method.encoder
    encoder.train()
    list(encoder.modules())[2].eval()
    modes = [module.training for module in encoder.modules()]
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    health = Monitor(prepared.method, prepared.rows[:32], prepared.preprocess, encoder).at_start()
    assert 1 <= health["effective_rank"] <= 8
    assert 0 <= health["mean_norm"] <= 1
    assert [module.training for module in encoder.modules()] == modes
    assert all(torch.equal(value, before[name]) for name, value in encoder.state_dict().items())


def test_the_export_is_written_in_pieces(prepared, tmp_path, monkeypatch):
    sizes = []
    real = Representation.embed_stored
    monkeypatch.setattr(Representation, "embed_stored", lambda self, x: sizes.append(len(x)) or real(self, x))
    monkeypatch.setattr(isotropy.runs.embeddings, "_PIECE", 30)
    run = Run(tmp_path)
    run.export(prepared, represented(prepared), [], None)
    assert sizes == [30, 30, 20]
    frame = pd.read_parquet(tmp_path / "embeddings.parquet")
    made = load(tmp_path)
    assert list(frame.columns) == ["part", "label", "row", *made.names]
    assert np.array_equal(frame[made.names].to_numpy(), made.embed_stored(prepared.rows))
    assert frame.index[frame["part"] == "test"].tolist() == prepared.test.tolist()
    assert frame["label"].tolist() == [str(number % 2) for number in range(80)]


def test_the_weights_are_kept_before_what_can_fail(prepared, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    run = Run(tmp_path)
    with monkeypatch.context() as patch, pytest.raises(UserError, match="No space"):
        patch.setattr(isotropy.runs.columns, "writing_embeddings", full)
        represented(prepared).save_weights(tmp_path)
        run.export(prepared, represented(prepared), [], None)
    assert {path.name for path in tmp_path.iterdir()} == {"embedding.safetensors", "encoder.safetensors"}
    assert not run.finished
    run.export(prepared, represented(prepared), [], None)
    assert run.finished


def test_evidence_of_a_label_takes_the_place_of_the_older(tmp_path):
    run = Run(tmp_path)
    run.keep_evidence([{"label": "a", "n": 1}])
    run.keep_evidence([{"label": "b", "n": 2}])
    run.keep_evidence([{"label": "a", "n": 3}])
    assert json.loads((tmp_path / "probes.json").read_text()) == [{"label": "b", "n": 2}, {"label": "a", "n": 3}]


def test_a_method_with_codes_leaves_them_and_what_they_are_worth(tmp_path):
    recipe = Recipe.default("music", "table").changed(
        {"encoder.width": 16, "encoder.hidden": 16, "train.batch_size": 32, "train.epochs": 3}
        | {"method.projector": [16, 15], "method.num_segments": 5}
    )
    labels = (ROWS[:, 0] > 0).astype(int)
    *_, finished = train(ROWS, recipe, label=labels, out=tmp_path / "run", evaluators=["linear"])
    made, run = finished.prepared, Run(finished.folder)
    loaded = load(run.folder)
    codes = loaded.codes(ROWS)
    with torch.no_grad():
        direct = made.method.eval().codes(made.preprocess.to_input(made.rows)).numpy()
    assert np.array_equal(codes, direct)
    said = summarise(run.folder)["codes"]
    assert (said["segments"], said["units"], said["rows"]) == (5, 3, 16)
    test, old = codes[made.test], codes[made.train]
    assert said["bins_used"] == [len(np.unique(column)) for column in test.T]
    assert said["usage"] == pytest.approx(usage(test, 3).tolist())
    pure = purity(test, labels[made.test], learnt_on=(old, labels[made.train]))
    assert said["purity"] == pytest.approx(pure.tolist())
    information = mutual_information(test, 3)[np.triu_indices(5, 1)]
    assert said["mutual_information"]["mean"] == pytest.approx(np.nanmean(information))
    assert said["mutual_information"]["highest"] == pytest.approx(np.nanmax(information))


@pytest.mark.parametrize("label", [None, np.linspace(0, 1, 80)])
def test_codes_without_classes_have_no_purity(label):
    preprocess = prepare.prepare(RECIPE, read(ROWS)).preprocess
    encoder = torch.nn.Linear(3, 4)
    encoder.width = 4
    made = Representation(encoder, preprocess, method="music", coder=SegmentHead((4, 6), num_segments=1))
    rows = preprocess.transform(ROWS)
    found = codes_evidence(made, rows, label, np.arange(60), np.arange(60, 80))
    assert "purity" not in found and found["rows"] == 20 and found["mutual_information"] is None
    assert codes_evidence(made, rows, label, np.arange(80), np.arange(0))["rows"] == 80


@pytest.mark.parametrize("file", ["data.json", "recipe.toml"])
def test_a_run_that_cannot_begin_leaves_no_folder(file, tmp_path, monkeypatch):
    write = directory.write_atomically

    def full(path, data):
        if path.name == file:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write(path, data)

    monkeypatch.setattr(directory, "write_atomically", full)
    with pytest.raises(UserError, match=r"new/run: cannot be written \(No space left on device\)$"):
        list(train(ROWS, RECIPE, out=tmp_path / "new" / "run"))
    assert not list(tmp_path.iterdir())
