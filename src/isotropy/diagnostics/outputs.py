"""What the outputs of one step say, in a few numbers that cost next to nothing and are exact over ranks."""

from collections.abc import Callable, Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from isotropy.diagnostics.prototypes import Uses, assignments, most_even
from isotropy.diagnostics.spectrum import Moments
from isotropy.diagnostics.stability import Gap, Sums, predictor_gap, stability

Total = Callable[[Tensor], Tensor]


def step_numbers(shown: Mapping[str, Sequence[Tensor]], total: Total = lambda x: x) -> dict[str, float]:
    """Return "centre", "alignment" and "spread" of views, "eta" and "residual" of a predictor, and how categories
    are used: "marginal_entropy", "entropy", "information", "used", means over the variables, with their
    "categories" and "most_even", and "divergence" between teacher and student.

    Only what `shown` has is there; see `stability`, `predictor_gap` and `assignments`. The first pair of prediction
    and target, and of teacher and student, stands for all. Sums are added up over ranks before any number is taken.

    Args:
        shown: as a method's `monitored` returns it, of at least two rows on every rank or on all of them together.
        total: adds a tensor up over the ranks; the identity where the rows are those of all ranks already.

    Example:
        >>> found = step_numbers({"views": [torch.eye(4), torch.eye(4)]})
        >>> found["centre"], round(found["alignment"], 6)
        (0.0, 1.0)
    """
    found: dict[str, float] = {}
    if views := shown.get("views"):
        sums = Sums.of(views).over_ranks(total)
        values = stability(sums) if sums.count > 1 else {}
        found |= {name: values[name] for name in ("centre", "alignment", "spread") if name in values}
    if pairs := shown.get("prediction"):
        gap = predictor_gap(Gap.of(pairs[0], shown["target"][0]).over_ranks(total))
        found |= {name: gap[name] for name in ("eta", "residual")}
    if variables := shown.get("assignments"):
        uses = [Uses.of(p).over_ranks(total) for p in variables]
        each = [assignments(use) for use in uses]
        names = ("marginal_entropy", "entropy", "information", "used")
        found |= {name: sum(one[name] for one in each) / len(each) for name in names}
        found["categories"] = float(len(uses[0].total))
        found["most_even"] = most_even(len(uses[0].total), int(uses[0].count), found["entropy"])
    if teachers := shown.get("teacher"):
        t, s = teachers[0].double(), shown["student"][0].double()
        apart = (torch.special.xlogy(t, t) - torch.special.xlogy(t, s)).sum()
        both = total(torch.stack([apart, apart.new_tensor(float(len(t)))]))
        found["divergence"] = float(both[0] / both[1])
    return found


def views_rank(views: Sequence[Tensor], total: Total = lambda x: x) -> float:
    """Return the participation ratio of the centred unit rows of all views together: the directions they use.

    Range 1 to min(rows - 1, D), NaN at point collapse; from the covariance alone, without its eigenvalues.

    Args:
        views: V views, each (N, D). total: see `step_numbers`.

    Source: as `participation_ratio`.

    Example:
        >>> round(views_rank([torch.eye(4), -torch.eye(4)]), 6)
        4.0
    """
    rows = torch.cat([F.normalize(view.float(), dim=1) for view in views])
    covariance = Moments.of(rows).over_ranks(total).covariance()
    trace, squares = float(covariance.trace()), float(covariance.square().sum())
    # Unit rows have a second moment of trace 1, and float32 leaves 1e-12 of it.
    return trace**2 / squares if trace > 1e-10 else float("nan")
