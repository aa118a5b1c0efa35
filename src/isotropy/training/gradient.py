"""The gradient of a loss on the whole batch, whoever holds its rows: one process, many ranks, many chunks."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from math import isfinite
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from isotropy import rng
from isotropy.errors import UserError, need_memory
from isotropy.methods.method import Method, Outputs
from isotropy.training import comm
from isotropy.training.checkpoint import Diverged
from isotropy.training.contract import as_list, check_outputs, check_terms, each, unwritten
from isotropy.training.convolutions import SlicedConvolutions
from isotropy.views.multiview import MultiView


class Gradient:
    """Leaves the gradient of the batch's loss in the parameters.

    Args:
        method: what is trained; `model` is it, or it under `DistributedDataParallel`.
        device: where it stands; `bf16`: whether its networks run under bfloat16 autocast.
        seed: of what networks draw (dropout).
        chunked: whether the batch comes in pieces: outputs of all pieces without a graph, the loss's gradient on
            the outputs once, then the pieces again with their graphs. Exact for networks without batch statistics.
    """

    def __init__(
        self, method: Method, model: nn.Module, *, device: torch.device, bf16: bool, seed: int, chunked: bool
    ) -> None:
        self.method, self.model, self.device = method, model, device
        self.bf16, self.seed, self.chunked = bf16, seed, chunked
        # Weights of convolutions have three dimensions or more; watching for them costs a fifth of a small step.
        self.sliced = bf16 and any(parameter.dim() > 2 for parameter in method.parameters())
        self._checked = False

    def backward(self, pieces: list[MultiView], counts: list[int], step: int) -> tuple[dict[str, float], Outputs]:
        """Return the loss's terms over all ranks and the outputs, detached, that they were computed from.

        Args:
            pieces: this rank's rows, one piece unless chunked.
            counts: rows of every rank.
            step: number of the step, from 0.

        Raises: Diverged for a term that is not finite, on all ranks together.
        """
        with torch.no_grad() if self.chunked else nullcontext():
            parts = [self._forward(views, step, place) for place, views in enumerate(pieces)]
        own = _as_leaves(parts) if self.chunked else parts[0]
        outputs = dict(own)
        for name in self.method.gathered:
            outputs[name] = each(own[name], lambda x: comm.gather(x, counts))
        for name in self.method.averaged:
            outputs[name] = each(own[name], lambda x: comm.mean(x, counts))
        terms = self.method.loss(**outputs)
        if not self._checked:
            check_terms(self.method, terms, outputs)
            self._checked = True
        # A gathered loss is whole already on every rank.
        weight = 1.0 if self.method.gathered else share(counts)
        values = _over_ranks(terms, weight, step)
        (torch.stack(list(terms.values())).sum() * weight).backward()
        if self.chunked:
            self._replay(pieces, own, step)
        return values, {name: each(value, Tensor.detach) for name, value in outputs.items()}

    def _forward(self, views: MultiView, step: int, place: int) -> Outputs:
        autocast = torch.autocast(self.device.type, torch.bfloat16) if self.bf16 else nullcontext()
        sliced = SlicedConvolutions() if self.sliced else nullcontext()
        checked = nullcontext() if self._checked else unwritten(self.method)
        if not self._checked:
            need_memory()
        with (
            _seeded(self.device, self.seed, step, comm.rank(), place),
            autocast,
            sliced,
            comm.sync_batch_norm(),
            checked,
        ):
            outputs: Outputs = self.model(views)
        if not self._checked:
            check_outputs(self.method, outputs, len(views.index))
        return {name: each(value, _at_least_float32) for name, value in outputs.items()}

    def _replay(self, pieces: list[MultiView], own: Outputs, step: int) -> None:
        first = 0
        for place, views in enumerate(pieces):
            rows = slice(first, first := first + len(views.index))
            with self._unsynchronised(place + 1 < len(pieces)):
                again = self._forward(views, step, place)
                pairs = [
                    (output, leaf.grad[rows])
                    for name, value in again.items()
                    for output, leaf in zip(as_list(value), as_list(own[name]), strict=True)
                    if leaf.grad is not None and output.requires_grad
                ]
                torch.autograd.backward([output for output, _ in pairs], [grad for _, grad in pairs])

    def _unsynchronised(self, wanted: bool) -> AbstractContextManager[Any]:
        no_sync = getattr(self.model, "no_sync", None)
        return no_sync() if wanted and no_sync is not None else nullcontext()


def share(counts: list[int]) -> float:
    """Return what this rank's mean over its own rows weighs in the mean over ranks: 1 where all have as many."""
    return counts[comm.rank()] * comm.world() / sum(counts)


def refuse_batch_statistics(method: nn.Module) -> None:
    """Refuse chunks for a method whose modules would normalise by a micro-batch's statistics.

    Raises: UserError that names the first such module.
    """
    for name, module in method.named_modules():
        if isinstance(module, _BatchNorm) and (module.training or module.running_mean is None):
            raise UserError(
                f"micro_batch: the statistics of {name!r} ({type(module).__name__}) would be of a part, not of the "
                "batch; use networks without batch norm, or no micro_batch"
            )


def _over_ranks(terms: dict[str, Tensor], weight: float, step: int) -> dict[str, float]:
    """Return the terms as numbers, the same on every rank, so that all ranks stop together."""
    own = torch.stack([term.detach().double() for term in terms.values()]) * weight
    values = dict(zip(terms, (comm.all_reduce_sum(own) / comm.world()).tolist(), strict=True))
    for name, value in values.items():
        if not isfinite(value):
            raise Diverged(
                f"the loss term {name!r} became {value} at step {step + 1}: stopped before the weights moved; "
                "lower optim.lr"
            )
    return values


@contextmanager
def _seeded(device: torch.device, *key: int) -> Iterator[None]:
    """Let what networks draw (dropout) be a function of `key`, and leave the caller's generator alone."""
    generator = torch.default_generator
    if device.type == "cuda":
        generator = torch.cuda.default_generators[device.index or 0]
    state = generator.get_state()
    generator.manual_seed(rng.mix(*key))
    try:
        yield
    finally:
        generator.set_state(state)


def _at_least_float32(x: Tensor) -> Tensor:
    return x.float() if x.dtype in (torch.bfloat16, torch.float16) else x


def _as_leaves(parts: list[Outputs]) -> Outputs:
    """Join the pieces' outputs into whole-batch leaves that take the loss's gradient."""
    joined: Outputs = {}
    for name, value in parts[0].items():
        columns = [torch.cat(rows) for rows in zip(*(as_list(part[name]) for part in parts), strict=True)]
        for leaf in columns:
            leaf.requires_grad_(leaf.is_floating_point())
        joined[name] = columns if isinstance(value, list) else columns[0]
    return joined
