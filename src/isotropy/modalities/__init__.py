"""The kinds of data: one record each; `register` takes one of a user's own."""

from isotropy.modalities.builtin import IMAGE, SERIES, TABLE
from isotropy.modalities.modality import MODALITIES, Modality, register

for _modality in (TABLE, SERIES, IMAGE):
    register(_modality)

__all__ = ["MODALITIES", "Modality", "register"]
