"""Is the representation healthy? Arrays in, numbers out."""

from isotropy.diagnostics.rank import effective_rank, mean_norm

__all__ = ["effective_rank", "mean_norm"]
