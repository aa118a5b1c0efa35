import threading

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from isotropy.encoders import wrap
from isotropy.methods import SimCLR
from isotropy.training.convolutions import SlicedConvolutions, _workers
from isotropy.training.gradient import Gradient

pytestmark = pytest.mark.usefixtures("two_threads")

# rows, dimensions, arguments of the convolution: channels in and out, kernel, length of an axis
CASES = [
    (64, 1, {}, (3, 4, 3, 20)),
    (70, 2, {"stride": 2, "padding": 1}, (8, 16, 3, 8)),
    (64, 2, {"padding": (1, 0), "dilation": 2}, (4, 6, 3, 9)),
    (33, 2, {"groups": 4, "padding": 1}, (8, 8, 3, 6)),
    (64, 3, {}, (2, 3, 2, 5)),
]


def gradients(rows, dimensions, options, sizes, bias=True, sliced=True, threads=2, bf16=True):
    """Return the convolution's values and the gradients of its input, weights and bias."""
    generator = torch.Generator().manual_seed(0)
    into, out, kernel, length = sizes
    x = torch.randn(rows, into, *[length] * dimensions, generator=generator).requires_grad_()
    shape = out, into // options.get("groups", 1), *[kernel] * dimensions
    weight = torch.randn(shape, generator=generator).requires_grad_()
    shift = torch.randn(out, generator=generator).requires_grad_() if bias else None
    convolve = (F.conv1d, F.conv2d, F.conv3d)[dimensions - 1]
    torch.set_num_threads(threads)
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        if sliced:
            with SlicedConvolutions():
                values = convolve(x, weight, shift, **options)
        else:
            values = convolve(x, weight, shift, **options)
    (values.float() * torch.linspace(-1, 1, values.numel()).view_as(values)).sum().backward()
    return values, x.grad, weight.grad, None if shift is None else shift.grad


@pytest.mark.parametrize(("rows", "dimensions", "options", "sizes"), CASES)
def test_values_are_those_of_torch_and_gradients_differ_by_rounding(rows, dimensions, options, sizes):
    ours = gradients(rows, dimensions, options, sizes)
    theirs = gradients(rows, dimensions, options, sizes, sliced=False)
    assert ours[0].dtype == torch.bfloat16
    assert ours[2].dtype == torch.float32
    assert torch.equal(ours[0], theirs[0])
    exact = gradients(rows, dimensions, options, sizes, sliced=False, bf16=False)
    for one, other, true in zip(ours[1:], theirs[1:], exact[1:], strict=True):
        # torch's own rounding differs from processor to processor: ours is about as far from float32's gradient.
        assert (one - true).square().mean() <= 1.2**2 * (other - true).square().mean()


def test_the_weights_gradient_is_the_float32_sum_of_the_slices():
    rows, options = 64, {"stride": 2, "padding": 1}
    x, weight = torch.randn(rows, 3, 8, 8), torch.randn(5, 3, 3, 3)
    values = torch.randn(rows, 5, 4, 4).bfloat16()
    form = ([2, 2], [1, 1], [1, 1], False, [0, 0], 1, [False, True, False])
    backward, low = torch.ops.aten.convolution_backward, weight.bfloat16()
    torch.set_num_threads(1)
    wanted = sum(
        backward(values[part], x[part].bfloat16(), low, None, *form)[1].float()
        for part in (slice(0, 32), slice(32, 64))
    )
    torch.set_num_threads(2)
    weight.requires_grad_()
    with torch.autocast("cpu", torch.bfloat16), SlicedConvolutions():
        convolved = F.conv2d(x, weight, **options)
    convolved.backward(values)
    assert torch.equal(weight.grad, wanted)


@pytest.mark.parametrize(("rows", "options", "threads"), [(31, {}, 2), (64, {"padding": "same"}, 2), (64, {}, 1)])
def test_what_is_too_small_or_named_or_of_one_thread_is_left_to_torch(rows, options, threads):
    ours = gradients(rows, 1, options, (3, 4, 3, 20), threads=threads)
    theirs = gradients(rows, 1, options, (3, 4, 3, 20), sliced=False, threads=threads)
    assert all(torch.equal(one, other) for one, other in zip(ours, theirs, strict=True))


def test_float32_is_left_alone():
    x, weight = torch.randn(64, 3, 20), torch.randn(4, 3, 3, requires_grad=True)
    with SlicedConvolutions():
        values = F.conv1d(x, weight)
    assert values.dtype == torch.float32
    assert "_Convolution" not in str(values.grad_fn)


def test_every_worker_computes_alone_and_nobody_else_is_changed():
    workers = _workers(2)
    together = threading.Barrier(2)

    def threads(_):
        together.wait()
        return torch.get_num_threads()

    assert [*workers.map(threads, range(2))] == [1, 1]
    assert torch.get_num_threads() == 2
    later = []
    thread = threading.Thread(target=lambda: later.append(torch.get_num_threads()))
    thread.start()
    thread.join()
    assert later == [2]


@pytest.mark.parametrize("convolutional", [True, False])
def test_steps_are_watched_for_convolutions_where_a_network_has_some(convolutional):
    first = nn.Conv1d(1, 4, 3, padding=1) if convolutional else nn.Identity()
    encoder = wrap(nn.Sequential(first, nn.Flatten(), nn.LazyLinear(8)), example=torch.zeros(2, 1, 8))
    method, told = SimCLR(encoder), {"device": torch.device("cpu"), "seed": 0, "chunked": False}
    assert Gradient(method, method, bf16=True, **told).sliced == convolutional
    assert not Gradient(method, method, bf16=False, **told).sliced
