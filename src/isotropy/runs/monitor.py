"""What is recorded of a run while it trains: cheap metrics of a step's outputs, expensive ones of the encoder."""

from math import log
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from isotropy.batch import Batch
from isotropy.data import Preprocess
from isotropy.diagnostics import encoder_numbers, followed, spectrum, step_numbers, views_rank
from isotropy.methods.method import Method
from isotropy.representation.embedding import embed_together
from isotropy.runs.held_out import HeldOut
from isotropy.runs.prepare import Prepared
from isotropy.training import Step, comm

CHEAP_EVERY = 10
# At most this many scores of the held-out loss: one costs as much as the forward passes of `held_out` rows, which of
# images are a step.
MOST_HELD_OUT = 12
# At most this many expensive records are spread over a run, and none is nearer to the last than this many steps.
_MOST_EXPENSIVE, _LEAST_STEPS = 50, 20
# Rows on which the encoder is monitored: twice as many cost more than 3% of a short training.
_ROWS = 256


def expensive_every(steps: int) -> int:
    """Return how many steps lie between two records of the encoder, in a run of so many steps.

    Example:
        >>> expensive_every(200), expensive_every(10_000)
        (20, 200)
    """
    return max(_LEAST_STEPS, CHEAP_EVERY * -(-steps // (CHEAP_EVERY * _MOST_EXPENSIVE)))


def held_out_every(steps: int) -> int:
    """Return how many steps lie between two scores of the held-out loss, in a run of so many steps.

    Example:
        >>> held_out_every(200), held_out_every(10_000)
        (20, 840)
    """
    return CHEAP_EVERY * max(1, -(-steps // (CHEAP_EVERY * MOST_HELD_OUT)))


def verdict_due(records: int) -> bool:
    """Return whether a verdict is due after so many records: the first fifty, then a fiftieth more each time.

    A verdict reads every record, so this keeps its cost down in a long training. It depends on the number alone, so
    that a run that was interrupted is judged at the same steps.
    """
    return records <= 50 or int(log(records) / log(1.02)) > int(log(records - 1) / log(1.02))


class Monitor:
    """Records the health of a run: every `CHEAP_EVERY` steps, at the first and at the last one.

    Every record has the step, the epoch, the loss, the learning rate and what `step_numbers` and `views_rank` say of
    the outputs, over all ranks; every `expensive_every` steps also what `encoder_numbers` says, and "teacher_way", what
    `followed` says of a teacher; every `held_out_every` steps the loss of `held_out`. All are functions of the run
    alone.

    Args:
        method: what is trained; `monitored` says what is read of its outputs.
        rows: a few hundred stored rows that the encoder is monitored on. preprocess: turns them into its input.
        untrained: the encoder as it was before training; kept where there is a teacher, which began with it too.
        held_out: what scores the method on rows that do not change.
    """

    def __init__(
        self,
        method: Method,
        rows: Tensor | Batch,
        preprocess: Preprocess,
        untrained: nn.Module,
        held_out: HeldOut | None = None,
    ) -> None:
        self.method, self.rows, self.preprocess, self.held_out = method, rows, preprocess, held_out
        self._before = self._embedded(untrained)
        self._teacher = method.ema_encoder()
        self._start = untrained if self._teacher is not None else None

    @classmethod
    def of(cls, prepared: Prepared) -> Self:
        """Return the monitor of a run, on rows spread over the data: those that stand together are often of a class."""
        rows = len(prepared.in_memory)
        chosen = prepared.in_memory.batch(torch.linspace(0, rows - 1, min(_ROWS, rows)).long())
        untrained = prepared.untrained().to(prepared.device)
        held_out = HeldOut.of(prepared) if comm.rank() == 0 else None
        return cls(prepared.method, chosen, prepared.preprocess, untrained, held_out)

    def at_start(self) -> dict[str, float]:
        """Return the record of step 0: what the untrained encoder is like."""
        return {"step": 0, "epoch": 0.0, **encoder_numbers(self._before, self._before)}

    def at(self, step: Step) -> dict[str, float] | None:
        """Return the record of a step, or None where it has none; to be asked on every rank.

        The numbers of the encoder are the first rank's alone: all ranks have the same weights.
        """
        last = step.number in (1, step.steps)
        if not last and step.number % CHEAP_EVERY:
            return None
        shown = self.method.monitored(**step.outputs)
        # What is gathered is of all ranks already.
        total = (lambda x: x) if self.method.gathered else comm.all_reduce_sum
        record = {"step": step.number, "epoch": step.epoch, "loss": step.loss, "lr": step.lr}
        record |= step_numbers(shown, total)
        if "views" in shown:
            record["views_rank"] = views_rank(shown["views"], total)
        if comm.rank() == 0 and (last or step.number % expensive_every(step.steps) == 0):
            record |= encoder_numbers(self._embedded(self.method.encoder), self._before)
            if self._start is not None and self._teacher is not None:
                record["teacher_way"] = followed(self._start, self.method.encoder, self._teacher)
        if self.held_out is not None and (last or step.number % held_out_every(step.steps) == 0):
            record[self.held_out.name] = self.held_out.loss(self.method)
        return record

    def spectrum(self) -> dict[str, Any]:
        """Return the spectrum of the encoder's vectors of the monitored rows, and of the untrained encoder's."""
        pairs = {"trained": self._embedded(self.method.encoder), "untrained": self._before}
        found = {name: [float(f"{value:.4g}") for value in spectrum(rows).tolist()] for name, rows in pairs.items()}
        return {"rows": len(self.rows), **found}

    def _embedded(self, encoder: nn.Module) -> NDArray[np.float32]:
        return embed_together(encoder, self.preprocess, self.rows)
