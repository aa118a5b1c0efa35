"""Verdicts on records that are made to have each failure, and on those that have none."""

import json
from math import log

import pytest

from isotropy.diagnostics.answers import compared_lines
from isotropy.diagnostics.rules.records import RunFacts
from isotropy.diagnostics.verdict import VERDICTS, failure, verdict

FACTS = RunFacts(
    "simclr",
    steps=1000,
    batch_size=256,
    width=128,
    reference_losses={"point collapse": 6.2, "uniform codes": log(64), "perfection": 2.0},
)
ALARMS = {"point collapse", "dimensional collapse", "uniform codes", "one code", "divergence"}
START = {"step": 0, "effective_rank": 40.0, "variation": 0.3, "linear_cka": 1.0}


def records(count=20, **numbers):
    """Return records of a healthy training, with some numbers others: a value, or a function of the step."""
    usual = {
        "loss": lambda s: 6.0 - s / 100,
        "centre": 0.1,
        "alignment": 0.7,
        "views_rank": 20.0,
        "effective_rank": 50.0,
        "variation": 0.4,
        "linear_cka": 0.6,
    }
    lines = []
    for step in range(10, 10 * count + 1, 10):
        values = {name: value(step) if callable(value) else value for name, value in {**usual, **numbers}.items()}
        lines.append({"step": step, "epoch": step / 100, **values})
    return [START, *lines]


def codes(information, entropy):
    marginal = information + entropy
    return {
        "information": information,
        "entropy": entropy,
        "marginal_entropy": marginal,
        "categories": 64.0,
        "most_even": log(64),
    }


@pytest.mark.parametrize(
    ("name", "numbers"),
    [
        ("healthy", {}),
        ("healthy", codes(2.0, 1.0)),
        ("point collapse", {"centre": lambda s: min(0.7, s / 100)}),
        ("point collapse", {"variation": 1e-9}),
        ("uniform codes", codes(1e-4, 0.99 * log(64)) | {"loss": lambda s: log(64) - s / 1e4}),
        ("one code", codes(1e-4, 0.01)),
        ("dimensional collapse", {"views_rank": 1.2, "loss": lambda s: 6.0 if s == 10 else 2.1}),
        ("dimensional collapse", {"effective_rank": 3.0}),
        ("divergence", {"loss": lambda s: 6.0 + s / 10}),
        ("shortcut", {"loss": lambda s: 6.0 if s == 10 else 2.1, "effective_rank": 5.0}),
        ("no better than the random encoder", {"linear_cka": 0.999, "loss": lambda s: 6.0 + 0.001 * (s % 3)}),
        ("healthy", {"linear_cka": 0.999}),
        ("not yet learning", {"loss": lambda s: 6.0 + 0.001 * (s % 3)}),
    ],
)
def test_each_failure_is_told(name, numbers):
    found = verdict(records(**numbers), FACTS)
    assert found.name == name
    assert found.sentence.startswith(VERDICTS[name])
    assert bool(found.evidence) == (name != "healthy") == bool(found.advice)
    assert found.alarm == (name in ALARMS)
    assert json.loads(json.dumps(found.to_json()))["name"] == name


def test_the_evidence_says_since_when():
    one, second = verdict(records(centre=lambda s: 0.695 if s > 100 else 0.2), FACTS).evidence
    # A median of three: the second record past the threshold turns it.
    assert (one.number, one.relation, one.threshold, one.since) == ("collapse ratio", "at least", 0.8, 120)
    assert one.value == pytest.approx(0.695 / 0.7, abs=1e-5)
    assert (second.number, second.since) == ("1 - collapse ratio / its first value", 120)


def test_one_bad_batch_is_an_accident():
    assert verdict(records(centre=lambda s: 0.7 if s > 190 else 0.2), FACTS).name == "healthy"
    assert verdict(records(centre=lambda s: 0.2 if s == 190 else 0.7), FACTS).name == "point collapse"


def test_a_loss_that_is_not_finite_is_divergence_at_once():
    found = verdict([START, {"step": 0, "diverged": "the loss became nan at step 3"}], FACTS)
    assert found.name == "divergence" and found.sentence.endswith("The loss became nan at step 3.")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"width": 4}, "The width is 4, and 8 is the least."),
        ({"batch_size": 8192}, "Batches are of 8,192 rows, and 4,096 is the most."),
        ({"steps": 20}, "There were 20 steps, and 100 is the least."),
    ],
)
def test_outside_of_its_ranges_nothing_is_said(change, said):
    found = verdict(records(centre=1.0), RunFacts(**{**vars(FACTS), **change}))
    assert found.name == "unknown" and found.sentence.endswith(said)


