"""The average of a fine-tuned network, the frozen probe and frozen neighbours: shares, predictions, artefact."""

import hashlib
import json
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from scipy.optimize import minimize

import isotropy
from isotropy.data import TablePreprocess
from isotropy.encoders import TableMLP
from isotropy.errors import UserError
from isotropy.finetuning.artefact import About
from isotropy.finetuning.mixture import mean_of, shares_of
from isotropy.representation import Representation
from isotropy.representation.files import read_about


def said(rows, seed=0):
    """Return what three readers say of classes that each knows in a part of the rows, and the classes."""
    random = np.random.default_rng(seed)
    codes = random.integers(3, size=rows)
    outputs = random.normal(size=(3, rows, 3)) + 2 * np.eye(3)[codes]
    outputs[0, : rows // 2] = outputs[2, rows // 4 :: 2][: rows // 2].mean()
    return list(outputs.astype(np.float32)), codes


def test_shares_are_the_likeliest_beside_three_in_a_hundred_rows_that_count_all_equally():
    outputs, codes = said(200)
    likely = np.stack([torch.softmax(torch.from_numpy(one).double(), 1).numpy()[range(200), codes] for one in outputs])

    def loss(free):
        shares = np.exp(free) / np.exp(free).sum()
        return -np.log(shares @ likely).mean() - 0.03 * np.log(shares).mean()

    best = np.exp(minimize(loss, np.zeros(3)).x)
    found = shares_of("classes", outputs, codes)
    assert found == pytest.approx(best / best.sum(), abs=2e-3) and found.sum() == pytest.approx(1)
    assert np.ptp(found) > 0.2


def test_shares_of_numbers_are_the_nearest_drawn_to_equal_ones():
    random = np.random.default_rng(0)
    truth = random.normal(size=300)
    outputs = [(truth + spread * random.normal(size=300))[:, None].astype(np.float32) for spread in (0.3, 0.5, 0.6)]
    table = np.stack([one[:, 0] for one in outputs], axis=1).astype(np.float64)
    rule = {"type": "eq", "fun": lambda shares: shares.sum() - 1}
    best = minimize(
        lambda shares: ((table @ shares - truth) ** 2).mean() + 0.01 * truth.var() * ((shares - 1 / 3) ** 2).sum(),
        np.full(3, 1 / 3), bounds=[(0, 1)] * 3, constraints=rule, tol=1e-12,
    ).x  # fmt: skip
    found = shares_of("numbers", outputs, truth)
    assert found == pytest.approx(best, abs=1e-3) and found.sum() == pytest.approx(1) and np.ptp(found) > 0.2


@pytest.mark.parametrize("task", ["classes", "numbers"])
def test_who_is_no_better_than_guessing_counts_for_nothing(task):
    random = np.random.default_rng(0)
    truth = random.integers(2, size=400) if task == "classes" else random.normal(size=400)
    knows = np.eye(2)[truth] * 2 if task == "classes" else truth[:, None] / 2
    guesses = random.normal(size=knows.shape) / 50
    outputs = [knows.astype(np.float32), guesses.astype(np.float32)]
    assert shares_of(task, outputs, truth).tolist() == [1, 0]
    assert shares_of(task, [outputs[1], outputs[1]], truth) == pytest.approx(0.5), "somebody has to say something"


def test_a_reader_that_is_sure_and_wrong_leaves_shares_finite():
    codes = np.arange(60) % 2
    sure = np.where(np.eye(2)[codes] > 0, 400, -400).astype(np.float32)
    wrong = sure.copy()
    wrong[:3] *= -1
    assert np.isfinite(shares_of("classes", [sure, wrong], codes)).all()


def test_probabilities_are_averaged_not_their_logarithms():
    one, other = torch.tensor([[0.8, 0.2]]).log() + 5, torch.tensor([[0.1, 0.9]]).log()
    assert torch.allclose(mean_of("classes", [one, other], [0.25, 0.75]).exp(), torch.tensor([[0.275, 0.725]]))
    numbers = mean_of("numbers", [torch.tensor([[1.0]]), torch.tensor([[3.0]])], [0.25, 0.75])
    assert numbers.tolist() == [[2.5]]


def ring_or_line(rows, seed=0):
    """Return rows whose class a ring tells in one half of them, neighbours in the other, and a line a little."""
    random = np.random.default_rng(seed)
    x = random.normal(size=(rows, 4))
    ring = np.linalg.norm(x[:, :2], axis=1) > 1.2
    stripes = np.floor(2 * x[:, 2]) % 2 > 0
    return x, np.where(x[:, 3] > 0, ring, stripes)


@pytest.fixture(scope="module", params=["classes", "numbers"])
def model(request):
    x, y = ring_or_line(1300)
    y = y if request.param == "classes" else np.linalg.norm(x[:, :2], axis=1) + np.sin(4 * x[:, 2])
    torch.manual_seed(0)
    made = Representation(TableMLP(numeric=4, width=16), TablePreprocess.learn(x), method="lfr")
    return made.finetune(x, y, task=request.param, lr=1e-2, epochs=8, folds_below=1000)


def test_predictions_are_the_average_of_what_its_parts_say(model):
    x, _ = ring_or_line(200, seed=1)
    detail, beside = model.detail, model.beside
    assert detail["chosen"] == "average" and {"fine-tuned", "frozen neighbours"} <= set(detail["shares"])
    assert beside.share == pytest.approx(1 - detail["shares"]["fine-tuned"], abs=1e-3)
    rows = model.representation.stored(x)
    own = type(model)(model.representation, model.head, model.target, temperature=model.temperature)
    mean = (1 - beside.share) * own.predictions_stored(rows) + beside.share * beside.model.predictions_stored(rows)
    if model.task == "classes":
        mean = mean ** (1 / beside.temperature)
        mean /= mean.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(model.predictions_stored(rows), mean, rtol=1e-4, atol=1e-5)


def test_it_is_better_than_each_of_its_parts(model):
    x, y = ring_or_line(4000, seed=2)
    if model.task == "numbers":
        y = np.linalg.norm(x[:, :2], axis=1) + np.sin(4 * x[:, 2])
    own = type(model)(model.representation, model.head, model.target, temperature=model.temperature)
    assert model.score(x, y) > max(own.score(x, y), model.beside.model.score(x, y)) - 0.002
    held = model.detail["validation"]
    assert held["average"]["loss"] < min(held[name]["loss"] for name in model.detail["shares"])


def test_it_is_saved_with_what_stands_beside_it_and_says_the_same_of_each_row_alone(model, tmp_path):
    x, _ = ring_or_line(150, seed=3)
    model.save(tmp_path)
    again = isotropy.load_finetuned(tmp_path)
    outputs = model.outputs_stored(model.representation.stored(x))
    np.testing.assert_array_equal(again.outputs_stored(again.representation.stored(x)), outputs)
    for some in (slice(7, 8), slice(140, None), slice(3, 90, 5)):
        np.testing.assert_array_equal(model.outputs_stored(model.representation.stored(x[some])), outputs[some])
    assert again.beside.share == model.beside.share and again.beside.model.detail == {}
    np.testing.assert_array_equal(isotropy.load(tmp_path).transform(x), model.transform(x))


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda folder, about: shutil.rmtree(folder / "beside"), "beside/finetuned.json: no such file"),
        (lambda folder, about: about["beside"].update(share=1.5), "share must be between 0 and 1"),
        (lambda folder, about: about["beside"].update(share="much"), "share"),
        (lambda folder, about: about["beside"].update(temperature=0), "a temperature above 0"),
        (lambda folder, about: about["beside"].update(sha256="0" * 64), "belongs to another model"),
        (lambda folder, about: nested(folder, about), "a model beside a model beside"),
        (lambda folder, about: other_label(folder, about), "belongs to another model"),
    ],
)
def test_what_stands_beside_and_does_not_fit_is_one_line(model, damage, said, tmp_path):
    model.save(tmp_path)
    about = json.loads((tmp_path / "finetuned.json").read_text())
    damage(tmp_path, about)
    (tmp_path / "finetuned.json").write_text(json.dumps(about))
    with pytest.raises(UserError, match=said) as caught:
        isotropy.load_finetuned(tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("model", ["classes"], indirect=True)
@pytest.mark.parametrize("name", ["shares", "heats"])
def test_readers_that_count_for_nothing_are_refused_when_they_are_read(name, model, tmp_path):
    model.beside.model.save(tmp_path)
    weights = load_file(tmp_path / "head.safetensors")
    weights[name][0] = 0
    save_file(weights, tmp_path / "head.safetensors")
    about = json.loads((tmp_path / "finetuned.json").read_text())
    about["head"]["sha256"] = hashlib.sha256((tmp_path / "head.safetensors").read_bytes()).hexdigest()
    (tmp_path / "finetuned.json").write_text(json.dumps(about))
    with pytest.raises(UserError, match="a share or temperature of 0"):
        isotropy.load_finetuned(tmp_path)


def test_a_version_that_does_not_know_what_stands_beside_refuses_the_model(model, tmp_path):
    """Such a version reads formats up to 2, and would predict by the network alone."""
    model.save(tmp_path)
    with pytest.raises(UserError, match="format 3 is of a newer isotropy"):
        read_about(tmp_path / "finetuned.json", About, newest=2)


def changed(folder, about, **values):
    place = folder / "beside" / "finetuned.json"
    place.write_text(json.dumps(json.loads(place.read_text()) | values))
    about["beside"]["sha256"] = hashlib.sha256(place.read_bytes()).hexdigest()


def nested(folder, about):
    shutil.copytree(folder / "beside", folder / "beside" / "beside")
    changed(folder, about, beside=about["beside"])


def other_label(folder, about):
    changed(folder, about, label="another")
