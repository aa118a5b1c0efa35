"""The vectors fall into few directions: views on a line or a plane, or embeddings of a tenth of their rank."""

from isotropy.diagnostics.rules.loss import loss_progress, loss_towards
from isotropy.diagnostics.rules.predictor import has_predictor, idle_predictor
from isotropy.diagnostics.rules.records import Evidence, Records, RunFacts, all_of
from isotropy.diagnostics.rules.rule import BEGUN, Advice, Rule

# Effective rank over that of the untrained encoder on the same rows: so extreme a number is enough alone.
# Healthy: .21 (STab), .38 (DACL); faults: .11.
RANK = 0.1
# Participation ratio of the views: 1 on a line, 2 on two. Healthy: 1.4 (BYOL, SwAV), which is why it says nothing
# alone; faults: 2.1.
FEW_DIRECTIONS = 2.2
# The same, beside a predictor that never had a centre to pull back: eta is all there is, and views must be flatter.
# Healthy: 2.2 (SimSiam on 67 series); faults: 1.7.
ONE_LINE = 1.95
# Progress of the loss to the best known, by flat views. Healthy: .42 (SimCLR with a GRU), .28 with codes; faults: .80.
HALF_WAY = 0.5
# The loss, from the best known (0) to that of point collapse (1): nothing is told apart.
# Healthy: none with so few directions and neither predictor nor codes; faults: .98 (SimCLR at a rate of 30).
COST = 0.95

_WEAKER_VIEWS = Advice(
    "weaken the strongest change between views (the views' settings), so that views share more than one thing",
    needs=("views",),
)


def _when(records: Records, facts: RunFacts) -> Evidence:
    untrained = records.untrained("effective_rank") or 0.0
    if rank := records.series("effective_rank").at_most(RANK * untrained, records=2):
        return (rank,)
    if not records.progressed(BEGUN, facts):
        return ()
    limit = FEW_DIRECTIONS
    if has_predictor(records):
        second = idle_predictor(records)
        limit = ONE_LINE if len(second) == 1 else FEW_DIRECTIONS
    else:
        second = all_of(loss_progress(records, facts).at_least(HALF_WAY))
        # Codes begin at what point collapse costs, so that it says nothing of them.
        if not second and not records.series("information"):
            second = all_of(loss_towards("point collapse", records, facts).at_least(COST))
    flat = records.series("views_rank").running_median().at_most(limit)
    return (flat, *second) if flat and second else ()


RULE = Rule(
    name="dimensional collapse",
    sentence="The embeddings are falling into few directions: most of their dimensions are unused.",
    when=_when,
    alarm=True,
    advice=(
        Advice("raise method.off_diagonal_weight, the weight of what dimensions share", needs=("views",)),
        Advice("raise method.covariance_weight, or method.variance_weight"),
        Advice("lower method.temperature, or raise train.batch_size", needs=("contrast",)),
        Advice("raise method.predictor_hidden, or raise optim.weight_decay", needs=("predictor",)),
        Advice("a short centre asks for no more than two points (method.center_weight): take vicreg or simclr"),
        Advice("lower optim.weight_decay, or lower optim.lr", needs=("targets",)),
        _WEAKER_VIEWS,
        Advice("raise train.batch_size, or lower optim.lr"),
    ),
)
