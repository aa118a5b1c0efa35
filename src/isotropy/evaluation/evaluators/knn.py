"""Exact k-nearest-neighbour probe on cosine similarity."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from isotropy.evaluation.evaluators.held_out import FOLDS, held_out_folds
from isotropy.evaluation.features import Features, Form
from isotropy.evaluation.metrics import score_of
from isotropy.evaluation.neighbours import most_similar
from isotropy.evaluation.problem import Problem
from isotropy.evaluation.score import Measurement

NEIGHBOURS = 20
TEMPERATURE = 0.07
CHOICE_ROWS = 2000  # training rows that choose the form, each by its neighbours among all the others


def knn(candidate: Any, problem: Problem) -> Iterator[Measurement]:
    """Measure the vote of the 20 most similar training rows, in the form that suits the training rows best.

    Each neighbour weighs exp(cosine / 0.07); numbers are averaged alike. The form is the one with which training rows
    are best predicted from the other training rows (of other groups, where rows have groups); nothing else is fitted.
    Exact: every pair is compared. `validation` is of the rows and the folds of which the linear probe's is.

    Source: Wu et al., Unsupervised Feature Learning via Non-Parametric Instance Discrimination (2018), section 3.4
    (k = 200 there; 20 as in DINO, 2021, section 4).
    """
    if not isinstance(candidate, Features):
        return
    k = min(NEIGHBOURS, len(problem.train_y))
    best, chosen, folds = -np.inf, candidate.as_is, problem.group_folds(FOLDS)
    for form in candidate.readings():
        left_out = _left_out(form.train, problem, k) if folds is None else _fold_left_out(form.train, problem, k, folds)
        value = score_of(problem.task, problem.leading, *left_out)
        if not value <= best:
            best, chosen = value, form
    predicted = vote(chosen.train, problem, chosen.test, k)
    detail = {"k": k, "temperature": TEMPERATURE, "form": chosen.name}
    yield from problem.measured(predicted, validation=_validation(chosen, problem, k, best), detail=detail)


def _validation(form: Form, problem: Problem, k: int, alone: float) -> float:
    """Return the score on held-out training rows, of as many others as a linear probe has: all would flatter k-NN.

    Where no folds can be made it is `alone`, the score with each row left out alone.
    """
    held = held_out_folds(problem)
    if held is None:
        return alone
    rows, folds = held
    some = replace(problem, train_y=problem.train_y[rows])
    found = _left_out(form.train[rows], some, k) if folds is None else _fold_left_out(form.train[rows], some, k, folds)
    return score_of(problem.task, problem.leading, *found)


def vote(
    train: NDArray[np.float32],
    problem: Problem,
    test: NDArray[np.float32],
    k: int,
    temperature: float = TEMPERATURE,
) -> NDArray[np.float64]:
    """Return what the k most similar training rows say of each test row: numbers (M,), or weights of classes (M, K)."""
    return _weighted(*most_similar(torch.from_numpy(test), torch.from_numpy(train), k), problem, temperature)


def _left_out(train: NDArray[np.float32], problem: Problem, k: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the truth and the vote for some training rows, each without its own label."""
    count = len(train)
    some = np.unique(np.linspace(0, count - 1, min(count, CHOICE_ROWS)).astype(np.int64))
    x = torch.from_numpy(train)
    similarity, neighbour = most_similar(x[some], x, min(k + 1, count))
    other = neighbour != torch.from_numpy(some)[:, None]
    # Of k + 1 neighbours one is the row itself; where duplicates hide it, the last one goes.
    other[other.all(1), -1] = False
    width = similarity.shape[1] - 1
    if not width:
        return problem.train_y[some], np.zeros((len(some), max(1, len(problem.classes))))
    similarity, neighbour = similarity[other].view(-1, width), neighbour[other].view(-1, width)
    return problem.train_y[some], _weighted(similarity, neighbour, problem, TEMPERATURE)


def _fold_left_out(
    train: NDArray[np.float32], problem: Problem, k: int, folds: NDArray[np.int64]
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the truth and the vote for some training rows, from the rows of other folds: whole groups are left out."""
    some = np.unique(np.linspace(0, len(train) - 1, min(len(train), CHOICE_ROWS)).astype(np.int64))
    x = torch.from_numpy(train)
    truth, votes = [], []
    for fold in np.unique(folds[some]):
        asked, keys = some[folds[some] == fold], np.flatnonzero(folds != fold)
        similarity, place = most_similar(x[asked], x[torch.from_numpy(keys)], min(k, len(keys)))
        truth.append(problem.train_y[asked])
        votes.append(_weighted(similarity, torch.from_numpy(keys)[place], problem, TEMPERATURE))
    return np.concatenate(truth), np.concatenate(votes)


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