def test_itself_untrained_is_compared_at_the_size_at_which_what_is_free_is():
    gap = {"value": 0.1, "low": 0.0, "high": 0.2}
    sizes = ["10 rows", "200 rows", "50 rows", "1 %", "10 %"]
    scores = [
        {"evaluator": "few_labels", "metric": "R2", "representation": "untrained encoder", "difference": gap}
        | {"detail": {"size": size}}
        for size in sizes
    ]
    few = [{"size": size, "best": "raw", "difference": gap} for size in ("10 rows", "1 %", "50 rows", "10 %")]
    entry = {"scores": scores, "few_labels": few, "ranking": []}
    assert [list(compared_lines(entry, untrained=one)) for one in (False, True)] == [["50 rows"], ["50 rows"]]


def test_too_little_seen_is_unknown():
    assert verdict([], FACTS).name == "unknown"
    assert verdict(records(2, effective_rank=6.0), FACTS).name == "unknown"
    bare = [{"step": 10 * n, "loss": 1.0} for n in range(1, 9)]
    assert verdict(bare, FACTS).name == "unknown"


def test_slowness_is_no_news_at_the_beginning():
    assert verdict(records(10, linear_cka=0.999, loss=6.0), FACTS).name == "healthy"


def test_of_a_short_run_is_said_what_is_known():
    lines = records(2, held_out_loss=lambda s: 7.0 - s / 20)
    assert failure(lines, FACTS).name == "unknown"
    found = verdict(lines, FACTS)
    assert found.name == "not collapsed" and found.sentence.endswith("2 records of the loss are too few.")
    assert answers(found) == ["no", "yes", "not known", "not known"]
    assert found.answers[0].because.startswith("effective rank 50 (untrained 40), variation 0.4 (untrained 0.3)")
    assert "from 6.5 to 6 by step 20" in found.answers[1].because
    # Below what healthy runs have nothing is said of the embeddings, and near one point nothing of the views.
    for numbers in ({"variation": 0.05}, {"centre": 0.65}):
        assert answers(verdict(records(2, **numbers), FACTS))[0] == "not known"


def answers(found):
    return [one.answer for one in found.answers]


def test_a_collapse_is_an_answer_too_and_a_divergence_none():
    assert answers(verdict(records(variation=1e-9), FACTS))[0] == "yes"
    assert answers(verdict(records(loss=lambda s: 6.0 + s / 10), FACTS))[:2] == ["not known", "no"]


def probed(untrained, free=None, few=None, label="kind"):
    """Return an entry of probes.json, from intervals of ours minus the untrained encoder, and minus what is free."""

    def line(name, gap):
        return {"representation": name, "difference": {"value": sum(gap) / 2, "low": gap[0], "high": gap[1]}}

    ranking = [{"representation": "isotropy (simclr)", "difference": None}, line("untrained encoder", untrained)]
    ranking += [] if free is None else [line("summary features", free)]
    curve = [] if few is None else [{"size": "10 a class", "best": "PCA (8)", **line("", few)}]
    return {"label": label, "ranking": ranking, "few_labels": curve, "rows": {"test": 780}}


@pytest.mark.parametrize(
    ("entry", "name", "untrained", "free"),
    [
        # The untrained encoder is no baseline: it says nothing of what is free.
        (probed((0.1, 0.2)), "healthy", "yes", "not known"),
        (probed((-0.1, -0.06), (0.01, 0.1)), "no better than the random encoder", "no", "yes"),
        # Too few rows to say anything are no evidence.
        (probed((-0.1, 0.1), (-0.1, 0.1)), "healthy", "no measurable difference", "no measurable difference"),
        (probed((-0.005, 0.005), (0.1, 0.2)), "no better than the random encoder", "no measurable difference", "yes"),
        (probed((-0.2, -0.1), (-0.2, -0.1)), "no better than the random encoder", "no", "no"),
        (probed((0.01, 0.1), (-0.1, -0.06)), "worse than free", "yes", "no"),
        (probed((0.01, 0.1), (-0.1, -0.06), (-0.1, 0.1)), "worse than free", "yes",
         "no with all labels, no measurable difference with few"),
        (probed((0.01, 0.1), (-0.1, -0.06), (0.1, 0.2)), "healthy", "yes", "no with all labels, yes with few"),
        (probed((0.01, 0.1), (-0.1, 0.06)), "healthy", "yes", "no measurable difference"),
        # Less than scores are shown with is no difference, however narrow its interval.
        (probed((0.01, 0.1), (-4e-4, -2e-4)), "healthy", "yes", "no measurable difference"),
    ],
)  # fmt: skip
def test_labels_say_what_the_encoder_is_worth_and_no_verdict_is_without_evidence(entry, name, untrained, free):
    found = verdict(records(), FACTS, probes=[entry])
    assert (found.name, *answers(found)) == (name, "no", "yes", untrained, free)
    assert bool(found.evidence) == bool(found.advice) == (name != "healthy")
    assert all(finding.value <= finding.threshold for finding in found.evidence)
    assert "780 test rows" in found.answers[-1 if free != "not known" else -2].because
    collapsed = verdict(records(variation=1e-9), FACTS, probes=[entry])
    assert (collapsed.name, answers(collapsed)[2:]) == ("point collapse", [untrained, free])


