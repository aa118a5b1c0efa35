"""Classes of few rows each, which scikit-learn takes for numbers."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def rare_classes() -> Iterator[None]:
    """Keep scikit-learn's classifiers from asking whether classes with fewer than two rows on average are a regression.

    Draws of one label a class have them, and whoever reads the evidence has given no such classes.

    Example:
        >>> from sklearn.tree import DecisionTreeClassifier
        >>> with rare_classes():
        ...     model = DecisionTreeClassifier().fit([[row] for row in range(30)], range(30))
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The number of unique classes is greater than 50%", UserWarning)
        yield
