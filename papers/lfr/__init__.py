"""LFR beside its peers, and labels that a view destroys."""
