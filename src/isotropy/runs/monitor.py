"""What a training is watched by: numbers of its steps' outputs often, numbers of its encoder now and then."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from isotropy.diagnostics import encoder_numbers, followed, step_numbers, views_rank
from isotropy.methods.method import Method
from isotropy.representation.embedding import embed_rows
from isotropy.training import Step, comm

# Steps between two cheap views, and at least between two dear ones, of which a training has about _DEAR at most.
OFTEN, SELDOM = 10, 20
_DEAR = 50


class Monitor:
    """Watches a training: a record every ten steps, at the first and at the last one.

    Every record has the step, the epoch, the loss and what `step_numbers` and `views_rank` say of the outputs, over
    all ranks; at most some fifty of them, spread over the training, have what `encoder_numbers` says as well, and
    "teacher_way", what `followed` says of a teacher. All are functions of the training alone.

    Args:
        method: what is trained; `monitored` says what is read of its outputs.
        rows: a few hundred stored rows, on which the encoder is watched.
        to_input: turns stored rows into the encoder's input.
        untrained: the encoder as it was before training; kept where there is a teacher, which began with it too.
    """

    def __init__(
        self, method: Method, rows: Tensor, to_input: Callable[[Tensor], Tensor], untrained: nn.Module
    ) -> None:
        self.method, self.rows, self.to_input = method, rows, to_input
        self._before = self._embedded(untrained)
        self._teacher = method.ema_encoder()
        self._start = untrained if self._teacher is not None else None

    def at_start(self) -> dict[str, float]:
        """Return the record of step 0: what the untrained encoder is like."""
        return {"step": 0, "epoch": 0.0, **encoder_numbers(self._before, self._before)}

    def at(self, step: Step) -> dict[str, float] | None:
        """Return the record of a step, or None where it has none; to be asked on every rank.

        The numbers of the encoder are the first rank's alone: all ranks have the same weights.
        """
        last = step.number in (1, step.steps)
        if not last and step.number % OFTEN:
            return None
        shown = self.method.monitored(**step.outputs)
        # What is gathered is of all ranks already.
        total = (lambda x: x) if self.method.gathered else comm.all_reduce_sum
        record = {"step": step.number, "epoch": step.epoch, "loss": step.loss, **step_numbers(shown, total)}
        if "views" in shown:
            record["views_rank"] = views_rank(shown["views"], total)
        if comm.rank() == 0 and (last or step.number % max(SELDOM, OFTEN * -(-step.steps // (OFTEN * _DEAR))) == 0):
            record |= encoder_numbers(self._embedded(self.method.encoder), self._before)
            if self._start is not None and self._teacher is not None:
                record["teacher_way"] = followed(self._start, self.method.encoder, self._teacher)
        return record

    def _embedded(self, encoder: nn.Module) -> NDArray[np.float32]:
        return embed_rows(encoder, self.to_input, self.rows)
