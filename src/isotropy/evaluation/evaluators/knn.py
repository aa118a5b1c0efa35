"""Exact k-nearest-neighbour probe on cosine similarity."""

import time
from collections.abc import Iterator

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import ArrayLike, NDArray

from isotropy.evaluation.probe import Probe, checked, scored
from isotropy.evaluation.score import Measurement
from isotropy.evaluation.task import SCORE_NAME, Task, encode, task_of

NEIGHBOURS = 20
TEMPERATURE = 0.07
_CELLS = 1 << 25  # similarities held at a time: 128 MB


def knn(
    train_z: ArrayLike, train_y: ArrayLike, test_z: ArrayLike, test_y: ArrayLike, *, task: Task, seed: int
) -> Iterator[Measurement]:
    """Measure `knn_probe` with all training labels; nothing is drawn, so the seed does not matter."""
    probe = knn_probe(train_z, train_y, test_z, test_y, task=task)
    yield Measurement(SCORE_NAME[task], len(np.asarray(train_y)), probe.terms, probe.detail)


def knn_probe(
    train_x: ArrayLike,
    train_y: ArrayLike,
    test_x: ArrayLike,
    test_y: ArrayLike,
    *,
    k: int = NEIGHBOURS,
    temperature: float = TEMPERATURE,
    task: Task | None = None,
) -> Probe:
    """Predict each test row from its `k` most similar training rows, weighted by exp(cosine / temperature).

    Classes are voted on, numbers averaged. Nothing is fitted, so nothing can be tuned in a method's favour; features
    are taken as they come (not centred, not scaled). `k` is at most the number of training rows. Exact: every pair is
    compared, in chunks of test rows. A row of zeros has similarity 0 to every other.

    Args:
        train_x: features (N, D).
        train_y: labels (N,); rows with a missing one are dropped.
        test_x: features (M, D).
        test_y: labels (M,); rows with a missing one are dropped.
        k: neighbours.
        temperature: of the weights, positive.
        task: "classes" or "numbers"; by default what `task.task_of` says of the training labels.

    Raises:
        UserError: as `linear_probe`.

    Source: Wu et al., Unsupervised Feature Learning via Non-Parametric Instance Discrimination (2018), section 3.4
    (k = 200 there; 20 as in DINO, 2021, section 4).

    Example:
        >>> x, y = np.array([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0]]), np.array(["a", "a", "b"])
        >>> knn_probe(x, y, np.array([[1.0, 0.2], [0.1, 1.0]]), np.array(["a", "b"]), k=1).score
        1.0
    """
    start = time.perf_counter()
    data = checked(train_x, train_y, test_x, test_y)
    task = task or task_of(data.train_y)
    k = min(k, len(data.train_y))
    detail = {"k": k, "temperature": temperature}
    if task == "classes":
        train, truth, classes = encode(data.train_y, data.test_y)
        votes = _averages(data.train_x, np.eye(len(classes), dtype=np.float32)[train], data.test_x, k, temperature)
        predicted = votes.argmax(axis=1)
    else:
        truth = data.test_y.astype(np.float64)
        target = data.train_y.astype(np.float64)
        # In float32 a large common offset would eat the digits, so numbers are averaged about their mean.
        values = (target - target.mean()).astype(np.float32)[:, None]
        predicted = _averages(data.train_x, values, data.test_x, k, temperature)[:, 0] + target.mean()
    return scored(task, truth, predicted, data, detail, start)


def _averages(
    train: NDArray[np.float32], values: NDArray[np.float32], test: NDArray[np.float32], k: int, temperature: float
) -> NDArray[np.float64]:
    """Return the weighted mean of the neighbours' `values` (N, c) for every test row, (M, c)."""
    keys = F.normalize(torch.from_numpy(train), dim=1)
    queries = F.normalize(torch.from_numpy(test), dim=1)
    carried = torch.from_numpy(values)
    out = []
    for chunk in queries.split(max(1, _CELLS // len(keys))):
        similarity, neighbour = (chunk @ keys.T).topk(k, dim=1)
        weight = torch.softmax(similarity.double() / temperature, dim=1)
        out.append(torch.einsum("mk,mkc->mc", weight, carried[neighbour].double()))
    return torch.cat(out).numpy()
