"""The kinds of data: one record each; `register` takes one of a user's own."""

from isotropy.modalities.builtin import ARRAY, IMAGE, SERIES, TABLE
from isotropy.modalities.modality import MODALITIES, VIEWS_OF_THE_DATA, Modality, register

for _modality in (TABLE, SERIES, IMAGE, ARRAY):
    register(_modality)

__all__ = ["MODALITIES", "VIEWS_OF_THE_DATA", "Modality", "register"]
