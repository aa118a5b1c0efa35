"""The largest values of rows, by the maxima of groups, equal a whole sort."""

import pytest
import torch

from isotropy.evaluation.neighbours import GROUP, largest


@pytest.mark.parametrize(("width", "count"), [(GROUP, 3), (GROUP, GROUP), (40 * GROUP, 1), (40 * GROUP, 62)])
def test_the_largest_are_those_of_a_whole_sort(width: int, count: int) -> None:
    x = torch.randn(50, width, generator=torch.Generator().manual_seed(0))
    x[:, -3:] = -torch.inf
    found = x.gather(1, largest(x, count)).sort(descending=True).values
    assert torch.equal(found, x.sort(descending=True).values[:, :count])
