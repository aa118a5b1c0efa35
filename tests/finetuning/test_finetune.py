"""Fine-tuning: the probe at round 0, what held-out rows choose, every kind of data, and what is refused."""

from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

import isotropy
from isotropy.batch import Batch
from isotropy.data import SeriesPreprocess, TablePreprocess
from isotropy.encoders import SeriesMLP, TableMLP, build, wrap
from isotropy.errors import UserError
from isotropy.finetuning import FineTuning, finetune
from isotropy.finetuning.finetune import finetune_rows
from isotropy.finetuning.rounds import SelfSupervised
from isotropy.methods import METHODS
from isotropy.representation import Representation, learn_embedding
from isotropy.views import Plain, TableViews
from representation.examples import made


def circles(rows: int, seed: int = 0) -> tuple[Any, Any]:
    """Return rows whose class no straight line through the inputs can read."""
    x = np.random.default_rng(seed).normal(size=(rows, 2))
    return x, np.where((x**2).sum(1) > 1.4, "outer", "inner")


def narrow(x: Any) -> Representation:
    torch.manual_seed(0)
    return Representation(TableMLP(numeric=2, width=4, hidden=8, depth=2), TablePreprocess.learn(x), method="lfr")


def test_many_labels_fine_tune_all_layers_and_leave_the_representation_alone():
    x, y = circles(1400)
    representation = narrow(x)
    before = representation.transform(x)
    model = representation.finetune(x[:1200], y[:1200], label="ring", lr=1e-2, epochs=12, patience=3, folds_below=1000)
    assert np.array_equal(representation.transform(x), before)
    detail = model.detail
    assert detail["shares"]["fine-tuned"] > 0.4 and detail["passes"] > 0 and detail["chosen_by"] == "180 held-out rows"
    validation = detail["validation"]
    assert (
        validation["fine-tuned"]["loss"]
        < validation["frozen probe"]["loss"]
        == pytest.approx(detail["rounds"][0], abs=1e-4)
    )
    assert validation["fine-tuned"]["loss"] == pytest.approx(min(detail["rounds"]), abs=1e-4)
    assert model.score(x[1200:], y[1200:]) > 0.85
    assert not np.array_equal(model.transform(x), before)
    assert (model.label, model.task, model.classes) == ("ring", "classes", ("inner", "outer"))


def test_few_labels_are_held_out_in_folds_and_a_label_of_noise_keeps_the_encoder():
    x, _ = circles(60)
    y = np.random.default_rng(1).integers(0, 2, 60)
    representation = narrow(x)
    model = representation.finetune(x, y, epochs=4)
    assert model.detail["chosen"] == "frozen average" and model.detail["chosen_by"] == "5-fold cross-validation"
    assert np.array_equal(model.transform(x), representation.transform(x)), "nothing that was learnt is lost"


def test_numbers_are_standardised_and_come_back_in_their_own_unit():
    x, _ = circles(300)
    y = 1e6 + 1e4 * x[:, 0]
    model = narrow(x).finetune(x, y, epochs=2)
    assert model.score(x, y) > 0.5 and abs(model.predict(x).mean() - 1e6) < 1e4
    with pytest.raises(UserError, match="has no probabilities"):
        model.predict_proba(x)


def test_probabilities_are_calibrated_where_the_probe_is_too_sure():
    random = np.random.default_rng(0)
    x = random.normal(size=(1500, 2))
    y = (x[:, 0] + random.normal(size=1500) > 0).astype(int)
    model = narrow(x).finetune(x[:1200], y[:1200], epochs=2, folds_below=1000)
    probabilities = model.predict_proba(x[1200:])
    assert np.allclose(probabilities.sum(1), 1)
    assert probabilities.max(1).mean() == pytest.approx(model.score(x[1200:], y[1200:]), abs=0.06)


def test_rows_without_a_label_change_nothing_of_what_is_not_averaged(monkeypatch):
    monkeypatch.setattr("isotropy.finetuning.average.MOST_LABELLED", 0)
    x, y = circles(120)
    labels = y.astype(object)
    labels[::3] = None
    here = labels != None  # noqa: E711
    representation = narrow(x)
    some = representation.finetune(x, labels, epochs=2, folds=2).predict_proba(x)
    assert np.array_equal(some, representation.finetune(x[here], y[here], epochs=2, folds=2).predict_proba(x))


