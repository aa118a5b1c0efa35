"""What every method asks of the encoder that it is given."""

from torch import nn

from isotropy.errors import UserError


def width_of(encoder: nn.Module) -> int:
    """Return the length of an encoder's output vectors.

    Raises:
        UserError: the module does not say it.

    Example:
        >>> from isotropy.encoders import TableMLP
        >>> width_of(TableMLP(numeric=3, width=8))
        8
    """
    width = getattr(encoder, "width", None)
    if not isinstance(width, int):
        raise UserError(
            f"the encoder {type(encoder).__name__} does not say its width: "
            "give isotropy.encoders.wrap(network, example=rows) instead of the bare network"
        )
    return width
