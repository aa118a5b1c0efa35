"""Few-label curve: the linear probe with a handful of labels a class, over many draws of them."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from isotropy.errors import UserError
from isotropy.evaluation.evaluators.linear import linear_probe
from isotropy.evaluation.probe import checked
from isotropy.evaluation.score import Measurement
from isotropy.evaluation.task import SCORE_NAME, Task

PER_CLASS = (1, 2, 5, 10, 50, 200)
ROWS = (20, 50, 200, 1000)
DRAWS = 20


def few_labels(
    train_z: ArrayLike,
    train_y: ArrayLike,
    test_z: ArrayLike,
    test_y: ArrayLike,
    *,
    task: Task,
    seed: int,
    sizes: Sequence[int] | None = None,
    draws: int = DRAWS,
) -> Iterator[Measurement]:
    """Measure `linear_probe` with few training labels, each score the mean over `draws` draws of them.

    The draws depend on the labels and the seed alone, so that all representations learn from the same rows; the
    interval is over draws, on the same test rows. A class that has fewer rows gives all that it has; a size that every
    class falls short of is left out.

    Args:
        train_z, train_y, test_z, test_y, task, seed: as of every `Evaluator`.
        sizes: labels per class, or rows where the labels are numbers; by default 1, 2, 5, 10, 50, 200 per class, or
            20, 50, 200, 1000 rows.
        draws: how many, at least 2.

    Raises:
        UserError: no size that is there, or fewer than two draws.

    Source: Dubois et al. 2022 (arXiv 2209.06235), figure 7a; compare with 1 - (1 - 1/K)^labels.

    Example:
        >>> x, y = np.repeat(np.eye(2), 8, axis=0), np.repeat([0, 1], 8)
        >>> [(m.labels, m.terms.mean()) for m in few_labels(x, y, x, y, task="classes", seed=0, sizes=[1, 4], draws=3)]
        [(2, np.float64(1.0)), (8, np.float64(1.0))]
    """
    data = checked(train_z, train_y, test_z, test_y)
    groups = np.unique(data.train_y.astype(str), return_inverse=True)[1] if task == "classes" else None
    most = len(data.train_y) if groups is None else int(np.bincount(groups).max())
    sizes = [size for size in sizes or (PER_CLASS if task == "classes" else ROWS) if 1 <= size <= most]
    if not sizes or draws < 2:
        raise UserError(f"few labels need sizes from 1 to {most} and at least 2 draws, not {draws}")
    for size in sizes:
        scores = []
        for draw in range(draws):
            rows = _drawn(len(data.train_y), groups, size, np.random.default_rng([seed, size, draw]))
            found = linear_probe(data.train_x[rows], data.train_y[rows], data.test_x, data.test_y, task=task, seed=seed)
            scores.append(found.score)
        yield Measurement(SCORE_NAME[task], len(rows), np.array(scores)[:, None], {"size": size, "draws": draws})


def _drawn(count: int, groups: NDArray[np.intp] | None, size: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return `size` rows of every group, or of all."""
    order = rng.permutation(count)
    if groups is None:
        return order[:size]
    return np.concatenate([order[groups[order] == group][:size] for group in range(groups.max() + 1)])
