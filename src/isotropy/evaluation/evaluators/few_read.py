"""A handful of labels read from features: by lines and by spreading, each of which counts as held-out labels say."""

from collections.abc import Iterator, Sequence
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from isotropy.evaluation.averaging import average_weights
from isotropy.evaluation.evaluators.few_linear import FOLDS, STRENGTHS, LinearReading, forms_for, held_out
from isotropy.evaluation.evaluators.few_numbers import few_numbers
from isotropy.evaluation.features import Features, Form
from isotropy.evaluation.label_graph import REACHED, LabelGraph
from isotropy.evaluation.problem import Problem, Rows

_CELLS = 1 << 23  # of more draws at once, memory comes from the system anew for every step
SHARPNESS = (1, 3)  # powers of the votes that spread to a row: which of them is its chance, held-out rows say
_NEGLIGIBLE = 1e-3  # a share that is not worth its fit
_LEAST = 1e-9  # that the best line counts: what no label reaches is read by lines
_GRAPHS: WeakKeyDictionary[Features, tuple[bytes, dict[str, LabelGraph]]] = WeakKeyDictionary()  # for every size


def few_read(features: Features, problem: Problem, rows: NDArray[np.int64], test: Rows) -> NDArray[Any]:
    """Return what is read from each draw of `rows` (D, n) of the test rows: (D, M, K), or (D, M) for numbers.

    Classes are the average of several readings: in each form of the features logistic regressions of four strengths,
    and label propagation whose votes count as they are and cubed. Each counts by the probability that it gives to the
    draw's own labels, held out in three folds (`average_weights`): to choose one of them by a few labels is to choose
    at random. Whitened features are read where a draw has more rows than they have columns. With one label a class
    nothing can be held out: it spreads over the features as they are, as rows that are near each other are all that a
    label on one of them tells of. Test rows that no label reaches are left to the lines. Labels spread over a
    graph of at most 2,000 training and test rows; further rows give to their ten nearest there, and take from them.
    Numbers are read by `few_numbers`.

    Source: Zhou et al., Learning with Local and Global Consistency (NIPS 2003); for further rows Delalleau, Bengio and
    Le Roux, Efficient Non-Parametric Function Induction in Semi-Supervised Learning (AISTATS 2005), section 3.
    """
    if problem.task == "numbers":
        return few_numbers(features, problem, rows, test)
    forms = forms_for(features, rows.shape[1])
    return read_classes(forms, problem, rows, test, _graphs(features, forms, test))


