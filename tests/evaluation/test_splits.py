import numpy as np
import pytest

from isotropy.errors import UserError
from isotropy.evaluation.splits import split, stratified


def test_every_class_is_divided_in_the_same_proportion():
    labels = np.repeat(["a", "b", "c"], [50, 30, 20])
    train, test = split(labels, test=0.2, seed=3)
    assert dict(zip(*np.unique(labels[test], return_counts=True))) == {"a": 10, "b": 6, "c": 4}
    assert sorted([*train, *test]) == list(range(100))


def test_the_seed_decides():
    assert all(np.array_equal(a, b) for a, b in zip(split(50, seed=1), split(50, seed=1)))
    assert not np.array_equal(split(50, seed=1)[1], split(50, seed=2)[1])


def test_a_class_with_one_member_stays_in_training():
    labels = np.array(["common"] * 9 + ["rare"])
    for seed in range(20):
        assert 9 in split(labels, test=0.5, seed=seed)[0]


def test_missing_labels_and_all_single_classes_can_be_divided():
    train, test = split(np.array([None, "a", None, "b", "a", "b"], dtype=object), test=0.5)
    assert len(train) == len(test) == 3
    assert len(split(np.array(["a", "b", "c"]), test=0.3)[1]) == 1


def test_groups_are_never_on_both_sides():
    groups = np.repeat(np.arange(10), 7)
    for labels in (70, np.arange(70) % 2, np.arange(70) / 7):
        train, test = split(labels, test=0.2, seed=0, groups=groups)
        assert not set(groups[train]) & set(groups[test])
        assert len(test) == 14


@pytest.mark.parametrize("test", [0.2, 0.25, 0.75])
def test_groups_of_one_class_each_leave_the_classes_their_shares(test):
    groups = np.repeat(np.arange(60), 5)
    labels = np.where(groups < 12, "rare", "common")
    for seed in range(5):
        rows = split(labels, test=test, seed=seed, groups=groups)[1]
        assert (labels[rows] == "rare").mean() == pytest.approx(0.2, abs=0.06), "by chance it would be .2 +- .11"
        assert len(rows) == pytest.approx(test * 300, abs=5)


def test_groups_that_cannot_be_balanced_are_drawn():
    for groups, labels in (([0, 0, 1, 1], list("abcd")), ([0, 0, 0, 1], list("aaaa"))):
        train, test = split(labels, test=0.2, seed=0, groups=groups)
        assert len(train) + len(test) == 4 and not set(np.take(groups, train)) & set(np.take(groups, test))


@pytest.mark.parametrize("times", [np.arange(100), np.repeat(np.arange(10), 10), np.repeat([0, 1], [5, 95])])
def test_rows_train_before_a_point_in_time_and_test_after_it(times):
    shuffled = np.random.default_rng(0).permutation(times)
    train, test = split(np.arange(100) % 2, test=0.2, seed=0, times=shuffled)
    assert shuffled[train].max() < shuffled[test].min()
    assert sorted([*train, *test]) == list(range(100))
    assert len(test) == (95 if times[50] == times[99] else 20), "equal times stay on one side"
    assert np.array_equal(test, split(np.arange(100) % 2, test=0.2, seed=9, times=shuffled)[1])


def test_largest_remainders_take_exactly_the_count():
    labels = np.repeat(np.arange(7), [3, 3, 3, 3, 3, 3, 82])
    for count in (10, 11, 50):
        assert len(stratified(labels, count)) == count


@pytest.mark.parametrize(
    "call",
    [lambda: split(1), lambda: split(9, test=1.0), lambda: split(4, groups=[1] * 4), lambda: split(4, times=[1] * 4)],
)
def test_what_cannot_be_divided_is_refused(call):
    with pytest.raises(UserError):
        call()
