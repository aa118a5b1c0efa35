"""Where a loss is: tensors in, scalars out; no state, no ranks, no configuration."""

from isotropy.objectives.bbt import batchwise_barlow_twins
from isotropy.objectives.contrastive import nt_xent
from isotropy.objectives.distance import byol, cosine_distance
from isotropy.objectives.music import music
from isotropy.objectives.sigreg import lejepa, sigreg
from isotropy.objectives.variance_covariance import vicreg

__all__ = ["batchwise_barlow_twins", "byol", "cosine_distance", "lejepa", "music", "nt_xent", "sigreg", "vicreg"]
