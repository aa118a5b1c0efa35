"""Every rule on metrics that runs of the collapse bench had: it fires on injected faults, not on healthy twins.

The numbers are those of steps 1, 10, 20, 30 and 40 of 200.
"""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest

from diagnostics.sequences import CASES, case
from isotropy.diagnostics.rules import RULES
from isotropy.diagnostics.rules.records import Records, RunFacts, Series
from isotropy.diagnostics.verdict import FAILURES, failure

STEPS = (1, 10, 20, 30, 40)
FACTS = RunFacts("simclr", steps=200, batch_size=128, width=64)
CODES = {"categories": [1024.0] * 5, "most_even": [6.931] * 5}
# SwAV on digits: its codes begin uniform and its rows near one point, and both pass.
SWAV = {
    "loss": [6.53, 6.30, 6.15, 5.95, 5.77],
    "centre": [0.823, 0.844, 0.817, 0.701, 0.542],
    "entropy": [5.854, 5.997, 6.125, 6.047, 5.876],
    "information": [0.253, 0.141, 0.103, 0.186, 0.359],
    "marginal_entropy": [6.107, 6.138, 6.229, 6.233, 6.235],
    "categories": [512.0] * 5,
    "most_even": [6.238] * 5,
}
BYOL = {"eta": [1.057, 0.435, 0.418, 0.414, 0.412], "centre": [0.862, 0.988, 0.991, 0.984, 0.972]}
HAR = {
    "eta": [1.029, 0.324, 0.336, 0.33, 0.264],
    "centre": [0.501, 0.73, 0.63, 0.487, 0.353],
    "views_rank": [19.2, 1.8, 1.59, 1.55, 1.505],
}
FLAT = {
    "eta": [1.004, 0.692, 0.349, 0.086, 0.075],
    "centre": [0.123, 0.258, 0.292, 0.397, 0.406],
    "views_rank": [8.74, 5.36, 2.41, 1.44, 1.17],
}
NO_CENTRE = {
    "eta": [0.0, 0.035, 0.081, -0.092, -0.004],
    "centre": [0.024, 0.029, 0.015, 0.017, 0.034],
    "views_rank": [4.29, 1.70, 1.26, 1.26, 1.20],
}
TWO = {"loss": [42.5, 24.1, 6.0, 2.07, 0.886], "views_rank": [53.2, 8.46, 2.32, 2.12, 2.10]}
DINO = {"loss": [6.89, 6.939, 6.858, 6.835, 6.831], "alignment": [0.241, 0.728, 0.749, 0.756, 0.776]}
SLOW = {"loss": [5.329, 5.335, 5.347, 5.358, 5.304], "alignment": [0.489, 0.492, 0.484, 0.477, 0.501]}
UNMOVED = {"loss": [5.0] * 5, "alignment": [0.5] * 5, "linear_cka": [1.0, None, 1.0, None, 1.0]}
EVEN = {
    "loss": [7.01, 6.93, 6.90, 6.88, 6.87],
    "entropy": [6.561, 6.618, 6.673, 6.723, 6.763],
    "information": [0.309, 0.299, 0.253, 0.203, 0.163],
    "marginal_entropy": [6.87, 6.917, 6.925, 6.926, 6.926],
    **CODES,
}
FEW = {
    "entropy": [2.01, 1.738, 0.901, 0.356, 0.168],
    "information": [0.05, 0.191, 0.464, 0.64, 0.693],
    "marginal_entropy": [2.06, 1.929, 1.365, 0.996, 0.861],
    "categories": [8.0] * 5,
    "most_even": [2.079] * 5,
}


def fired(rule, numbers, start=None, steps=200, **reference_losses):
    """Return the names of the numbers that a rule rests on; c2 stands for c2 / a where no alignment is given."""
    columns = {"loss": [5.0, 4.9, 4.8, 4.7, 4.6], "alignment": [1.0] * 5, **numbers}
    rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    records = [{"step": 0, **(start or {})}, *({"step": s, **row} for s, row in zip(STEPS, rows, strict=True))]
    facts = replace(FACTS, steps=steps, reference_losses=reference_losses)
    return [finding.number for finding in RULES[rule].when(Records(records), facts)]


