"""Baselines on request, by name: another one is a line in `EXTRAS`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isotropy.errors import UserError, nearest, refuse_text
from isotropy.features import patches

Vectors = Callable[[Any], NDArray[np.float32]]


@dataclass(frozen=True)
class Extra:
    """A baseline that is learnt on training rows when it is asked for.

    Attributes:
        title: what tables call it. modality: the kind of data that it reads.
        learn: returns what makes features (M, D) of stored rows, given stored training rows. rows: of them at most.
    """

    title: str
    modality: str
    learn: Callable[[Any], Vectors]
    rows: int


EXTRAS = {"patches": Extra(patches.NAME, "image", patches.patches, patches.IMAGES)}


def check_baselines(names: Sequence[str], modality: str | None = None) -> None:
    """Refuse names that are not in `EXTRAS`, and baselines of other data than those of `modality`.

    Example:
        >>> check_baselines(["patches"], "image")
    """
    refuse_text(names, "baselines")
    for name in names:
        if name not in EXTRAS:
            raise UserError(f"baseline {name!r} is unknown{nearest(name, EXTRAS)}")
        if modality is not None and EXTRAS[name].modality != modality:
            raise UserError(
                f"baseline {name!r} is for {EXTRAS[name].modality} data, and this is {modality} data: leave it out"
            )
