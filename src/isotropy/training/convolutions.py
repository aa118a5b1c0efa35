"""Weight gradients of bfloat16 convolutions on a processor: every thread adds up a slice of the batch by itself.

oneDNN's own threads meet at barriers all through this gradient, and spin there. Where another program has one of the
cores they spin for as long as it keeps it: a step took 10 to 80 times as long, most of it in processor time.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from threading import Barrier
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.overrides import TorchFunctionMode

_CONVOLUTIONS: dict[Callable[..., Any], int] = {torch.conv1d: 1, torch.conv2d: 2, torch.conv3d: 3}
# A slice of fewer rows costs more to hand over than it saves.
_LEAST_ROWS = 16


class SlicedConvolutions(TorchFunctionMode):
    """Makes convolutions under bfloat16 autocast on a processor take their weights' gradient by slices of the batch.

    Values are those of torch; the weights' gradient is the float32 sum of one bfloat16 gradient a slice.

    Example:
        >>> weight, rows = torch.randn(4, 3, 3, requires_grad=True), torch.randn(64, 3, 20)
        >>> with torch.autocast("cpu", torch.bfloat16), SlicedConvolutions():
        ...     torch.conv1d(rows, weight).float().sum().backward()
        >>> weight.grad.shape
        torch.Size([4, 3, 3])
    """

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        dimensions = _CONVOLUTIONS.get(func)
        if dimensions is None:
            return func(*args, **(kwargs or {}))
        return _convolved(func, dimensions, *args, **(kwargs or {}))


def _convolved(
    func: Callable[..., Any],
    dimensions: int,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | Sequence[int] = 1,
    padding: int | str | Sequence[int] = 0,
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
) -> Tensor:
    threads = torch.get_num_threads()
    sliced = (
        weight.requires_grad
        and torch.is_grad_enabled()
        and weight.device.type == "cpu"
        and torch.is_autocast_enabled("cpu")
        and torch.get_autocast_dtype("cpu") == torch.bfloat16
        and input.dim() == dimensions + 2
        and not isinstance(padding, str)
        and len(input) >= threads * _LEAST_ROWS
        and not torch.compiler.is_compiling()
    )
    if threads == 1 or not sliced:
        result: Tensor = func(input, weight, bias, stride, padding, dilation, groups)
        return result
    every = [[of] * dimensions if isinstance(of, int) else list(of) for of in (stride, padding, dilation)]
    form = (*every, False, [0] * dimensions, groups)
    convolved: Tensor = _Convolution.apply(input.to(torch.bfloat16), weight, bias, form)
    return convolved


class _Convolution(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, input: Tensor, weight: Tensor, bias: Tensor | None, form: tuple[Any, ...]) -> Tensor:
        # Weights arrive in float32, so that their gradient may be added up in it.
        weight = weight.to(torch.bfloat16)
        ctx.save_for_backward(input, weight)
        ctx.form = form
        return torch.ops.aten.convolution(input, weight, None if bias is None else bias.to(torch.bfloat16), *form)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        input, weight = ctx.saved_tensors
        threads, backward = torch.get_num_threads(), torch.ops.aten.convolution_backward

        def of_slice(rows: tuple[Tensor, Tensor]) -> Tensor:
            return backward(*rows, weight, None, *ctx.form, [False, True, False])[1].float()

        slices = zip(gradient.tensor_split(threads), input.tensor_split(threads), strict=True)
        of_weight = torch.stack([*_workers(threads).map(of_slice, slices)]).sum(0)
        of_input, of_bias = None, None
        if ctx.needs_input_grad[0] or ctx.needs_input_grad[2]:
            mask = [ctx.needs_input_grad[0], False, ctx.needs_input_grad[2]]
            of_input, _, of_bias = backward(gradient, input, weight, [len(weight)], *ctx.form, mask)
        return of_input, of_weight, of_bias, None


@cache
def _workers(threads: int) -> ThreadPoolExecutor:
    """Return as many threads as torch has, each of which works alone."""

    def alone() -> None:
        # A thread takes torch's number when it first asks for it, and would forget one that was set before.
        torch.get_num_threads()
        torch.set_num_threads(1)
        ready.wait()

    ready = Barrier(threads + 1)
    pool = ThreadPoolExecutor(threads, "convolutions", initializer=alone)
    for _ in range(threads):
        pool.submit(int)
    ready.wait()
    # What a thread sets is also what threads to come will take.
    torch.set_num_threads(threads)
    return pool
