"""All samples are mapped to nearly one point: the centre that they share is all that is left of the views."""

from isotropy.diagnostics.rules.predictor import has_predictor, idle_predictor
from isotropy.diagnostics.rules.records import Evidence, Records, RunFacts, all_of
from isotropy.diagnostics.rules.rule import BEGUN, CHECK_VIEWS, LOWER_RATE, Advice, Rule

# Variation of the embeddings over that of the untrained encoder. Healthy: .3; in no injected fault did the encoder's
# own embeddings fall to a point, so this is a bound of principle.
VARIATION = 1e-3
# Collapse ratio, at the first step and still: views were one point from the beginning, and are taken for views of one
# row. Healthy: .91 at the first step (the nearest of those that come near later); faults: .99.
ONE_POINT = 0.98
# Collapse ratio. Healthy: .98 (SwAV, BYOL), which is why it says nothing alone; faults: .82 (MLP on series) to 1.
NEAR_ONE_POINT = 0.8
# 1 - collapse ratio over its first value: what tells samples apart is going. Healthy: .14 (SwAV), but none above .7 of
# collapse ratio with neither codes nor predictor; faults: .11 to .35.
LOST = 0.45
# Marginal entropy of the codes, beside views near one point: codes may tell samples apart that are near to each other,
# so they have to become fewer, too. Healthy: .996 (SwAV at a collapse ratio above .8); faults: .87.
FEWER_CODES = 0.9


def _when(records: Records, facts: RunFacts) -> Evidence:
    untrained = records.untrained("variation")
    limit = VARIATION * (1.0 if untrained is None else untrained)
    if constant := records.series("variation").at_most(limit, records=2):
        return (constant,)
    ratio = records.collapse_ratio()
    near = ratio.running_median().at_least(NEAR_ONE_POINT)
    if near is None or not records.progressed(BEGUN, facts):
        return ()
    one = ratio.running_median().at_least(ONE_POINT)
    # Views that were one point from the first step have nothing to lose, so that no second number could agree.
    if one and ratio.first >= ONE_POINT:
        return (one,)
    second = idle_predictor(records) if has_predictor(records) else _losing(records)
    if not records.series("information"):
        return (near, *second) if second else ()
    fewer = records.marginal_entropy().running_median().at_most(FEWER_CODES)
    return (near, *second, fewer) if second and fewer else ()


def _losing(records: Records) -> Evidence:
    """Return the evidence that what tells samples apart is going, in a method that has no predictor."""
    apart = records.collapse_ratio().map("", lambda ratio: 1 - ratio)
    first = max(apart.first, 1e-9)
    relative = apart.map("1 - collapse ratio / its first value", lambda rest: rest / first)
    return all_of(relative.running_median().at_most(LOST))


RULE = Rule(
    name="point collapse",
    sentence="All samples are becoming one point: the vectors that the loss compares no longer differ.",
    when=_when,
    alarm=True,
    advice=(
        Advice(
            "raise method.momentum towards 1 (a slower teacher), or raise method.predictor_hidden",
            needs=("predictor", "teacher"),
        ),
        Advice(
            "let the predictor keep up: raise method.predictor_hidden, and lower optim.lr (the predictor must be near "
            "its best for the projections of the moment)",
            needs=("predictor",),
        ),
        Advice("lower optim.lr, or raise train.batch_size: more samples to tell apart", needs=("contrast",)),
        Advice("raise method.variance_weight until it is at least method.invariance_weight"),
        Advice("raise method.gaussian_weight, the weight of the spread"),
        Advice("raise method.center_weight towards 1"),
        Advice("raise method.center_fraction towards 1, or lower method.momentum, so that the centre keeps up"),
        CHECK_VIEWS,
        LOWER_RATE,
    ),
)
