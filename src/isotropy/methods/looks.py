"""Looks of several sizes and which of them meet: the large ones are targets, and no look is its own."""

from collections.abc import Iterator, Sequence

from torch import Tensor

from isotropy.views.multiview import Views


def large(views: Views) -> Views:
    """Return the views of the looks that have the first look's size: all, or the large ones of a multi-crop.

    Example:
        >>> import torch
        >>> views = Views(torch.arange(4), lambda: [torch.ones(4, 3, 8, 8)] * 2 + [torch.ones(4, 3, 6, 6)] * 6)
        >>> len(large(views).looks)
        2
    """
    shapes = [look.shape for look in views.looks]
    count = shapes.count(shapes[0])
    return views if count == len(shapes) else Views(views.index, lambda: views.looks[:count])


def crossed(students: Sequence[Tensor], targets: Sequence[Tensor]) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield every look of the student with every target of another look, target by target.

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
