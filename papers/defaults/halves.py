"""The data sets: one half to choose encoders, methods and rules on, the other to report once they are chosen."""

from collections.abc import Iterator

import data_sets as sets

# One half of the sets is for choosing encoders, methods and rules on; the other is reported once they are chosen.
HALVES: dict[str, dict[str, tuple[str, ...]]] = {
    "choose": {
        "table": ("adult", "california_housing", "phoneme", "wine_quality/colour"),
        "series": ("har",),
        "image": ("cifar10", "fashion"),
    },
    "report": {
        "table": ("dry_bean", "gesture_phase", "abalone", "german_credit", "wine_quality/quality"),
        "series": ("epilepsy",),
        "image": ("tiny_imagenet", "digits"),
    },
}


# The ten sets of the report half on which the goals are counted.
GOAL = (
    *HALVES["report"]["table"], "epilepsy", "ucr/CricketX", "ucr/RefrigerationDevices", *HALVES["report"]["image"],
)  # fmt: skip


def ucr(half: str) -> list[str]:
    """Return the UCR sets of a half: every other one of their sorted names, the first of which is for choosing."""
    return [f"ucr/{name}" for name in sets.UCR[0 if half == "choose" else 1 :: 2]]


def sets_of(half: str) -> Iterator[tuple[str, str]]:
    """Yield name and modality of the sets of a half."""
    for modality, names in HALVES[half].items():
        for name in (*names, *(ucr(half) if modality == "series" else ())):
            yield name, modality
