"""What a representation has to beat: features, trees and propagated labels that cost no training of an encoder."""

from isotropy.evaluation.baselines.extra import EXTRAS, check_baselines
from isotropy.evaluation.baselines.features import UNTRAINED, collect, narrow, pca, standardise
from isotropy.features.summary import series_summary

__all__ = ["EXTRAS", "UNTRAINED", "check_baselines", "collect", "narrow", "pca", "series_summary", "standardise"]
