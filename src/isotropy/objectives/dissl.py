"""DISSL: the teacher assigns confident, balanced categories, and a weak student predicts them."""

from collections.abc import Sequence

import torch
from torch import Tensor

from isotropy.objectives.rows import check_sides, check_temperature, upcast

__all__ = ["dissl"]


def dissl(
    student: Sequence[Tensor],
    teacher: Sequence[Tensor],
    *,
    lambd: float = 2.3,
    beta: float = 0.8,
    temperature: float = 0.5,
    student_temperature: float = 1.0,
    marginal: Sequence[Tensor] | None = None,
) -> dict[str, Tensor]:
    """Return DISSL's three weighted terms for the students of V views and the teachers of the first U of them.

    With s = softmax(student logits / T_s), t = softmax(teacher logits / T_t) and CE the mean over rows of -sum p log q,

        distillation  mean over a <= U, b <= V, a != b, of CE(t_a, s_b)
        determinism   beta * mean over a, b <= U, a != b, of CE(t_a, t_b)
        maximality    -lambda * mean over a <= U of H( mean over rows of t_a )

    Their sum is -(1 + beta) I(M; X) - (lambda - 1 - beta) H(M) plus Kullback-Leibler distances, so that the entropy of
    the marginal is rewarded on its own only where lambda > 1 + beta.

    Args:
        student: V >= 2 views of logits, each (N, C).
        teacher: logits of the first U views, 2 <= U <= V, each (N, C). Gradient reaches them through all terms.
        lambd: lambda, the weight of maximality.
        beta: weight of determinism.
        temperature: T_t > 0.
        student_temperature: T_s > 0.
        marginal: U probabilities (C,) or (1, C) instead of the means of t over these rows: those over the rows of all
            processes, with gradient.

    Returns: the terms in nats, float32 at least. All in one category: 0.
    Raises: ValueError for numbers of views or shapes that do not fit, or a temperature that is not positive.
    Source: Dubois et al. 2022 (arXiv 2209.06235), equation 9 and the authors' code.

    Example:
        >>> flat = [torch.zeros(4, 8)] * 2
        >>> {name: round(term.item(), 4) for name, term in dissl(flat, flat).items()}
        {'distillation': 2.0794, 'determinism': 1.6636, 'maximality': -4.7827}
    """
    check_sides("dissl", student, teacher, least=2)
    check_temperature(temperature, student_temperature)
    with torch.autocast(student[0].device.type, enabled=False):
        log_s = [(upcast(x) / student_temperature).log_softmax(dim=1) for x in student]
        log_t = [(upcast(x) / temperature).log_softmax(dim=1) for x in teacher]
        t = [x.exp() for x in log_t]
        # The cross entropy is linear in log q: one product for all the views that a teacher is compared with.
        distillation = _mean_cross_entropy(t, log_s)
        determinism = _mean_cross_entropy(t, log_t)
        means = [x.mean(dim=0) for x in t] if marginal is None else [upcast(x).flatten() for x in marginal]
        return {
            "distillation": distillation,
            "determinism": beta * determinism,
            "maximality": -lambd * torch.stack([_entropy(p) for p in means]).mean(),
        }


def _mean_cross_entropy(p: Sequence[Tensor], log_q: Sequence[Tensor]) -> Tensor:
    """Return the mean over rows and over all pairs a != b of -sum p_a log q_b; p_a and q_a are of one view."""
    total = torch.stack([*log_q]).sum(dim=0)
    sums = [(p_a * (total - log_q[a])).sum() for a, p_a in enumerate(p)]
    return -torch.stack(sums).sum() / (len(p) * (len(log_q) - 1) * len(p[0]))


def _entropy(p: Tensor) -> Tensor:
    # Clamped inside the logarithm alone: an empty category adds 0 and its gradient is large, not infinite.
    return -(p * p.clamp_min(torch.finfo(p.dtype).tiny).log()).sum()
