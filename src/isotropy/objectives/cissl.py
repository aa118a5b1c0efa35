"""CISSL: a linear student picks its own sample among all the teacher's embeddings, its own view included."""

from collections.abc import Sequence
from math import exp, log

import torch
from torch import Tensor

from isotropy.objectives.rows import check_sides, check_temperature, l2_normalize, upcast

__all__ = ["cissl", "cissl_references"]


def cissl(student: Sequence[Tensor], teacher: Sequence[Tensor], *, temperature: float) -> Tensor:
    """Return the contrastive loss of the students of V views and the teachers of the first U of them.

    With unit rows s and t, and q = softmax(s_vi . t / T) over all U N teachers' rows, it is the mean over all V N
    students of -(1/U) sum over u <= U of log q(t_ui). Nothing is masked: the teacher of the very same view is one of
    the positives.

    Args:
        student: V >= 2 views, each (N, D), of any length.
        teacher: the first U views, 1 <= U <= V, each (N, D). Gradient reaches both sides.
        temperature: T > 0, in units of cosine.

    Returns: a scalar in nats, float32 at least, never below log(U); log(U N) where all rows are one point.
    Raises: ValueError for numbers of views or shapes that do not fit, or a temperature that is not positive.
    Source: Dubois et al. 2022 (arXiv 2209.06235), equation 7 and the authors' code; crops as in their ImageNet code.

    Example:
        >>> same = torch.ones(4, 3)
        >>> torch.allclose(cissl([same, same], [same, same], temperature=0.5), torch.tensor(8.0).log())
        True
    """
    check_sides("cissl", student, teacher)
    check_temperature(temperature)
    rows = len(student[0])
    with torch.autocast(student[0].device.type, enabled=False):
        s, t = (l2_normalize(upcast(torch.cat([*side]))) for side in (student, teacher))
        logits = (s @ t.T).div_(temperature)
        log_q = logits.log_softmax(dim=1).view(len(student), rows, len(teacher), rows)
        return -log_q.diagonal(dim1=1, dim2=3).mean()


def cissl_references(rows: int, *, temperature: float) -> dict[str, float]:
    """Return `cissl` of two views where all rows are one point, and where equal views form a simplex: its minimum.

    With more rows than dimensions plus one a simplex does not fit, and the loss stays above "perfection".

    Example:
        >>> {name: round(value, 3) for name, value in cissl_references(4, temperature=0.5).items()}
        {'point collapse': 2.079, 'perfection': 0.882}
    """
    others = rows - 1
    return {"point collapse": log(2 * rows), "perfection": log(2 + 2 * others * exp(-rows / (others * temperature)))}
