"""The training of a run by `isotropy.train`: for a recipe's epochs or a budget; one that was killed goes on."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from time import process_time
from typing import Any

import torch
from progress import Progress
from rows import Row

from isotropy import Planned, Recipe, Stepped, train
from isotropy.data import Data
from isotropy.methods import find_method
from isotropy.runs.prepare import Prepared
from isotropy.training import Diverged

QUICK_EPOCHS = 0.05
_WARM_UP_STEPS, _MEASURED_STEPS = 3, 8


@dataclass(frozen=True)
class Trained:
    """What a run left: `prepared` holds the trained method, `row` says what it took."""

    prepared: Prepared
    row: Row


def train_once(
    recipe: Recipe,
    data: Data,
    *,
    cpu_seconds: float | None = None,
    quick: bool = False,
    default_views: bool = False,
    change: Callable[[Any], object] | None = None,
    watch: Callable[[Prepared, Any], object] | None = None,
) -> Trained:
    """Train once, for the recipe's epochs or for a budget; within `fill` a training that was killed goes on.

    Args:
        cpu_seconds: the budget. A schedule that decays ends with it; a constant rate is cut off by it.
        quick: train for a moment, to see that it runs.
        default_views: let the encoder choose the size of image views. Without it they are as large as the images, as
            they were when the runs of the papers began.
        change: what is done to the method before it trains, such as a fault injected.
        watch: called before the first step with None, and after every one with it; its time is not counted. What is
            watched by anything but `Checkpoints` begins again.
    """
    recipe = recipe if default_views else with_large_views(recipe, data)
    constant = recipe.optim.final == 1.0
    kept = Progress.of(recipe, watch)
    if quick:
        cpu_seconds, recipe = None, recipe.changed({"train.epochs": QUICK_EPOCHS})
    elif cpu_seconds is not None and not constant and not kept.resumes:
        recipe = recipe.changed({"train.epochs": epochs_within(recipe, data, cpu_seconds)})
    _load()
    begin = 0.0
    try:
        for event in train(data, monitor=False, **kept.arguments(recipe)):
            if isinstance(event, Planned):
                prepared = event.prepared
                if change is not None:
                    change(prepared.method)
                if watch is not None and not kept.resumes:
                    watch(prepared, None)
            elif isinstance(event, Stepped):
                spent, step = kept.spent + process_time() - begin, event.step
                if constant and cpu_seconds is not None and spent > cpu_seconds:
                    event.stop(save=False)
                if watch is not None:
                    watch(prepared, step)
                kept.add({"steps": step.number, "epochs": step.epoch, "cpu_seconds": spent, "loss": step.loss})
            else:
                break
            begin = process_time()
    except Diverged:
        kept.remove()
        raise
    kept.remove()
    prepared.method.encoder.eval()
    digits = {"epochs": 2, "cpu_seconds": 1, "loss": 4}
    row = {name: round(value, digits.get(name)) for name, value in kept.last.items()}
    return Trained(prepared, row | {"width": prepared.method.encoder.width})


def plain_recipe(method: str, modality: str) -> Recipe:
    """Return the default recipe, of SimCLR on images with its own settings, as when the runs of the papers began."""
    recipe = Recipe.default(method, modality)
    if (method, modality) != ("simclr", "image"):
        return recipe
    return Recipe(method=method, modality=modality, embedding=recipe.embedding)


def with_large_views(recipe: Recipe, data: Data) -> Recipe:
    """Return the recipe with views as large as the images, where it makes any by the settings of images."""
    plain = find_method(recipe.method).min_views == 1 and not recipe.views
    if recipe.modality != "image" or plain or {"name", "size"} & set(recipe.views):
        return recipe
    return recipe.changed({"views.size": list(data.values.shape[2:])})


@cache
def _load() -> None:
    # torch loads for seconds at the first step of an optimiser, which is no run's time.
    weight = torch.zeros(1, requires_grad=True)
    weight.sum().backward()
    torch.optim.Adam([weight]).step()


def epochs_within(recipe: Recipe, data: Data, cpu_seconds: float) -> float:
    """Return how many epochs take so many CPU seconds, measured on a few steps, with three digits.

    Not `train`'s own budget, which is of seconds by the clock: runs share the machine (decision 0013).
    """
    times = []
    for event in train(data, recipe.changed({"train.epochs": 1000.0}), monitor=False):
        if isinstance(event, Planned):
            rows_per_epoch = len(event.prepared.dataset) * event.prepared.method.passes_per_epoch
        elif isinstance(event, Stepped):
            times.append(process_time())
            if len(times) == _WARM_UP_STEPS + _MEASURED_STEPS:
                event.stop(save=False)
    per_step = (times[-1] - times[_WARM_UP_STEPS - 1]) / _MEASURED_STEPS
    return float(f"{max(cpu_seconds / per_step, 1.0) * recipe.train.batch_size / rows_per_epoch:.3g}")
