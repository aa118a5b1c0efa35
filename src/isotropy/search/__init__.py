"""Nearest rows by cosine: exact, in bounded memory, or by an index."""

from isotropy.search.exact import nearest
from isotropy.search.index import ApproximateIndex, Index

__all__ = ["ApproximateIndex", "Index", "nearest"]
