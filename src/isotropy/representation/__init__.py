"""A trained encoder with all that turns new data into vectors, and its files."""

from isotropy.representation.embedding import embed_groups, embed_rows, embed_together, repeated, steady_chunk
from isotropy.representation.embeddings import EMBEDDINGS, learn_embedding
from isotropy.representation.files import MODEL, ROWS
from isotropy.representation.representation import Representation, example_for, load

__all__ = [
    "EMBEDDINGS",
    "MODEL",
    "ROWS",
    "Representation",
    "embed_groups",
    "embed_rows",
    "embed_together",
    "example_for",
    "learn_embedding",
    "load",
    "repeated",
    "steady_chunk",
]
