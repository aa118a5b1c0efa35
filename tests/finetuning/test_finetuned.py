"""The artefact: every bit comes back from its files alone, and what is wrong with them is one line."""

import errno
import hashlib
import json
import os

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

import isotropy
from finetuning.test_finetune import circles, narrow
from isotropy.errors import UserError
from isotropy.estimator import SelfSupervisedEncoder
from isotropy.finetuning import finetuned


@pytest.fixture
def saved(tmp_path):
    x, y = circles(120)
    model = narrow(x).finetune(x, y, label="ring", epochs=2, folds=2)
    model.save(tmp_path / "model")
    return tmp_path / "model", model, x


def test_every_bit_comes_back(saved):
    folder, model, x = saved
    again = isotropy.load_finetuned(folder)
    assert np.array_equal(again.predict_proba(x), model.predict_proba(x))
    assert np.array_equal(again.predict(x), model.predict(x))
    assert (again.label, again.classes, again.detail) == (model.label, model.classes, model.detail)
    assert np.array_equal(isotropy.load(folder).transform(x), model.transform(x)), "its encoder alone"
    assert {path.suffix for path in folder.iterdir()} == {".json", ".safetensors"}


@pytest.mark.parametrize("classes", [[0, 1], [True, False], [0.5, 2.0]])
def test_names_of_classes_keep_their_type(classes, tmp_path):
    x, y = circles(80)
    labels = np.array(classes)[(y == "inner").astype(int)]
    model = narrow(x).finetune(x, labels, task="classes", epochs=1, folds=2)
    model.save(tmp_path)
    found = isotropy.load_finetuned(tmp_path).predict(x)
    assert found.dtype.kind == labels.dtype.kind and set(found.tolist()) <= set(classes)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda folder: (folder / "finetuned.json").unlink(), "holds no fine-tuned network"),
        (lambda folder: (folder / "finetuned.json").write_text("{"), "damaged"),
        (lambda folder: (folder / "finetuned.json").write_text('{"format": 9}'), "newer isotropy"),
        (lambda folder: (folder / "finetuned.json").write_text('{"format": 1}'), "is missing, .* not an artefact"),
        (lambda folder: (folder / "head.safetensors").write_bytes(b"1"), "checksum is not that in finetuned.json"),
        (lambda folder: (folder / "encoder.safetensors").unlink(), "cannot be read"),
    ],
)
def test_a_damaged_artefact_is_one_line(damage, said, saved):
    folder, _, _ = saved
    damage(folder)
    with pytest.raises(UserError, match=said) as caught:
        isotropy.load_finetuned(folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("task", "classes"), [("numbers", ["inner", "outer"]), ("classes", []), ("classes", ["inner"])]
)
def test_classes_and_numbers_are_not_taken_for_each_other(task, classes, saved):
    folder, _, _ = saved
    about = json.loads((folder / "finetuned.json").read_text()) | {"task": task, "classes": classes}
    (folder / "finetuned.json").write_text(json.dumps(about))
    with pytest.raises(UserError, match=f"damaged, .*{len(classes)} classes of a label of {task}"):
        isotropy.load_finetuned(folder)


@pytest.mark.parametrize("number", [np.nan, np.inf])
def test_numbers_of_a_head_that_are_not_finite_are_refused(number, saved):
    folder, _, _ = saved
    weights = load_file(folder / "head.safetensors")
    next(iter(weights.values())).flatten()[0] = number
    save_file(weights, folder / "head.safetensors")
    about = json.loads((folder / "finetuned.json").read_text())
    about["head"]["sha256"] = hashlib.sha256((folder / "head.safetensors").read_bytes()).hexdigest()
    (folder / "finetuned.json").write_text(json.dumps(about))
    with pytest.raises(UserError, match="head.safetensors: damaged, .*a number is not finite"):
        isotropy.load_finetuned(folder)


def test_the_head_of_one_encoder_is_not_taken_for_that_of_another(saved):
    folder, _, x = saved
    about = json.loads((folder / "finetuned.json").read_text())
    narrow(x + 1).finetune(x + 1, circles(120)[1][::-1], epochs=3, folds=2, lr=1e-2).representation.save(folder)
    model = json.loads((folder / "model.json").read_text())
    if model["weights"]["sha256"] == about["encoder"]["sha256"]:
        model["weights"]["sha256"] = "0" * 64
        (folder / "model.json").write_text(json.dumps(model))
    with pytest.raises(UserError, match="another encoder|checksum"):
        isotropy.load_finetuned(folder)


class Words(nn.Module):
    """A network that takes numbers of words and no others; rows come standardised, which it undoes."""

    def __init__(self, x):
        super().__init__()
        self.table = nn.Embedding(20, 8)
        self.register_buffer("mean", torch.from_numpy(x.mean(axis=0)))
        self.register_buffer("std", torch.from_numpy(x.std(axis=0)))

    def forward(self, x):
        return self.table((x * self.std + self.mean).round().long()).mean(dim=1)


def test_a_network_of_words_is_tried_with_real_rows_and_loaded_without_any(tmp_path):
    x = np.random.default_rng(0).integers(0, 20, size=(40, 6)).astype(np.float32)
    y = (x[:, 0] > 9).astype(int)
    with pytest.raises(IndexError):
        Words(x)(torch.randn(64, 6))
    made = SelfSupervisedEncoder("diet", encoder=Words(x), modality="array", epochs=1, random_state=0).fit(x)
    model = made.representation_.finetune(x, y, epochs=1, folds=2)
    model.save(tmp_path)
    again = isotropy.load_finetuned(tmp_path, encoder=Words(x))
    assert np.array_equal(again.predict_proba(x), model.predict_proba(x))


def test_a_score_is_of_classes_that_the_model_knows_however_they_are_written(tmp_path):
    x = np.random.default_rng(0).normal(size=(60, 2))
    y = np.where(x[:, 0] > 0, 1.0, 0.0)
    y[::4] = np.nan
    here = ~np.isnan(y)
    model = narrow(x).finetune(x, y, epochs=1, folds=2)
    expected = model.score(x, y)
    assert expected > 0.8
    assert model.score(x[here], y[here].astype(int).astype(str)) == expected
    with pytest.raises(UserError, match="no class of the 60 rows, such as 'yes', is one of the model's .0, 1."):
        model.score(x, ["yes", "no"] * 30)
    with pytest.raises(UserError, match="label has 3 values for 60 rows"):
        model.score(x, [0, 1, 0])
    dates = pd.Timestamp(2020, 1, 1) + pd.to_timedelta(np.arange(60) % 2, "D")
    dated = narrow(x).finetune(x, dates, epochs=1, folds=2)
    dated.save(tmp_path / "dated")
    assert isotropy.load_finetuned(tmp_path / "dated").score(x, dates) == dated.score(x, dates)


def test_a_disk_that_fills_up_leaves_no_half_of_a_model(saved, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    _, model, _ = saved
    monkeypatch.setattr(finetuned, "write_atomically", full)  # all but its last file is written
    with pytest.raises(UserError, match=r"new/one: the artefact could not be written \(No space left on device\)$"):
        model.save(tmp_path / "new" / "one")
    assert not (tmp_path / "new").exists()
