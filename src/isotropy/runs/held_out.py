"""The loss of a method on rows that do not change, with random numbers that do not change: what shows its progress."""

import copy
from contextlib import nullcontext
from inspect import signature
from typing import Self

import torch
from torch import Tensor

from isotropy import rng
from isotropy.data import ArrayDataset
from isotropy.diagnostics.learning import FIXED, HELD_OUT
from isotropy.encoders.encoder import to_channels_last
from isotropy.errors import UserError
from isotropy.methods.method import Method
from isotropy.rng import Stream
from isotropy.runs.prepare import Prepared
from isotropy.training.contract import each
from isotropy.training.precision import choose_precision
from isotropy.views.multiview import Dataset, ViewMaker

# Rows that are scored, in batches as large as those of training: one batch at least.
_ROWS = 512
_VIEWS = "held out"


class HeldOut:
    """Scores a method on fixed rows, with the views and the random numbers of one pass and at the end of its schedules.

    It works on a copy, in train mode as steps do: nothing of the method or of the caller's generators changes.

    Args:
        method: whose copy is kept. dataset: the rows. index: which of them, in the order of the batches.
        views: makes their views. batch_size: rows of a batch. seed: of the run. bf16: whether networks run in it.
        name: of the metric.
    """

    def __init__(
        self,
        method: Method,
        dataset: Dataset,
        index: Tensor,
        views: ViewMaker,
        *,
        batch_size: int,
        seed: int,
        bf16: bool,
        device: torch.device,
        name: str,
    ) -> None:
        self.dataset, self.views, self.name = dataset, views, name
        self.batches = list(index.split(batch_size))
        self.device, self.bf16 = device, bf16
        self.seed = rng.mix(seed, *_VIEWS.encode())
        self._copy = copy.deepcopy(method).to(device).train()
        self._copy.progress = 1.0
        self._copy.rng = Stream.of(seed, type(method).__name__)
        if getattr(self._copy.encoder, "convolutional", False):
            to_channels_last(self._copy)

    @classmethod
    def of(cls, prepared: Prepared) -> Self:
        """Return what scores a run: on test rows, which no step trains on, else on some of the training rows.

        Also on training rows: a method that knows rows by their number, and one that cannot learn from so few test
        rows.
        """
        method, train = prepared.method, prepared.recipe.train
        size = min(train.batch_size, len(prepared.in_memory))
        by_number = "n_samples" in signature(type(method)).parameters
        name, rows = HELD_OUT, prepared.test
        if by_number or not _enough(method, min(size, len(rows))):
            name, rows = FIXED, prepared.train
        size = min(size, len(rows))
        places = torch.linspace(0, len(rows) - 1, size * max(1, min(_ROWS, len(rows)) // size)).long()
        dataset: Dataset = prepared.in_memory
        if not by_number:
            index = torch.from_numpy(rows)[places]
            dataset = ArrayDataset(prepared.rows, prepared.preprocess, device=prepared.device, index=index)
            places = torch.arange(len(index))
        return cls(
            method,
            dataset,
            # Rows that stand together are often of a class: every batch gets some of all.
            places[rng.order(train.seed, 0, len(places))],
            prepared.views,
            batch_size=size,
            seed=train.seed,
            bf16=choose_precision(train.precision, prepared.device, method.encoder) == "bf16",
            device=prepared.device,
            name=name,
        )

    @torch.no_grad()
    def loss(self, method: Method) -> float:
        """Return the mean loss of the batches, by the weights that `method` has now."""
        scored = self._copy
        scored.load_state_dict(method.state_dict())
        devices = [self.device] if self.device.type == "cuda" else []
        total = 0.0
        with torch.random.fork_rng(devices=devices):
            torch.manual_seed(self.seed)
            scored.before_pass(self.dataset, 0)
            for index in self.batches:
                views = self.views(self.dataset, index, seed=self.seed, pass_=0)
                with torch.autocast(self.device.type, torch.bfloat16) if self.bf16 else nullcontext():
                    outputs = {name: each(value, _at_least_float32) for name, value in scored(views).items()}
                for name in scored.averaged:
                    outputs[name] = each(outputs[name], lambda x: x.mean(dim=0, keepdim=True))
                total += float(torch.stack(list(scored.loss(**outputs).values())).sum())
        return total / len(self.batches)


def _enough(method: Method, rows: int) -> bool:
    if rows < 2:
        return False
    try:
        method.check_batch_size(rows)
    except UserError:
        return False
    return True


def _at_least_float32(x: Tensor) -> Tensor:
    return x.float() if x.dtype in (torch.bfloat16, torch.float16) else x
