"""`isotropy demo`: handwritten digits that ship with scikit-learn, from a file to a page, a search and an audit."""

import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.datasets import load_digits

from isotropy.cli.show import say
from isotropy.errors import UserError

_COPIES = 12
# Quoted: zsh takes brackets for a pattern.
_FIT = "--label-key digit --method simclr --epochs 20 --set views.flip=0 --set 'views.scale=[0.5,1.0]'"


def demo(folder: Path, command: Callable[[list[str]], None]) -> dict[str, Any]:
    """Run `isotropy demo`: every command is printed before it is called.

    The 1797 images of 8 x 8 pixels are written to an .npz file, as a user may have one; behind them stand twelve copies
    of some of them, darker or brighter by an eighth, as collections of images have them. A mirrored digit is another
    shape, so views are not flipped. A small part of a digit cannot be recognised, so crops cover at least half of it.

    Args:
        folder: where digits.npz and the run `demo` are written, in place of an earlier one. command: runs `isotropy`
            with arguments.

    Returns: where the run and its page are, how many copies there were, and how many the audit found.
    """
    digits, run = folder / "digits.npz", folder / "demo"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(run, ignore_errors=True)
        _write_digits(digits)
    except OSError as error:
        raise UserError(f"{folder}: cannot be written ({error.strerror}): name another with --out") from error
    file, place = shlex.quote(str(digits)), shlex.quote(str(run))
    for line in (f"fit {file} {_FIT} --out {place}", f"search {place} --query 17 -k 4", f"audit {place} -n 2"):
        say(f"\n$ isotropy {line}")
        command(shlex.split(line))
    issues = pd.read_parquet(run / "audit.parquet")
    found = issues["is_near_duplicate_issue"] | issues["is_exact_duplicate_issue"]
    rows = len(issues) - _COPIES
    right, page = int(found[rows:].sum()), run / "report.html"
    say(f"\n{right} of the {_COPIES} copies, rows {rows} to {len(issues) - 1}, were found.")
    say(f"Open {page}: the map, the few-label curve, and the lists of the audit.")
    return {"folder": str(run), "page": str(page), "copies": _COPIES, "found": right}


def _write_digits(path: Path) -> None:
    """Write the digits, the copies and their labels to an .npz file."""
    digits = load_digits()
    images: NDArray[np.float64] = digits.images * 255 / 16
    copied = np.sort(np.random.default_rng(0).choice(len(images), _COPIES, replace=False))
    light = np.where(np.arange(_COPIES) % 2, 0.875, 1.125)[:, None, None]
    every = np.concatenate([images, np.clip(images[copied] * light, 0, 255)])
    np.savez(path, X=every.round().astype(np.uint8), digit=np.concatenate([digits.target, digits.target[copied]]))