@pytest.mark.parametrize(
    ("rule", "faulty", "healthy"),
    [
        # SimCLR that is shown one row for every sample, and BYOL, which is as near to one point and leaves it.
        ("point collapse", {"centre": [0.991, 0.985, 1.005, 0.999, 0.995]}, BYOL),
        # BYOL without predictor, and with it: the predictor pulls.
        (
            "point collapse",
            {"eta": [-0.011, 0.366, 0.226, 0.135, 0.095], "centre": [0.689, 0.969, 0.952, 0.955, 0.962]},
            {"eta": [1.078, 0.445, 0.429, 0.42, 0.427], "centre": [0.73, 0.953, 0.944, 0.926, 0.902]},
        ),
        # VICReg without variance, and SwAV.
        ("point collapse", {"centre": [0.635, 0.577, 0.819, 0.871, 0.906]}, SWAV),
        ("uniform codes", EVEN, SWAV),
        ("uniform codes", EVEN, FEW),
        ("one code", FEW, EVEN),
        ("one code", FEW, SWAV),
        # SimSiam without stop-gradient, and BYOL on HAR, whose views are as flat.
        ("dimensional collapse", FLAT, HAR),
        # Barlow Twins without the off-diagonal, and SwAV on a table: flatter views, but a loss that asks for more.
        (
            "dimensional collapse",
            TWO,
            {"loss": [6.461, 6.263, 6.065, 6.029, 5.97], "views_rank": [21.9, 8.52, 2.46, 1.85, 1.8]},
        ),
        ("not yet learning", SLOW, DINO),
        ("no better than the random encoder", {"teacher_way": [0.0, None, 0.0, None, 0.0]}, BYOL),
        (
            "no better than the random encoder",
            {"teacher_way": [0.0, None, 0.0, None, 0.0]},
            {"teacher_way": [0.0003, None, 0.002, None, 0.004]},
        ),
        # An encoder that does not move, and a GRU that moves little and learns much by it.
        (
            "no better than the random encoder",
            {"linear_cka": [1.0, None, 1.0, None, 1.0], "loss": [5.0, 4.99, 4.98, 4.99, 4.98]},
            {"linear_cka": [1.0, None, 0.9999, None, 0.9999]},
        ),
        # SimSiam without predictor on spoken digits, where there never is a centre, and healthy on 67 series.
        (
            "dimensional collapse",
            NO_CENTRE,
            NO_CENTRE | {"views_rank": [16.8, 4.3, 2.6, 2.4, 2.21]},
        ),
    ],
)
def test_a_rule_fires_on_the_fault_and_not_on_the_healthy_twin(rule, faulty, healthy):
    best = {"perfection": 0.0, "uniform codes": 6.931}
    assert fired(rule, faulty, **best)
    assert not fired(rule, healthy, **best)


@pytest.mark.parametrize(
    ("rule", "numbers", "second"),
    [
        ("dimensional collapse", FLAT, {"eta": [0.9, 0.9, 0.5, 0.5, 0.5]}),
        ("dimensional collapse", FLAT, {"centre": [0.7, 0.7, 0.7, 0.3, 0.3]}),
        ("dimensional collapse", FLAT, {"views_rank": [52.6, 11.1, 4.0, 3.0, 2.4]}),
        ("dimensional collapse", NO_CENTRE, {"eta": [0.9, 0.9, 0.5, 0.5, 0.5]}),
        ("dimensional collapse", TWO, {"loss": [42.5, 34.1, 30.0, 28.0, 27.0]}),
        ("dimensional collapse", TWO, {"views_rank": [53.2, 8.46, 4.0, 3.0, 3.0]}),
        ("no better than the random encoder", UNMOVED, {"linear_cka": [1.0, None, 0.98, None, 0.97]}),
        ("no better than the random encoder", UNMOVED, {"loss": [5.0, 4.8, 4.7, 4.6, 4.5]}),
        ("no better than the random encoder", UNMOVED, {"alignment": [0.5, 0.6, 0.7, 0.7, 0.7]}),
        ("uniform codes", EVEN, {"information": [0.3, 0.15, 0.1, 0.2, 0.3]}),
        ("uniform codes", EVEN, {"loss": [6.95, 6.80, 6.74, 6.72, 6.70]}),
        ("uniform codes", EVEN, {"entropy": [6.3, 6.4, 6.618, 6.673, 6.723]}),
        ("not yet learning", SLOW, {"alignment": [0.489, 0.6, 0.7, 0.7, 0.7]}),
        ("point collapse", {"centre": [0.635, 0.577, 0.819, 0.871, 0.906]}, {"centre": [0.8, 0.8, 0.88, 0.87, 0.86]}),
    ],
)
def test_one_number_alone_is_no_evidence(rule, numbers, second):
    marks = {"perfection": 0.0, "uniform codes": 6.931}
    assert fired(rule, numbers, **marks) and not fired(rule, numbers | second, **marks)


def test_a_collapse_that_is_left_again_is_none():
    assert fired("point collapse", {"centre": [0.7, 0.95, 0.95, 0.95, 0.95]})
    assert not fired("point collapse", {"centre": [0.7, 0.95, 0.95, 0.85, 0.85]})
    # One batch of those is an accident.
    assert fired("point collapse", {"centre": [0.7, 0.95, 0.95, 0.95, 0.85]})


def test_codes_may_tell_apart_what_is_near_one_point():
    # DINO without centring on CIFAR-10, whose codes become fewer, and SwAV on digits, whose codes are even.
    near = {"centre": [0.59, 0.84, 0.95, 0.97, 0.98], **EVEN}
    assert not fired("point collapse", near)
    assert fired("point collapse", near | {"marginal_entropy": [6.8, 6.5, 6.2, 6.04, 5.5]})
    assert not fired("point collapse", near | {"marginal_entropy": [6.8, 6.6, 6.5, 6.4, 6.3]})


