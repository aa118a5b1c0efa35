"""Between numpy arrays and tensors."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def as_array(values: Any) -> NDArray[Any]:
    """Return an array, or a tensor from any device, as a numpy array; nothing is copied where possible."""
    if isinstance(values, Tensor):
        values = values.detach().cpu()
        # numpy has no bfloat16.
        return np.asarray(values.float().numpy() if values.dtype == torch.bfloat16 else values.numpy())
    return np.asanyarray(values)


def as_tensor(values: NDArray[Any]) -> Tensor:
    """Return an array as a contiguous tensor that shares its memory where it can.

    Read-only memory is copied, since a tensor cannot be marked read-only; map files copy-on-write (mode "c").
    """
    values = np.ascontiguousarray(values)
    return torch.from_numpy(values if values.flags.writeable else values.copy())
