"""How a budget of seconds is divided: training gets what embedding and evidence leave of it."""

import math
from collections.abc import Iterable, Sequence
from time import perf_counter
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch

from isotropy.batch import take
from isotropy.evaluation.evaluate import TEST_ROWS, TRAIN_ROWS
from isotropy.evaluation.evidence import FURTHER_ROWS
from isotropy.evaluation.features import WIDEST, Features
from isotropy.evaluation.measured import measure
from isotropy.evaluation.problem import OF_NUMBERS, PER_CLASS, Problem
from isotropy.representation.embedding import chunk_size
from isotropy.representation.embeddings import LEARNT_ROWS, learn_embedding
from isotropy.runs.division import Label
from isotropy.runs.held_out import HeldOut
from isotropy.runs.monitor import MOST_HELD_OUT
from isotropy.runs.prepare import Prepared
from isotropy.threads import side_by_side
from isotropy.training import comm

# Of the budget, at least: at one minute and 50,000 rows, more would leave too little for the evidence.
LEAST_TRAINING = 0.2
# Training and test rows that are probed at most: the first for which embedding and evidence fit into what is left.
# At last too few training rows for 200 labels of each of ten classes, which are a third of what few labels cost.
PROBED = (
    *((TRAIN_ROWS, rows) for rows in (TEST_ROWS, 10_000, 5_000)), (5_000, 5_000), (2_500, 2_500), (1_250, 2_500)
)  # fmt: skip
NEGLIGIBLE = 0.02  # of the budget: no reason to train shorter
_MEASURED_ROWS = 512
# CPU seconds on one thread, by `evaluation.measured.measure` (docs/log.md, 2026-11-30). To make the features of
# baselines, and of images patches and principal axes besides, for each of them of so many pixels a side.
_BEGIN, _IMAGES, _IMAGE = 4.0, 7.0, 0.003
_IMAGE_SIDE = 32  # larger ones are averaged down
# To evaluate 30,000 rows of a representation, of which so much for each column that probes see and each of a wider one.
_ROWS, _COLUMN, _WIDE = 3.5, 0.004, 0.003
# To choose a linear probe and to read few labels, whatever the rows are: of which so much for each column, and for each
# million of drawn rows times columns, and of these times classes.
_FEW, _CHOICE, _NUMBERS, _CLASSES = 1.2, 0.004, 6.0, 0.35
# What classes beyond ten cost a linear probe and clusters, for each million of training rows times columns times
# classes, and boosted trees, for each class: with all labels, and so many times as long for each size of the curve.
_LINEAR_CLASS, _CLUSTER_CLASS, _TREES_CLASS, _TREES_SIZE = 0.05, 0.08, 0.09, 2
_USUAL_CLASSES = 10
MANY_CLASSES = 100  # of a label that is read by fewer evaluators where the budget does not pay for all
LEFT_OUT = ("few_labels", "trees", "clusters", "linear")  # in this order
_PIECE = 0.1  # the seconds that a small piece of evidence took there
_OF_TRAINING = 0.6  # of what grows with rows, for the training rows
_OTHER_BASELINES = 3  # beside the trained and the untrained encoder, about as wide as the data
_PAGE, _PAGE_ROWS = 4.0, 1500  # seconds there for the page that the command line makes of so many rows or more


class Parts(NamedTuple):
    """How a budget is divided.

    Attributes:
        training: seconds. probed: training and test rows at most. left_out: evaluators that labels of more than 100
            classes are not read by.
    """

    training: float
    probed: Sequence[int] = ()
    left_out: tuple[str, ...] = ()


def parts_of_budget(prepared: Prepared, budget: float, spent: float = 0.0) -> Parts:
    """Return how many seconds of a budget training may take, and what is evaluated in the rest.

    Training gets what held-out scores, embedding, evidence and the page leave, and 20 % at least; where they would take
    more than the rest, fewer rows are probed, 1,250 of training and 2,500 of test at least, and labels of more than 100
    classes are read by fewer evaluators: by search and neighbours at least. Estimated from one score, one batch through
    the encoder, a small piece of evidence and the sizes of what is measured, as the mean over ranks.

    Args:
        prepared: what is trained. budget: seconds. spent: of them, so many are gone already.
    """
    (seconds, width), labels = _embedding(prepared), prepared.division.labels if len(prepared.test) else ()
    widths = [width] * 2 + [_raw_width(prepared)] * _OTHER_BASELINES
    after, most, pace = 0.0, PROBED[0], _pace() if labels else 1.0
    always = spent + _held_out_scores(prepared) + pace * _PAGE * min(1.0, len(prepared.rows) / _PAGE_ROWS)
    many = any(_classes(label) > MANY_CLASSES for label in labels)
    fewer = [LEFT_OUT[:count] for count in range(1, len(LEFT_OUT) + 1)] if many else []
    for most, left_out in [*((rows, ()) for rows in PROBED), *((PROBED[-1], names) for names in fewer)]:
        train, test = (min(len(part), rows) for part, rows in zip((prepared.train, prepared.test), most, strict=True))
        learnt = min(len(prepared.train), LEARNT_ROWS)
        further = min(len(prepared.train) - train, FURTHER_ROWS.get(prepared.device.type, 0))
        after = seconds * (len(prepared.rows) + learnt + len(labels) * (train + test + further))
        share = _OF_TRAINING * train / TRAIN_ROWS + (1 - _OF_TRAINING) * test / TEST_ROWS
        for label in labels:
            each = _by_evaluator(label, train, widths, trees=prepared.recipe.modality == "table")
            paid = sum(each[name] for name in without(each, left_out, label)) + share * sum(map(_rows, widths))
            after += pace * (_free_features(prepared, train + test) + paid)
        after = _over_ranks(always + after, prepared)
        if after <= (1 - LEAST_TRAINING) * budget:
            break
    left = budget if after < NEGLIGIBLE * budget else max(budget - after, LEAST_TRAINING * budget)
    return Parts(left, most, left_out)


