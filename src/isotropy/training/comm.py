"""What ranks say to each other: the only file that imports `torch.distributed`.

With one process every function here is the identity, so the loop is written once. Every reduction carries
its gradient: backward sums over the ranks what they ask of a row, which with the mean that
`DistributedDataParallel` takes is the gradient of one process with all the rows.
"""

import inspect
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.parallel import DistributedDataParallel

from isotropy.errors import UserError


class RankLost(UserError):
    """Another rank ended in the middle of the training; the last checkpoint stays as it is."""


# What gloo says of a peer that is gone; nccl's errors have a class of their own.
_LOST = ("closed by peer", "reset by peer", "Broken pipe", "pair closure", "Connection refused")


def world() -> int:
    """Return the number of ranks, 1 without `torchrun`."""
    return dist.get_world_size() if dist.is_initialized() else 1


def rank() -> int:
    """Return this process's number, 0 without `torchrun`."""
    return dist.get_rank() if dist.is_initialized() else 0


@contextmanager
def process_group(device: torch.device) -> Iterator[None]:
    """Join the other ranks if `torchrun` started this process (nccl on GPUs, gloo on CPUs); leave them after.

    Raises:
        RankLost: another rank ended before this one.
    """
    joins = "WORLD_SIZE" in os.environ and not dist.is_initialized()
    if joins:
        # Long: the others wait while the first rank decodes a folder of images. A rank that dies ends them all anyway.
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=timedelta(days=1))
    try:
        yield
    except RuntimeError as error:
        if world() == 1 or not (isinstance(error, dist.DistError) or any(words in str(error) for words in _LOST)):
            raise
        raise RankLost("another rank ended, and without it there is no next step") from error
    finally:
        if joins:
            dist.destroy_process_group()


def local_device(device: torch.device) -> torch.device:
    """Return the GPU of this rank where `device` is a bare "cuda" under `torchrun`, else `device`."""
    if device.type == "cuda" and device.index is None:
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
        torch.cuda.set_device(device)
    return device


def split_rows(rows: int) -> list[int]:
    """Return how many of `rows` rows each rank takes, in order; they differ by one at most."""
    size, rest = divmod(rows, world())
    return [size + (number < rest) for number in range(world())]


def any_rank(failed: bool) -> bool:
    """Return whether any rank failed, the same answer on all of them."""
    if world() == 1:
        return failed
    flag = torch.tensor([float(failed)], device=_device())
    dist.all_reduce(flag)
    return bool(flag.item() > 0)


def broadcast_object(value: Any) -> Any:
    """Return rank 0's value of a JSON-like object on every rank."""
    if world() == 1:
        return value
    box = [value]
    dist.broadcast_object_list(box, src=0)
    return box[0]


def on_first(action: Callable[[], Any]) -> None:
    """Do something on the first rank; what goes wrong there stops all of them."""
    problem = None
    if rank() == 0:
        try:
            action()
        except UserError as error:
            problem = str(error)
    if problem := broadcast_object(problem):
        raise UserError(problem)


def all_reduce_sum(x: Tensor) -> Tensor:
    """Return the sum of `x` over ranks, with gradient."""
    return x if world() == 1 else _Total.apply(x)


def gather(x: Tensor, counts: list[int]) -> Tensor:
    """Return the rows of all ranks in their order, with gradient, from this rank's `x` (counts[rank()], ...)."""
    return x if world() == 1 else _Gather.apply(x, counts)


def mean(x: Tensor, counts: list[int]) -> Tensor:
    """Return the mean over the rows of all ranks, shape (1, ...), with gradient."""
    return all_reduce_sum(x.sum(0, keepdim=True)) / sum(counts)


def distributed(method: nn.Module, *, find_unused: bool) -> nn.Module:
    """Return `method` under `DistributedDataParallel`, with global batch norms, or itself with one rank."""
    if world() == 1:
        return method
    make_batch_norms_global(method)
    # Buffers are equal on all ranks by what every rank computes; newer versions of torch renamed the switch.
    renamed = "forward_sync_buffers" in inspect.signature(DistributedDataParallel).parameters
    options: dict[str, Any] = {"forward_sync_buffers" if renamed else "broadcast_buffers": False}
    return DistributedDataParallel(method, find_unused_parameters=find_unused, **options)


