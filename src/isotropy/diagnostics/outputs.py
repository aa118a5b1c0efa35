"""What the outputs of one step say, in a few numbers that cost next to nothing and are exact over ranks."""

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from isotropy.diagnostics.prototypes import Uses, assignments, most_even
from isotropy.diagnostics.spectrum import Moments, participation_ratio
from isotropy.diagnostics.stability import Gap, Sums, predictor_gap, stability
from isotropy.diagnostics.sums import Total


def step_numbers(shown: Mapping[str, Sequence[Tensor]], total: Total = lambda x: x) -> dict[str, float]:
    """Return the numbers of a step that what is `shown` allows, all in nats and of all ranks.

    - views: "centre", "alignment", "spread" (`stability`).
    - prediction, target: "eta", "residual" (`predictor_gap`), of the first pair.
    - assignments: "marginal_entropy", "entropy", "information", "used" (`assignments`), means over the variables, with
      their "categories" and "most_even".
    - teacher, student: "divergence", the mean KL(teacher || student) of the first pair, 0 (equal) to infinity: what the
      cross-entropy, which never falls below the teacher's entropy, can still gain.

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
        categories = len(uses[0].total)
        found |= {
            "categories": float(categories),
            "most_even": most_even(categories, int(uses[0].count), found["entropy"]),
        }
    if teachers := shown.get("teacher"):
        t, s = teachers[0].double(), shown["student"][0].double()
        apart = (torch.special.xlogy(t, t) - torch.special.xlogy(t, s)).sum()
        both = total(torch.stack([apart, apart.new_tensor(len(t))]))
        found["divergence"] = float(both[0] / both[1])
    return found


def views_rank(views: Sequence[Tensor], total: Total = lambda x: x) -> float:
    """Return the `participation_ratio` of the unit rows of all views (N, D) together, over all ranks.

    Example:
        >>> round(views_rank([torch.eye(4), -torch.eye(4)]), 6)
        4.0
    """
    rows = torch.cat([F.normalize(view.float(), dim=1) for view in views])
    return participation_ratio(Moments.of(rows).over_ranks(total))