def _held_out_scores(prepared: Prepared) -> float:
    """Return about how many seconds the scores of the held-out loss take that training is interrupted for."""
    held_out = HeldOut.of(prepared)
    start = perf_counter()
    held_out.loss(prepared.method)
    return MOST_HELD_OUT * (perf_counter() - start)


def _free_features(prepared: Prepared, rows: int) -> float:
    """Return about how many seconds the features of baselines take to make for so many rows."""
    if prepared.recipe.modality != "image":
        return _BEGIN
    cells = math.prod(min(_IMAGE_SIDE, length) for length in prepared.rows.shape[2:])
    return _BEGIN + _IMAGES + _IMAGE * rows * cells / _IMAGE_SIDE**2


def _rows(columns: int) -> float:
    """Return about how many seconds 30,000 rows of so many columns take to evaluate with all their labels."""
    return _ROWS + _COLUMN * min(columns, WIDEST) + _WIDE * (columns if columns > WIDEST else 0)


def _classes(label: Label) -> int:
    return len(pd.unique(pd.Series(label.values).dropna())) if label.task == "classes" else 1


def without(evaluators: Iterable[str], left_out: Sequence[str], label: Label) -> list[str]:
    """Return the evaluators that read a label: those of many classes are not read by what is left out."""
    return [name for name in evaluators if name not in left_out or _classes(label) <= MANY_CLASSES]


def _by_evaluator(label: Label, train: int, widths: Sequence[int], *, trees: bool) -> dict[str, float]:
    """Return about how many seconds evaluators take that depend on the label: of all representations of such widths."""
    drawn, columns = _drawn(label, train), sum(min(width, WIDEST) for width in widths)
    more = max(0, _classes(label) - _USUAL_CLASSES)
    cells, boosted = more * train * columns / 1e6, _TREES_CLASS * more * trees
    return {
        "few_labels": sum(_few_labels(width, label, sum(drawn)) for width in widths)
        + _TREES_SIZE * boosted * len(drawn),
        "trees": boosted,
        "clusters": _CLUSTER_CLASS * cells,
        "linear": _LINEAR_CLASS * cells,
    }


def _drawn(label: Label, train: int) -> list[float]:
    """Return how many rows are drawn at each size of the few-label curve that so many training rows allow."""
    sizes, classes = (OF_NUMBERS, 1) if label.task == "numbers" else (PER_CLASS, _classes(label))
    rows = [size * train if size < 1 else size * classes for size in sizes]
    return [one for one in rows if one <= train] if label.task != "labels" else []


def _few_labels(columns: int, label: Label, drawn: float) -> float:
    """Return about how many seconds few labels take to read from so many columns, of so many drawn rows in all."""
    if label.task == "labels":
        return 0.0
    each = _CHOICE + (_NUMBERS if label.task == "numbers" else _CLASSES * _classes(label)) * drawn / 1e6
    return _FEW + each * min(columns, WIDEST)


def _pace() -> float:
    """Return how many times as long evidence takes here as where its seconds were measured, on all threads."""
    x, y = np.random.default_rng(0).normal(size=(1500, 64)), np.arange(1500) % 5
    features, problem = Features(x[:1000], x[1000:]), Problem.of(y[:1000], y[1000:])
    jobs = range(min(torch.get_num_threads(), 2 + _OTHER_BASELINES))
    seconds = 0.0
    for _ in range(2):  # the first one loads libraries
        start = perf_counter()
        side_by_side(lambda job: measure(str(job), features, problem, ("linear", "knn")), jobs)
        seconds = perf_counter() - start
    return seconds / len(jobs) / _PIECE


def _embedding(prepared: Prepared) -> tuple[float, int]:
    """Return about how many seconds the embedding of a row takes, and its width."""
    rows = take(prepared.rows, torch.from_numpy(prepared.train[:_MEASURED_ROWS]))
    encoder, preprocess = prepared.method.encoder, prepared.preprocess
    # What is learnt of these few rows costs as much to apply as what will be learnt of all.
    embedding = learn_embedding(prepared.recipe.embedding, encoder, preprocess, rows)
    start = perf_counter()
    for _, some in preprocess.together(rows):
        embedding.embed(encoder, preprocess, some, chunk_size(encoder, tuple(some.shape[1:])))
    return (perf_counter() - start) / len(rows), embedding.width


def _raw_width(prepared: Prepared) -> int:
    return int(prepared.preprocess.features(prepared.rows[:1]).shape[1])


def _over_ranks(seconds: float, prepared: Prepared) -> float:
    own = torch.tensor([seconds], dtype=torch.float64, device=prepared.device)
    return float(comm.all_reduce_sum(own) / comm.world())