def make_batch_norms_global(module: nn.Module) -> None:
    """Replace every batch norm inside `module`, in place, by one whose statistics are those of all ranks.

    Raises: UserError for a batch norm of another library that does more than normalise, in a way not known here.
    """
    for name, child in module.named_children():
        if isinstance(child, _BatchNorm) and not isinstance(child, GlobalBatchNorm):
            # timm's BatchNormAct2d applies its children "drop" and "act" afterwards; plain ones have none.
            if type(child) not in _PLAIN and [*child._modules] != ["drop", "act"]:
                raise UserError(f"{type(child).__name__} ({name!r}) cannot be shared by several ranks: train with one")
            setattr(module, name, GlobalBatchNorm.of(child))
        else:
            make_batch_norms_global(child)


_PLAIN = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)
_together = False


@contextmanager
def sync_batch_norm() -> Iterator[None]:
    """Let batch norms share their statistics: all ranks run the networks now, in the same order.

    Outside of it (rank 0 alone embeds some rows, say) they are ordinary ones and wait for nobody.
    """
    global _together
    before, _together = _together, True
    try:
        yield
    finally:
        _together = before


class GlobalBatchNorm(_BatchNorm):
    """Batch norm over the rows of all ranks, in value and in gradient, however many rows each has."""

    @classmethod
    def of(cls, norm: _BatchNorm) -> "GlobalBatchNorm":
        """Return one that shares `norm`'s parameters, buffers and settings."""
        new = cls(norm.num_features, norm.eps, norm.momentum, norm.affine, norm.track_running_stats)
        new._parameters, new._buffers, new.training = norm._parameters, norm._buffers, norm.training
        new._modules = norm._modules
        return new

    def _check_input_dim(self, input: Tensor) -> None:
        if input.dim() < 2:
            raise ValueError(f"batch norm takes (B, C, ...), got {tuple(input.shape)}")

    def forward(self, x: Tensor) -> Tensor:
        """Return `x` (B, C, ...) standardised per channel over all rows of all ranks."""
        shared = _together and (self.training or self.running_mean is None)
        out = self._shared(x) if shared else super().forward(x)
        for after in self._modules.values():
            out = after(out) if after is not None else out
        return out

    def _shared(self, x: Tensor) -> Tensor:
        self._check_input_dim(x)
        axes = [0, *range(2, x.dim())]
        shape = [1, -1] + [1] * (x.dim() - 2)
        exact = x.to(torch.promote_types(x.dtype, torch.float32))
        count = exact.new_full((1,), x.numel() / x.shape[1])
        sums = all_reduce_sum(torch.cat([exact.sum(axes), count]))
        count = sums[-1].detach()
        centred = exact - (mean := sums[:-1] / count).view(shape)
        variance = all_reduce_sum(centred.square().sum(axes)) / count
        if self.training and self.running_mean is not None and self.running_var is not None:
            self._remember(mean.detach(), variance.detach() * count / (count - 1))
        out = centred * (variance + self.eps).rsqrt().view(shape)
        if self.weight is not None and self.bias is not None:
            out = out * self.weight.view(shape) + self.bias.view(shape)
        return out.to(x.dtype)

    def _remember(self, mean: Tensor, variance: Tensor) -> None:
        assert self.num_batches_tracked is not None
        self.num_batches_tracked += 1
        step = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        assert self.running_mean is not None and self.running_var is not None
        self.running_mean.lerp_(mean.to(self.running_mean.dtype), step)
        self.running_var.lerp_(variance.to(self.running_var.dtype), step)


class _Total(torch.autograd.Function):
    """Sum over ranks; the gradient of a sum that every rank uses is the sum of what they ask."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return _sum_over_ranks(x)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        return _sum_over_ranks(grads[0])


class _Gather(torch.autograd.Function):
    """Rows of all ranks; backward sums over ranks and keeps the own rows."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, counts: list[int]) -> Tensor:
        ctx.counts = counts
        mine = x.flatten(1) if x.dim() > 1 else x.unsqueeze(1)
        # Ragged rows are padded for the way and trimmed.
        mine = F.pad(mine, (0, 0, 0, max(counts) - len(x)))
        parts = [torch.empty_like(mine, memory_format=torch.contiguous_format) for _ in counts]
        dist.all_gather(parts, mine.contiguous())
        rows = torch.cat([part[:count] for part, count in zip(parts, counts, strict=True)])
        return rows.view(-1, *x.shape[1:])

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        return _sum_over_ranks(grads[0]).split(ctx.counts)[rank()], None


def _sum_over_ranks(x: Tensor) -> Tensor:
    total = x.clone(memory_format=torch.contiguous_format)
    dist.all_reduce(total)
    return total


def _device() -> torch.device:
    return torch.device("cuda" if dist.get_backend() == "nccl" else "cpu")
