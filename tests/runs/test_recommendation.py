"""The recommendation: one outcome for each state of the leaderboard, from paired differences alone."""

import pytest

from isotropy.runs.recommendation import Taken, advice, recommend, to_take


def gap(value, half=0.01):
    return {"value": value, "low": value - half, "high": value + half}


def cell(value, difference=None, *, best="boosted trees", validation=None, **more):
    found = {"value": value, "low": value - 0.01, "high": value + 0.01, **more}
    if difference is not None:
        found |= {"best": best, "difference": gap(difference), "validation": validation}
    return found


def line(size, labels, ours, difference, factor=2.0):
    return {
        "size": size, "labels": labels, "ours": ours, "best": "label propagation", "value": ours - difference,
        "difference": gap(difference),
        "label_factor": {"value": factor, "measured_to": 20.0, "low": None, "high": None},
    }  # fmt: skip


def method(name="lfr", *, all_=-0.1, few=(-0.1, -0.1, -0.1), search=-0.1, validation=0.8):
    sizes = ("1 a class", "10 a class", "50 a class")
    lines = [line(size, n, 0.7, one) for size, n, one in zip(sizes, (10, 100, 500), few, strict=True)]
    return {
        "name": name, "kind": "method", "few_labels": lines,
        "all": cell(0.9 + all_, all_, validation=validation, evaluator="linear"),
        "few": cell(0.7, few[1], best="label propagation", size="10 a class"),
        "search": cell(0.8 + search, search, best="raw features", validation=validation),
    }  # fmt: skip


FREE = [
    {"name": "boosted trees", "kind": "free", "all": cell(0.9, evaluator="trees"), "few": cell(0.5), "search": None},
    {"name": "raw features", "kind": "free", "all": cell(0.8, evaluator="knn"), "few": cell(0.6), "search": cell(0.8)},
    {"name": "label propagation", "kind": "free", "all": None, "few": cell(0.8), "search": None},
]


def said(*methods):
    return recommend([*methods, *FREE], label="kind")


def test_a_method_that_is_clearly_ahead_with_all_labels_is_to_be_trained():
    found = said(method(all_=0.05))
    assert (found["outcome"], found["method"]) == ("train", "lfr")
    assert found["sentence"].startswith(
        "Train lfr: with all labels it reaches .950, boosted trees on the raw columns .900 (+.050 [+.040, +.060])."
    )
    assert "With few labels it is not measurably ahead." in found["sentence"]


def test_one_that_is_ahead_with_few_labels_alone_is_to_be_trained_for_these():
    found = said(method(few=(0.1, 0.1, -0.1)))
    assert (found["outcome"], found["method"], found["use"]) == ("train for few labels", "lfr", "boosted trees")
    assert found["sentence"].startswith(
        "Train lfr if you have 1 to 10 labels a class: with 10 labels a class it reaches .700, label propagation .600 "
        "(worth 2 times as many labels). With all labels use boosted trees on the raw columns: .900; lfr reaches .800 "
        "and is behind (-.100 [-.110, -.090])."
    )


def test_one_that_is_ahead_in_search_alone_is_to_be_trained_for_search():
    found = said(method(search=0.1))
    assert (found["outcome"], found["method"]) == ("train for search", "lfr")
    assert "Train lfr for search alone: precision at 10 is .900, raw features .800" in found["sentence"]
    assert "With all labels use boosted trees" in found["sentence"]


def test_where_nothing_is_ahead_nothing_is_to_be_trained():
    found = said(method())
    assert (found["outcome"], found["method"], found["use"]) == ("do not train", None, "boosted trees")
    assert found["sentence"].startswith("Do not train an encoder for kind. With all labels use boosted trees")
    assert "With 10 labels a class use label propagation: .800; lfr reaches .700 and is behind." in found["sentence"]


def test_a_difference_whose_interval_holds_zero_is_not_ahead():
    found = said(method(all_=0.009))
    assert found["outcome"] == "do not train"
    assert "is not measurably ahead (+.009 [-.001, +.019])" in found["sentence"]


def test_less_than_what_is_shown_of_a_score_is_ahead_of_nothing():
    close = {"value": 0.0003, "low": 0.0001, "high": 0.0004}
    one = method(all_=0.0, few=(0, 0, 0), search=0.0)
    for part in (one["all"], one["few"], one["search"], *one["few_labels"]):
        part["difference"] = close
    assert said(one)["outcome"] == "do not train"


def test_what_a_method_reaches_with_few_labels_is_said_with_how_it_compares():
    assert "use label propagation: .800; lfr reaches .700 and is behind." in said(method())["sentence"]
    level = said(method(few=(0.0, 0.0, 0.0)))["sentence"]
    assert "use label propagation: .800; lfr reaches .700 and is not measurably ahead." in level


def test_without_a_label_nothing_is_ranked():
    rows = [{"name": name, "kind": "method", "stability": gap(0.7)} for name in ("lfr", "scarf")]
    found = recommend(rows, label="")
    assert (found["outcome"], found["method"], found["use"]) == ("no label", None, None)
    assert "No winner can be named without a label" in found["sentence"] and "across methods" in found["sentence"]
    assert "nothing of how good they are" in found["sentence"]


