"""The method `auto`: what trains where no method is named."""

from isotropy.modalities import MODALITIES

AUTO = "auto"


def method_for(modality: str) -> str:
    """Return the method that `auto` stands for: the modality's default, read from measured results (decision 0024).

    Example:
        >>> method_for("table"), method_for("series"), method_for("image")
        ('masked', 'simclr', 'simclr')
    """
    return MODALITIES[modality].default_method
