"""A run's encoder for other programs: as a graph that needs no isotropy, and as a folder that hubs understand."""

from isotropy.export.card import model_card
from isotropy.export.export import BATCHES, TOLERANCE, export
from isotropy.export.formats import FORMATS
from isotropy.export.graph import Graph

__all__ = ["BATCHES", "FORMATS", "TOLERANCE", "Graph", "export", "model_card"]
