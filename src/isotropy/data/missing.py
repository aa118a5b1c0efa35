"""Texts that mean a missing value."""

from collections.abc import Sequence

import pandas as pd

from isotropy.errors import UserError


def mask_values(frame: pd.DataFrame, na: Sequence[str]) -> pd.DataFrame:
    """Return the frame with the texts `na` turned to missing values."""
    if isinstance(na, str):
        raise UserError(f"na is a list of texts, such as [{na!r}]")
    texts = [name for name in frame.columns if not pd.api.types.is_numeric_dtype(frame[name].dtype)]
    missing = frame[texts].isin(list(na))
    return frame.assign(**{name: frame[name].mask(missing[name]) for name in texts if missing[name].any()})
