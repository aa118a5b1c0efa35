"""SIGReg: are embeddings an isotropic Gaussian, judged along random directions (LeJEPA)?"""

from collections.abc import Sequence
from math import exp
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from isotropy.objectives.rows import l2_normalize, same_shape, upcast

__all__ = ["lejepa", "sigreg"]


class _EppsPulley(torch.autograd.Function):
    """The statistic of every column of x (N, M), with its gradient from the same sweep over the knots.

    u = exp(i t x) at the knots t = h, 2h, ... by repeated multiplication: one sine and cosine per value instead of
    one per value and knot, and memory that does not grow with the knots.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weights: tuple[tuple[float, float, float], ...]) -> Tensor:
        step = weights[0][0]
        rotation = torch.polar(torch.ones_like(x), x * step)
        u, total, slope = torch.ones_like(rotation), torch.zeros_like(x[0]), torch.zeros_like(rotation)
        for knot, target, weight in weights:
            u = u * rotation
            error = u.mean(dim=0) - target  # the empirical characteristic function beside the Gaussian's
            total += weight * (error.real.square() + error.imag.square())
            slope.addcmul_(u, error.conj().expand_as(u), value=weight * knot)
        ctx.save_for_backward(slope.imag.mul(-2))
        return len(x) * total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (slope,) = ctx.saved_tensors
        return slope * gradient, None


def quadrature(knots: int = 17, reach: float = 3.0) -> tuple[tuple[float, float, float], ...]:
    """Return (t, exp(-t^2/2), weight) at the knots t > 0 of the trapezoid rule of SIGReg's integral.

    The integrand is even, so that knots in [0, reach] stand for [-reach, reach]; it is 0 at t = 0, and that knot is
    left out. The weight holds the window exp(-t^2/2).

    Example:
        >>> round(3 / 16 + sum(weight for *_, weight in quadrature()), 5)  # that of t = 0 added
        2.49967
    """
    if knots < 2 or not reach > 0:
        raise ValueError(f"the integral needs two or more knots in a positive range, got {knots} up to {reach}")
    h = reach / (knots - 1)
    targets = [exp(-((k * h) ** 2) / 2) for k in range(1, knots)]
    return tuple((k * h, g, (h if k == knots - 1 else 2 * h) * g) for k, g in enumerate(targets, start=1))


def sigreg(z: Tensor, directions: Tensor, *, knots: int = 17, reach: float = 3.0) -> Tensor:
    """Return the mean over directions a of the Epps-Pulley statistic of x_n = z_n . a / |a| against N(0, 1),

        N * integral of |f(t) - exp(-t^2/2)|^2 exp(-t^2/2) dt    with    f(t) = mean over n of exp(i t x_n).

    The floor is not 0: embeddings that are N(0, I) give 1.05 on average at any N, with a standard deviation of about 1
    per direction; all rows at the origin give 0.40 N; far smaller values mean a sample forced onto quantiles. Blind
    spots: (a) with a trace of D spread over D/2 of D dimensions the excess over the floor is 4 at D = 16 and .12 at D =
    512 (N = 256), lost in the noise: keep D small, or watch a rank beside it; (b) exact collapse is a stationary point,
    and rows beyond about 5 feel no pull; (c) knots h apart cannot tell x from x + 2 pi / h (33.5 by default): keep a
    norm before the last layer.

    Args:
        z: (N, D) embeddings, of all ranks together: half of the rows give another statistic.
        directions: (M, D), of any length; fresh ones every step, the same on all ranks.
        knots, reach: number of quadrature points, and the largest one (see `quadrature`).

    Returns: a scalar >= 0, float32 at least.
    Raises: ValueError for shapes that do not fit, or no quadrature.
    Source: Balestriero and LeCun 2025 (LeJEPA); the quadrature of the authors' code. Epps and Pulley 1983.

    Example:
        >>> round(sigreg(torch.zeros(100, 2), torch.eye(2)).item(), 1)
        40.2
    """
    if z.ndim != 2 or directions.ndim != 2 or z.shape[1] != directions.shape[1]:
        raise ValueError(f"rows (N, D) and directions (M, D) are needed, got {(*z.shape,)} and {(*directions.shape,)}")
    with torch.autocast(z.device.type, enabled=False):
        rows = upcast(z)
        x = rows @ l2_normalize(directions.to(rows)).T
        return _EppsPulley.apply(x, quadrature(knots, reach)).mean()


def lejepa(
    z: Sequence[Tensor], directions: Tensor, *, centre: int, lambda_: float = 0.05, knots: int = 17, reach: float = 3.0
) -> dict[str, Tensor]:
    """Return LeJEPA's two weighted terms for V views of the same N rows.

        prediction  (1 - lambda) mean over views, rows and dimensions of (z - mu)^2
        gaussian    lambda mean over views of `sigreg`

    Args:
        z: V >= 2 views, each (N, D), large ones first.
        directions, knots, reach: as for `sigreg`.
        centre: over how many views, 1 to V, a row's mean mu is; the gradient flows through it.
        lambda_: in [0, 1].

    Returns: scalars >= 0, float32 at least.
    Raises: ValueError for fewer than two views, views of different shapes, or a number out of its range.
    Source: Balestriero and LeCun 2025 (LeJEPA), the algorithm's convex form.

    Example:
        >>> z = torch.zeros(100, 2)
        >>> {name: round(term.item(), 2) for name, term in lejepa([z + 1, z - 1], torch.eye(2), centre=2).items()}
        {'prediction': 0.95, 'gaussian': 5.93}
    """
    if len(z) < 2 or not 1 <= centre <= len(z):
        raise ValueError(f"lejepa needs two or more views, some of them for the centre, got {len(z)} and {centre}")
    if not 0 <= lambda_ <= 1:
        raise ValueError(f"lambda must be in [0, 1], got {lambda_}")
    same_shape(*z)
    with torch.autocast(z[0].device.type, enabled=False):
        views = torch.stack([upcast(x) for x in z])
        prediction = (views - views[:centre].mean(dim=0)).square().mean()
        normal = torch.stack([sigreg(x, directions, knots=knots, reach=reach) for x in views]).mean()
    return {"prediction": (1 - lambda_) * prediction, "gaussian": lambda_ * normal}
