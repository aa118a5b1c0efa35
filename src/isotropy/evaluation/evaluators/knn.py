"""Exact k-nearest-neighbour probe on cosine similarity."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from isotropy.evaluation.evaluators.choice import Choice, choice
from isotropy.evaluation.features import Features, Form
from isotropy.evaluation.metrics import score_of
from isotropy.evaluation.neighbours import most_similar
from isotropy.evaluation.problem import Problem
from isotropy.evaluation.score import Measurement

NEIGHBOURS = 20
TEMPERATURE = 0.07


def knn(candidate: Any, problem: Problem) -> Iterator[Measurement]:
    """Measure the vote of the 20 most similar training rows, in the form that suits the training rows best.

    Each neighbour weighs exp(cosine / 0.07); numbers are averaged alike. The form is the one with which held-out
    training rows are best predicted (`choice`: those on which the linear probe chooses); nothing else is fitted.
    Exact: every pair is compared.

    Source: Wu et al., Unsupervised Feature Learning via Non-Parametric Instance Discrimination (2018), section 3.4
    (k = 200 there; 20 as in DINO, 2021, section 4).
    """
    if not isinstance(candidate, Features):
        return
    k = min(NEIGHBOURS, len(problem.train_y))
    chosen, validation = suited(candidate, problem)
    predicted = vote(chosen.train, problem, chosen.test, k)
    detail = {"k": k, "temperature": TEMPERATURE, "form": chosen.name}
    yield from problem.measured(predicted, validation=validation, detail=detail)


def suited(candidate: Features, problem: Problem) -> tuple[Form, float | None]:
    """Return the form in which the neighbours of held-out training rows say most of them, and how much.

    Features as they are, and None, where no row can be held out.
    """
    chosen, validation = candidate.as_is, None
    if (by := choice(problem)) is not None:
        for form in candidate.readings():
            value = _held_out(form, by, problem, min(NEIGHBOURS, len(problem.train_y)))
            if validation is None or value > validation:
                validation, chosen = value, form
    return chosen, validation


def vote(
    train: NDArray[np.float32],
    problem: Problem,
    test: NDArray[np.float32],
    k: int,
    temperature: float = TEMPERATURE,
) -> NDArray[np.float64]:
    """Return what the k most similar training rows say of each test row: numbers (M,), or weights of classes (M, K)."""
    return _weighted(*most_similar(torch.from_numpy(test), torch.from_numpy(train), k), problem, temperature)


def _held_out(form: Form, by: Choice, problem: Problem, k: int) -> float:
    """Return the leading metric on held-out training rows, each answered by those of the other folds."""
    truth, votes = [], []
    x = torch.from_numpy(form.train)
    if by.folds is None:
        few = x[torch.from_numpy(by.rows)]
        similarity, place = most_similar(few, few, min(k, len(few) - 1), among_themselves=True)
        truth.append(problem.train_y[by.rows])
        votes.append(_weighted(similarity, torch.from_numpy(by.rows)[place], problem, TEMPERATURE))
    else:
        for learnt, out in by.parts():
            keys = torch.from_numpy(learnt)
            similarity, place = most_similar(x[torch.from_numpy(out)], x[keys], min(k, len(keys)))
            truth.append(problem.train_y[out])
            votes.append(_weighted(similarity, keys[place], problem, TEMPERATURE))
    if problem.task == "classes":
        return float(np.mean([score_of(problem.task, problem.leading, *one) for one in zip(truth, votes, strict=True)]))
    return score_of(problem.task, problem.leading, np.concatenate(truth), np.concatenate(votes))


def _weighted(similarity: Tensor, neighbour: Tensor, problem: Problem, temperature: float) -> NDArray[np.float64]:
    weight = torch.softmax(similarity.double() / temperature, dim=1).numpy()
    labels = problem.train_y[neighbour.numpy()]
    if problem.task == "numbers":
        return np.asarray((weight * labels).sum(axis=1))
    if problem.task == "labels":
        return np.einsum("mk,mkl->ml", weight, labels)
    votes = np.zeros((len(weight), len(problem.classes)))
    np.add.at(votes, (np.arange(len(weight))[:, None], labels), weight)
    return votes
