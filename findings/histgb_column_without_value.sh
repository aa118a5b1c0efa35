#!/usr/bin/env bash
# scikit-learn 1.9.1: HistGradientBoostingClassifier.fit raises
#     ValueError: window shape cannot be larger than input array shape
# for a table in which one column has no value at all (all NaN).
#
# Missing values are documented as supported, and a column of NaN passes the input checks, so the input is valid. The
# thresholds of a column are the means of neighbouring distinct values, `sliding_window_view(distinct_values, 2)` in
# `_find_binning_thresholds`, which returns early for one distinct value but not for none.
# Expected: a column without values is never split on (as a constant column is not). The regressor does the same.
#
# Ends with 0 where it fails as written above, else with 1: then the work-around can go.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet scikit-learn==1.9.1 numpy==2.4.6
"$folder/venv/bin/python" - <<'PYTHON'
import sys

import numpy as np
import sklearn
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

print("scikit-learn", sklearn.__version__, "numpy", np.__version__)
rng = np.random.default_rng(0)
x = rng.normal(size=(100, 3))
y = (x[:, 0] > 0).astype(int)
x[:, 2] = np.nan
as_written = 0
for model in (HistGradientBoostingClassifier, HistGradientBoostingRegressor):
    try:
        model(max_iter=2).fit(x, y)
        print(model.__name__, "fits")
    except ValueError as error:
        print(model.__name__, "raises", repr(error))
        as_written += "window shape cannot be larger than input array shape" in str(error)
sys.exit(0 if as_written == 2 else 1)
PYTHON
