"""All samples fall into one category, or into few (SwAV, DINO, DISSL, MUSIC)."""

from isotropy.diagnostics.rules.records import Evidence, Records, RunFacts, all_of
from isotropy.diagnostics.rules.rule import CHECK_VIEWS, LOWER_RATE, Advice, Rule

# Marginal entropy of the codes, over the most that a batch can show: so extreme a number is enough alone.
# Healthy: .71 (DINO); faults: .57. DINO on GunPoint, at .49, is a false alarm.
FEW_CODES = 0.6


def _when(records: Records, facts: RunFacts) -> Evidence:
    return all_of(records.marginal_entropy().running_median().at_most(FEW_CODES))


RULE = Rule(
    name="one code",
    sentence="All samples fall into one category or a few: the codes hardly distinguish samples.",
    when=_when,
    alarm=True,
    advice=(
        Advice("lower method.center_momentum, so that the centre keeps up with the teacher", needs=("teacher",)),
        Advice("raise method.sinkhorn_iterations, or raise method.sinkhorn_epsilon: clusters must be equally full"),
        Advice("raise method.balance_weight above 1 + method.certainty_weight: balance must outweigh certainty"),
        Advice("raise method.diagonal_weight and method.off_diagonal_weight against method.transform_weight"),
        CHECK_VIEWS,
        LOWER_RATE,
    ),
)
