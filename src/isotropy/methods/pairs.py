"""Which views meet: no view is its own target."""

from collections.abc import Iterator, Sequence

from torch import Tensor


def crossed(students: Sequence[Tensor], targets: Sequence[Tensor]) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield every view of the student with every target of another view, target by target.

    Example:
        >>> import torch
        >>> one, two, three = torch.eye(3)
        >>> len(list(crossed([one, two, three], [one, two])))
        4
    """
    for u, target in enumerate(targets):
        for v, student in enumerate(students):
            if v != u:
                yield student, target
