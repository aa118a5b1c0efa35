"""The loss rises above every known cost. A loss that is not finite ends a training by itself."""

from isotropy.diagnostics.rules.loss import first_and_scale
from isotropy.diagnostics.rules.records import WINDOW, Evidence, Records, RunFacts, all_of
from isotropy.diagnostics.rules.rule import LOWER_RATE, Advice, Rule

# Rise above the costliest known state, in units of the way from the first loss to the best one known.
# Healthy: below 0; faults: not finite.
RISE = 0.5


def _when(records: Records, facts: RunFacts) -> Evidence:
    first, scale = first_and_scale(records, facts)
    # A collapse may cost more than the first loss: its cost is no divergence.
    known = [loss for state, loss in facts.reference_losses.items() if state != "perfection"]
    # Consecutive losses rather than their median: a loss that comes back down in between has not diverged.
    return all_of(records.series("loss").at_least(max([first, *known]) + RISE * scale, records=WINDOW))


RULE = Rule(
    name="divergence",
    sentence="Training diverges: the loss has left its initial range.",
    when=_when,
    alarm=True,
    advice=(
        LOWER_RATE,
        Advice("lower method.invariance_weight, method.variance_weight and method.covariance_weight together"),
        Advice("lower method.loss_scale"),
    ),
)
