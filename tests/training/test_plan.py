import pytest
import torch

from isotropy.errors import UserError
from isotropy.training import Plan


@pytest.mark.parametrize(
    ("rows", "batch_size", "keep_last", "per_pass", "smallest"),
    [
        (100, 32, False, 3, 32),
        (100, 32, True, 4, 4),
        (96, 32, False, 3, 32),
        (96, 32, True, 3, 32),
        (97, 32, True, 3, 32),  # a last batch of one row has nothing to compare
        (98, 32, True, 4, 2),
        (20, 32, False, 1, 20),  # data smaller than a batch is one batch
        (2, 2, False, 1, 2),
    ],
)
def test_steps_in_a_pass_and_the_smallest_batch(rows, batch_size, keep_last, per_pass, smallest):
    plan = Plan(rows=rows, batch_size=batch_size, epochs=1, keep_last=keep_last)
    order = plan.order(0, 0)
    sizes = [len(plan.batch(order, place)) for place in range(plan.per_pass)]
    assert (plan.per_pass, plan.smallest) == (per_pass, smallest)
    assert sizes == [batch_size] * (per_pass - 1) + [smallest]


@pytest.mark.parametrize(("epochs", "steps"), [(1, 18), (0.5, 9), (2.25, 40), (1e-6, 1)])
def test_epochs_count_passes_of_the_encoder_and_may_be_fractions(epochs, steps):
    plan = Plan(rows=30, batch_size=10, epochs=epochs, passes_per_epoch=6)
    assert (plan.per_pass, plan.per_epoch, plan.steps) == (3, 18, steps)


def test_an_order_is_a_permutation_and_a_function_of_seed_and_pass():
    plan = Plan(rows=50, batch_size=8, epochs=3)
    orders = {key: plan.order(*key) for key in [(0, 0), (0, 1), (1, 0)]}
    for key, order in orders.items():
        assert torch.equal(order, plan.order(*key))
        assert torch.equal(order.sort().values, torch.arange(50))
    assert not torch.equal(orders[0, 0], orders[0, 1])
    assert not torch.equal(orders[0, 0], orders[1, 0])
    assert not torch.equal(orders[0, 1], orders[1, 0])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"rows": 1}, "1 row"),
        ({"batch_size": 1}, "batch_size = 1"),
        ({"epochs": 0}, "epochs = 0"),
        ({"epochs": -1.0}, "epochs"),
        ({"epochs": float("nan")}, "epochs"),
        ({"epochs": float("inf")}, "epochs"),
    ],
)
def test_numbers_out_of_range_are_named(arguments, said):
    with pytest.raises(UserError, match=said) as error:
        Plan(**({"rows": 10, "batch_size": 2, "epochs": 1} | arguments))
    assert "\n" not in str(error.value)
