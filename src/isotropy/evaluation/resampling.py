"""Bootstrap samples of many measurements on the same rows and draws, so that any two of them can be paired."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from isotropy.evaluation.intervals import RESAMPLES, counted, percentile, resampled_means
from isotropy.evaluation.score import Measurement

Floats = NDArray[np.float64]
_COLUMNS = 1024  # resampled together


@dataclass(frozen=True)
class Resampled:
    """A measurement over resamples of the test rows, for each draw of labels (one draw where there are no draws).

    Attributes:
        point: (D,), the value of each draw. samples: (R, D), its values over resamples of the rows.
        rows: how many test rows there are. ends: the lowest and the highest value that there is, where there are such.
    """

    point: Floats
    samples: Floats
    rows: int = 0
    ends: tuple[float, float] | None = None

    def interval(self) -> dict[str, float]:
        """Return value, low and high: the mean over draws, and its 95% interval over test rows and draws."""
        value = float(self.point.mean())
        low, high = percentile(counted(self.over_draws(), self.rows, self.ends))
        # All right is among what the rows may say, though a row that is wrong was counted with them.
        return {"value": value, "low": min(low, value), "high": max(high, value)}

    def minus(self, other: "Resampled") -> dict[str, float]:
        """Return value, low and high of the difference, on the same rows and on the draws that both have."""
        return self.less(other).interval()

    def less(self, other: "Resampled") -> "Resampled":
        """Return the difference itself, on the same rows and on the draws that both have."""
        draws = min(len(self.point), len(other.point))
        point, samples = self.point[:draws] - other.point[:draws], self.samples[:, :draws] - other.samples[:, :draws]
        ends = None if self.ends is None else (self.ends[0] - self.ends[1], self.ends[1] - self.ends[0])
        return Resampled(point, samples, self.rows, ends)

    def over_draws(self) -> Floats:
        """Return the mean over resampled draws, (R,); the same draws for every measurement with so many of them."""
        resamples, draws = self.samples.shape
        if draws == 1:
            return self.samples[:, 0]
        times = np.random.default_rng(draws).multinomial(draws, np.full(draws, 1 / draws), size=resamples)
        return np.asarray((self.samples * times).sum(axis=1) / draws)


def over_seeds(runs: Sequence[Resampled]) -> dict[str, float]:
    """Return value, low and high of the mean over runs of other seeds: over test rows, draws and seeds.

    Seeds are drawn with replacement like rows, their deviations from the mean made larger by sqrt(S / (S - 1)), without
    which S seeds would vary too little; the interval reaches from the lowest to the highest seed at least.

    Source: Efron and Tibshirani, An Introduction to the Bootstrap (1993), section 5.3 (the factor).

    Example:
        >>> runs = [Resampled(np.array([score]), np.full((100, 1), score)) for score in (0.5, 0.7)]
        >>> {name: round(value, 2) for name, value in over_seeds(runs).items()}
        {'value': 0.6, 'low': 0.46, 'high': 0.74}
    """
    if len(runs) == 1:
        return runs[0].interval()
    count = len(runs)
    points = np.array([run.point.mean() for run in runs])
    samples = np.stack([run.over_draws() for run in runs], axis=1)
    times = np.random.default_rng(count).multinomial(count, np.full(count, 1 / count), size=len(samples))
    mean = samples.mean(axis=1)
    spread = mean + np.sqrt(count / (count - 1)) * ((samples * times).mean(axis=1) - mean)
    low, high = percentile(counted(spread, runs[0].rows, runs[0].ends))
    return {"value": float(points.mean()), "low": min(low, float(points.min())), "high": max(high, float(points.max()))}


def resample(measurements: Sequence[Measurement], *, seed: int = 0, resamples: int = RESAMPLES) -> list[Resampled]:
    """Return every measurement over the same resamples of its test rows (those with as many rows share them).

    Source: Efron and Tibshirani, An Introduction to the Bootstrap (1993), sections 13.3 and 8.5 (two samples at once:
    rows and draws are drawn with replacement, each by itself).

    Example:
        >>> right = np.repeat([1.0, 0.0], [80, 20])[:, None]
        >>> found = resample([Measurement("accuracy", 9, right), Measurement("accuracy", 9, right)])
        >>> found[0].interval()["value"], found[0].minus(found[1])
        (0.8, {'value': 0.0, 'low': 0.0, 'high': 0.0})
    """
    tables = [one.terms if one.terms.ndim == 3 else one.terms[None] for one in measurements]
    found: list[Resampled | None] = [None] * len(tables)
    for group in _groups(tables):
        by_row = [np.moveaxis(tables[number], 0, 1) for number in group]
        wide = np.concatenate([table.reshape(len(table), -1) for table in by_row], axis=1)
        means = resampled_means(wide, resamples=resamples, seed=seed)
        start = 0
        for number in group:
            draws, _, columns = tables[number].shape
            part = means[:, start : start + draws * columns].reshape(resamples, draws, columns)
            start += draws * columns
            one, rows = measurements[number], tables[number].shape[1]
            found[number] = Resampled(one.value(tables[number].mean(axis=1)), one.value(part), rows, one.ends)
    return [one for one in found if one is not None]


def _groups(tables: Sequence[Floats]) -> Iterator[list[int]]:
    """Yield the numbers of tables with as many rows each, few enough to be resampled together."""
    for rows in dict.fromkeys(table.shape[1] for table in tables):
        group: list[int] = []
        columns = 0
        for number, table in enumerate(tables):
            if table.shape[1] != rows:
                continue
            size = table.shape[0] * table.shape[2]
            if group and columns + size > _COLUMNS:
                yield group
                group, columns = [], 0
            group.append(number)
            columns += size
        yield group
