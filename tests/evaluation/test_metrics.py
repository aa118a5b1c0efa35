import numpy as np
import pytest
from sklearn import metrics as sk

from isotropy.evaluation.metrics import METRICS, leading_first, score_of
from isotropy.evaluation.resampling import resample
from isotropy.evaluation.score import Measurement
from isotropy.evaluation.task import score, score_terms


@pytest.fixture
def classes():
    rng = np.random.default_rng(0)
    truth = rng.choice(3, size=400, p=[0.6, 0.3, 0.1])
    scores = rng.random((400, 3)) + np.eye(3)[truth] * 0.5
    return truth, scores / scores.sum(1, keepdims=True)


def test_metrics_of_classes_are_scikit_learns(classes):
    truth, scores = classes
    guess = scores.argmax(1)
    wanted = {
        "accuracy": sk.accuracy_score(truth, guess),
        "balanced accuracy": sk.balanced_accuracy_score(truth, guess),
        "macro F1": sk.f1_score(truth, guess, average="macro"),
        "AUROC": sk.roc_auc_score(truth, scores, multi_class="ovr"),
        "log loss": sk.log_loss(truth, scores),
    }
    assert set(wanted) == set(METRICS["classes"])
    for name, value in wanted.items():
        metric = METRICS["classes"][name]
        assert metric.value(metric.terms(truth, scores).mean(axis=0)) == pytest.approx(value)
    two = (truth > 0).astype(int)
    binary = np.stack([scores[:, 0], 1 - scores[:, 0]], axis=1)
    assert score_of("classes", "AUROC", two, binary) == pytest.approx(sk.roc_auc_score(two, binary[:, 1]))


def test_metrics_of_numbers_are_scikit_learns():
    rng = np.random.default_rng(1)
    truth = 1e3 + rng.normal(size=200)
    guess = truth + rng.normal(size=200) / 2
    for name, function in (("R2", sk.r2_score), ("RMSE", sk.root_mean_squared_error), ("MAE", sk.mean_absolute_error)):
        metric = METRICS["numbers"][name]
        assert metric.value(metric.terms(truth, guess).mean(axis=0)) == pytest.approx(function(truth, guess))
    assert score_of("numbers", "MAE", truth, guess) < 0


def test_r2_of_a_resample_without_the_outlier_is_that_of_its_rows():
    rng = np.random.default_rng(0)
    truth, guess = rng.normal(size=60), np.zeros(60)
    truth[7] = 1e12
    metric, rest = METRICS["numbers"]["R2"], np.arange(60) != 7
    value = metric.value(metric.terms(truth, guess)[rest].mean(axis=0))
    assert value == pytest.approx(sk.r2_score(truth[rest], guess[rest]), abs=1e-9)
    assert score("numbers", score_terms("numbers", truth, guess)[rest].mean(axis=0)) == value


def test_ties_count_half_and_equal_scores_are_chance():
    truth = np.array([0, 1, 0, 1, 1])
    tied = np.stack([[0.5] * 5, [0.5] * 5], axis=1)
    assert score_of("classes", "AUROC", truth, tied) == pytest.approx(0.5)


@pytest.mark.parametrize("name", ["accuracy", "balanced accuracy", "macro F1", "AUROC"])
def test_intervals_cover_as_often_as_they_say(name):
    """Of 200 samples of 300 rows about 95 % of the intervals hold the value of the whole population."""
    rng = np.random.default_rng(2)
    metric = METRICS["classes"][name]
    truth = (rng.random(200_000) < 0.3).astype(int)
    score = rng.normal(size=len(truth)) + truth
    scores = np.stack([-score, score], axis=1)
    wanted = float(metric.value(metric.terms(truth, scores).mean(axis=0)))
    held = 0
    for _ in range(200):
        rows = rng.integers(len(truth), size=300)
        one = Measurement(name, 1, metric.terms(truth[rows], scores[rows]), value=metric.value)
        found = resample([one], resamples=400)[0].interval()
        held += found["low"] <= wanted <= found["high"]
    assert 180 <= held <= 198


def test_the_interval_of_a_ranking_of_few_rows_lies_within_0_and_1():
    truth = np.array([0, 0, 0, 0, 0, 1, 1])
    scores = np.array([0.1, 0.2, 0.3, 0.4, 0.6, 0.5, 0.9])
    metric = METRICS["classes"]["AUROC"]
    found = Measurement("AUROC", 1, metric.terms(truth, np.stack([1 - scores, scores], axis=1)), value=metric.value)
    interval = resample([found], seed=0)[0].interval()
    assert interval["value"] == pytest.approx(0.9) and interval["low"] > 0 and interval["high"] == 1.0


def test_a_prediction_paired_with_itself_differs_by_no_more_than_two_rows_could(classes):
    truth, scores = classes
    ones = [
        Measurement(name, 1, m.terms(truth, scores), value=m.value, ends=m.ends)
        for name, m in METRICS["classes"].items()
    ]
    for one, first, again in zip(ones, resample(ones), resample(ones)):
        found, most = first.minus(again), 0.0 if one.ends is None else 4 / len(truth)
        assert found["value"] == 0.0 and -most <= found["low"] <= 0 <= found["high"] <= most


def test_the_leading_metric_of_imbalanced_classes():
    assert leading_first("classes", 0.81, 2)[0] == "AUROC"
    assert leading_first("classes", 0.81, 3)[0] == "balanced accuracy"
    assert leading_first("classes", 0.79, 2)[0] == "accuracy"
    assert leading_first("numbers", 0.0, 0) == ["R2", "RMSE", "MAE"]
