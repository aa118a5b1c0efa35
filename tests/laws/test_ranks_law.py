"""The ranks law: processes with different, unequal rows make the very step of one process with all of them."""

import pytest
import torch
from torch import nn

from laws import cases, worker
from laws.conftest import Result

TOLERANCE = 1e-10


def difference(name: str, result: Result, *, chunk: int | None = None, batch: int = cases.BATCH) -> float:
    """Return how far a group's terms and weights are from those of one process (without chunks)."""
    method = cases.make(name)
    if chunk is not None:
        cases.without_batch_norm(method)
    worst, steps = 0.0, len(result.said["terms"])
    for step, theirs in zip(cases.train(method, batch_size=batch), result.said["terms"], strict=False):
        assert step.terms.keys() == theirs.keys()
        worst = max(worst, *(abs(step.terms[k] - theirs[k]) / max(1.0, abs(theirs[k])) for k in theirs))
        if step.number == 1:
            first = {k.removeprefix("first/"): v for k, v in result.state.items() if k.startswith("first/")}
            worst = max(worst, cases.distance(first, cases.state(method)))
        if step.number == steps:
            break
    last = {k: v for k, v in result.state.items() if not k.startswith("first/")}
    return max(worst, cases.distance(last, cases.state(method)))


@pytest.mark.parametrize("name", cases.ALL)
def test_two_ranks_equal_one_process(ranks, name):
    first, second = ranks(2)(f"sound/{name}")
    assert len(first.said["terms"]) == cases.steps(name)
    assert difference(name, first) < TOLERANCE
    assert first.said == second.said
    assert all(torch.equal(first.state[k], second.state[k]) for k in first.state)


@pytest.mark.parametrize("name", cases.ALL)
def test_three_ranks_equal_one_process(ranks, name):
    assert difference(name, ranks(3)(f"sound/{name}")[1]) < TOLERANCE


@pytest.mark.parametrize("name", cases.FEW)
@pytest.mark.parametrize("world", worker.LARGE)
def test_four_and_eight_ranks_equal_one_process(ranks, world, name):
    results = ranks(world)(f"sound/{name}")
    assert difference(name, results[-1], batch=cases.LARGE_BATCH) < TOLERANCE
    assert all(one.said == results[0].said for one in results)


@pytest.mark.parametrize("name", cases.ALL)
def test_chunks_on_two_ranks_equal_one_process(ranks, name):
    assert difference(name, ranks(2)(f"chunk/{name}")[0], chunk=2) < TOLERANCE


GATHERS = [name for name in cases.ALL if cases.KINDS[name].gathered]
AVERAGES = [name for name in cases.ALL if cases.KINDS[name].averaged]
OWN_MEANS = [name for name in cases.ALL if not cases.KINDS[name].gathered]


@pytest.mark.parametrize(
    ("plant", "name"),
    [("detached gather", name) for name in GATHERS]
    + [("local batch norm", name) for name in cases.ALL]
    + [("per-rank statistics", name) for name in sorted({*GATHERS, *AVERAGES})]
    + [("equal weights", name) for name in OWN_MEANS],
)
def test_a_planted_error_breaks_the_law(ranks, plant, name):
    assert difference(name, ranks(2)(f"{plant}/{name}")[0]) > 1e4 * TOLERANCE


def test_a_loss_that_becomes_nan_on_one_rank_stops_all(ranks):
    # 18 rows in batches of 9: row 0 is on one rank only when its batch comes.
    results = ranks(2)("stops")
    assert results[0].said == results[1].said
    said = results[0].said
    assert "'broken' became nan at step" in said["said"]
    assert f"at step {said['terms'][0]['after'] + 1}:" in said["said"]
    assert said["terms"][0]["after"] >= 1 and said["terms"][0]["moved"] == 0


@pytest.mark.parametrize("world", [*worker.SMALL, *worker.LARGE])
def test_gather_mean_and_total_equal_one_process_in_value_and_gradient(ranks, world):
    counts = worker.COUNTS[:world]
    rows = worker.ragged(sum(counts)).requires_grad_()
    weights = torch.arange(1.0, 1.0 + rows.numel(), dtype=rows.dtype).view_as(rows)
    mean, total = rows.mean(0, keepdim=True), rows.sum(0)
    # Every rank adds up the same function of all rows: backward sums over ranks.
    (world * ((rows * weights).sum() + mean.square().sum() + total.pow(3).sum())).backward()
    for rank, result in enumerate(ranks(world)("parts")):
        torch.testing.assert_close(result.state["gather"], rows.detach(), rtol=0, atol=0)
        torch.testing.assert_close(result.state["flat"], rows.detach()[:, 0, 0], rtol=0, atol=0)
        torch.testing.assert_close(result.state["mean"], mean.detach(), rtol=1e-14, atol=1e-14)
        torch.testing.assert_close(result.state["total"], total.detach(), rtol=1e-14, atol=1e-14)
        mine = rows.grad.split(counts)[rank]
        torch.testing.assert_close(result.state["gradient"], mine, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("world", [*worker.SMALL, *worker.LARGE])
@pytest.mark.parametrize("name", sorted(worker.norms()))
def test_a_global_batch_norm_equals_torchs_on_the_joined_rows(ranks, world, name):
    counts = worker.COUNTS[:world]
    rows = worker.ragged(sum(counts))
    x = (rows if worker.norm_takes_maps(name) else rows.flatten(1)).clone().requires_grad_()
    norm = nn.Sequential(worker.norms()[name])
    for _ in range(2):
        y = norm(x)
    y.square().mul(1 + torch.arange(y.shape[1], dtype=y.dtype).view(-1, *[1] * (y.dim() - 2))).sum().backward()
    for rank, result in enumerate(ranks(world)("parts")):
        for key, value in (("y", y), ("x.grad", x.grad)):
            mine = value.detach().split(counts)[rank]
            torch.testing.assert_close(result.state[f"{name}/{key}"], mine, rtol=1e-12, atol=1e-12)
        for key, value in norm.state_dict().items():
            torch.testing.assert_close(result.state[f"{name}/{key}"], value, rtol=1e-13, atol=1e-13)
        mine = norm.eval()(x).detach().split(counts)[rank]
        torch.testing.assert_close(result.state[f"{name}/eval"], mine, rtol=1e-12, atol=1e-12)
