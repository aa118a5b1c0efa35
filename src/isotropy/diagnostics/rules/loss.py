"""How far a loss has come: signs that several rules read."""

from isotropy.diagnostics.rules.records import Evidence, Records, RunFacts, Series, all_of

# Progress of the loss up to which it has not fallen. Healthy: .07, or .01 where no views are compared (DIET, which is
# why a loss alone is no evidence there); faults: .02.
NO_PROGRESS = 0.03
# Progress of the alignment from its first value to 1, up to which views of a sample have not come together.
# Healthy: .22; faults: .04.
NO_ALIGNMENT = 0.1


def first_and_scale(records: Records, facts: RunFacts) -> tuple[float, float]:
    """Return the first loss, and its distance to the best one known: the unit in which progress is measured.

    A tenth of the first loss at least, for small batches may begin at the best one.
    """
    first = records.series("loss").first
    return first, max(abs(first - facts.best_loss) if facts.best_loss is not None else 0.0, 0.1 * abs(first), 1e-9)


def loss_progress(records: Records, facts: RunFacts) -> Series:
    """Return the running median of the loss, from the first one (0) to the best one known (1); empty without one."""
    first, scale = first_and_scale(records, facts)
    name = "progress of the loss to the best known"
    # Small batches may begin below the best that is known of them: then nothing can be said.
    if facts.best_loss is None or facts.best_loss >= first:
        return Series(name, ())
    return records.series("loss").progress(name, start=first, end=first - scale).running_median()


def loss_towards(state: str, records: Records, facts: RunFacts) -> Series:
    """Return the running median of the loss, from the best one (0) to what a failure costs (1); empty if unknown."""
    name = f"loss, from the best known (0) to that of {state} (1)"
    best, worst = facts.best_loss, facts.reference_losses.get(state)
    if best is None or worst is None or worst <= best:
        return Series(name, ())
    return records.series("loss").progress(name, start=best, end=worst).running_median()


def stagnation(records: Records, facts: RunFacts) -> Evidence:
    """Return the evidence that the loss has never fallen, and that views, if any are compared, came no nearer."""
    first, scale = first_and_scale(records, facts)
    losses = records.series("loss").running_median()
    flat = losses.at_least(first - NO_PROGRESS * scale, records=max(1, len(losses.points)))
    alignment = records.series("alignment")
    if not alignment:
        return all_of(flat)
    # The loss of codes that grow more certain, or of a teacher that moves, may be flat while views come together.
    start = alignment.first
    nearer = alignment.progress("progress of the alignment to 1", start=start, end=max(1.0, start + 1e-9))
    return all_of(flat, nearer.running_median().at_most(NO_ALIGNMENT))
