"""The largest values of rows, by the maxima of groups, equal a whole sort."""

import pytest
import torch

from isotropy.search.groups import GROUP, largest, where_at_least


@pytest.mark.parametrize(("width", "count"), [(GROUP, 3), (GROUP, GROUP), (40 * GROUP, 1), (40 * GROUP, 62)])
def test_the_largest_are_those_of_a_whole_sort(width: int, count: int) -> None:
    x = torch.randn(50, width, generator=torch.Generator().manual_seed(0))
    x[:, -3:] = -torch.inf
    found = x.gather(1, largest(x, count)).sort(descending=True).values
    assert torch.equal(found, x.sort(descending=True).values[:, :count])


@pytest.mark.parametrize("bound", [-5.0, 0.0, 2.5, 9.0])
def test_values_of_at_least_a_bound_are_those_of_a_comparison(bound: float) -> None:
    x = torch.randn(7, 5 * GROUP, generator=torch.Generator().manual_seed(0))
    x[2, 3] = bound
    found = where_at_least(x, torch.full((7,), bound), x.numel())
    assert found is not None
    right = (x >= bound).nonzero().tolist()
    assert sorted(zip(*(side.tolist() for side in found), strict=True)) == [tuple(pair) for pair in right]
    assert where_at_least(x, torch.full((7,), bound), len(right) - 1) is None
