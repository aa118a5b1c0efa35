import pytest
import torch

from isotropy.methods import WMSE
from isotropy.objectives import w_mse
from isotropy.rng import Stream
from isotropy.training import fit
from laws.cases import Jitter, Rows
from methods.fakes import Net, normal, views_of


def small(**options):
    torch.manual_seed(0)
    return WMSE(Net(), **({"projector_hidden": 16, "projector_width": 3, "sub_batch_size": 8} | options)).double()


def test_the_loss_is_w_mse_of_the_projected_views_over_the_steps_sub_batches():
    method = small(eps=0.1, num_partitions=2).eval()
    tensors = [normal(20, 5, seed=seed) for seed in range(3)]
    z = [method.projector(method.encoder(x)) for x in tensors]
    parts = method._parts(20)
    assert parts.shape == (4, 8)
    expected = w_mse(*z, parts=parts, eps=0.1).item()
    assert method.loss(**method(views_of(*tensors)))["distance"].item() == pytest.approx(expected, abs=1e-12)


def test_sub_batches_part_the_rows_and_change_with_the_step():
    method = small(num_partitions=2)
    first, again = method._parts(20), method._parts(20)
    assert torch.equal(first, again)
    for partition in first.view(2, 2, 8):
        assert len(partition.unique()) == 16
    method.rng = Stream(step=1)
    later = method._parts(20)
    assert not torch.equal(first, later)
    assert method._parts(5).shape == (2, 5)
    # Every row has its turn.
    left_out = [set(range(20)) - set(first.view(2, -1)[i].tolist()) for i in range(2)]
    assert all(len(rows) == 4 for rows in left_out) and left_out[0] != left_out[1]


def test_every_parameter_learns_and_none_through_the_loss_alone():
    method = small().float()
    outputs = method(views_of(torch.randn(16, 5), torch.randn(16, 5)))
    assert not method.loss(z=[z.detach() for z in outputs["z"]])["distance"].requires_grad
    method.loss(**outputs)["distance"].backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in method.parameters())


def test_the_last_smaller_batch_of_a_pass_is_one_sub_batch():
    # 8 rows, then 3: fewer than a sub-batch has, and no more than the dimensions.
    method = small().float()
    steps = list(fit(method, Rows(torch.randn(11, 5)), Jitter(2), epochs=2, batch_size=8, keep_last=True))
    assert [step.rows for step in steps] == [8, 3, 8, 3]
