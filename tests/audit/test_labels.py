"""Wrong labels: confident learning by hand, and flipped labels among clusters are found."""

import numpy as np
import pytest

from isotropy.audit import labels
from isotropy.audit.audit import issues_of
from isotropy.audit.given import Given
from isotropy.search import neighbour_graph


def clusters(flipped=6, seed=0):
    rng = np.random.default_rng(seed)
    y = np.repeat([0, 1, 2], 60)
    x = (4 * np.eye(3)[y] + rng.normal(size=(180, 3))).astype("f4")
    wrong = rng.permutation(180)[:flipped]
    given = y.copy()
    given[wrong] = (given[wrong] + 1) % 3
    return x, given, np.sort(wrong)


def slow_confident(p, y):
    """The paper's section 3.1, a row at a time."""
    t = [np.mean([p[i, c] for i in range(len(y)) if y[i] == c]) for c in range(p.shape[1])]
    out = []
    for i in range(len(y)):
        over = [c for c in range(p.shape[1]) if c != y[i] and p[i, c] >= t[c]]
        out.append(bool(over) and max(p[i, c] for c in over) > p[i, y[i]] and p[i, y[i]] < t[y[i]])
    return out


def test_confident_learning_as_a_slow_loop_has_it():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 200)
    p = rng.dirichlet(np.ones(3), 200) + 0.5 * np.eye(3)[y]
    p /= p.sum(axis=1, keepdims=True)
    issue, likelier, score = labels.confident(p, y)
    assert issue.tolist() == slow_confident(p, y) and issue.any()
    assert (likelier != y).all() and (score >= 0).all() and (score <= 1).all()


def test_flipped_labels_are_found_and_sit_in_another_class():
    x, y, wrong = clusters()
    near = neighbour_graph(x, 10)
    read = labels.read_classes(y, x, near, None)
    issue, likelier, score = labels.confident(read.probabilities, y)
    assert sorted(np.argsort(score)[:6].tolist()) == wrong.tolist()
    assert issue[wrong].sum() >= 4 and issue.sum() <= 12
    assert (likelier[wrong] == (y[wrong] + 2) % 3).mean() > 0.8
    assert labels.misplaced(y, near[1])[0][wrong].mean() > 0.8


def test_no_row_is_read_by_a_model_that_saw_it():
    # Pure noise: whatever reads its own labels would be right more often than chance.
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(200, 50)).astype("f4"), rng.integers(0, 2, 200)
    read = labels.read_classes(y, x, neighbour_graph(x, 10), x)
    assert abs((read.probabilities.argmax(axis=1) == y).mean() - 0.5) < 0.12


def test_folds_keep_groups_whole():
    groups = np.repeat(np.arange(10), 6)
    for held in labels.folds(np.zeros(60, dtype=int), groups):
        assert not set(groups[held]) & set(np.delete(groups, held))


def test_reasons_name_classes_and_numbers_as_the_user_has_them():
    x, y, wrong = clusters()
    whole = y.astype(float)
    whole[wrong[0] - 1] = np.nan
    found = issues_of(Given(x, labels=whole, task="classes"))
    assert {"labelled 0, reads as 2 ", "labelled 1, reads as 0 "} & {
        text[: len("labelled 0, reads as 2 ")] for text in found.listed("label")["reason"]
    }
    assert set(found.frame["predicted_label"].dropna()) == {"0", "1", "2"}
    told = found.listed("misplaced")["reason"].tolist()
    assert "30 of its 30 neighbours are labelled 0, none as it is (1)" in told and "(0.0)" not in " ".join(told)
    prices = 1e5 * x[:, 0] + 2e6
    prices[5] = 12345678
    reason = issues_of(Given(x, labels=prices, task="numbers")).listed("label")["reason"][0]
    assert reason.startswith("labelled 12,345,678, reads as 2,") and "e+" not in reason


@pytest.mark.parametrize("task", ["classes", "numbers"])
def test_a_label_that_is_read_no_better_than_by_guessing_is_noted(task):
    x, y, _ = clusters()
    note = "label label: read no better than by guessing, so what is likely wrong is guessed, too"
    for labels_, noted in ((y, False), (np.random.default_rng(5).permutation(y), True)):
        assert (note in issues_of(Given(x, labels=labels_, task=task)).notes) == noted
    # Where the label is read badly, many are named, and most of them fit.
    noisy = np.where(np.random.default_rng(5).random(len(y)) < 0.6, np.random.default_rng(6).permutation(y), y)
    for labels_, noted in ((y, False), (noisy, task == "classes")):
        said = [one for one in issues_of(Given(x, labels=labels_, task=task)).notes if "so begin with the worst" in one]
        assert bool(said) == noted and all(one.startswith("label label: ") and "read right in" in one for one in said)
    rare = (x[:, 0] + 2 * np.random.default_rng(1).normal(size=180) > 5.5).astype(int)
    assert rare.mean() < 0.2 and note not in issues_of(Given(x, labels=rare, task="classes")).notes


def test_classes_of_a_row_or_two_are_read_without_a_question_whether_they_are_numbers():
    """scikit-learn asks it in a warning, and warnings are errors here."""
    x = np.random.default_rng(0).normal(size=(60, 3)).astype(np.float32)
    for read in (labels._linear(1.0), labels._trees(None, 0)):
        assert read(x, np.arange(60) % 36, x).shape == (60, 36)


def opinions(seed=0, count=300):
    """Return three opinions (300, 3) of codes: two that are right more often than not, and one of noise."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, count)
    told = [np.exp(strength * np.eye(3)[y] + rng.normal(size=(count, 3))) for strength in (1.5, 1.0, 0.0)]
    return [one / one.sum(axis=1, keepdims=True) for one in told], y


def test_the_pool_has_the_least_log_loss_of_all_powers():
    (first, second, _), y = opinions()
    made, powers = labels.pooled([first, second], y)
    grid = np.linspace(0, 1, 101)
    losses = np.array([[labels.log_loss(product(first**a * second**b), y) for b in grid] for a in grid])
    at = np.unravel_index(losses.argmin(), losses.shape)
    assert powers == pytest.approx([grid[at[0]], grid[at[1]]], abs=0.011)
    np.testing.assert_allclose(made, product(first ** powers[0] * second ** powers[1]), atol=1e-12)
    assert labels.log_loss(made, y) < min(labels.log_loss(one, y) for one in (first, second)) - 0.05


def product(values):
    return values / values.sum(axis=1, keepdims=True)


def test_an_opinion_that_tells_nothing_has_no_power_and_is_not_named():
    (first, _, noise), y = opinions(count=3000)
    assert labels.pooled([noise, first], y)[1][0] < 0.05
    x, y, _ = clusters()
    columns = np.random.default_rng(3).normal(size=(180, 2)).astype("f4")
    assert "trees" not in labels.read_classes(y, x, neighbour_graph(x, 10), columns).by
    assert labels.read_classes(y, columns, neighbour_graph(columns, 10), x).by == "boosted trees on its columns"


def test_rows_that_are_alone_in_their_class_do_not_decide_who_reads_the_others():
    x, y, wrong = clusters()
    alone = np.setdiff1d(np.arange(0, 180, 6), wrong)
    near = neighbour_graph(x, 10)
    whole = labels.read_classes(y, x, near, None)
    y[alone] = 3 + np.arange(len(alone))
    read = labels.read_classes(y, x, near, None)
    assert read.by == whole.by == "its neighbours and a linear classifier"
    score = labels.confident(read.probabilities, y)[2]
    assert set(np.argsort(np.where(np.isin(np.arange(180), alone), 1, score))[:5]) <= set(wrong)