def test_a_prediction_does_not_depend_on_the_other_rows():
    x, y = circles(300)
    model = narrow(x).finetune(x, y, epochs=2, folds=2)
    order = np.random.default_rng(0).permutation(300)
    assert np.array_equal(model.predict_proba(x)[order], model.predict_proba(x[order]))
    assert np.array_equal(model.predict_proba(x[7:9]), model.predict_proba(x)[7:9])


@pytest.mark.parametrize("name", ["table_resnet", "series_mlp", "small_resnet", "wrapped gru"])
def test_every_kind_of_data_and_wrapped_networks(name):
    representation, values = made(name)
    labels = np.arange(150) % 2
    model = representation.finetune(values, labels, epochs=1, folds=2)
    assert model.predict(values).shape == (150,) and np.isfinite(model.predict_proba(values)).all()


class Masked(nn.Module):
    """Means of what is there."""

    takes_masks = True

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(2, 3)

    def forward(self, x: Batch | torch.Tensor) -> torch.Tensor:
        if isinstance(x, torch.Tensor):
            return self.linear(x.mean(2))
        return self.linear((x.values * x.mask).sum(2) / x.mask.sum(2).clamp(min=1))


def test_masks_pass_through():
    random = np.random.default_rng(0)
    values = torch.from_numpy(random.normal(size=(60, 2, 9)).astype(np.float32))
    rows = Batch(values, torch.from_numpy(random.random((60, 2, 9)) > 0.3))
    preprocess = SeriesPreprocess.learn(values.numpy())
    encoder = wrap(Masked(), width=3)
    encoder.modality = "series"
    representation = Representation(encoder, preprocess, method="lfr", chunk=16)
    model = finetune_rows(
        representation, rows, np.arange(60) % 2, np.arange(60), settings=FineTuning(epochs=1, folds=2)
    )
    assert np.isfinite(model.outputs_stored(rows)).all()


@pytest.mark.parametrize("method", ["simclr", "lfr", "byol"])
def test_jointly_the_self_supervised_loss_goes_on_beside(method):
    x, y = circles(1100)
    preprocess = TablePreprocess.learn(x)
    rows = preprocess.transform(x)
    encoder = build("table_mlp", "table", preprocess.shape, width=8, hidden=8, depth=2)
    options = {"lfr": {"make_projector": lambda width: nn.Linear(2, width), "num_candidates": 6, "target_width": 4}}
    kind = METHODS[method]
    trained = kind(encoder, **options.get(method, {}))
    views = Plain() if method == "lfr" else TableViews(values=rows, numeric=2)
    representation = Representation(encoder, preprocess, method=method)
    before = {name: tensor.clone() for name, tensor in trained.state_dict().items()}
    labels = y.astype(object)
    labels[500:] = None
    model = finetune(
        representation, x, labels, joint=SelfSupervised(trained, views), joint_weight=0.1, epochs=2, folds=2
    )
    assert all(torch.equal(tensor, before[name]) for name, tensor in trained.state_dict().items()), "a copy goes on"
    assert len(model.detail["rounds"]) > 1 and np.isfinite(model.predict_proba(x)).all()
    with pytest.raises(UserError, match="give it as `joint`"):
        finetune(representation, x, y, joint_weight=0.1)


def test_frozen_epochs_leave_the_encoder_alone():
    x, y = circles(300)
    representation = narrow(x)
    model = representation.finetune(x, y, epochs=2, frozen_epochs=2, folds=2, lr=1e-2)
    assert np.array_equal(model.transform(x), representation.transform(x))