def test_a_method_is_chosen_on_training_rows_and_this_is_said():
    lucky = method("scarf", all_=0.08, validation=0.7)
    found = said(method("lfr", all_=0.05, validation=0.9), lucky)
    assert found["method"] == "lfr", "scarf is better on test rows alone"
    assert "Of 2 methods it was chosen on training rows; scores are of test rows." in found["sentence"]
    assert "chosen" not in said(method(all_=0.05))["sentence"], "of one there is nothing to choose"


def test_where_training_rows_cannot_choose_the_sentence_says_that_test_rows_did():
    found = said(method("lfr", all_=0.05, validation=None), method("scarf", all_=0.08, validation=None))
    assert found["method"] == "scarf"
    assert "chosen on the test rows, which favours it" in found["sentence"]


def test_the_stretch_of_sizes_is_the_longest_and_has_no_gap():
    assert "if you have 10 to 50 labels a class" in said(method(few=(-0.1, 0.1, 0.1)))["sentence"]


def test_one_size_alone_among_several_may_be_chance():
    assert said(method(few=(-0.1, 0.1, -0.1)))["outcome"] == "do not train"
    alone = method(few=(-0.1, 0.1, -0.1))
    alone["few_labels"] = alone["few_labels"][1:2]
    assert "if you have 10 labels a class" in said(alone)["sentence"]


def test_a_factor_that_is_not_reached_is_said_as_more_than_what_was_measured():
    one = method(few=(0.1, 0.1, 0.1))
    one["few_labels"][1]["label_factor"]["value"] = None
    assert "(worth more than 20 times as many labels)" in said(one)["sentence"]


@pytest.mark.parametrize("column", ["few", "search"])
def test_a_label_that_is_a_number_has_no_search_and_may_have_no_curve(column):
    one = method(all_=0.05) | {column: None}
    if column == "few":
        one["few_labels"] = []
    assert said(one)["outcome"] == "train"


def test_where_every_run_diverged_the_best_of_what_is_free_is_named():
    found = said({"name": "lfr", "kind": "method", "few_labels": [], "verdict": "diverged"})
    assert (found["outcome"], found["use"]) == ("do not train", "boosted trees")
    assert "every run diverged" in found["sentence"]


@pytest.mark.parametrize(("guess", "use"), [(0.95, None), (0.85, "boosted trees")])
def test_what_may_be_guessing_is_not_recommended(guess, use):
    found = recommend([method(), *FREE], label="kind", guess=guess)
    assert (found["outcome"], found["use"]) == ("do not train", use)
    assert ("measurably better than guessing (.950), trained or free" in found["sentence"]) == (use is None)
    ahead = recommend([method(all_=0.05), *FREE], label="kind", guess=0.95)
    assert ahead["outcome"] == "train", "what is ahead of all that is free stays a recommendation"


def of_label(*, all_, few, search, untrained=0.3):
    """Return the comparison of a label whose embedding is so far ahead of what is free, for each use."""

    def lines(difference):
        free = {"representation": "boosted trees", "value": 0.7, "low": 0.6, "high": 0.8, "difference": gap(difference)}
        drawn = {"representation": "untrained encoder", "value": 0.9, "low": 0.8, "high": 1.0}
        return [free, drawn | {"difference": gap(-untrained)}]

    sizes = zip(("1 a class", "10 a class", "50 a class"), (10, 100, 500), few, strict=True)
    return {
        "label": "kind", "metric": "accuracy", "majority": 0.5, "ranking": lines(all_),
        "few_labels": [line(size, n, 0.7, one) for size, n, one in sizes],
        "scores": [{**one, "evaluator": "search", "metric": "precision at 10"} for one in lines(search)],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("differences", "said"),
    [
        (
            {"all_": 0.1, "few": (0.1, 0.1, 0.1), "search": 0.1},
            "for kind take the embedding with all labels and with 1 to 50 labels a class and in search",
        ),
        (
            {"all_": -0.1, "few": (0.1, 0.1, -0.1), "search": 0.1},
            "for kind take boosted trees on the raw columns with all labels, the embedding with 1 to 10 labels a class "
            "and in search",
        ),
        (
            {"all_": 0.0, "few": (0.1, 0.0, 0.1), "search": 0.0},  # one size alone is none; in search either will do
            "for kind take boosted trees on the raw columns with all labels, label propagation with 10 labels a class, "
            "the embedding in search",
        ),
        (
            {"all_": -0.1, "few": (-0.1, -0.1, -0.1), "search": -0.1},
            "for kind take boosted trees on the raw columns with all labels and in search, label propagation with 10 "
            "labels a class",
        ),
    ],
)
def test_a_run_is_taken_where_it_is_ahead_of_what_is_free(differences, said):
    assert advice(of_label(**differences)) == said


def test_a_run_is_taken_for_search_without_being_ahead_and_that_is_told():
    found = of_label(all_=0.0, few=(0.0, 0.0, 0.0), search=0.0)
    assert to_take(found)[-1] == Taken("in search", None, ahead=False)
    assert not any(one.ahead for one in to_take(found))


def test_nothing_is_to_be_taken_where_nothing_is_better_than_guessing():
    found = of_label(all_=0.1, few=(0.1, 0.1, 0.1), search=0.1) | {"majority": 0.85}
    assert to_take(found) == [] and "nothing here reads kind measurably better than guessing" in advice(found)
