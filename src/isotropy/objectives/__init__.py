"""Losses as pure functions: tensors in, scalars out; no state, no ranks, no configuration."""

from isotropy.objectives.barlow_twins import barlow_twins
from isotropy.objectives.bbt import batchwise_barlow_twins
from isotropy.objectives.center import center, center_subtraction
from isotropy.objectives.cissl import cissl, cissl_references
from isotropy.objectives.codes import predicted_codes
from isotropy.objectives.contrastive import info_nce, info_nce_references, nt_xent, nt_xent_references
from isotropy.objectives.dino import dino
from isotropy.objectives.dissl import dissl
from isotropy.objectives.distance import byol, cosine_distance
from isotropy.objectives.hierarchical import hierarchical_contrast
from isotropy.objectives.instance import instance_classification
from isotropy.objectives.music import music
from isotropy.objectives.reconstruction import normalise_patches, reconstruction
from isotropy.objectives.sigreg import lejepa, sigreg
from isotropy.objectives.swav import sinkhorn, swav
from isotropy.objectives.temporal import temporal_contrast
from isotropy.objectives.variance_covariance import vicreg
from isotropy.objectives.whitening import w_mse, whiten

__all__ = [
    "barlow_twins",
    "batchwise_barlow_twins",
    "byol",
    "center",
    "center_subtraction",
    "cissl",
    "cissl_references",
    "cosine_distance",
    "dino",
    "dissl",
    "hierarchical_contrast",
    "info_nce",
    "info_nce_references",
    "instance_classification",
    "lejepa",
    "music",
    "normalise_patches",
    "nt_xent",
    "nt_xent_references",
    "predicted_codes",
    "reconstruction",
    "sigreg",
    "sinkhorn",
    "swav",
    "temporal_contrast",
    "vicreg",
    "w_mse",
    "whiten",
]
