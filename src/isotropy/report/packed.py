"""Arrays as the page's script reads them: a type, a shape and the bytes in base64."""

import json
import re
from base64 import b64encode
from typing import Any

import numpy as np
from numpy.typing import NDArray

# The script's names of types; all are little-endian there.
_TYPES = {"u8": np.uint8, "u16": np.uint16, "u32": np.uint32, "f32": np.float32, "f64": np.float64}


def packed(array: NDArray[Any], kind: str) -> dict[str, Any]:
    """Return an array as {"type", "shape", "data"}; `kind` is "u8", "u16", "u32", "f32" or "f64".

    Example:
        >>> packed(np.array([1, 2]), "u16")
        {'type': 'u16', 'shape': [2], 'data': 'AQACAA=='}
    """
    stored = np.ascontiguousarray(array, dtype=np.dtype(_TYPES[kind]).newbyteorder("<"))
    return {"type": kind, "shape": list(stored.shape), "data": b64encode(stored.tobytes()).decode()}


def codes(array: NDArray[np.int64], most: int) -> dict[str, Any]:
    """Return whole numbers from 0 to `most` as the shortest type that holds them.

    Example:
        >>> codes(np.array([0, 300]), 300)["type"]
        'u16'
    """
    return packed(array, "u8" if most < 1 << 8 else "u16" if most < 1 << 16 else "u32")


def fractions(array: NDArray[Any], low: float, high: float) -> dict[str, Any]:
    """Return numbers in [low, high] as 16-bit fractions of it, with the two numbers beside them."""
    span = (high - low) or 1.0
    scaled = np.rint(np.clip((np.asarray(array) - low) / span, 0, 1) * 65535)
    return packed(scaled, "u16") | {"low": low, "high": high}


# Marks that turn the direction of the text around them, and those that end or begin a part of its own.
_TURNING = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def unturned(text: str, before: str = "\\") -> str:
    r"""Return a text with every mark that turns the direction of what stands beside it as its number.

    Args:
        text: of a page. before: what stands before the number; in JSON a backslash is written as two.

    Example:
        >>> unturned("pay \u202e100")
        'pay \\u202e100'
    """
    return _TURNING.sub(lambda found: f"{before}u{ord(found[0]):04x}", text)


def script_json(content: Any) -> str:
    r"""Return JSON that can stand in a script element: no text in it ends the element or begins a comment.

    Example:
        >>> script_json({"a": "</script>"})
        '{"a":"\\u003c/script>"}'
    """
    text = json.dumps(content, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    # The last two end a line in JavaScript, though not in JSON.
    for sign in "<\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return unturned(text, before="\\\\")
