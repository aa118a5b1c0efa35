"""One process alone; groups of ranks are in laws/test_ranks_law.py."""

import pytest
import torch
from torch import nn

from isotropy.errors import UserError
from isotropy.training import comm

KINDS = {
    "rows": (lambda: nn.BatchNorm1d(3, momentum=0.2), (8, 3)),
    "series": (lambda: nn.BatchNorm1d(3, affine=False), (4, 3, 5)),
    "images": (lambda: nn.BatchNorm2d(3, eps=1e-3), (4, 3, 5, 2)),
    "cumulative": (lambda: nn.BatchNorm1d(3, momentum=None), (8, 3)),
    "no tracking": (lambda: nn.BatchNorm2d(3, track_running_stats=False), (2, 3, 4, 4)),
}


def test_with_one_process_everything_is_the_identity():
    x = torch.randn(4, 3, requires_grad=True)
    assert (comm.world(), comm.rank(), comm.split_rows(7)) == (1, 0, [7])
    assert comm.gather(x, [4]) is x and comm.all_reduce_sum(x) is x
    assert torch.equal(comm.mean(x, [4]), x.sum(0, keepdim=True) / 4)
    assert comm.broadcast_object({"a": 1}) == {"a": 1}
    assert comm.any_rank(True) is True and comm.any_rank(False) is False
    module = nn.Sequential(nn.BatchNorm1d(3))
    assert comm.distributed(module, find_unused=True) is module and type(module[0]) is nn.BatchNorm1d


def test_without_torchrun_no_group_is_joined(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with comm.process_group(torch.device("cpu")):
        assert not torch.distributed.is_initialized()


@pytest.mark.parametrize(("rows", "world"), [(9, 2), (10, 3), (8, 4), (3, 3)])
def test_shares_add_up_and_differ_by_one_at_most(monkeypatch, rows, world):
    monkeypatch.setattr(comm, "world", lambda: world)
    counts = comm.split_rows(rows)
    assert sum(counts) == rows and len(counts) == world
    assert counts == sorted(counts, reverse=True) and counts[0] - counts[-1] <= 1


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_global_batch_norm_of_one_process_equals_torchs(kind):
    make, shape = KINDS[kind]
    theirs = make().double()
    ours = nn.Sequential(nn.Sequential(make().double()))
    if theirs.affine:
        for norm in (theirs, ours[0][0]):
            with torch.no_grad():
                norm.weight.copy_(torch.tensor([0.5, -1.0, 2.0]))
                norm.bias.copy_(torch.tensor([0.1, 0.2, 0.3]))
    comm.make_batch_norms_global(ours)
    assert isinstance(ours[0][0], comm.GlobalBatchNorm)
    generator = torch.Generator().manual_seed(0)
    for training in (True, True, False):
        theirs.train(training), ours.train(training)
        x = torch.randn(shape, generator=generator, dtype=torch.float64) * 3 + 1
        a, b = x.clone().requires_grad_(), x.clone().requires_grad_()
        with comm.sync_batch_norm():
            expected, found = theirs(a), ours(b)
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
        expected.pow(3).sum().backward(), found.pow(3).sum().backward()
        torch.testing.assert_close(b.grad, a.grad, rtol=1e-10, atol=1e-10)
    for key, value in theirs.state_dict().items():
        torch.testing.assert_close(ours.state_dict()[f"0.0.{key}"], value, rtol=1e-13, atol=1e-13)
    for p, q in zip(theirs.parameters(), ours.parameters()):
        torch.testing.assert_close(q.grad, p.grad, rtol=1e-10, atol=1e-10)


def test_a_global_batch_norm_keeps_the_parameters_the_optimiser_holds():
    module = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    held = list(module.parameters())
    comm.make_batch_norms_global(module)
    comm.make_batch_norms_global(module)
    assert all(p is q for p, q in zip(held, module.parameters(), strict=True))


def test_bfloat16_is_normalised_in_float32_and_returned_as_it_came():
    norm = comm.GlobalBatchNorm.of(nn.BatchNorm1d(3))
    x = torch.randn(64, 3, generator=torch.Generator().manual_seed(0)) * 0.1 + 20
    with comm.sync_batch_norm():
        out = norm(x.to(torch.bfloat16))
    expected = nn.BatchNorm1d(3)(x.to(torch.bfloat16).float())
    assert out.dtype == torch.bfloat16
    torch.testing.assert_close(out.float(), expected, rtol=1e-2, atol=1e-2)


def test_outside_of_the_loop_a_global_batch_norm_asks_no_other_rank(monkeypatch):
    monkeypatch.setattr(comm, "all_reduce_sum", lambda x: pytest.fail("waited for other ranks"))
    norm = comm.GlobalBatchNorm.of(nn.BatchNorm1d(3, track_running_stats=False)).eval()
    x = torch.randn(8, 3)
    torch.testing.assert_close(norm(x), nn.BatchNorm1d(3, track_running_stats=False)(x))


class NormAct(nn.BatchNorm2d):
    """As timm's: normalises, drops, activates."""

    def __init__(self, channels):
        super().__init__(channels)
        self.drop, self.act = nn.Identity(), nn.SiLU()

    def forward(self, x):
        return self.act(self.drop(super().forward(x)))


class Halving(nn.BatchNorm2d):
    def forward(self, x):
        return super().forward(x) / 2


@pytest.mark.parametrize("training", [True, False])
def test_a_norm_with_an_activation_keeps_it(training):
    theirs, ours = NormAct(3), nn.Sequential(NormAct(3))
    comm.make_batch_norms_global(ours)
    assert isinstance(ours[0], comm.GlobalBatchNorm)
    assert [f"0.{key}" for key in theirs.state_dict()] == [*ours.state_dict()]
    x = torch.randn(4, 3, 5, 5)
    with comm.sync_batch_norm():
        found = ours.train(training)(x)
    torch.testing.assert_close(found, theirs.train(training)(x), rtol=1e-4, atol=1e-5)


def test_a_norm_that_does_what_nobody_knows_is_refused():
    with pytest.raises(UserError, match=r"Halving \('0'\) cannot be shared by several ranks"):
        comm.make_batch_norms_global(nn.Sequential(Halving(3)))
