import numpy as np
import pytest

from isotropy.evaluation.task import encode, task_of


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
    ],
)
def test_what_labels_are(labels, task):
    assert task_of(labels) == task


def test_codes_are_in_order_of_names_and_minus_one_is_new():
    train, test, classes = encode(np.array(["b", "a", "b"]), np.array(["a", "z"]))
    assert (train.tolist(), test.tolist(), classes) == ([1, 0, 1], [0, -1], ["a", "b"])


def test_labels_of_several_types_have_codes():
    train, _, classes = encode(np.array(["1", 1, True], dtype=object), np.array([1], dtype=object))
    assert len(classes) >= 2 and len(train) == 3
