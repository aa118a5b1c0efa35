"""A trained encoder with all that turns new data into vectors, and its files."""

from isotropy.representation.embedding import embed_rows, steady_chunk
from isotropy.representation.representation import Representation, load

__all__ = ["Representation", "embed_rows", "load", "steady_chunk"]
