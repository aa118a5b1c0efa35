"""How a budget of seconds is divided: training gets what embedding and evidence leave of it."""

from time import perf_counter
from typing import cast

import torch

from isotropy.batch import take
from isotropy.evaluation.evaluate import TEST_ROWS, TRAIN_ROWS
from isotropy.evaluation.evidence import FURTHER_ROWS
from isotropy.representation.embedding import embed_rows
from isotropy.representation.joined import LEARNT_ROWS, learn_embedding
from isotropy.runs.prepare import Prepared
from isotropy.training import comm

# Of the budget, at least; evidence is cheap beside any training that is worth its time.
LEAST_TRAINING = 0.5
NEGLIGIBLE = 0.02  # of the budget: no reason to train shorter
_MEASURED_ROWS = 512
# CPU seconds by benchmarks/evidence.py, on one thread: to make the features of baselines, and to evaluate 30,000 rows
# of a representation, of which so much for each column that probes see (at most 1,024) and each of a wider one.
_BEGIN, _ROWS, _COLUMN, _WIDE = 4.0, 3.6, 0.016, 0.003
_WIDEST = 1024
_OTHER_BASELINES = 3  # beside the trained and the untrained encoder, about as wide as the data


def seconds_left_for_training(prepared: Prepared, budget: float) -> float:
    """Return how many seconds of a budget training may take, so that embedding and evidence fit into it too.

    At least half of the budget. Estimated from one batch through the encoder and the sizes of what is measured, as the
    mean over ranks.
    """
    after = _embedding(prepared)
    labels = len(prepared.division.labels)
    if labels and len(prepared.test):
        probed = min(len(prepared.train), TRAIN_ROWS) + min(len(prepared.test), TEST_ROWS)
        width = cast(int, prepared.method.encoder.width)
        each = 2 * _per_representation(width) + _OTHER_BASELINES * _per_representation(_raw_width(prepared))
        after += labels * (_BEGIN + each * probed / (TRAIN_ROWS + TEST_ROWS))
    after = _over_ranks(after, prepared)
    return budget if after < NEGLIGIBLE * budget else max(budget - after, LEAST_TRAINING * budget)


def _per_representation(width: int) -> float:
    """Return about how many seconds 30,000 rows of so many columns take to evaluate."""
    return _ROWS + _COLUMN * min(width, _WIDEST) + _WIDE * (width if width > _WIDEST else 0)


def _embedding(prepared: Prepared) -> float:
    """Return about how long embeddings are learnt and made: of all rows once, of the probed rows twice."""
    rows = take(prepared.rows, torch.from_numpy(prepared.train[:_MEASURED_ROWS]))
    encoder, preprocess = prepared.method.encoder, prepared.preprocess
    # What is learnt of these few rows costs as much to apply as what will be learnt of all.
    network, to_input = learn_embedding(prepared.recipe.embedding, encoder, preprocess, rows).network(
        encoder, preprocess
    )
    start = perf_counter()
    embed_rows(network, to_input, rows)
    seconds = (perf_counter() - start) / len(rows)
    probed_train = TRAIN_ROWS + FURTHER_ROWS.get(prepared.device.type, 0)
    probed = min(len(prepared.train), probed_train) + min(len(prepared.test), TEST_ROWS)
    learnt = min(len(prepared.train), LEARNT_ROWS)
    return seconds * (len(prepared.rows) + learnt + 2 * max(1, len(prepared.division.labels)) * probed)


def _raw_width(prepared: Prepared) -> int:
    return int(prepared.preprocess.features(prepared.rows[:1]).shape[1])


def _over_ranks(seconds: float, prepared: Prepared) -> float:
    own = torch.tensor([seconds], dtype=torch.float64, device=prepared.device)
    return float(comm.all_reduce_sum(own) / comm.world())
