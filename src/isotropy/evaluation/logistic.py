"""Multinomial logistic regression, many problems at once: one pair of matrix products a step serves all of them."""

from collections import deque
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

_HISTORY = 5
_HALVINGS = 5
_DECREASE = 1e-4  # of Armijo's rule


class Fitted(NamedTuple):
    """Weights (G, J, d, K) and intercepts (G, J, K) of J problems in each of G groups, and how they were found."""

    weights: Tensor
    intercepts: Tensor
    steps: int
    converged: Tensor


def fit_logistic(
    x: Tensor, codes: Tensor, classes: int, strength: Tensor, *, rows: Tensor | None = None,
    steps: int = 300, tolerance: float = 1e-4,
) -> Fitted:  # fmt: skip
    """Fit logistic regressions by L-BFGS; the problems of one group share their features.

    Each minimises C * sum of the cross entropies + |W|^2 / 2, as scikit-learn's `LogisticRegression` does for more than
    two classes (for two it has one vector of weights, and the same fit at 2C); intercepts are not penalised. A problem
    has converged where no gradient of that sum / (C * rows) is above `tolerance`.

    Args:
        x: features (G, n, d), on the device to compute on.
        codes: classes (G, n), 0 .. classes - 1.
        classes: how many, K.
        strength: C of each problem, (J,), or (G, J) where the groups differ.
        rows: which rows each problem learns from, (G, n, J), 0 or 1; by default all.
        steps: at most. tolerance: of the gradient.

    Source: Nocedal and Wright, Numerical Optimization (2006), algorithm 7.4, from the inverse of Boehning's bound on
    the curvature of each weight (Boehning 1992, section 3).

    Example:
        >>> x = torch.tensor([[[0.0], [0.2], [1.0], [1.2]]])
        >>> found = fit_logistic(x, torch.tensor([[0, 0, 1, 1]]), 2, torch.tensor([1.0, 100.0]))
        >>> (x[:, None] @ found.weights + found.intercepts[:, :, None]).argmax(-1).tolist()
        [[[0, 0, 1, 1], [0, 0, 1, 1]]]
    """
    groups, count, _ = x.shape
    jobs = strength.shape[-1]
    rows = x.new_ones(groups, count, jobs) if rows is None else rows.to(x)
    total = rows.sum(1)  # (G, J)
    share = (rows / total[:, None]).transpose(1, 2).contiguous()  # (G, J, n)
    penalty = 1 / (strength.to(x) * total)  # (G, J)
    mean = share @ x
    # About each group's mean the intercept and the weights hardly interact, and L-BFGS needs fewer steps.
    middle = mean.mean(1, keepdim=True)
    x = torch.cat([x - middle, x.new_ones(groups, count, 1)], dim=2)
    free = x.new_ones(x.shape[2])
    free[-1] = 0
    curvature = 0.5 * share @ x**2 + penalty[..., None] * free
    target = torch.nn.functional.one_hot(codes, classes).to(x).transpose(1, 2)[:, None].contiguous()  # (G, 1, K, n)

    def objective(point: Tensor) -> tuple[Tensor, Tensor]:
        # Rows come last: maxima and sums over a few classes are then taken along memory, several times as fast.
        logits = torch.bmm(point.flatten(1, 2), x.transpose(1, 2)).view(groups, jobs, classes, count)
        weights = point * free
        log_odds = torch.log_softmax(logits, dim=2)
        loss = -(share * (log_odds * target).sum(2)).sum(2) + 0.5 * penalty * (weights**2).sum((2, 3))
        slope = (log_odds.exp_() - target) * share[:, :, None]
        gradient = torch.bmm(slope.flatten(1, 2), x).view_as(point)
        return loss, gradient + penalty[..., None, None] * weights

    start = x.new_zeros(groups, jobs, classes, x.shape[2])
    point, taken, converged = _minimise(objective, start, 1 / curvature[:, :, None].clamp(min=1e-12), steps, tolerance)
    point = point.transpose(2, 3).contiguous()
    weights = point[:, :, :-1]
    intercepts = point[:, :, -1] - torch.einsum("gjd,gjdk->gjk", middle.expand(-1, jobs, -1), weights)
    return Fitted(weights, intercepts, taken, converged)


def _minimise(
    objective: Callable[[Tensor], tuple[Tensor, Tensor]], point: Tensor, scale: Tensor, steps: int, tolerance: float
) -> tuple[Tensor, int, Tensor]:
    """Return the minimum (G, J, ...) of every problem, the steps taken, and which converged."""
    loss, gradient = objective(point)
    past: deque[tuple[Tensor, Tensor, Tensor]] = deque(maxlen=_HISTORY)
    stuck = torch.zeros_like(loss, dtype=torch.bool)
    for step in range(steps + 1):
        converged = gradient.abs().amax((2, 3)) <= tolerance
        done = converged | stuck
        if step == steps or bool(done.all()):
            break
        direction = -_two_loops(gradient, past, scale)
        slope = _dot(direction, gradient)
        downhill = slope < 0
        direction = torch.where(_wide(downhill), direction, -scale * gradient)
        slope = torch.where(downhill, slope, _dot(direction, gradient))
        length = torch.where(done, 0.0, 1.0)
        new_loss, new_gradient = objective(point + _wide(length) * direction)
        for _ in range(_HALVINGS):
            # The last digits of a float32 sum are no reason to shorten a step.
            bad = ~(new_loss <= loss + _DECREASE * length * slope + 3e-6 * loss.abs()) & ~done
            if not bool(bad.any()):
                break
            length = torch.where(bad, length / 2, length)
            new_loss, new_gradient = objective(point + _wide(length) * direction)
        else:
            stuck = stuck | bad
            length = torch.where(bad, 0.0, length)
            new_loss, new_gradient = objective(point + _wide(length) * direction)
        moved, turned = _wide(length) * direction, new_gradient - gradient
        bend = _dot(moved, turned)
        useful = bend > 1e-10 * _dot(turned, turned).clamp(min=1e-30)
        past.append((moved, turned, torch.where(useful, 1 / torch.where(useful, bend, 1.0), 0.0)))
        point, loss, gradient = point + moved, new_loss, new_gradient
    return point, step, converged


def _two_loops(gradient: Tensor, past: "deque[tuple[Tensor, Tensor, Tensor]]", scale: Tensor) -> Tensor:
    """Return the inverse Hessian that the past steps tell, times the gradient."""
    q, alphas = gradient, []
    for moved, turned, rho in reversed(past):
        alpha = rho * _dot(moved, q)
        q = q - _wide(alpha) * turned
        alphas.append(alpha)
    q = scale * q
    if past:
        moved, turned, rho = past[-1]
        size = _dot(turned, scale * turned)
        gamma = torch.where(rho > 0, 1 / (rho * size).clamp(min=1e-30), 1.0)
        q = _wide(gamma) * q
    for (moved, turned, rho), alpha in zip(past, reversed(alphas), strict=True):
        beta = rho * _dot(turned, q)
        q = q + _wide(alpha - beta) * moved
    return q


def _dot(a: Tensor, b: Tensor) -> Tensor:
    return (a * b).sum((2, 3))


def _wide(value: Tensor) -> Tensor:
    return value[:, :, None, None]