@pytest.mark.parametrize(
    ("labels", "options", "said"),
    [
        ([None] * 40, {}, r"label kind: no training row has one"),
        (["a"] * 40, {}, r"label kind: only the class 'a'"),
        ([None] * 39 + ["a"], {}, r"only the class 'a'"),
        (["a", "b"] * 20, {"task": "numbers"}, r"'a' is no number"),
        (list(np.linspace(0, 1, 40)), {"task": "classes"}, "no two of its 40 rows have the same"),
        ([3.5] * 40, {}, r"is 3.5 in every training row"),
        ([0.5, np.inf] * 20, {"task": "numbers"}, r"inf in 20 rows is no number"),
        (["a", "b"], {}, r"label has 2 values for 40 rows"),
        ([1] * 40, {}, r"only the class 1 is in"),
        ([f"n{number}" for number in range(40)], {}, "no two of its 40 rows have the same"),
        ([f"n{max(number, 15)}" for number in range(40)], {}, "24 of its 40 rows are alone in their class"),
        (["1,5 EUR", "b"] * 20, {"task": "numbers"}, r"'1,5 EUR' is no number"),
        (["a", "b"] * 20, {"task": "class"}, r"task = 'class' is unknown \(did you mean 'classes'"),
        ([date(2020, 1, 1), date(2020, 1, 2)] * 20, {"task": "numbers"}, r"label kind: holds dates"),
        (["a", "b"] * 20, {"budget": -1.0}, r"budget must be at least 0, not -1.0"),
        (["a", "b"] * 20, {"budget": "10m"}, r"budget must be a finite number, not '10m'"),
        (["a", "b"] * 20, {"seed": -1}, r"seed must be a whole number of at least 0 and below 2\^32, not -1"),
        (["a", "b"] * 20, {"seed": 0.5}, r"seed must be a whole number"),
        (["a", "b"] * 20, {"views": {"masc": 0.1}}, r"views has no setting 'masc' \(did you mean 'mask'"),
        (["a", "b"] * 20, {"views": 3}, r"views = 3 must be a dictionary"),
        (["a", "b"] * 20, {"groups": [1, 2]}, r"2 groups for 40 rows"),
        (["a", "b"] * 20, {"patiense": 3}, r"no setting 'patiense' \(did you mean 'patience'"),
        (["a", "b"] * 20, {"lr": 0.0}, r"lr must be above 0"),
        (["a", "b"] * 20, {"encoder_dropout": 1.5}, r"encoder_dropout must be at least 0 and below 1"),
        (["a", "b"] * 20, {"folds_below": -1}, r"folds_below must be a whole number of at least 0"),
        (["a", "b"] * 20, {"first_layer_rate": 2.0}, r"first_layer_rate must be in \(0, 1\]"),
        (["a", "b"] * 20, {"precision": "half"}, r"precision = 'half' is unknown"),
    ],
)
def test_what_cannot_be_learnt_is_one_line(labels, options, said):
    x, _ = circles(40)
    with pytest.raises(UserError, match=said) as caught:
        narrow(x).finetune(x, np.array(labels, dtype=object), label="kind", **options)
    assert "\n" not in str(caught.value)


def test_one_label_a_class_is_the_probe():
    x, y = circles(40)
    labels = np.full(40, None, dtype=object)
    labels[[int(np.argmax(y == "inner")), int(np.argmax(y == "outer"))]] = ["inner", "outer"]
    model = narrow(x).finetune(x, labels)
    assert model.detail["chosen_by"] == "default: too few rows to hold out" and set(model.predict(x)) <= {
        "inner",
        "outer",
    }


def test_one_label_of_each_of_three_classes_is_enough():
    x, _ = circles(40)
    labels = np.full(40, None, dtype=object)
    labels[:3] = ["a", "b", "c"]
    model = narrow(x).finetune(x, labels)
    assert model.classes == ("a", "b", "c") and model.detail["labels"] == 3


def test_views_of_a_table_need_no_word_on_corruption():
    x, y = circles(60)
    assert narrow(x).finetune(x, y, epochs=1, folds=2, views={"mask": 0.3}).predict(x).shape == (60,)


@pytest.mark.parametrize(
    "labels",
    [
        ["a", float("nan"), "b"] * 20,
        np.array(["a", np.nan, "b"] * 20),
        np.ma.array(["a", "a", "b"] * 20, mask=[False, True, False] * 20),
        pd.Series(["a", None, "b"] * 20, dtype="string"),
        pd.Series(["a", None, "b"] * 20, dtype="category"),
    ],
)
def test_missing_labels_of_every_container_are_no_class(labels):
    x, _ = circles(60)
    representation = narrow(x)
    model = representation.finetune(x, labels, epochs=1, folds=2)
    assert model.classes == ("a", "b") and model.detail["labels"] == 40
    plain = representation.finetune(x, ["a", None, "b"] * 20, epochs=1, folds=2)
    assert np.array_equal(model.predict_proba(x), plain.predict_proba(x))
    assert model.score(x, labels) == plain.score(x, ["a", None, "b"] * 20)


def test_several_labels_a_row_are_refused_in_words():
    x, _ = circles(40)
    with pytest.raises(UserError, match="^label kind: holds several labels a row, and fine-tuning predicts one"):
        narrow(x).finetune(x, [("a", "b"), ("a",)] * 20, label="kind")


