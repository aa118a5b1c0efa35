"""What a representation has to beat: features, trees and propagated labels that cost no training of an encoder."""

from isotropy.evaluation.baselines.features import collect, narrow, pca, series_summary, standardise

__all__ = ["collect", "narrow", "pca", "series_summary", "standardise"]
