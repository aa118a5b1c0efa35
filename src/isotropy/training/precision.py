"""Which number format and memory layout a training runs in, chosen by what the processor has."""

from typing import Any

import torch
from torch import nn

from isotropy.errors import UserError, nearest

PRECISIONS = ("auto", "float32", "bf16")


def has_bf16_units(device: torch.device) -> bool:
    """Return whether `device` multiplies bfloat16 matrices in units made for it.

    On a CPU these are AMX or the dot products of AVX-512: with neither, bfloat16 convolutions were measured up to 23
    times slower (docs/decisions/0010-bf16-on-processors.md).
    """
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    capabilities: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    return bool(capabilities.get("amx_bf16", False) or capabilities.get("avx512_bf16", False))


def choose_precision(precision: str, device: torch.device, encoder: nn.Module) -> str:
    """Return "float32" or "bf16" for `precision` "auto", else `precision` itself.

    On a CPU bfloat16 also needs an encoder that was measured to gain: with convolutions or attention (its attribute
    `convolutional`), or one that says so (`fast_in_bf16`, those of tables; decisions 0010 and 0011).

    Raises: UserError for an unknown precision.
    """
    if precision not in PRECISIONS:
        raise UserError(f"precision = {precision!r} is unknown{nearest(precision, PRECISIONS)}")
    if precision != "auto":
        return precision
    measured = getattr(encoder, "convolutional", False) or getattr(encoder, "fast_in_bf16", False)
    suited = device.type == "cuda" or bool(measured)
    return "bf16" if suited and has_bf16_units(device) else "float32"
