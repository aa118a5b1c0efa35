"""What is said of scores that are given: which probe counts, and in which range of labels ours is ahead."""

import numpy as np
import pytest

from isotropy.evaluation.conclusion import conclude
from isotropy.evaluation.resampling import Resampled
from isotropy.evaluation.score import Score

FACTS = {"ours": "us", "metric": "accuracy", "label": "kind"}


def made(representation, evaluator, value, *, labels=1000, validation=None, size=None, metric="accuracy"):
    spread = np.random.default_rng(0).normal(size=(500, 1)) / 1000
    detail = {} if size is None else {"size": size}
    score = Score(
        representation, 4, evaluator, metric, labels, value, value, value, validation=validation, detail=detail
    )
    return score, Resampled(np.array([value]), value + spread)


def said(*pairs):
    return conclude(FACTS, *zip(*pairs))


def test_ours_is_read_by_what_training_rows_chose_and_a_baseline_by_its_best():
    found = said(
        made("us", "linear", 0.5, validation=0.9),
        made("us", "knn", 0.7, validation=0.8),
        made("raw", "linear", 0.4, validation=0.9),
        made("raw", "knn", 0.6, validation=0.1),
    )
    assert {line["representation"]: line["value"] for line in found["ranking"]} == {"us": 0.5, "raw": 0.6}
    assert found["outcome"] == "loses"


def curve(ours, raw=0.5):
    sizes = [1, 2, 5, 10, 50]
    for size, value in zip(sizes, ours):
        yield made("us", "few_labels", value, labels=2 * size, size=f"{size} a class")
    for size in sizes:
        yield made("raw", "few_labels", raw, labels=2 * size, size=f"{size} a class")


@pytest.mark.parametrize(
    ("ours", "sentence"),
    [
        (
            [0.6, 0.6, 0.6, 0.6, 0.6],
            "kind: from 1 a class to 50 a class it is ahead of everything free; with 10 a class",
        ),
        ([0.6, 0.5, 0.6, 0.6, 0.5], "kind: from 5 a class to 10 a class it is ahead"),
        ([0.6, 0.4, 0.5, 0.5, 0.6], "kind: with 1 a class it is ahead"),
        ([0.5, 0.5, 0.5, 0.4, 0.5], "kind: with 10 a class it reaches .400, behind the best free (.500, raw)."),
        (
            [0.4, 0.5, 0.5, 0.5, 0.5],
            "kind: with 10 a class it reaches .500, not measurably different from the best free",
        ),
    ],
)
def test_the_range_in_which_ours_is_ahead_has_no_holes(ours, sentence):
    found = said(*curve(ours))["sentence"]
    assert sentence in found
    assert ("With 2 a class it is behind." in found) == (ours[1] == 0.4)


def test_less_than_what_is_shown_of_a_score_is_ahead_of_nothing():
    found = said(*curve([0.5003] * 5))
    assert found["few_labels"][0]["difference"]["low"] > 0
    level = "ith 10 a class it reaches .500, not measurably different from the best free (.500, raw)."
    assert found["sentence"].endswith(level) and "ahead" not in found["sentence"]
    assert "behind" not in said(*curve([0.6, 0.4997, 0.5, 0.5, 0.5]))["sentence"]


def test_where_no_more_labels_were_measured_nothing_is_said_of_what_ours_is_worth():
    few = made("us", "few_labels", 0.6, labels=20, size="10 a class")
    found = said(few, made("raw", "few_labels", 0.5, labels=20, size="10 a class"))["sentence"]
    assert "it is ahead of everything free" in found and "worth" not in found


def test_ours_untrained_is_no_baseline_and_is_said_beside_it():
    """What is joined with the free features and not trained is nothing that anybody has without this library."""
    few = {"labels": 20, "size": "10 a class"}
    found = said(
        made("us", "linear", 0.7, validation=0.9),
        made("raw", "linear", 0.6),
        made("untrained encoder", "linear", 0.8),
        made("us", "few_labels", 0.5, **few),
        made("raw", "few_labels", 0.4, **few),
        made("untrained encoder", "few_labels", 0.5, **few),
        *(made(name, "search", 0.3, metric="precision at 10") for name in ("us", "raw", "untrained encoder")),
    )
    assert (found["best"], found["outcome"]) == ("raw", "beats")
    assert [line["representation"] for line in found["ranking"]] == ["untrained encoder", "us", "raw"]
    assert [(line["best"], line["value"]) for line in found["few_labels"]] == [("raw", 0.4)]
    assert found["few_labels"][0]["label_factor"]["value"] == pytest.approx(np.exp(np.log(50) / 2))
    assert found["sentence"] == (
        "kind: with all labels the trained encoder reaches .700, ahead of the best free (.600, raw), behind itself "
        "untrained (.800). With 10 a class it is ahead of everything free: it reaches .500, ahead of the best "
        "free (.400, raw), not measurably different from itself untrained (.500), worth 7.1 times as many "
        "labels (at least 7.1). In search, precision at 10 is .300, not measurably different from the best free "
        "(.300, raw) and itself untrained (.300)."
    )


def test_with_itself_untrained_alone_beside_it_nothing_is_said_of_what_is_free():
    found = said(made("us", "linear", 0.7, validation=0.9), made("untrained encoder", "linear", 0.6))
    assert (found["best"], found["outcome"]) == (None, "no measurable difference")
    assert "reaches .700, ahead of itself untrained (.600)." in found["sentence"]


def test_a_label_factor_is_read_between_the_points_of_the_best_baseline():
    sizes = {2: 0.5, 20: 0.6, 200: 0.7}
    pairs = [made("us", "few_labels", 0.65, labels=2, size="1 a class")]
    pairs += [made("raw", "few_labels", value, labels=n, size=f"{n // 2} a class") for n, value in sizes.items()]
    factor = said(*pairs)["few_labels"][0]["label_factor"]
    assert factor["value"] == pytest.approx(np.sqrt(20 * 200) / 2)
    pairs[0] = made("us", "few_labels", 0.8, labels=2, size="1 a class")
    assert said(*pairs)["few_labels"][0]["label_factor"] == {
        "value": None,
        "low": None,
        "high": None,
        "measured_to": 100,
    }