def read_classes(
    forms: Sequence[Form], problem: Problem, rows: NDArray[np.int64], test: Rows, graphs: Sequence[LabelGraph]
) -> NDArray[np.float32]:
    """Return the probabilities (D, M, K) that `few_read` gives, from lines in some forms and over some graphs."""
    codes, classes = problem.train_y[rows], len(problem.classes)
    out = np.empty((len(rows), len(test), classes), dtype=np.float32)
    width = max(form.train.shape[1] for form in forms)
    step = max(1, _CELLS // (rows.shape[1] * max(width, classes * len(STRENGTHS) * FOLDS)))
    for start in range(0, len(rows), step):
        piece = slice(start, start + step)
        out[piece] = _averaged(forms, problem, rows[piece], codes[piece], test, graphs)
    return out


def _averaged(
    forms: Sequence[Form], problem: Problem, rows: NDArray[np.int64], codes: NDArray[np.int64], test: Rows,
    graphs: Sequence[LabelGraph],
) -> NDArray[np.float32]:  # fmt: skip
    lines, spread, shares = readings(forms, problem, rows, codes, test, graphs)
    count = len(STRENGTHS) * len(lines)
    out = np.zeros((len(rows), len(test), len(problem.classes)), dtype=np.float32)
    for line, weights in zip(lines, np.split(shares[:count], len(lines)), strict=True):
        out += line.predict(weights)
    for one, weights in zip(spread, np.split(shares[count:], max(len(spread), 1))):
        out += one.predict(weights)
    found: NDArray[np.float32] = out / out.sum(axis=2, keepdims=True)
    return found


def readings(
    forms: Sequence[Form], problem: Problem, rows: NDArray[np.int64], codes: NDArray[np.int64], test: Rows,
    graphs: Sequence[LabelGraph],
) -> tuple[list[LinearReading], list["GraphReading"], NDArray[np.float64]]:  # fmt: skip
    """Return the readings of some draws of rows (D, n) with `codes`, and what each counts for, (readings, D).

    First come the strengths of the lines in each form, then the powers of the votes over each graph.
    """
    held = held_out(codes, problem, rows)
    graphs = graphs if held.any() else graphs[:1]
    lines = [LinearReading(form, test, rows, codes, len(problem.classes)) for form in forms]
    spread = [GraphReading(graph, rows, codes, len(problem.classes)) for graph in graphs]
    count = len(STRENGTHS) * len(lines)
    shares = np.ones((count + len(SHARPNESS) * len(spread), len(rows)))
    if held.any():
        judged = [*(line.judged(held) for line in lines), *(one.judged(held) for one in spread)]
        shares = average_weights(np.concatenate(judged), np.asarray(held.any(axis=2)), seed=problem.seed)
        best, draws = shares[:count].argmax(axis=0), np.arange(len(rows))
        shares[shares < _NEGLIGIBLE] = 0
        shares[best, draws] = np.maximum(shares[best, draws], _LEAST)
    else:
        shares[:count] = _LEAST
    return lines, spread, shares


class GraphReading:
    """Label propagation from some draws of rows (D, n) over one graph.

    Args:
        codes: the classes of the drawn rows, (D, n). classes: how many there are.
    """

    def __init__(self, graph: LabelGraph, rows: NDArray[np.int64], codes: NDArray[np.int64], classes: int) -> None:
        self.graph, self.rows, self.codes = graph, rows, codes
        self.target = np.eye(classes, dtype=np.float32)[codes]
        # What has spread is a vote and no probability: of n labels each may be wrong, as Platt has it.
        self.doubt = 1 / (rows.shape[1] + 2)

    def judged(self, held: NDArray[np.bool_]) -> NDArray[np.float32]:
        """Return the log probability of each drawn row's class from folds that do not hold it, (powers, D, n); or 0."""
        # Every fold has columns of its own, so that all are spread at once.
        folds, classes = held.shape[2], self.target.shape[2]
        learnt = (self.target[:, :, None] * ~held[..., None]).reshape(*self.rows.shape, -1)
        out = np.zeros((len(SHARPNESS), *self.rows.shape), dtype=np.float32)
        for draw, given in enumerate(self.graph.spread(self.rows, learnt)):
            reached = (self.graph.train[self.rows[draw]] @ given).reshape(-1, folds, classes)
            own = self.codes[draw][:, None, None]
            for number, power in enumerate(SHARPNESS):
                chance = self._probable(reached, power, 1 / classes)
                right = np.take_along_axis(chance, own, axis=2)[..., 0]
                out[number, draw] = (np.log(right) * held[draw]).sum(axis=1)
        return out

    def given(self) -> Iterator[NDArray[np.float32]]:
        """Yield what the labels of each draw give to the nodes, (nodes, K)."""
        return self.graph.spread(self.rows, self.target)

    def predict(self, weights: NDArray[np.float64]) -> NDArray[np.float32]:
        """Return the probabilities of test rows, (D, M, K), summed with the weights (powers, D); 0 if not reached."""
        out = np.zeros((len(self.rows), self.graph.test.shape[0], self.target.shape[2]), dtype=np.float32)
        for draw, given in enumerate(self.given()):
            reached = self.graph.test @ given
            for weight, power in zip(weights[:, draw].astype(np.float32), SHARPNESS, strict=True):
                out[draw] += weight * self._probable(reached, power, 0.0)
        return out

    def _probable(self, reached: NDArray[np.float32], power: int, otherwise: float) -> NDArray[np.float32]:
        return probable(torch.from_numpy(reached), power, self.doubt, otherwise).numpy()


def probable(reached: Tensor, power: int, doubt: float | Tensor, otherwise: float) -> Tensor:
    """Return the probabilities that votes (..., K) to a power stand for; `otherwise` where no label reaches.

    Each class has at least `doubt` / K.

    Example:
        >>> probable(torch.tensor([[3.0, 1.0], [0.0, 0.0]]), 1, 0.5, 0.0).tolist()
        [[0.625, 0.375], [0.0, 0.0]]
    """
    total = reached.sum(dim=-1, keepdim=True)
    votes = (reached / total.clamp(min=REACHED)) ** power
    share = votes / votes.sum(dim=-1, keepdim=True).clamp(min=REACHED)
    return torch.where(total > REACHED, (1 - doubt) * share + doubt / reached.shape[-1], otherwise)


def _graphs(features: Features, forms: Sequence[Form], test: Rows) -> list[LabelGraph]:
    """Return the graph of each form of the features."""
    if _GRAPHS.get(features, (b"", {}))[0] != test.tobytes():
        _GRAPHS[features] = test.tobytes(), {}
    made = _GRAPHS[features][1]
    for form in forms:
        if form.name not in made:
            made[form.name] = LabelGraph(form, test)
    return [made[form.name] for form in forms]
