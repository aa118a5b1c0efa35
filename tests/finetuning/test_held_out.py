"""Held-out rows: who is held out, the temperature against a closed form, and the choice of the round."""

import numpy as np
import pytest

from isotropy.encoders import SeriesCNN, SeriesMLP
from isotropy.finetuning import FineTuning
from isotropy.finetuning.held_out import choose_of_few, losses, parts, temperature


def test_of_few_rows_each_is_held_out_once_in_every_class():
    codes = np.repeat([0, 1, 2], [20, 10, 1])
    pairs = parts(codes, "classes", 0.2)
    held_out = np.sort(np.concatenate([out for _, out in pairs]))
    assert held_out.tolist() == list(range(30)), "the row that is alone in its class is always learnt from"
    for fit, out in pairs:
        assert not set(fit) & set(out) and set(codes[fit]) == {0, 1, 2}
        assert np.bincount(codes[out]).tolist() == [4, 2]


def test_what_few_rows_are_depends_on_what_the_encoder_costs():
    light, heavy = SeriesMLP(channels=1, length=8), SeriesCNN(channels=1, length=8)
    assert (FineTuning().few(light), FineTuning().few(heavy), FineTuning(folds_below=7).few(light)) == (5000, 1000, 7)
    codes = np.arange(1200) % 2
    assert [len(parts(codes, "classes", few=few)) for few in (1000, 5000)] == [1, 5]


def test_of_many_rows_a_part_is_held_out_in_every_class():
    codes = np.repeat([0, 1], [900, 300])
    ((fit, out),) = parts(codes, "classes", 0.15)
    assert np.bincount(codes[out]).tolist() == [135, 45] and len(fit) == 1020


@pytest.mark.parametrize("rows", [60, 2000])
def test_groups_stay_together(rows):
    groups = np.arange(rows) // 6
    pairs = parts(np.arange(rows) % 2, "classes", 0.2, groups=groups)
    for fit, out in pairs:
        assert not set(groups[fit]) & set(groups[out]) and len(out)


def test_with_one_row_a_class_nothing_is_held_out():
    assert parts(np.arange(4), "classes", 0.2) == []
    assert parts(np.arange(40), "classes", 0.2, groups=np.zeros(40, dtype=np.int64)) == []


def test_the_temperature_is_that_at_which_confidence_is_accuracy():
    # Of two classes with logits (0, m), right with p, where 1 / 102 of each of 100 rows counts as the other class: the
    # optimum is where sigmoid(m / T) = p.
    logits = np.tile(np.array([[0.0, 6.0]], dtype=np.float32), (100, 1))
    found = temperature(logits, np.array([1] * 90 + [0] * 10))
    right = 0.9 * 101 / 102 + 0.1 / 102
    assert found == pytest.approx(6 / np.log(right / (1 - right)), rel=0.01)
    # A loss at the best temperature does not depend on the scale of the logits.
    codes = np.array([1] * 90 + [0] * 10)
    assert losses("classes", logits, codes).mean() == pytest.approx(
        losses("classes", 2 * logits, codes).mean(), rel=1e-3
    )


def test_a_few_rows_that_are_right_make_nothing_certain():
    codes = np.arange(8) % 2
    logits = np.where(np.eye(2)[codes] > 0, 3.0, -3.0).astype(np.float32)
    shares = np.exp(logits / temperature(logits, codes))
    assert (shares / shares.sum(1, keepdims=True)).max() == pytest.approx(0.9, abs=0.01), "nine of ten, after eight"
    three = np.pad(logits, ((0, 0), (0, 1)), constant_values=-3.0)
    shares = np.exp(three / temperature(three, codes))
    assert (shares / shares.sum(1, keepdims=True)).max() == pytest.approx(0.9, abs=0.01), "however many classes"


@pytest.mark.parametrize(("rows", "chosen"), [(12, 0), (240, 1)])
def test_of_few_rows_a_small_gain_does_not_choose(rows, chosen):
    """A round that is right in eleven of twelve rows instead of nine, and equally sure of each."""
    codes = np.arange(rows) % 2
    rounds = []
    for right in (9, 11):
        said = np.where(np.arange(rows) % 12 < right, codes, 1 - codes)
        rounds.append(2 * np.eye(2, dtype=np.float32)[said])
    choice = choose_of_few("classes", rounds, codes)
    assert choice.round == chosen and choice.curve[1] < choice.curve[0] - 0.1
    assert choose_of_few("classes", rounds[:1], codes).round == 0


@pytest.mark.parametrize(("rows", "chosen"), [(10, 0), (300, 1)])
def test_numbers_are_as_probable_as_their_errors_are_small(rows, chosen):
    truth, place = np.random.default_rng(0).normal(size=rows), np.arange(rows)
    error = np.where(place % 2, 1.0, -1.0) * (1 + place % 3 / 2)
    rounds = [(truth + size * error)[:, None].astype(np.float32) for size in (0.6, 0.5)]
    choice = choose_of_few("numbers", rounds, truth)
    assert choice.round == chosen
    assert choice.curve == pytest.approx([((one[:, 0] - truth) ** 2).mean() for one in rounds], rel=1e-5)
