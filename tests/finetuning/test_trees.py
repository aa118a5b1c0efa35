"""Boosted trees as a head: what scikit-learn says, to rounding, from arrays alone; its place in the average."""

import hashlib
import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

import isotropy
from isotropy.data import TablePreprocess
from isotropy.encoders import TableMLP
from isotropy.errors import UserError
from isotropy.evaluation.baselines.trees import booster
from isotropy.finetuning.target import Target
from isotropy.finetuning.trees import MOST_CLASSES, TREES, Boosting
from isotropy.representation import Representation, learn_embedding


def rows(count, seed=0):
    z = np.random.default_rng(seed).normal(size=(count, 5)).astype(np.float32)
    z[:, 4] = np.round(z[:, 4])  # thresholds between few values
    return z


@pytest.mark.parametrize("count", [300, 1200])
@pytest.mark.parametrize("present", [(0, 1), (0, 1, 2), (0, 2), (1, 2, 3, 4)])
def test_a_head_says_what_boosting_says(present, count):
    z, new = rows(count), rows(200, seed=1)
    codes = np.asarray(present)[np.digitize(z[:, 2] + z[:, 4] ** 2, np.linspace(0, 1.5, len(present) - 1))]
    classes = ("a", "b") if present == (0, 1) else ("a", "b", "c", "d", "e")
    head = Boosting(z, 2, codes, Target("y", "classes", classes), seed=3).head(np.arange(count))
    said = torch.softmax(head(torch.from_numpy(new)), dim=1).numpy()
    fitted = booster(count, numbers=False, seed=3).fit(z[:, 2:], codes)
    np.testing.assert_allclose(said[:, present], fitted.predict_proba(new[:, 2:]), atol=1e-6)
    others = np.setdiff1d(np.arange(len(classes)), present)
    assert said.shape[1] == len(classes) and said[:, others].max(initial=0) < 1e-6


def test_numbers_are_what_boosting_says():
    z, new = rows(1100), rows(50, seed=1)
    y = (z[:, 3] + np.abs(z[:, 4])).astype(np.float32)
    head = Boosting(z, 2, y, Target("y", "numbers"), seed=0).head(np.arange(1000))
    fitted = booster(1000, numbers=True, seed=0).fit(z[:1000, 2:], y[:1000])
    np.testing.assert_allclose(head(torch.from_numpy(new))[:, 0].numpy(), fitted.predict(new[:, 2:]), atol=1e-6)


@pytest.mark.parametrize("classes", [("a", "b"), ("a", "b", "c")])
@pytest.mark.parametrize("only", [0, 1])
def test_where_rows_have_one_class_it_is_said_of_all(only, classes):
    z = rows(60)
    boosting = Boosting(z, 2, np.full(60, only), Target("y", "classes", classes), seed=0)
    assert set(boosting.read([(np.arange(30), np.arange(30, 60))]).argmax(1).tolist()) == {only}


def test_what_a_row_gets_does_not_depend_on_the_others():
    z = rows(400)
    codes = np.digitize(z[:, 3], [-0.5, 0.5])
    head = Boosting(z, 1, codes, Target("y", "classes", (0, 1, 2)), seed=0).head(np.arange(300))
    all_at_once = head(torch.from_numpy(z))
    assert torch.equal(torch.cat([head(one) for one in torch.from_numpy(z).split(7)]), all_at_once)


def joined(x):
    torch.manual_seed(0)
    preprocess = TablePreprocess.learn(x)
    encoder = TableMLP(numeric=x.shape[1], width=8)
    embedding = learn_embedding("joined", encoder, preprocess, preprocess.transform(x))
    return Representation(encoder, preprocess, method="lfr", embedding=embedding)


def steps(count, seed=0):
    """Return rows whose class hangs on whether two of six columns are above a value of their own."""
    x = np.random.default_rng(seed).normal(size=(count, 6))
    return x, (x[:, 0] > 0.3) ^ (x[:, 1] > -0.2)


def test_many_labels_of_a_table_that_is_joined_with_its_columns_are_read_by_trees_too(tmp_path):
    x, y = steps(1300)
    model = joined(x).finetune(x, y, epochs=2, folds_below=1000)
    assert model.detail["shares"][TREES] > 0.5 and model.detail["validation"][TREES]["score"] > 0.95
    new, truth = steps(400, seed=1)
    assert model.score(new, truth) > 0.95
    model.save(tmp_path)
    again = isotropy.load_finetuned(tmp_path)
    np.testing.assert_array_equal(again.predict_proba(new), model.predict_proba(new))
    np.testing.assert_array_equal(again.predict_proba(new[9:10]), model.predict_proba(new)[9:10])
    few = joined(x).finetune(x[:300], y[:300], epochs=1)
    assert TREES not in few.detail["validation"]


def test_trees_read_no_embedding_without_columns_and_no_label_of_many_classes():
    x, _ = steps(40)
    made, target = joined(x), Target("y", "classes", ("a", "b"))
    z = made.transform(x)
    assert Boosting.of(made, z, np.zeros(40), target, seed=0).skipped == 8
    many = Target("y", "classes", tuple(range(MOST_CLASSES + 1)))
    assert Boosting.of(made, z, np.zeros(40), many, seed=0) is None
    learnt = Representation(made.encoder, made.preprocess, method="lfr")
    assert Boosting.of(learnt, learnt.transform(x), np.zeros(40), target, seed=0) is None


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [("below", 10**6, "a tree leads nowhere"), ("column", -1, "a tree leads nowhere"), ("value", np.nan, "not finite")],
)
def test_trees_that_lead_nowhere_are_refused_when_they_are_read(name, value, said, tmp_path):
    x, y = steps(1100)
    model = joined(x).finetune(x, y, epochs=1, lr=1e-9, folds_below=1000)
    model.save(tmp_path)
    weights = load_file(tmp_path / "head.safetensors")
    weights[f"readers.trees.{name}"][0, 0, 0] = value
    save_file(weights, tmp_path / "head.safetensors")
    about = json.loads((tmp_path / "finetuned.json").read_text())
    about["head"]["sha256"] = hashlib.sha256((tmp_path / "head.safetensors").read_bytes()).hexdigest()
    (tmp_path / "finetuned.json").write_text(json.dumps(about))
    with pytest.raises(UserError, match=said):
        isotropy.load_finetuned(tmp_path)
    about["trees"]["rounds"] = 10**9
    (tmp_path / "finetuned.json").write_text(json.dumps(about))
    with pytest.raises(UserError, match="rounds"):
        isotropy.load_finetuned(tmp_path)
