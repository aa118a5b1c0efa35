"""The loss is where it began, and views of a sample have not come together."""

from isotropy.diagnostics.rules.loss import stagnation
from isotropy.diagnostics.rules.records import Evidence, Records, RunFacts
from isotropy.diagnostics.rules.rule import BEGUN, TRAIN_LONGER, Advice, Rule


def _when(records: Records, facts: RunFacts) -> Evidence:
    # Where no views are compared a flat loss is no evidence: its encoder may be on its way (DIET's is).
    if not records.series("alignment") or not records.progressed(BEGUN, facts):
        return ()
    return stagnation(records, facts)


RULE = Rule(
    name="not yet learning",
    sentence="The loss is where it began: nothing has been learnt yet.",
    when=_when,
    advice=(
        Advice("lower method.frozen_passes, or raise optim.lr", needs=("codes",)),
        TRAIN_LONGER,
        Advice("weaken the views (the views' settings): they may have nothing in common", needs=("views",)),
    ),
)