def test_decimals_are_numbers():
    x, _ = circles(60)
    model = narrow(x).finetune(x, [Decimal(str(round(value, 3))) for value in x[:, 0]], epochs=1, folds=2)
    assert model.task == "numbers" and model.score(x, x[:, 0]) > 0.9


def test_time_that_is_up_ends_after_a_round():
    x, y = circles(1200)
    model = narrow(x).finetune(x, y, budget=0.0, folds_below=1000)
    assert len(model.detail["rounds"]) == 2


def test_the_public_names():
    assert isotropy.FineTuned is type(narrow(circles(40)[0]).finetune(*circles(40), epochs=1, folds=2))
    assert isotropy.load_finetuned.__module__ == "isotropy.finetuning.finetuned"


def joined_series(width: int) -> tuple[Representation, Any, Any]:
    """Return slow and fast waves with their class, and an untrained encoder of a width joined with free features."""
    random = np.random.default_rng(0)
    phases = random.uniform(0, 6, size=(160, 1, 1))
    fast = np.arange(160) % 2
    series = np.sin(np.arange(40) * (0.2 + fast[:, None, None]) + phases) + random.normal(size=(160, 1, 40)) / 9
    preprocess = SeriesPreprocess.learn(series)
    torch.manual_seed(0)
    encoder = SeriesMLP(channels=1, length=40, width=width, hidden=8, depth=2)
    embedding = learn_embedding("joined", encoder, preprocess, preprocess.transform(series))
    return Representation(encoder, preprocess, method="lfr", embedding=embedding), series, fast


def test_a_fine_tuned_network_keeps_what_its_vectors_are_joined_with(tmp_path, monkeypatch):
    monkeypatch.setattr("isotropy.finetuning.average.MOST_LABELLED", 0)
    representation, series, _ = joined_series(width=4)
    # No linear probe tells whether a value is far from 0.
    label = np.abs(series[:, 0, 7]) > 0.7
    model = representation.finetune(series, label, lr=1e-2, epochs=20, folds=2, views={})
    assert model.detail["shares"]["fine-tuned"] > 0.1
    before, after = representation.transform(series), model.transform(series)
    np.testing.assert_array_equal(before[:, 4:], after[:, 4:])
    assert not np.allclose(before[:, :4], after[:, :4])
    standardised = model.transform(series, standardise=True)
    np.testing.assert_allclose(standardised.std(0)[:4], 1, atol=1e-3)
    model.save(tmp_path / "model")
    again = isotropy.load_finetuned(tmp_path / "model")
    np.testing.assert_array_equal(again.predict_proba(series), model.predict_proba(series))


@pytest.mark.parametrize("name", ["table_quantiles", "table_resnet"])
def test_units_are_hidden_in_training_alone_and_by_no_encoder_before_it_is_asked(name):
    encoder = build(name, "table", {"numeric": 2, "categories": [3]}, width=8)
    x = torch.zeros(4, 3)
    encoder.eval()
    before = encoder(x)
    encoder.drop_units(0.5)
    assert torch.equal(encoder(x), before)
    for block in encoder.blocks:
        assert block.drop.p == 0.5
    own = build("table_resnet", "table", {"numeric": 2, "categories": [3]}, width=8, dropout=0.3)
    own.drop_units(0.5)
    assert own.blocks[0].drop.p == 0.3


@pytest.mark.parametrize("rows", [1, 40])
def test_what_vectors_are_joined_with_counts_where_the_network_is_no_better(rows, tmp_path):
    representation, series, fast = joined_series(width=2)
    places = np.concatenate([np.flatnonzero(fast == one)[:rows] for one in (0, 1)])
    model = representation.finetune(series[places], fast[places], label="fast", epochs=2)
    assert model.detail["chosen"] == "frozen average"
    assert model.representation.width == representation.width > 1
    assert rows == 1 or model.score(series[100:], fast[100:]) == 1.0
    model.save(tmp_path / "model")
    again = isotropy.load_finetuned(tmp_path / "model")
    np.testing.assert_array_equal(again.predict_proba(series), model.predict_proba(series))


def test_a_rate_at_which_the_loss_is_no_number_is_named_as_fine_tuning_takes_it():
    x, y = circles(60)
    with pytest.raises(UserError, match=r"^fine-tuning diverged: .* with lr = 1e\+10; lower lr$"):
        narrow(x).finetune(x, y, epochs=3, lr=1e10)
