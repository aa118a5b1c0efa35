"""From data to what can be trained: the parts, what is learnt on which rows, labels that can be probed, and time."""

import tracemalloc

import numpy as np
import pandas as pd
import pytest
import torch

from isotropy.data import PREPROCESS, read, tensors
from isotropy.errors import UserError
from isotropy.evaluation import evidence
from isotropy.evaluation.task import decided
from isotropy.runs import prepare
from isotropy.runs.division import refuse_unprobeable
from isotropy.runs.recipe import Recipe

RECIPE = Recipe.default("simclr", "table").changed({"encoder.width": 8, "encoder.hidden": 8, "train.batch_size": 16})
ROWS = np.random.default_rng(0).normal(size=(80, 3))


def test_without_labels_all_rows_train_and_with_them_a_fifth_is_held_out():
    made = prepare.prepare(RECIPE, read(ROWS))
    assert (len(made.train), len(made.test), len(made.dataset)) == (80, 0, 80)
    labels = np.arange(80) % 4
    made = prepare.prepare(RECIPE, read(ROWS, label=labels))
    assert (len(made.train), len(made.test), len(made.dataset)) == (64, 16, 64)
    assert np.bincount(labels[made.test]).tolist() == [4, 4, 4, 4]
    assert sorted([*made.train, *made.test]) == list(range(80))


def test_a_split_is_taken_and_preprocessing_learns_on_its_training_rows_alone():
    parts = np.where(np.arange(80) < 60, "train", "test")
    rows = ROWS.copy()
    rows[60:] += 100
    made = prepare.prepare(RECIPE, read(rows, split=parts))
    assert made.test.tolist() == list(range(60, 80))
    assert torch.allclose(made.rows[:60].mean(0), torch.zeros(3), atol=1e-5)
    assert made.rows[60:].min() > 10
    assert torch.equal(made.dataset.batch(torch.arange(60)), made.rows[:60])
    again = prepare.prepare(RECIPE, read(ROWS), preprocess=made.preprocess)
    assert again.preprocess is made.preprocess


def test_a_batch_that_the_method_cannot_take_is_refused_before_there_is_a_run():
    recipe = Recipe.default("nnclr", "table").changed({"method.queue_size": 70, "train.batch_size": 80})
    with pytest.raises(UserError, match="queue of 70 rows is smaller than a batch of 80"):
        prepare.prepare(recipe, read(ROWS))
    prepare.prepare(recipe, read(ROWS, label=np.arange(80) % 4))  # 64 training rows make smaller batches


def test_the_untrained_encoder_is_the_one_before_training():
    made = prepare.prepare(RECIPE, read(ROWS))
    before = {name: value.clone() for name, value in made.method.encoder.state_dict().items()}
    with torch.no_grad():
        for parameter in made.method.encoder.parameters():
            parameter.add_(1)
    assert all(torch.equal(value, before[name]) for name, value in made.untrained().state_dict().items())


@pytest.mark.parametrize(
    ("train", "test", "line"),
    [
        (["a", "a"], ["a", "b"], "only the class 'a' in the training part"),
        (["a", None], ["a", "b"], "only the class 'a' in the training part"),
        (["a", "b"], [None, None], "no row of the test part has a label"),
        ([None, None], ["a", "b"], "no row of the training part has a label"),
        ([0.5, 1.5], [0.5, 0.5], "the label is 0.5 in every test row"),
    ],
)
def test_labels_that_cannot_be_probed_are_named(train, test, line):
    def as_labels(values):
        return np.array(values, dtype=float if isinstance(values[0], float) else object)

    with pytest.raises(UserError, match=line):
        refuse_unprobeable(as_labels(train), as_labels(test), decided(as_labels([*train, *test])))


@pytest.mark.parametrize("labels", [["a", "b"], [0, 1], [0.5, 1.5], [True, False], ["a", "b", None]])
def test_labels_that_can_be_probed_pass(labels):
    values = pd.Series(labels).to_numpy()
    refuse_unprobeable(values, values, decided(values))


def test_time_is_measured_on_a_copy_and_for_all_rows(monkeypatch):
    """Every look at the clock takes a second: one per epoch over 48 of 80 rows, the first of them not counted."""
    made = prepare.prepare(RECIPE, read(ROWS))
    before = {name: value.clone() for name, value in made.method.state_dict().items()}
    ticks = iter(range(100))
    monkeypatch.setattr(prepare, "perf_counter", lambda: float(next(ticks)))
    assert prepare.seconds_per_epoch(made) == pytest.approx(80 / 48)
    assert all(torch.equal(value, before[name]) for name, value in made.method.state_dict().items())


