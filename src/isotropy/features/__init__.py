"""Free features: what rows are described by without training a network, learnt on training rows and saved."""

from isotropy.features.columns import Columns, NormalScores
from isotropy.features.free import FreeFeatures
from isotropy.features.patches import Patches, Pixels
from isotropy.features.random_convolutions import RandomConvolutions
from isotropy.features.summary import SeriesCourse, SeriesSummary

FEATURES: dict[str, type[FreeFeatures]] = {
    "columns": Columns,
    "normal_scores": NormalScores,
    "patches": Patches,
    "pixels": Pixels,
    "random_convolutions": RandomConvolutions,
    "series_course": SeriesCourse,
    "series_summary": SeriesSummary,
}

__all__ = [
    "FEATURES",
    "Columns",
    "FreeFeatures",
    "NormalScores",
    "Patches",
    "Pixels",
    "RandomConvolutions",
    "SeriesCourse",
    "SeriesSummary",
]
