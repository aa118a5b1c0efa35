"""What every method asks of the encoder that it is given."""

from torch import nn

from isotropy.errors import UserError


def width_of(encoder: nn.Module) -> int:
    """Return the length of an encoder's output vectors, or raise a UserError where it does not say it.

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


def frame_width_of(encoder: nn.Module) -> int:
    """Return the length of an encoder's feature vectors along time, or raise a UserError where it gives none.

    Example:
        >>> from isotropy.encoders import SeriesCNN
        >>> frame_width_of(SeriesCNN(channels=9, length=128))
        128
    """
    width = getattr(encoder, "frame_width", None)
    if not isinstance(width, int):
        raise UserError(
            f"the encoder {type(encoder).__name__} has no features along time: take series_cnn, dilated_resnet, gru or "
            "series_transformer, or wrap a network that has frame_width and frames(x) -> (B, frame_width, steps)"
        )
    return width
