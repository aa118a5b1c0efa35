"""The method `auto`: what trains where no method is named, read from measured results (papers/defaults)."""

from isotropy.modalities import MODALITIES

AUTO = "auto"
# modality -> (least rows, method), the most rows first. A modality that is not here has its own default method.
RULES: dict[str, tuple[tuple[int, str], ...]] = {}


def methods_of(modality: str) -> tuple[str, ...]:
    """Return every method that `auto` may stand for."""
    return tuple(method for _, method in RULES.get(modality, ())) or (MODALITIES[modality].default_method,)


def method_for(modality: str, rows: int | None = None) -> str:
    """Return the method that `auto` stands for.

    Args:
        modality: a name of `MODALITIES`.
        rows: how many there are, test rows among them; without, as many as suit the most common case.

    Example:
        >>> method_for("series", 500)
        'lfr'
    """
    for least, method in RULES.get(modality, ()):
        if rows is None or rows >= least:
            return method
    return MODALITIES[modality].default_method
