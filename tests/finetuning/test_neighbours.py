"""Labelled rows that are asked: what they say, when held-out rows prefer them, and their artefact."""

import hashlib
import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

import isotropy
from isotropy.data import TablePreprocess
from isotropy.encoders import wrap
from isotropy.errors import UserError
from isotropy.evaluation.evaluators.knn import vote
from isotropy.evaluation.features import Features
from isotropy.evaluation.problem import Problem
from isotropy.finetuning.neighbours import MOST, Nearest, clearly_better
from isotropy.finetuning.target import Target
from isotropy.representation import Representation


def rays(rows, seed=0):
    """Return rows of six directions, and whether the number of each is even: no line tells them, neighbours do."""
    rng = np.random.default_rng(seed)
    ray = rng.integers(6, size=rows)
    angle = 2 * np.pi * ray / 6 + rng.normal(size=rows) / 8
    return np.stack([np.cos(angle), np.sin(angle)], axis=1) * rng.uniform(0.5, 2, (rows, 1)), ray % 2


def as_it_is(x):
    layer = torch.nn.Linear(x.shape[1], x.shape[1])
    torch.nn.init.eye_(layer.weight)
    torch.nn.init.zeros_(layer.bias)
    return Representation(wrap(layer, width=x.shape[1]), TablePreprocess.learn(x), method="lfr")


def frozen(x, y, **kwargs):
    """Return what is made of labels where fine-tuning changes nothing."""
    return as_it_is(x).finetune(x, y, epochs=1, lr=1e-9, **kwargs)


@pytest.mark.parametrize("unit", [1, 1e12])
@pytest.mark.parametrize("label", ["classes", "numbers"])
def test_a_head_says_what_the_evaluator_says(label, unit):
    x, y = rays(300)
    y = y if label == "classes" else x[:, 0] * x[:, 1]
    target = Target.of(y, task=label)
    encoded = target.encoded(y)
    z = (unit * x).astype(np.float32)
    nearest = Nearest.of(as_it_is(x), z, encoded, target)
    outputs = nearest.head(np.arange(200))(torch.from_numpy(z[200:])).numpy()
    form = next(
        one for one in Features(z, z).forms() if np.allclose(one.train, z @ nearest.turn + nearest.shift, atol=1e-5)
    )
    problem = Problem(label, encoded[:200], encoded[200:], target.classes, metrics=("R2",))
    said = vote(form.train[:200], problem, form.train[200:], 20)
    found = np.exp(outputs) if label == "classes" else outputs[:, 0]
    assert np.allclose(found, np.maximum(said, 1e-3) if label == "classes" else said, atol=1e-4)


def test_where_no_line_tells_the_classes_neighbours_are_asked_and_kept_with_the_artefact(tmp_path):
    x, y = rays(1200)
    model = frozen(x, y)
    assert model.detail["chosen"] == "frozen neighbours" and model.detail["passes"] == 0
    held = model.detail["validation"]
    assert held["frozen neighbours"]["score"] > held["frozen probe"]["score"] + 0.3
    new, truth = rays(200, seed=1)
    assert model.score(new, truth) > 0.9
    assert model.score(new, truth) == pytest.approx((model.predict(new) == truth).mean())
    # Calibrated: what is said with a probability is right about as often.
    assert abs(model.predict_proba(new).max(axis=1).mean() - model.score(new, truth)) < 0.05
    model.save(tmp_path)
    again = isotropy.load_finetuned(tmp_path, as_it_is(x).encoder)
    assert np.array_equal(model.predict_proba(new), again.predict_proba(new))
    assert np.array_equal(model.predict_proba(new)[7:8], again.predict_proba(new[7:8]))
    assert np.array_equal(again.transform(new), as_it_is(x).transform(new))


def test_numbers_are_answered_in_their_own_unit():
    x, y = rays(600)
    model = frozen(x, 100.0 + 5.0 * y + np.random.default_rng(0).normal(size=600) / 10, task="numbers")
    assert model.detail["chosen"] == "frozen neighbours"
    new, truth = rays(100, seed=1)
    assert np.abs(model.predict(new) - 100 - 5 * truth).mean() < 0.7


def test_where_a_line_tells_them_the_probe_counts_for_more():
    x = np.random.default_rng(0).normal(size=(1200, 8))
    detail = frozen(x, x[:, 0] + x[:, 1] / 3 > 0).detail
    assert detail["chosen"] == "average" and detail["shares"]["frozen probe"] > 0.7
    assert detail["validation"]["frozen neighbours"]["score"] < detail["validation"]["frozen probe"]["score"]


def test_rows_of_one_group_do_not_answer_for_each_other(monkeypatch):
    """Each group is a cluster with a class of its own choosing: its own rows know it, those of others do not."""
    monkeypatch.setattr("isotropy.finetuning.average.MOST_LABELLED", 100)
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(60), 10)
    x = rng.normal(size=(60, 12))[groups] + rng.normal(size=(600, 12)) / 20
    y = rng.integers(2, size=60)[groups]
    assert frozen(x, y).detail["shares"]["frozen neighbours"] > 0.5
    apart = frozen(x, y, groups=groups).detail
    assert apart["validation"]["frozen neighbours"]["score"] < 0.7


def test_what_is_asked_is_bounded_and_has_every_class():
    z = np.random.default_rng(0).normal(size=(MOST + 500, 2)).astype(np.float32)
    target = Target("y", "classes", ("a", "b"))
    codes = (np.arange(len(z)) < 12).astype(np.int64)
    nearest = Nearest(z, codes, target, np.eye(2, dtype=np.float32), np.zeros(2, np.float32), seed=0)
    head = nearest.head(np.arange(len(z)))
    assert head.sizes == {"inner": 2, "rows": MOST} and head.answers.sum() >= 11


def test_a_class_that_few_rows_have_counts_as_much_where_classes_count_the_same():
    codes = np.array([0] * 95 + [1] * 5)
    always, never = np.tile([1.0, 0.0], (100, 1)), np.tile([1.0, 0.0], (100, 1))
    always[95:] = [0.0, 1.0]
    always[:6] = [0.0, 1.0]
    assert clearly_better(always, never, codes, task="classes", even=True)
    assert not clearly_better(always, never, codes, task="classes", even=False)


def test_an_answer_that_is_no_class_is_refused_when_it_is_read(tmp_path):
    x, y = rays(1200)
    frozen(x, y).save(tmp_path)
    weights = load_file(tmp_path / "head.safetensors")
    weights["answers"][0] = 7
    save_file(weights, tmp_path / "head.safetensors")
    about = json.loads((tmp_path / "finetuned.json").read_text())
    about["head"]["sha256"] = hashlib.sha256((tmp_path / "head.safetensors").read_bytes()).hexdigest()
    (tmp_path / "finetuned.json").write_text(json.dumps(about))
    with pytest.raises(UserError, match="an answer is no class"):
        isotropy.load_finetuned(tmp_path, as_it_is(x).encoder)
    about["neighbours"]["rows"] = 10**9
    (tmp_path / "finetuned.json").write_text(json.dumps(about))
    with pytest.raises(UserError, match="rows"):
        isotropy.load_finetuned(tmp_path, as_it_is(x).encoder)
