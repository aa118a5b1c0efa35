"""Variants, their hypotheses, and toys."""