@pytest.mark.parametrize(("low", "name"), [(0.45, "healthy"), (0.55, "worse than free")])
def test_what_is_free_is_no_advice_where_it_may_be_guessing(low, name):
    entry = probed((0.01, 0.1), (-0.2, -0.1)) | {"majority": 0.5}
    entry["ranking"][-1]["low"] = low
    assert verdict(records(), FACTS, probes=[entry]).name == name


def test_where_all_labels_leave_nothing_to_gain_few_of_them_say_whether_training_paid():
    """Of all labels both read everything; of ten a class the trained encoder reads more."""
    entry = probed((-0.001, 0.001), few=(-0.01, 0.01))
    gap = {"value": 0.02, "low": 0.01, "high": 0.03}
    score = {"evaluator": "few_labels", "representation": "untrained encoder", "detail": {"size": "10 a class"}}
    found = verdict(records(), FACTS, probes=[entry | {"scores": [score | {"difference": gap}]}])
    assert found.name == "healthy"
    assert found.answers[2].answer == "no measurable difference with all labels, yes with few"
    assert "+0.020 [+0.010, +0.030] from untrained encoder with 10 a class" in found.answers[2].because
    low = {"value": 0.0, "low": -0.01, "high": 0.01}
    found = verdict(records(), FACTS, probes=[entry | {"scores": [score | {"difference": low}]}])
    assert found.name == "no better than the random encoder"


def searched(name, gap):
    """Return the line of a search in probes.json."""
    difference = {"value": sum(gap) / 2, "low": gap[0], "high": gap[1]}
    return {"evaluator": "search", "metric": "precision at 10", "representation": name, "difference": difference}


def test_what_is_found_better_in_a_search_is_better_though_labels_do_not_tell():
    entry = probed((-0.001, 0.001), (-0.02, -0.01))
    assert verdict(records(), FACTS, probes=[entry]).name == "no better than the random encoder"
    ahead = [
        searched("untrained encoder", (0.01, 0.03)),
        searched("PCA (8)", (0.02, 0.04)),
        searched("raw", (0.1, 0.2)),
    ]
    found = verdict(records(), FACTS, probes=[entry | {"scores": ahead}])
    assert found.name == "healthy"
    assert found.answers[2].answer == "no measurable difference with all labels, yes in search"
    assert found.answers[3].answer == "no with all labels, yes in search"
    assert "+0.030 [+0.020, +0.040] from PCA (8) in search" in found.answers[3].because
    level = [searched("untrained encoder", (-0.01, 0.03)), searched("PCA (8)", (-0.1, 0.1))]
    assert verdict(records(), FACTS, probes=[entry | {"scores": level}]).name == "no better than the random encoder"


def test_that_a_few_rows_are_read_alike_is_no_evidence():
    """Of 78 rows that both read right, 3 of 78 more may be read otherwise."""
    entry = probed((0.0, 0.0), (0.1, 0.2))
    assert verdict(records(), FACTS, probes=[entry]).name == "no better than the random encoder"
    assert verdict(records(), FACTS, probes=[entry | {"rows": {"test": 78}}]).name == "healthy"


def test_what_has_learnt_all_it_can_is_not_told_to_train_longer():
    entry = probed((-0.005, 0.005), (0.1, 0.2))
    falling = verdict(records(), FACTS, probes=[entry])
    flat = verdict(records(held_out_loss=lambda s: 2 + (s == 10)), FACTS, probes=[entry])
    assert falling.name == flat.name == "no better than the random encoder"
    assert any("train longer" in one for one in falling.advice)
    assert flat.advice and not any("train longer" in one for one in flat.advice)


def test_what_is_worse_on_one_label_alone_is_an_answer_and_no_verdict():
    entries = [probed((0.01, 0.1), (-0.1, -0.06)), probed((0.01, 0.1), (0.01, 0.06), label="place")]
    found = verdict(records(), FACTS, probes=entries)
    assert (found.name, answers(found)[2:]) == ("healthy", ["yes", "yes", "no", "yes"])


def test_instead_of_a_worse_encoder_the_best_free_one_is_advised_and_more_time_where_it_helps():
    entry = probed((0.01, 0.1), (-0.1, -0.06))
    falling = verdict(records(), FACTS, probes=[entry]).advice
    assert falling[0].startswith("use summary features instead") and falling[1].startswith("train longer")
    flat = verdict(records(held_out_loss=lambda s: 2 + (s == 10)), FACTS, probes=[entry]).advice
    assert len(flat) == 1 and flat[0].startswith("use summary features instead")
