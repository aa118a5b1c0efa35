"""The kinds of data: one record each, and one file each; `register` takes one of a user's own."""

from isotropy.modalities.image import IMAGE
from isotropy.modalities.modality import MODALITIES, Modality, register
from isotropy.modalities.series import SERIES
from isotropy.modalities.table import TABLE

for _modality in (TABLE, SERIES, IMAGE):
    register(_modality)

__all__ = ["MODALITIES", "Modality", "register"]
