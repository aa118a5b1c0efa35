"""Nothing shows that the encoder is better than before training: its teacher is random, or it does not move."""

from isotropy.diagnostics.rules.loss import stagnation
from isotropy.diagnostics.rules.records import Evidence, Records, RunFacts
from isotropy.diagnostics.rules.rule import BEGUN, CHECK_VIEWS, TRAIN_LONGER, Advice, Rule

# Fraction of its student's way that a teacher has come: one that never moves teaches what a random encoder knows.
# Healthy: .18; faults: 0.
TEACHER_WAY = 0.001
# Linear CKA with the untrained encoder. Healthy: .9999 (SwAV with a GRU), which is why it says nothing alone: a
# recurrent network may learn much by moving little, and its loss says so. Faults: 1.000.
LINEAR_CKA = 0.995

ADVICE = (
    Advice("lower method.momentum: at 1 the teacher stays random, and nothing better is predicted", needs=("teacher",)),
    Advice("raise train.epochs, or lower method.predictor_passes", needs=("targets",)),
    TRAIN_LONGER,
    CHECK_VIEWS,
)


def _when(records: Records, facts: RunFacts) -> Evidence:
    if not records.progressed(BEGUN, facts):
        return ()
    if teacher := records.series("teacher_way").at_most(TEACHER_WAY, records=2):
        return (teacher,)
    unmoved, flat = records.series("linear_cka").at_least(LINEAR_CKA, records=2), stagnation(records, facts)
    return (unmoved, *flat) if unmoved and flat else ()


RULE = Rule(
    name="no better than the random encoder",
    sentence="Nothing shows that the encoder is better than before training.",
    when=_when,
    advice=ADVICE,
)
