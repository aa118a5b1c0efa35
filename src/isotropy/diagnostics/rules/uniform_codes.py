"""Every sample is spread evenly over all categories (SwAV, DINO, DISSL, MUSIC)."""

from math import log

from isotropy.diagnostics.rules.loss import loss_towards
from isotropy.diagnostics.rules.records import WINDOW, Evidence, Records, RunFacts, Series, all_of
from isotropy.diagnostics.rules.rule import CHECK_VIEWS, LOWER_RATE, Advice, Rule

# Fraction of the training before which even codes are expected: SwAV may begin so.
BEGUN_WITH_CODES = 0.2
# Entropy of a row over ln K. Healthy: .998 (SwAV), which is why it says nothing alone; faults: .96.
EVEN = 0.95
# The loss, from the best known (0) to that of uniform codes (1). Healthy: .999 in the first fifth (SwAV on digits),
# .957 after it, .988 (SwAV on Adult); faults: .983.
COST = 0.975
# Information of the codes over its least so far, above which they have begun to say more.
# Healthy: 1.8 (SwAV on Adult); faults: 1.06.
REGAINED = 1.2


def _when(records: Records, facts: RunFacts) -> Evidence:
    information = records.series("information")
    if not information or not records.progressed(BEGUN_WITH_CODES, facts):
        return ()
    most = log(records.series("categories").last)
    entropy = records.series("entropy").map("entropy of a row / ln K", lambda value: value / most)
    # One record more than elsewhere: codes are even for a while in healthy runs, too.
    lasting = Series(entropy.name, entropy.points[1:]).at_least(EVEN, records=WINDOW + 1)
    rising = information.last > REGAINED * max(min(information.values), 1e-9)
    if lasting is None or rising:
        return ()
    costly = loss_towards("uniform codes", records, facts).at_least(COST)
    return all_of(entropy.running_median().at_least(EVEN), costly)


RULE = Rule(
    name="uniform codes",
    sentence="Every sample is spread evenly over all categories: the codes do not distinguish samples.",
    when=_when,
    alarm=True,
    advice=(
        Advice(
            "lower method.teacher_temperature and method.warmup_temperature: the teacher must be sharper than "
            "method.student_temperature",
        ),
        Advice("lower method.sinkhorn_epsilon and method.temperature: the codes must be sharp"),
        Advice("raise method.frozen_passes, or lower method.num_prototypes towards the batch's rows"),
        Advice("raise method.certainty_weight, with method.balance_weight above 1 + certainty_weight"),
        Advice("raise method.diagonal_weight, or lower method.temperature", needs=("codes",)),
        LOWER_RATE,
        CHECK_VIEWS,
    ),
)
