"""Nearest rows: exact by cosine in bounded memory, by an index, and of all rows of a set among each other."""

from isotropy.search.exact import nearest
from isotropy.search.graph import neighbour_graph
from isotropy.search.index import ApproximateIndex, Index

__all__ = ["ApproximateIndex", "Index", "nearest", "neighbour_graph"]
