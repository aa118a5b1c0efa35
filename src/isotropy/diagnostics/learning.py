"""Is a run still learning, and would more time help? Told from its loss on rows that no step trains on, if recorded."""

from collections.abc import Collection

from isotropy.diagnostics.rules.records import Records, Series

# The losses that say it, the best one first: of rows held out from training, of fixed training batches (both with fixed
# random numbers), and of the batches as they came, as a running median.
HELD_OUT, FIXED = "held_out_loss", "fixed_loss"
_NAMES = {HELD_OUT: "the held-out loss", FIXED: "the loss of fixed training rows", "loss": "the loss"}
# Fraction of a loss's whole fall that its last third has to bring, for more time to be worth it.
STILL_FALLING = 0.03
# Fraction of its whole fall by which a loss ends above its lowest value: then it has risen since.
RISEN = 0.1
# What a method learns from where its loss is no measure of its progress: the targets are its own.
_MOVING = {"teacher", "predictor", "codes"}
# Records without which a trend has no last third.
_LEAST = 5


def trend(records: Records, parts: Collection[str] = ()) -> tuple[str, str]:
    """Return whether more time would help, "yes", "no" or "not known", and the numbers that say so.

    Where the targets move with the encoder, a loss that does not fall says nothing.

    Args:
        records: of the run. parts: what its method has (`Method.parts`).

    Example:
        >>> lines = [{"step": 10 * n, "held_out_loss": 5 / n} for n in range(1, 11)]
        >>> trend(Records(lines))
        ('yes', 'the held-out loss fell from 5 to 0.5 by step 100, by 6% of that in the last third of the steps')
    """
    found = ((name, _series(records, name)) for name in _NAMES)
    name, losses = next(((name, series) for name, series in found if len(series.points) > 1), ("", Series("", ())))
    if not losses:
        return "not known", "no loss was recorded twice"
    answer, said = _of(losses, _NAMES[name])
    if answer == "no" and _MOVING & {*parts}:
        return "not known", f"{said}; its targets move with the encoder, so that this says nothing"
    return answer, said


def _of(losses: Series, what: str) -> tuple[str, str]:
    last, lowest = losses.last, min(losses.values)
    fall = losses.first - last
    if last - lowest > RISEN * (losses.first - lowest) > 0:
        since = next(step for step, value in losses.points if value == lowest)
        return "no", f"{what} fell from {losses.first:.4g} to {lowest:.4g} by step {since:,}, and is {last:.4g} since"
    if fall <= 0:
        return "no", f"{what} is {last:.4g}, and was {losses.first:.4g} at step {losses.points[0][0]:,}"
    said = f"{what} fell from {losses.first:.4g} to {last:.4g} by step {losses.points[-1][0]:,}"
    if len(losses.points) < _LEAST:
        return "yes", f"{said}, in {len(losses.points)} records"
    recent = (_before(losses) - last) / fall
    if recent <= 0:
        return "no", f"{said}, and no further in the last third of the steps"
    said += f", by {recent:.0%} of that in the last third of the steps"
    return "yes" if recent >= STILL_FALLING else "no", said


def _series(records: Records, name: str) -> Series:
    series = records.series(name)
    # A batch's loss is as good as its rows are easy.
    return series.running_median() if name == "loss" else series


def _before(losses: Series) -> float:
    """Return what the loss was when two thirds of the steps were taken, between its records."""
    wanted = losses.points[-1][0] * 2 / 3
    later = next(n for n, (step, _) in enumerate(losses.points) if step >= wanted)
    if later == 0:
        return losses.first
    (start, before), (end, after) = losses.points[later - 1 : later + 1]
    return before + (after - before) * (wanted - start) / (end - start)
