"""Would more time help? Read off curves whose end is known."""

from math import exp, log

import numpy as np
import pytest

from isotropy.diagnostics.learning import trend
from isotropy.diagnostics.rules.records import Records
from isotropy.training.optim import Optim


def told(curve, *, name="held_out_loss", count=20, parts=()):
    """Return what is said of a loss that is a function of the step, recorded every ten steps."""
    steps = [1, *range(10, 10 * count, 10)]
    return trend(Records([{"step": step, name: curve(step)} for step in steps]), parts)


@pytest.mark.parametrize(
    ("curve", "answer"),
    [
        (lambda s: 6 - log(s), "yes"),
        (lambda s: 6 - s / 100, "yes"),
        (lambda s: 2 + 4 * exp(-s / 10), "no"),
        # Most of its fall in the first steps says nothing of the rest, and noise at its end is no fall.
        (lambda s: 100 * (s == 1) + 6 - log(s), "yes"),
        (lambda s: 100 * (s == 1) + 6 + (0.01 if s % 20 else 0.0), "no"),
        (lambda s: 6.0, "no"),
        (lambda s: 6 + s / 100, "no"),
        # Learnt, then memorised: the loss of rows that are not trained on rises again.
        (lambda s: 2 + abs(s - 80) / 40, "no"),
    ],
)
def test_a_loss_that_still_falls_asks_for_more_time(curve, answer):
    assert told(curve)[0] == answer


def test_a_few_records_that_do_not_fall_tell_nothing():
    answer, said = told(lambda s: 6 + s / 100, count=3)
    assert (answer, said) == ("not known", "the held-out loss was recorded 3 times, which is too few to tell")


def test_the_numbers_are_said():
    assert told(lambda s: 6 - s / 100)[1] == (
        "the held-out loss fell from 5.99 to 4.1 by step 190, by 0.633 since step 127 after 0.844 in the stretch before"
    )
    assert told(lambda s: 2 + abs(s - 80) / 40)[1].endswith("fell from 3.975 to 2 by step 80, and is 4.75 since")


def test_that_a_loss_is_flat_where_the_rate_has_decayed_is_no_end():
    steps, optim = [1, *range(10, 410, 10)], Optim(warmup=0.05)
    rates = np.cumsum([optim.rate(step / 400) for step in range(401)])

    def told_of(curve, **recorded):
        lines = [{"step": s, "held_out_loss": curve(rates[s]), "lr": 1e-3 * optim.rate(s / 400)} for s in steps]
        return trend(Records([{name: line[name] for name in line if name not in recorded} for line in lines]))

    # It falls with the logarithm of the way; in the last third of the steps, 6 % of the way, by next to nothing.
    answer, said = told_of(lambda way: 6 - log(1 + way))
    assert answer == "yes" and "since step 157 after" in said
    assert told_of(lambda way: 6 - log(1 + way), lr=None)[0] == "no"
    assert told_of(lambda way: 2 + 4 * exp(-way / 20))[0] == "no"
    # The first half of a run is of a version that recorded no rates: its steps are the way.
    lines = [{"step": s, "held_out_loss": 6 - log(s)} | ({"lr": 1e-3} if s > 200 else {}) for s in steps]
    assert trend(Records(lines))[0] == "yes"


def test_where_targets_move_with_the_encoder_a_loss_that_does_not_fall_says_nothing():
    for part in ("teacher", "predictor", "codes"):
        answer, said = told(lambda s: 6.0, parts={"views", part})
        assert answer == "not known" and said.endswith("so that this says nothing")
        assert told(lambda s: 6 - s / 100, parts={part})[0] == "yes"
    assert told(lambda s: 6.0, parts={"views", "contrast"})[0] == "no"


def test_rows_that_are_not_trained_on_say_it_before_those_that_are():
    lines = [{"step": s, "held_out_loss": 2.0 + s, "fixed_loss": 9 - s, "loss": 9 - s} for s in range(1, 9)]
    assert trend(Records(lines))[0] == "no"
    fixed = [{name: value for name, value in line.items() if name != "held_out_loss"} for line in lines]
    assert trend(Records(fixed))[1].startswith("the loss of fixed training rows fell")


def test_the_loss_of_batches_is_read_as_a_running_median():
    steady, accident = (told(lambda s, one=one: 6 - s / 100 - 3 * (s == one), name="loss") for one in (0, 80))
    assert steady[0] == "yes" and steady == accident


def test_of_too_little_nothing_or_little_is_said():
    assert trend(Records([])) == ("not known", "no loss was recorded twice")
    assert trend(Records([{"step": 1, "held_out_loss": 3.0}]))[0] == "not known"
    lines = [{"step": 1, "held_out_loss": 3.0}, {"step": 8, "held_out_loss": 2.0}]
    assert trend(Records(lines)) == ("yes", "the held-out loss fell from 3 to 2 by step 8, in 2 records")
