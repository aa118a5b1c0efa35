import numpy as np
import pytest

from isotropy.errors import UserError
from isotropy.evaluation.probe import linear_probe
from isotropy.evaluation.splits import split
from isotropy.evaluation.task import decided, encode, task_note, task_of


@pytest.mark.parametrize(
    ("labels", "task"),
    [
        (np.array([True, False]), "classes"),
        (np.array(["x", None], dtype=object), "classes"),
        (np.array([1.0, 2.0, np.nan, 1.0]), "classes"),
        (np.array([1, None, 2], dtype=object), "classes"),
        (np.array([0.5, 1.0]), "numbers"),
        (np.array([0.5, None], dtype=object), "numbers"),
        (np.arange(100) * 7, "numbers"),
        (np.arange(1000) % 100, "classes"),
        (np.arange(8), "classes"),
        (np.repeat(np.arange(1950, 2011), 50), "numbers"),
        (np.random.default_rng(0).integers(17, 90, 32_000), "numbers"),
        (np.random.default_rng(0).binomial(60, 0.3, 5000), "numbers"),
        (np.random.default_rng(0).integers(1, 51, 5000), "classes"),
        (np.repeat(np.arange(100, 140), 6) * 37, "numbers"),
    ],
)
def test_what_labels_are(labels, task):
    assert task_of(labels) == task


def test_identities_are_one_task_in_all_rows_and_in_each_part():
    """40 persons with 6 photos each: 4.8 training rows of each look like a regression by themselves."""
    rng = np.random.default_rng(0)
    who = np.repeat(np.arange(40), 6)
    x = (rng.normal(size=(40, 16))[who] * 3 + rng.normal(size=(240, 16)) * 0.3).astype(np.float32)
    train, test = split(who, test=0.2, seed=0)
    numbers, texts = (linear_probe(x[train], y[train], x[test], y[test]) for y in (who, who.astype(str)))
    assert numbers.task == texts.task == task_of(who) == "classes"
    assert numbers.score == texts.score > 0.9


def test_numbers_that_are_asked_for_must_be_numbers():
    assert decided(np.array([3, 1, 2]), "numbers") == decided(np.array(["3", "1.5"]), "numbers") == "numbers"
    assert decided(np.array([0.5, 0.25]), "classes") == "classes"
    with pytest.raises(UserError, match="label kind: 'b' is no number"):
        decided(np.array(["3", "b", None], dtype=object), "numbers", "kind")


def test_a_value_of_its_own_in_every_row_makes_no_classes():
    with pytest.raises(UserError, match=r"label price: no two of its 30 rows have the same, .*: use numbers"):
        decided(np.linspace(0, 1, 30), "classes", "price")
    names = np.array([f"row {n}" for n in range(30)] + [None], dtype=object)
    with pytest.raises(UserError, match="label name: no two of its 30 rows have the same, so there are no classes$"):
        decided(names, None, "name")
    assert decided(np.array(["a", "b", "a"])) == "classes"


def test_an_identifier_that_some_rows_share_makes_no_classes():
    """A table with a few copied rows: thousands of classes of one row would be probed for hours."""
    names = np.array([f"K{n}" for n in range(30)] + ["K3", "K4", None], dtype=object)
    with pytest.raises(UserError, match="label id: 28 of its 32 rows are alone in their class.*: name another column$"):
        decided(names, None, "id")
    with pytest.raises(UserError, match="name another column, or use numbers$"):
        decided(np.array([*range(100, 130), 100]), "classes", "id")
    assert decided(np.array(["a", "a", "b", "c"])) == "classes"


@pytest.mark.parametrize(
    ("labels", "line"),
    [
        (np.arange(240) // 6, "label who: 40 whole numbers (0 to 39) taken as classes; --task numbers"),
        (np.repeat([3, 5, 6, 9], 30), "label who: 4 whole numbers (3 to 9) taken as classes; --task numbers"),
        (np.repeat(np.arange(1950, 2011), 50), "61 whole numbers (1950 to 2010) taken as numbers; --task classes"),
        (np.repeat(np.arange(10), 30), ""),
        (np.array([7, 9, 7, 9]), ""),
        (np.arange(500) * 3, ""),
        (np.array(["a", "b"]), ""),
        (np.array([0.5, 1.0, 1.5]), ""),
    ],
)
def test_a_task_is_said_where_it_could_be_the_other(labels, line):
    said = task_note(labels, task_of(labels), "who")
    assert line in said and bool(line) == bool(said)


def test_minus_one_among_classes_is_said_to_be_one():
    days = np.array([f"2024-01-{n % 31 + 1}T{n % 7}" for n in range(400)], dtype=object)
    assert task_note(days, "classes", "when").startswith("label when: 217 classes in 400 rows, which takes long")
    assert not task_note(np.repeat(days[:25], 5), "classes") and not task_note(days[:20], "classes")
    assert "-1 is a class like the others" in task_note(np.array([-1, 0, 1] * 9), "classes")
    assert "-1" not in task_note(np.array([-2, 0, 1] * 9), "classes").replace("(-2 to 1)", "")


def test_codes_are_in_order_of_names_and_minus_one_is_new():
    train, test, classes = encode(np.array(["b", "a", "b"]), np.array(["a", "z"]))
    assert (train.tolist(), test.tolist(), classes) == ([1, 0, 1], [0, -1], ["a", "b"])


def test_labels_of_several_types_have_codes():
    train, _, classes = encode(np.array(["1", 1, True], dtype=object), np.array([1], dtype=object))
    assert len(classes) >= 2 and len(train) == 3


@pytest.mark.parametrize("kinds", [(int, str), (str, int), (float, str), (str, float), (bool, str)])
def test_labels_of_another_type_in_the_test_part_are_the_same_classes(kinds):
    whole = [np.array([0, 1, 1]), np.array([1, 0, 1])]
    if bool in kinds:
        whole = [part.astype(bool) for part in whole]
    train, test = (part.astype(kind) for part, kind in zip(whole, kinds))
    assert encode(train, test)[1].tolist() == [1, 0, 1]


def test_labels_of_another_type_that_are_other_classes_are_refused():
    with pytest.raises(UserError, match="test labels, such as 'b', are of another type than those of the training"):
        encode(np.array([0, 1]), np.array(["b", "c"]))
    assert encode(np.array([0, 1]), np.array([2, 3]))[1].tolist() == [-1, -1]
