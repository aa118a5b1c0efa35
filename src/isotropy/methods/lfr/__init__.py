"""LFR with its projectors, its predictors and its cache."""

from isotropy.methods.lfr.lfr import LFR as LFR
