"""Nearest rows by cosine: exact, in bounded memory."""

from isotropy.search.exact import nearest

__all__ = ["nearest"]
