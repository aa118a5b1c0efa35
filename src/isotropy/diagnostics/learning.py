"""Is a run still learning, and would more time help? Told from its loss on rows that no step trains on, if recorded."""

from collections.abc import Collection

from isotropy.diagnostics.rules.records import Records, Series

# The losses that say it, the best one first: of rows held out from training, of fixed training batches (both with fixed
# random numbers), and of the batches as they came, as a running median.
HELD_OUT, FIXED = "held_out_loss", "fixed_loss"
_NAMES = {HELD_OUT: "the held-out loss", FIXED: "the loss of fixed training rows", "loss": "the loss"}
# What the last third of the way has to bring for more time to be worth it, over what the way from 2/9 to 2/3 brought: a
# loss that falls with the logarithm of the way has .37, one that has reached its end 0. Not over the whole fall, most
# of which may lie in the first steps. The way is the sum of the learning rates: where they end in a cosine, the last
# third of the steps is 6 % of it, in which any loss is flat.
STILL_FALLING = 0.15
# Fraction of the whole fall that is none.
NEGLIGIBLE = 0.002
# Fraction of its whole fall by which a loss ends above its lowest value: then it has risen since.
RISEN = 0.1
# What a method learns from where its loss is no measure of its progress: the targets are its own.
_MOVING = {"teacher", "predictor", "codes"}
# Records without which a trend has no last third.
_LEAST = 5

# How far a run has come by each recorded step: the sum of its learning rates.
Way = dict[int, float]


def trend(records: Records, parts: Collection[str] = ()) -> tuple[str, str]:
    """Return whether more time would help, "yes", "no" or "not known", and the numbers that say so.

    Where the targets move with the encoder, a loss that does not fall says nothing.

    Args:
        records: of the run. parts: what its method has (`Method.parts`).

    Example:
        >>> lines = [{"step": 10 * n, "held_out_loss": 5 - n / 10} for n in range(1, 11)]
        >>> answer, numbers = trend(Records(lines))
        >>> answer, numbers.partition(",")[0]
        ('yes', 'the held-out loss fell from 4.9 to 4 by step 100')
    """
    found = ((name, _series(records, name)) for name in _NAMES)
    name, losses = next(((name, series) for name, series in found if len(series.points) > 1), ("", Series("", ())))
    if not losses:
        return "not known", "no loss was recorded twice"
    answer, said = _of(losses, _way(records, losses), _NAMES[name])
    if answer == "no" and _MOVING & {*parts}:
        return "not known", f"{said}; its targets move with the encoder, so that this says nothing"
    return answer, said


def _of(losses: Series, way: Way, what: str) -> tuple[str, str]:
    last, lowest = losses.last, min(losses.values)
    fall = losses.first - last
    if fall <= 0 and len(losses.points) < _LEAST:
        return "not known", f"{what} was recorded {len(losses.points)} times, which is too few to tell"
    if last - lowest > RISEN * (losses.first - lowest) > 0:
        since = next(step for step, value in losses.points if value == lowest)
        return "no", f"{what} fell from {losses.first:.4g} to {lowest:.4g} by step {since:,}, and is {last:.4g} since"
    if fall <= 0:
        return "no", f"{what} is {last:.4g}, and was {losses.first:.4g} at step {losses.points[0][0]:,}"
    said = f"{what} fell from {losses.first:.4g} to {last:.4g} by step {losses.points[-1][0]:,}"
    if len(losses.points) < _LEAST:
        return "yes", f"{said}, in {len(losses.points)} records"
    (since, before), (_, start) = _at(losses, way, 2 / 3), _at(losses, way, 2 / 9)
    recent, earlier = before - last, start - before
    if recent <= NEGLIGIBLE * fall:
        return "no", f"{said}, and no further since step {since:,}"
    said += f", by {recent:.3g} since step {since:,} after {earlier:.3g} in the stretch before"
    return "yes" if recent >= STILL_FALLING * earlier else "no", said


def _series(records: Records, name: str) -> Series:
    series = records.series(name)
    # A batch's loss is as good as its rows are easy.
    return series.running_median() if name == "loss" else series


def _way(records: Records, losses: Series) -> Way:
    """Return the way to each recorded step; runs of earlier versions recorded no rates, and their way is the steps."""
    way: Way = {}
    before, rate_before, total = 0, None, 0.0
    for step, rate in records.series("lr").points:
        total += (step - before) * (rate + (rate if rate_before is None else rate_before)) / 2
        way[step], before, rate_before = total, step, rate
    known = total > 0 and all(step in way for step, _ in losses.points)
    return way if known else {step: float(step) for step, _ in losses.points}


def _at(losses: Series, way: Way, fraction: float) -> tuple[int, float]:
    """Return the step by which a fraction of the way was gone, and the loss there, between its records."""
    wanted = way[losses.points[-1][0]] * fraction
    later = next(n for n, (step, _) in enumerate(losses.points) if way[step] >= wanted)
    if later == 0:
        return losses.points[0]
    (start, before), (end, after) = losses.points[later - 1 : later + 1]
    share = (wanted - way[start]) / (way[end] - way[start])
    return round(start + (end - start) * share), before + (after - before) * share
