"""The centre and the residual: is what all samples share growing at the cost of what tells them apart?

Sums of D-vectors are all that is needed, so these numbers cost next to nothing, add up over batches, and are exact
over ranks: reduce the sums, then take the numbers (a mean over ranks of |s| is wrong: it is too large).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import nan, sqrt

import torch
import torch.nn.functional as F
from numpy.typing import ArrayLike
from torch import Tensor


@dataclass(frozen=True)
class Sums:
    """What `stability` needs of V views of N samples, their rows scaled to length 1.

    Attributes:
        count: N. totals: (V, D), the sum of every view's rows. squares: (D,), the sum of the squares of all
        rows. pairs: the sum over samples and over views u != v of the inner product of the two rows.

    Example:
        >>> half = Sums.of([torch.eye(4)[:2]]), Sums.of([torch.eye(4)[2:]])
        >>> (half[0] + half[1]).count
        4.0
    """

    count: float
    totals: Tensor
    squares: Tensor
    pairs: float

    @classmethod
    def of(cls, views: Sequence[ArrayLike | Tensor]) -> "Sums":
        """Return the sums of views, each (N, D) and of any length; a row of zeros stays one.

        Raises:
            ValueError: no view, or views of different shapes.
        """
        rows = [torch.as_tensor(view).detach() for view in views]
        if not rows or rows[0].ndim != 2 or not len(rows[0]) or any(x.shape != rows[0].shape for x in rows):
            raise ValueError(f"views must be (N, D) with N > 0, all alike, got {[tuple(x.shape) for x in rows]}")
        unit = torch.stack([F.normalize(x.to(torch.promote_types(x.dtype, torch.float32)), dim=1) for x in rows])
        own = unit.square().sum(dim=(0, 1), dtype=torch.float64)
        together = unit.sum(dim=0)
        return cls(
            count=float(len(rows[0])),
            totals=unit.sum(dim=1, dtype=torch.float64),
            squares=own,
            pairs=float(together.square().sum(dtype=torch.float64) - own.sum()),
        )

    def __add__(self, other: "Sums") -> "Sums":
        """Return the sums of both sets of samples."""
        return Sums(
            self.count + other.count,
            self.totals + other.totals,
            self.squares + other.squares,
            self.pairs + other.pairs,
        )

    def over_ranks(self, total: Callable[[Tensor], Tensor]) -> "Sums":
        """Return the sums over all ranks; `total` adds a vector up over them, in one call."""
        scalars = torch.tensor([self.count, self.pairs], dtype=torch.float64, device=self.totals.device)
        packed = total(torch.cat([scalars, self.squares, self.totals.flatten()]))
        squares, totals = packed[2:].split([len(self.squares), self.totals.numel()])
        return Sums(float(packed[0]), totals.view_as(self.totals), squares, float(packed[1]))


def stability(views: Sequence[ArrayLike | Tensor] | Sums) -> dict[str, float]:
    """Return how much the rows of all samples share, and how much the views of one sample share.

    With unit rows z, z' of two views of a sample, and z'' a view of another sample:

    - "centre": c2 = E[z . z''], the squared length of the centre vector, without the bias 1/N that |s|^2 of N
      rows has; 1 is point collapse, 0 is healthy, -1/(N - 1) the least.
    - "alignment": a = E[z . z'], the squared length of a sample's expected representation; 1 is best, also at
      collapse.
    - "between" = a - c2 and "within" = 1 - a: with the centre they add up to 1 (for rows that are not zero).
    - "collapse": c2 / a, 0 to 1 (up to noise).
    - "m_o": |o| with o the mean of all rows, and "m_r": the root mean square of |z - o|; m_o^2 + m_r^2 = 1.
    - "spread": the mean over features of their standard deviation, times sqrt(D): 0 at point collapse, 1 where
      the rows spread evenly over all directions.

    A centre of 0 does not mean that all is well: rows on one line, half each way, have it too. Look at a rank as
    well. With one view "alignment" and what follows from it are NaN.

    Args:
        views: V views of the same N > 1 samples, each (N, D), or their `Sums`.

    Raises:
        ValueError: one sample only, or views of different shapes.

    Source: Zhang et al. 2022 (arXiv 2203.16262), section 3 (o and r); the centre vector of arXiv 2402.14957;
    Chen and He 2021 (arXiv 2011.10566), section 4.1 (spread).

    Example:
        >>> same = stability([torch.ones(8, 4), torch.ones(8, 4)])
        >>> same["centre"], same["within"], same["spread"]
        (1.0, 0.0, 0.0)
        >>> stability([torch.eye(4), torch.eye(4)])["centre"]
        0.0
    """
    sums = views if isinstance(views, Sums) else Sums.of(views)
    n, count = sums.count, len(sums.totals)
    if n < 2:
        raise ValueError("the centre of one sample is the sample: give at least 2")
    whole = sums.totals.sum(dim=0)
    alone = sums.totals.square().sum()
    rows = n * count
    mean = whole / rows
    length = float(mean.norm())
    variance = (sums.squares / rows - mean.square()).clamp_min(0)
    if count > 1:
        pairs = count * (count - 1)
        alignment = sums.pairs / (n * pairs)
        centre = (float(whole.square().sum() - alone) - sums.pairs) / (pairs * n * (n - 1))
    else:
        alignment = nan
        centre = (float(alone) - float(sums.squares.sum())) / (n * (n - 1))
    return {
        "centre": centre,
        "alignment": alignment,
        "between": alignment - centre,
        "within": 1 - alignment,
        "collapse": centre / alignment if alignment else nan,
        "m_o": length,
        "m_r": sqrt(float(variance.sum())),
        "spread": float(variance.sqrt().mean()) * sqrt(len(mean)),
    }


@dataclass(frozen=True)
class Gap:
    """The sums of N pairs of unit rows p (a prediction) and z (its target) that `predictor_gap` is a function of.

    Attributes:
        count: N. prediction, target: (D,), the sums of either. apart: the sum of |z - p|^2.
    """

    count: float
    prediction: Tensor
    target: Tensor
    apart: float

    @classmethod
    def of(cls, prediction: ArrayLike | Tensor, target: ArrayLike | Tensor) -> "Gap":
        """Return the sums of pairs of rows (N, D); raise ValueError where the shapes differ."""
        p, z = (F.normalize(torch.as_tensor(x).detach().double(), dim=1) for x in (prediction, target))
        if p.shape != z.shape:
            shapes = f"{tuple(p.shape)} and {tuple(z.shape)}"
            raise ValueError(f"prediction and target must have one shape (N, D), got {shapes}")
        return cls(float(len(p)), p.sum(dim=0), z.sum(dim=0), float((z - p).square().sum()))

    def over_ranks(self, total: Callable[[Tensor], Tensor]) -> "Gap":
        """Return the sums over all ranks; `total` adds a vector up over them, in one call."""
        packed = total(torch.cat([self.target.new_tensor([self.count, self.apart]), self.prediction, self.target]))
        prediction, target = packed[2:].chunk(2)
        return Gap(float(packed[0]), prediction, target, float(packed[1]))


def predictor_gap(prediction: ArrayLike | Tensor | Gap, target: ArrayLike | Tensor | None = None) -> dict[str, float]:
    """Return what a predictor changes about the centre: with e = z - p, does it pull the centre back?

    Of unit rows z (the target) and p (the prediction), with centres o_z, o_p and o_e = o_z - o_p:
    "eta" = -(o_e . o_p) / |o_p|^2 (about 0.5 in SimSiam; above 0 the gradient removes the centre), "cosine" of
    o_e and o_p in [-1, 1] (below 0: removal is active), "centre" = |o_e|, and "residual", the root mean square of
    |e - o_e|. NaN where a centre has no direction.

    Args:
        prediction: (N, D), or the `Gap` of both. target: (N, D), of the other view.

    Raises:
        ValueError: the shapes differ, or one of the two is missing.

    Source: Zhang et al. 2022 (arXiv 2203.16262), section 3.

    Example:
        >>> gap = predictor_gap([[1.0, 0.0], [1.0, 0.0]], [[1.0, 0.0], [0.0, 1.0]])
        >>> round(gap["eta"], 3)
        0.5
    """
    if not isinstance(prediction, Gap):
        if target is None:
            raise ValueError("a prediction is compared with its target: give both")
        prediction = Gap.of(prediction, target)
    sums = prediction
    of_p, of_e = sums.prediction / sums.count, (sums.target - sums.prediction) / sums.count
    along, size, other = float(of_e @ of_p), float(of_p.norm()), float(of_e.norm())
    return {
        "eta": -along / size**2 if size > 1e-12 else nan,
        "cosine": along / (size * other) if min(size, other) > 1e-12 else nan,
        "centre": other,
        "residual": sqrt(max(0.0, sums.apart / sums.count - other**2)),
    }


def followed(start: torch.nn.Module, student: torch.nn.Module, teacher: torch.nn.Module) -> float:
    """Return |t - s0| / |s - s0|: how much of a student's way from where both began its teacher has come.

    Range 0 (a teacher that never moves) to about 1 (one that is the student); above 1 where the student turned back.
    NaN where the student has not moved.

    Args:
        start: a network with the parameters s0 that student and teacher began with. student: one with parameters s.
        teacher: one with parameters t; all of the same shapes in the same order.

    Source: the target's lag of BYOL (Grill et al. 2020, arXiv 2006.07733, section 3.3), in units of the student's way.

    Example:
        >>> start, student = torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)
        >>> followed(start, student, teacher=start), followed(start, student, teacher=student)
        (0.0, 1.0)
    """
    way = come = 0.0
    for s0, s, t in zip(start.parameters(), student.parameters(), teacher.parameters(), strict=True):
        origin = s0.detach().to(s.device)
        way += float((s.detach() - origin).double().square().sum())
        come += float((t.detach() - origin).double().square().sum())
    return sqrt(come / way) if way else nan
