"""Views of several sizes and which of them meet: the large ones are targets, and no view is its own."""

from collections.abc import Iterator, Sequence

from torch import Tensor

from isotropy.views.multiview import MultiView


def large(views: MultiView) -> MultiView:
    """Return the views of the views that have the first view's size: all, or the large ones of a multi-crop.

    Example:
        >>> import torch
        >>> views = MultiView(torch.arange(4), lambda: [torch.ones(4, 3, 8, 8)] * 2 + [torch.ones(4, 3, 6, 6)] * 6)
        >>> len(large(views).tensors)
        2
    """
    shapes = [view.shape for view in views.tensors]
    count = shapes.count(shapes[0])
    return views if count == len(shapes) else MultiView(views.index, lambda: views.tensors[:count])


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
