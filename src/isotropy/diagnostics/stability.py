"""The centre and the residual: is what all samples share growing at the cost of what tells them apart?"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import nan, sqrt

import torch
import torch.nn.functional as F
from numpy.typing import ArrayLike
from torch import Tensor

from isotropy.diagnostics.sums import Additive


@dataclass(frozen=True)
class Sums(Additive):
    """What `stability` needs of V views of N samples, their rows scaled to length 1.

    Attributes:
        count: N. totals: (V, D), the sum of every view's rows. squares: (D,), the sum of the squares of all rows.
        pairs: the sum over samples and over views u != v of the inner product of the two rows.

    Example:
        >>> int((Sums.of([torch.eye(4)[:2]]) + Sums.of([torch.eye(4)[2:]])).count)
        4
    """

    count: Tensor
    totals: Tensor
    squares: Tensor
    pairs: Tensor

    @classmethod
    def of(cls, views: Sequence[ArrayLike | Tensor]) -> "Sums":
        """Return the sums of views (N, D) of any length; raise ValueError for no view or different shapes."""
        rows = [torch.as_tensor(view).detach() for view in views]
        if not rows or rows[0].ndim != 2 or not len(rows[0]) or any(x.shape != rows[0].shape for x in rows):
            raise ValueError(f"views must be (N, D) with N > 0, all alike, got {[tuple(x.shape) for x in rows]}")
        unit = torch.stack([F.normalize(x.to(torch.promote_types(x.dtype, torch.float32)), dim=1) for x in rows])
        squares = unit.square().sum(dim=(0, 1), dtype=torch.float64)
        all_pairs = unit.sum(dim=0).square().sum(dtype=torch.float64)
        return cls(
            count=squares.new_tensor(len(rows[0])),
            totals=unit.sum(dim=1, dtype=torch.float64),
            squares=squares,
            pairs=all_pairs - squares.sum(),
        )


def stability(views: Sequence[ArrayLike | Tensor] | Sums) -> dict[str, float]:
    """Return how much the rows of all samples share, and how much the views of one sample share.

    With unit rows z, z' of two views of a sample, and z'' a view of another sample:

    - "centre": c2 = E[z . z''], without the bias 1/N of |mean|^2; 1 is point collapse, 0 healthy, -1/(N - 1) the least.
    - "alignment": a = E[z . z']; 1 is best, also at collapse.
    - "between" = a - c2 and "within" = 1 - a; "collapse" = c2 / a, 0 to 1 up to noise.
    - "m_o": the norm of the mean of all rows, and "m_r": the root mean square of what is left; m_o^2 + m_r^2 = 1.
    - "spread": sqrt(D) times the mean standard deviation of a feature: 0 is point collapse, 1 even in all directions.

    Rows on one line, half each way, have a centre of 0, too: look at a rank as well. With one view, "alignment" and
    what follows from it are NaN.

    Args:
        views: V views of the same N > 1 samples, each (N, D), or their `Sums`.

    Raises:
        ValueError: one sample only, or views of different shapes.

    Source: Zhang et al. 2022 (arXiv 2203.16262), section 3 (o and r); the centre vector of arXiv 2402.14957;
    Chen and He 2021 (arXiv 2011.10566), section 4.1 (spread).

    Example:
        >>> found = stability([torch.ones(8, 4), torch.ones(8, 4)])
        >>> found["centre"], found["within"], found["spread"]
        (1.0, 0.0, 0.0)
    """
    sums = views if isinstance(views, Sums) else Sums.of(views)
    n, same, count = float(sums.count), float(sums.pairs), len(sums.totals)
    if n < 2:
        raise ValueError("the centre of one sample is the sample: give at least 2")
    whole, alone = sums.totals.sum(dim=0), float(sums.totals.square().sum())
    if count > 1:
        pairs = count * (count - 1)
        alignment = same / (n * pairs)
        centre = (float(whole.square().sum()) - alone - same) / (pairs * n * (n - 1))
    else:
        alignment = nan
        centre = (alone - float(sums.squares.sum())) / (n * (n - 1))
    mean = whole / (n * count)
    variance = (sums.squares / (n * count) - mean.square()).clamp_min(0)
    return {
        "centre": centre,
        "alignment": alignment,
        "between": alignment - centre,
        "within": 1 - alignment,
        "collapse": centre / alignment if alignment else nan,
        "m_o": float(mean.norm()),
        "m_r": sqrt(float(variance.sum())),
        "spread": float(variance.sqrt().mean()) * sqrt(len(mean)),
    }


@dataclass(frozen=True)
class Gap(Additive):
    """The sums of N pairs of unit rows p (a prediction) and z (its target) that `predictor_gap` is a function of.

    Attributes:
        count: N. prediction, target: (D,), the sums of either. apart: the sum of |z - p|^2.
    """

    count: Tensor
    prediction: Tensor
    target: Tensor
    apart: Tensor

    @classmethod
    def of(cls, prediction: ArrayLike | Tensor, target: ArrayLike | Tensor) -> "Gap":
        """Return the sums of pairs of rows (N, D); raise ValueError where the shapes differ."""
        p, z = (F.normalize(torch.as_tensor(x).detach().double(), dim=1) for x in (prediction, target))
        if p.shape != z.shape:
            shapes = f"{tuple(p.shape)} and {tuple(z.shape)}"
            raise ValueError(f"prediction and target must have one shape (N, D), got {shapes}")
        return cls(p.new_tensor(len(p)), p.sum(dim=0), z.sum(dim=0), (z - p).square().sum())


def predictor_gap(prediction: ArrayLike | Tensor | Gap, target: ArrayLike | Tensor | None = None) -> dict[str, float]:
    """Return what a predictor changes about the centre: with e = z - p, does it pull the centre back?

    Of unit rows z (the target) and p (the prediction), with means o_z, o_p and o_e = o_z - o_p:
    "eta" = -(o_e . o_p) / |o_p|^2 (about 0.5 in SimSiam; above 0 the gradient removes the centre), "cosine" of
    o_e and o_p in [-1, 1], "centre" = |o_e|, and "residual", the root mean square of |e - o_e|. NaN where a mean has no
    direction.

    Args:
        prediction: (N, D), or the `Gap` of both. target: (N, D), of the other view.

    Raises:
        ValueError: the shapes differ, or one of the two is missing.

    Source: Zhang et al. 2022 (arXiv 2203.16262), section 3.

    Example:
        >>> round(predictor_gap([[1.0, 0.0], [1.0, 0.0]], [[1.0, 0.0], [0.0, 1.0]])["eta"], 3)
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
        "residual": sqrt(max(0.0, float(sums.apart / sums.count) - other**2)),
    }


def followed(start: torch.nn.Module, student: torch.nn.Module, teacher: torch.nn.Module) -> float:
    """Return |t - s0| / |s - s0|: how much of a student's way from where both began its teacher has come.

    Range 0 (a teacher that never moves) to about 1 (one that is the student); NaN where the student has not moved.

    Args:
        start, student, teacher: networks with parameters s0, s and t of the same shapes in the same order.

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
