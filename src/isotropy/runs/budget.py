"""How a budget of seconds is divided: training gets what embedding and evidence leave of it."""

from time import perf_counter

import numpy as np
import torch

from isotropy.batch import take
from isotropy.evaluation.evaluate import TEST_ROWS, TRAIN_ROWS
from isotropy.evaluation.evidence import FURTHER_ROWS
from isotropy.evaluation.features import Features
from isotropy.evaluation.measured import measure
from isotropy.evaluation.problem import Problem
from isotropy.representation.embedding import chunk_size
from isotropy.representation.embeddings import LEARNT_ROWS, learn_embedding
from isotropy.runs.prepare import Prepared
from isotropy.threads import side_by_side
from isotropy.training import comm

# Of the budget, at least: at one minute and 50,000 rows, more would leave too little for the evidence.
LEAST_TRAINING = 0.25
# Training and test rows that are probed at most: the first for which embedding and evidence fit into what is left.
PROBED = ((TRAIN_ROWS, TEST_ROWS), (TRAIN_ROWS, 10_000), (TRAIN_ROWS, 5_000), (5_000, 5_000), (2_500, 2_500))
NEGLIGIBLE = 0.02  # of the budget: no reason to train shorter
_MEASURED_ROWS = 512
# CPU seconds by benchmarks/evidence.py, on one thread: to make the features of baselines, and to evaluate 30,000 rows
# of a representation, of which so much for each column that probes see (at most 1,024) and each of a wider one.
_BEGIN, _ROWS, _COLUMN, _WIDE = 4.0, 5.5, 0.016, 0.003
_WIDEST = 1024
_PIECE = 0.1  # the seconds that a small piece of evidence took there
_FEW_LABELS = 0.4  # of that time, whatever the rows are: as many are drawn
_OF_TRAINING = 0.6  # of the rest, for the training rows
_OTHER_BASELINES = 3  # beside the trained and the untrained encoder, about as wide as the data
_PAGE, _PAGE_ROWS = 4.0, 1500  # seconds there for the page that the command line makes of so many rows or more


def parts_of_budget(prepared: Prepared, budget: float, spent: float = 0.0) -> tuple[float, tuple[int, int]]:
    """Return how many seconds of a budget training may take, and how many training and test rows at most are probed.

    Training gets what embedding, evidence and the page leave, and 25 % at least; where they would take more than the
    rest, fewer rows are probed, 2,500 of either part at least. Estimated from one batch through the encoder, a small
    piece of evidence and the sizes of what is measured, as the mean over ranks.

    Args:
        prepared: what is trained. budget: seconds. spent: of them, so many are gone already.
    """
    (seconds, width), labels = _embedding(prepared), len(prepared.division.labels)
    each = 2 * _per_representation(width) + _OTHER_BASELINES * _per_representation(_raw_width(prepared))
    evaluated = labels if len(prepared.test) else 0
    after, most, pace = 0.0, PROBED[0], _pace() if evaluated else 1.0
    always = spent + pace * _PAGE * min(1.0, len(prepared.rows) / _PAGE_ROWS)
    for most in PROBED:
        train, test = (min(len(part), rows) for part, rows in zip((prepared.train, prepared.test), most, strict=True))
        learnt = min(len(prepared.train), LEARNT_ROWS)
        further = min(len(prepared.train) - train, FURTHER_ROWS.get(prepared.device.type, 0))
        after = seconds * (len(prepared.rows) + learnt + labels * (train + test + further))
        rows = _OF_TRAINING * train / TRAIN_ROWS + (1 - _OF_TRAINING) * test / TEST_ROWS
        after += evaluated * pace * (_BEGIN + each * (_FEW_LABELS + (1 - _FEW_LABELS) * rows))
        after = _over_ranks(always + after, prepared)
        if after <= (1 - LEAST_TRAINING) * budget:
            break
    left = budget if after < NEGLIGIBLE * budget else max(budget - after, LEAST_TRAINING * budget)
    return left, most


def _per_representation(width: int) -> float:
    """Return about how many seconds 30,000 rows of so many columns take to evaluate."""
    return _ROWS + _COLUMN * min(width, _WIDEST) + _WIDE * (width if width > _WIDEST else 0)


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
