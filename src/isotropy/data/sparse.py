"""Sparse matrices, known as such without importing scipy, which takes a tenth of a second."""

import sys
from typing import Any


def is_sparse(values: Any) -> bool:
    """Return whether values are a sparse matrix or array of scipy; who has one has imported `scipy.sparse`.

    Example:
        >>> from scipy.sparse import csr_array
        >>> is_sparse(csr_array((2, 3))), is_sparse([[0, 1]])
        (True, False)
    """
    scipy_sparse = sys.modules.get("scipy.sparse")
    return scipy_sparse is not None and scipy_sparse.issparse(values)