def test_a_slow_first_epoch_is_the_only_one_that_is_measured(monkeypatch):
    made = prepare.prepare(RECIPE, read(ROWS))
    ticks = iter(range(0, 10_000, 100))
    monkeypatch.setattr(prepare, "perf_counter", lambda: float(next(ticks)))
    assert prepare.seconds_per_epoch(made) == pytest.approx(100 * 80 / 48)
    assert next(ticks) == 200


def test_after_the_first_epoch_a_second_of_them_is_enough(monkeypatch):
    made = prepare.prepare(RECIPE, read(ROWS))
    ticks = iter(range(0, 10_000, 10))
    monkeypatch.setattr(prepare, "perf_counter", lambda: float(next(ticks)))
    assert prepare.seconds_per_epoch(made) == pytest.approx(10 * 80 / 48)
    assert next(ticks) == 30


def test_epochs_that_fit_into_a_time():
    assert [prepare.epochs_within(60, e) for e in (7.0, 30.0, 31.0, 600.0, 1e9)] == [8.0, 2.0, 1.935, 0.1, 0.001]
    assert prepare.epochs_within(60, 0.1, most=200) == 200.0


@pytest.mark.parametrize("modality", ["table", "series", "image"])
def test_rows_by_number_teach_what_the_rows_themselves_teach(modality):
    rng = np.random.default_rng(0)
    values = {
        "table": pd.DataFrame({"a": rng.normal(size=40), "b": rng.choice(["x", "y"], 40)}),
        "series": rng.normal(size=(40, 2, 9)),
        "image": rng.integers(0, 256, (40, 1, 8, 8), dtype=np.uint8),
    }[modality]
    rows = np.sort(rng.permutation(40)[:25])
    part = values.iloc[rows] if modality == "table" else values[rows]
    kind = PREPROCESS[modality]
    assert kind.learn(values, rows).to_json() == kind.learn(part).to_json() != kind.learn(values).to_json()
    if modality == "table":
        assert kind.learn(values[["a"]].to_numpy(), rows).to_json() == kind.learn(part[["a"]].to_numpy()).to_json()


def test_a_map_of_images_is_learnt_and_probed_in_bounded_memory(tmp_path, monkeypatch):
    values = np.random.default_rng(0).integers(0, 256, (3000, 3, 64, 64), dtype=np.uint8)
    np.save(tmp_path / "x.npy", values)
    labels = np.arange(3000) % 2
    recipe = Recipe.default("simclr", "image").changed({"encoder": "small_resnet", "encoder.width": 4})
    data = read(tmp_path / "x.npy", label=labels)
    monkeypatch.setattr(tensors, "PIECE", 1 << 20)
    monkeypatch.setattr("isotropy.batch.PART_BYTES", 1 << 20)

    def first(rows):
        return rows[:, 0, 0, :2].float().numpy()

    tracemalloc.start()
    made = prepare.prepare(recipe, data)
    vectors = evidence.in_pieces(first, made.rows, made.train)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert np.array_equal(vectors, values[made.train, 0, 0, :2])
    assert peak < values.nbytes / 4


@pytest.mark.parametrize(("encoder", "longer"), [("dilated_resnet", True), ("series_cnn", False)])
def test_the_recipes_encoder_decides_whether_series_may_have_another_length(encoder, longer):
    series = np.random.default_rng(0).normal(size=(40, 2, 30))
    made = prepare.prepare(Recipe.default("simclr", "series").changed({"encoder": encoder}), read(series))
    assert made.preprocess.any_length is longer
    assert made.preprocess.features(made.rows).shape == (40, 60)


@pytest.mark.parametrize(
    ("encoder", "side", "views", "expected"),
    [
        ("small_resnet", 32, {}, 20),
        ("small_resnet", 20, {}, 16),
        ("small_resnet", 12, {}, 12),
        ("small_resnet", 32, {"views.size": 28}, 28),
        ("c4_resnet", 32, {}, 32),
    ],
)
def test_views_are_as_large_as_their_encoder_wants_them(encoder, side, views, expected):
    images = np.random.default_rng(0).integers(256, size=(20, 1, side, side), dtype=np.uint8)
    recipe = Recipe.default("simclr", "image").changed({"encoder": encoder, **views})
    made = prepare.prepare(recipe, read(images))
    first, _ = made.views.make(made.rows[:2], torch.arange(2), seed=0, pass_=0)
    assert first.shape == (2, 1, expected, expected)
    assert made.representation().transform(images[:2]).shape[0] == 2, "what is embedded is as large as it was"
