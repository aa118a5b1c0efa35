"""Views of table rows: SCARF's marginals, mixup's bounds, masks."""

import numpy as np
import pytest
import torch
from scipy import stats

from isotropy.errors import UserError
from isotropy.views import TableViews

COUNT = 2000


def values():
    """Four numeric columns of different laws, the second tied to the first; two categories."""
    generator = np.random.default_rng(0)
    first = generator.normal(size=COUNT)
    numbers = [first, first, generator.exponential(size=COUNT), generator.uniform(5, 6, size=COUNT)]
    codes = [generator.choice([1, 2, 3], COUNT, p=[0.7, 0.2, 0.1]), generator.integers(1, 6, COUNT)]
    return torch.tensor(np.stack([*numbers, *codes], 1), dtype=torch.float32)


def made(x, index=None, num_views=1, **settings):
    index = torch.arange(len(x)) if index is None else index
    maker = TableViews(values=values(), numeric=4, num_views=num_views, **{"corrupt": 0.0, **settings})
    return maker.make(x, index, seed=0, pass_=0)


def test_training_rows_by_number_look_as_they_do_in_a_table_of_their_own():
    whole, index = values(), torch.arange(5, COUNT, 3)
    settings = {"numeric": 4, "corrupt": 0.5, "mixup": 1.0}
    by_number = TableViews(values=whole, index=index, **settings)
    alone = TableViews(values=whole[index], **settings)
    assert by_number.values is whole, "no copy"
    x, places = whole[:100], torch.arange(100)
    pairs = zip(*(each.make(x, places, seed=0, pass_=0) for each in (by_number, alone)))
    assert all(torch.equal(one, other) and not torch.equal(one, x) for one, other in pairs)


def test_scarf_is_one_clean_and_one_corrupted_view_by_default():
    clean, corrupted = TableViews(values=values(), numeric=4).make(values(), torch.arange(COUNT), seed=0, pass_=0)
    assert torch.equal(clean, values())
    assert not torch.equal(corrupted, values())


def test_corruption_replaces_exactly_its_share_of_the_columns():
    x = torch.full((COUNT, 6), 99.0)
    for share, number in ((0.6, 3), (0.34, 2), (0.01, 1), (1.0, 6)):
        replaced = made(x, corrupt=share)[0] != 99
        assert (replaced.sum(1) == number).all()
        assert (replaced.double().mean(0) - number / 6).abs().max() < 0.05


def test_replacements_follow_each_columns_marginal_independently():
    view = made(torch.full((COUNT, 6), 99.0), corrupt=1.0)[0]
    for column in range(4):
        assert stats.ks_2samp(view[:, column].numpy(), values()[:, column].numpy()).pvalue > 0.01
        assert torch.isin(view[:, column], values()[:, column]).all()
    for column in (4, 5):
        tables = [np.bincount(t[:, column].long().numpy(), minlength=7)[1:] for t in (view, values())]
        kept = tables[1] > 0
        assert stats.chi2_contingency(np.stack(tables)[:, kept]).pvalue > 0.01
    # Columns 0 and 1 are equal in every training row; donors of their own make them independent.
    assert abs(torch.corrcoef(view[:, :2].T)[0, 1]) < 4 / COUNT**0.5


def test_two_corrupted_views_differ():
    one, two = made(values(), num_views=2, corrupt=0.5)
    assert (one != two).any(1).double().mean() > 0.9


def test_mixup_stays_between_the_row_and_a_training_row():
    x = torch.zeros(COUNT, 6)
    view = made(x, mixup=1.0)[0]
    # Columns 0 and 1 of the partner are equal, so one weight per row mixes them equally.
    assert torch.allclose(view[:, 0], view[:, 1])
    weight = view[:, 3]  # (1 - m) x' with x' in [5, 6]
    assert weight.min() >= 0 and weight.max() <= 0.5 * 6
    assert stats.kstest((weight / 5.5).numpy(), stats.uniform(0, 0.5).cdf).statistic < 0.06
    assert torch.isin(view[:, 4:], torch.arange(0.0, 6.0)).all()
    taken = view[:, 4:] != 0
    assert abs(taken.double().mean() - 0.25) < 0.02  # E[1 - m] for a uniform l
    heavy = weight / 5.5 > 0.25
    assert abs(taken[heavy].double().mean() - 0.375) < 0.04
    assert abs(taken[~heavy].double().mean() - 0.125) < 0.04


def test_masks_hide_cells_with_their_probability():
    view = made(torch.full((COUNT, 6), 3.0), mask=0.3)[0]
    hidden = view == 0
    assert torch.equal(view[~hidden], torch.full_like(view[~hidden], 3.0))
    assert (hidden.double().mean(0) - 0.3).abs().max() < 0.05
    assert abs(torch.corrcoef(hidden.double().T)[0, 1:]).max() < 4.5 / COUNT**0.5


def test_a_view_depends_on_no_batch_order_or_thread_count():
    settings = {"corrupt": [0.5, 0.2], "mixup": 0.4, "mask": 0.1, "num_views": 2}
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        whole = made(values(), **settings)
        for number in (1, 2):
            torch.set_num_threads(number)
            for choice in (torch.arange(COUNT).flip(0), torch.tensor([7, 3]), torch.tensor([1999])):
                for view, reference in zip(made(values()[choice], choice, **settings), whole):
                    assert torch.equal(view, reference[choice])
    finally:
        torch.set_num_threads(threads)


def test_wrong_settings_get_one_line():
    with pytest.raises(UserError, match="corrupt: 2 values for 3 views"):
        TableViews(values=values(), numeric=4, num_views=3)
    with pytest.raises(UserError, match="7 numeric columns"):
        TableViews(values=values(), numeric=7)
    with pytest.raises(UserError, match="table views: rows"):
        made(torch.zeros(2, 5))
