"""The loss is met by something that says little else, and the embeddings have grown poor."""

from isotropy.diagnostics.rules.loss import loss_progress
from isotropy.diagnostics.rules.records import Evidence, Records, RunFacts, all_of
from isotropy.diagnostics.rules.rule import Advice, Rule

# Effective rank over that of the untrained encoder, about a seventh. Healthy: .21 (STab); no such fault was injected.
POOR_RANK = 0.15
# Progress of the loss to the best known: it asks for no more. No such fault was injected.
MET = 0.9


def _when(records: Records, facts: RunFacts) -> Evidence:
    untrained = records.untrained("effective_rank")
    if untrained is None:
        return ()
    return all_of(
        records.series("effective_rank").at_most(POOR_RANK * untrained, records=2),
        loss_progress(records, facts).at_least(MET),
    )


RULE = Rule(
    name="shortcut",
    sentence="The loss is met, but the embeddings have lost rank: a shortcut may meet it.",
    when=_when,
    advice=(
        Advice(
            "strengthen the views where they agree by little else (colour, a border, a time stamp in the views' "
            "settings)",
            needs=("views",),
        ),
        Advice("hide more of a row (raise method.mask_ratio): what is left must not give the rest away"),
        Advice("raise method.num_projectors, so that more has to be told of a row"),
        Advice("raise train.batch_size, or train shorter (lower train.epochs)"),
    ),
)
