"""What a run of a comparison costs, and what it gets of the budget."""

import math
from collections.abc import Mapping, Sequence

import torch

from isotropy.errors import UserError, counted
from isotropy.runs.contest import Contest
from isotropy.runs.events import Planned, Stepped, Trained
from isotropy.runs.monitor import Monitor
from isotropy.runs.prepare import epochs_within, prepare, seconds_per_epoch
from isotropy.runs.recipe import Recipe
from isotropy.runs.session import train

# Of its budget a run is tried for so much first, and for so many steps; the first ones warm up.
_TRIED, _TRIED_STEPS, _WARM_UP_STEPS = 0.05, 20, 3


def time_method(contest: Contest, method: str, device: torch.device | str) -> None:
    """Measure what a run of a method costs before its first step, and an epoch and a step of it."""
    costs, clock = contest.folder.costs, contest.clock
    start = clock()
    prepared = prepare(contest.recipes[method], contest.data, device=device)
    Monitor.of(prepared).at_start()
    costs[f"beginning {method}"] = clock() - start
    costs[f"epoch {method}"] = epoch = seconds_per_epoch(prepared, clock)
    costs[f"step {method}"] = epoch * min(1.0, prepared.recipe.train.batch_size / len(prepared.dataset))
    contest.spend()


def is_timed(costs: Mapping[str, float], method: str) -> bool:
    """Return whether it is known what a run of a method costs.

    Example:
        >>> is_timed({"beginning lfr": 1.0, "epoch lfr": 2.0}, "lfr")
        False
    """
    return all(f"{what} {method}" in costs for what in ("beginning", "epoch", "step"))


def share_budget(contest: Contest, budget: float, methods: Sequence[str]) -> None:
    """Give every run an equal part of what the evidence leaves; refuse a budget that lets one take no step."""
    folder, runs = contest.folder, max(1, len(methods))
    evidence = runs * contest.evidence_cost()
    share = (budget - folder.spent - evidence) / runs
    least = max((folder.costs[f"beginning {one}"] + folder.costs[f"step {one}"] for one in methods), default=0.0)
    if share < least:
        needed = math.ceil(1.1 * (folder.spent + evidence + runs * least)) + 1
        raise UserError(
            f"a budget of {budget:g} seconds is too small for {counted(runs, 'run')}: what needs no training took "
            f"{folder.spent:.0f}, scoring the runs takes about {evidence:.0f}; the smallest that works here is "
            f"{needed}s, or name fewer methods"
        )
    folder.share = share
    contest.spend()


def try_out(contest: Contest, recipe: Recipe, device: torch.device | str) -> float:
    """Return what an epoch costs, on all rows and just before the run: on a busy machine it changes by the minute."""
    assert contest.folder.share is not None
    planned = contest.folder.costs[f"epoch {recipe.method}"]
    seconds = _TRIED * contest.folder.share
    epochs = epochs_within(contest.folder.share, planned)
    start, first, found = 0.0, 0.0, planned
    for event in train(contest.data, recipe.changed({"train.epochs": epochs}), device=device):
        if isinstance(event, Planned) and event.prepared.method.passes_per_epoch > 1:
            break  # the first steps are of one kind of pass
        if isinstance(event, Trained):
            break
        if isinstance(event, Stepped):
            step, now = event.step, contest.clock()
            if step.number == _WARM_UP_STEPS:
                start, first = now, step.epoch
            elif step.number >= _TRIED_STEPS and now - start > seconds:
                found = (now - start) / (step.epoch - first)
                event.stop(save=False)
    return found
