"""Verdicts on records that are made to have each failure, and on those that have none."""

import json
from math import log

import pytest

from isotropy.diagnostics.rules.records import RunFacts
from isotropy.diagnostics.verdict import VERDICTS, verdict

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


@pytest.mark.parametrize("change", [{"width": 4}, {"batch_size": 8}, {"steps": 20}])
def test_outside_of_its_ranges_nothing_is_said(change):
    found = verdict(records(centre=1.0), RunFacts(**{**vars(FACTS), **change}))
    assert found.name == "unknown" and f"{[*change][0]} = " in found.sentence.lower()


def test_too_little_seen_is_unknown():
    assert verdict([], FACTS).name == "unknown"
    assert verdict(records(2), FACTS).name == "unknown"
    bare = [{"step": 10 * n, "loss": 1.0} for n in range(1, 9)]
    assert verdict(bare, FACTS).name == "unknown"


def test_slowness_is_no_news_at_the_beginning():
    assert verdict(records(10, linear_cka=0.999, loss=6.0), FACTS).name == "healthy"


@pytest.mark.parametrize(
    ("low", "high", "name"),
    [
        (-0.2, -0.1, "shortcut"),
        (-0.1, 0.1, "no better than the random encoder"),
        (0.1, 0.2, "healthy"),
    ],
)
def test_a_probe_has_its_say(low, high, name):
    gap = {"value": 0.0, "low": low, "high": high}
    ours = {"representation": "isotropy (simclr)", "difference": None}
    probed = {"label": "kind", "ranking": [ours, {"representation": "untrained encoder", "difference": gap}]}
    found = verdict(records(), FACTS, probes=[probed])
    assert found.name == name