def test_even_codes_are_no_news_in_the_first_fifth():
    assert fired("uniform codes", EVEN, perfection=0.0, **{"uniform codes": 6.931})
    assert not fired("uniform codes", EVEN, steps=210, perfection=0.0, **{"uniform codes": 6.931})


def test_a_loss_that_stands_is_no_news_where_no_views_are_compared():
    assert fired("not yet learning", SLOW, perfection=0.0)
    assert not fired("not yet learning", SLOW | {"alignment": [None] * 5}, perfection=0.0)


def test_where_there_never_was_a_centre_views_have_to_be_flatter():
    assert fired("dimensional collapse", NO_CENTRE | {"centre": [0.06, 0.06, 0.05, 0.01, 0.01]})
    assert not fired("dimensional collapse", NO_CENTRE | {"views_rank": [16.8, 4.3, 2.1, 2.05, 2.0]})
    assert fired("dimensional collapse", FLAT | {"views_rank": [16.8, 4.3, 2.1, 2.05, 2.0]})


def test_a_loss_that_begins_below_the_best_known_meets_nothing():
    # VICReg in batches of 32.
    assert fired("dimensional collapse", TWO, perfection=0.0)
    assert not fired("dimensional collapse", TWO, perfection=60.0)


def test_views_that_begin_as_one_point_are_given_time_to_part():
    near = {"centre": [0.995, 0.99, 0.99, 0.99, 0.99]}
    assert fired("point collapse", near)
    assert not fired("point collapse", near, steps=400)
    assert not fired("point collapse", {"centre": [0.995, 0.99, 0.985, 0.97, 0.96]})


def test_flat_views_at_the_loss_of_point_collapse_are_a_dimensional_one():
    # SimCLR on a table at a learning rate of 30; codes begin at that loss, and then it says nothing.
    blown = {"loss": [3.82, 4.09, 4.13, 4.1, 4.1], "views_rank": [4.77, 1.43, 1.27, 1.72, 1.73]}
    marks = {"point collapse": 4.143, "perfection": 2.182}
    assert fired("dimensional collapse", blown, **marks)
    assert not fired("dimensional collapse", blown | {"loss": [3.82, 3.6, 3.4, 3.3, 3.2]}, **marks)
    assert not fired("dimensional collapse", blown | {"views_rank": [4.77, 4.0, 4.0, 4.0, 4.0]}, **marks)
    assert not fired("dimensional collapse", blown | EVEN, **marks)


def test_a_shortcut_is_a_loss_that_is_met_by_poor_vectors():
    met = {"loss": [5.0, 1.0, 0.2, 0.1, 0.1], "effective_rank": [30.0, None, 4.0, None, 4.0]}
    assert fired("shortcut", met, {"effective_rank": 30.0}, perfection=0.0)
    assert not fired("shortcut", met, {"effective_rank": 10.0}, perfection=0.0)
    assert not fired("shortcut", met | {"loss": [5.0, 4.0, 3.0, 2.5, 2.0]}, {"effective_rank": 30.0}, perfection=0.0)
    assert not fired("shortcut", met, {"effective_rank": 30.0})


def test_a_loss_above_what_it_could_be_diverges():
    assert fired("divergence", {"loss": [5.0, 9.0, 9.0, 9.0, 9.0]}, perfection=0.0)
    assert not fired("divergence", {"loss": [5.0, 9.0, 5.0, 9.0, 9.0]}, perfection=0.0)
    assert not fired("divergence", {"loss": [5.0, 9.0, 9.0, 9.0, 9.0]}, **{"perfection": 0.0, "point collapse": 8.0})


def test_verdicts_on_synthetic_runs_are_what_they_were():
    # Recorded with the rules of the collapse bench's third round: a change here is a change of the instrument.
    lines = (Path(__file__).parent / "verdicts.txt").read_text().splitlines()
    recorded = dict(enumerate(lines))
    assert len(lines) == CASES and {line[7:] for line in lines} == set(FAILURES)
    changed = {n: line for n, line in recorded.items() if line != judged(n)}
    assert changed == {}


def judged(number):
    """Return a digest of the values, thresholds and steps that the verdict on a case rests on, and its name."""
    lines, facts = case(number)
    said = failure(lines, RunFacts(**facts))
    evidence = [[finding.value, finding.threshold, finding.relation, finding.since] for finding in said.evidence]
    return f"{hashlib.sha256(json.dumps(evidence).encode()).hexdigest()[:6]} {said.name}"


def test_a_running_median_leaves_step_1_out_and_begins_with_the_third_record():
    series = Series("loss", ((1, 9.0), (10, 1.0), (20, 5.0), (30, 2.0), (40, 3.0)))
    assert series.running_median().points == ((30, 2.0), (40, 3.0))
    assert not Series("loss", ((1, 9.0), (10, 1.0), (20, 5.0))).running_median()
