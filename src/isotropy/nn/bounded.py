"""A bound on how large a network may get while it is made: sizes come from recipes and files."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn
from torch.nn.modules import module as registered
from torch.nn.parameter import is_lazy

from isotropy.errors import UserError

# Weights of a network that a recipe asks for: 8 GiB in float32.
MOST_WEIGHTS = 1 << 31
_MOST_TENSORS = 100_000


@contextmanager
def bounded(most: int = MOST_WEIGHTS) -> Iterator[None]:
    """Refuse networks that are made inside as soon as they have more than `most` weights, before these are drawn.

    Raises:
        UserError: too many weights, or more than memory holds.

    Example:
        >>> with bounded(most=100):
        ...     nn.Linear(64, 64)
        Traceback (most recent call last):
        isotropy.errors.UserError: the network has more than 100 weights: make it smaller (width, hidden, depth)
    """
    weights = tensors = 0

    def count(_: nn.Module, __: str, tensor: Any) -> None:
        nonlocal weights, tensors
        if tensor is not None and not is_lazy(tensor):
            weights, tensors = weights + tensor.numel(), tensors + 1
        if weights > most or tensors > _MOST_TENSORS:
            raise UserError(f"the network has more than {most:,} weights: make it smaller (width, hidden, depth)")

    handles = [
        registered.register_module_parameter_registration_hook(count),
        registered.register_module_buffer_registration_hook(count),
    ]
    try:
        yield
    except (RuntimeError, MemoryError, OverflowError) as error:
        if isinstance(error, RuntimeError) and not any(
            word in str(error) for word in ("allocate", "overflow", "invalid")
        ):
            raise
        raise UserError(
            "the network has more weights than memory holds: make it smaller (width, hidden, depth)"
        ) from error
    finally:
        for handle in handles:
            handle.remove()
