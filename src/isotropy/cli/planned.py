"""What will be trained and for how long, in lines."""

from math import ceil
from typing import Any

from isotropy.cli.budget import seconds_of
from isotropy.cli.show import counted, duration, note, say
from isotropy.runs.auto import AUTO
from isotropy.runs.events import Planned
from isotropy.runs.prepare import weights_taken
from isotropy.runs.recipe import LONGER, longer
from isotropy.training.precision import choose_precision

_DEFAULT_LONGER = "--budget 10m"  # about so much longer than the default length


def show_plan(planned: Planned, settings: dict[str, Any]) -> None:
    """Say what will be trained, for how many epochs, how long that takes, and what decided it."""
    prepared = planned.prepared
    recipe, encoder = prepared.recipe, prepared.method.encoder
    precision = choose_precision(recipe.train.precision, prepared.device, encoder)
    kept = f", {duration(planned.reserved)} of it for all else" if planned.reserved else ""
    reason = {
        "budget": f"--budget {settings['budget']}{kept}",
        "epochs": f"epochs set by {'--set train.epochs' if settings['epochs'] is None else '--epochs'}",
        "recipe": "epochs set by --recipe",
        "default": "the default; --epochs or --budget change it",
    }[planned.reason]
    chosen = " (auto)" if settings["method"] in (None, AUTO) and settings.get("recipe") is None else ""
    say(
        f"{recipe.method}{chosen} with {recipe.encoder} (width {encoder.width}) on {len(prepared.dataset):,} training "
        f"rows: {counted(planned.epochs, 'epoch')}, about {duration(planned.seconds)} on {prepared.device} in "
        f"{precision} ({reason})"
    )
    if weights := recipe.init.get("weights"):
        say(f"begins with {weights}: {weights_taken(prepared)}")
    for line in prepared.division.notes:
        note(line)
    if planned.note:
        note(planned.note)


def show_longer(planned: Planned) -> None:
    """Say how much longer a finished run will be trained, and what its schedule makes of that."""
    recipe = planned.prepared.recipe
    say(
        f"{recipe.method} with {recipe.encoder} goes on from {planned.done:.4g} to {counted(planned.epochs, 'epoch')}: "
        f"about {duration(planned.seconds)}"
    )
    if planned.note:
        note(planned.note)
    there, end = (recipe.optim.lr * recipe.optim.rate(at) for at in (planned.done / planned.epochs, 1.0))
    if there != end:
        note(
            f"the learning rate is that of {counted(planned.epochs, 'epoch')} from the start: it goes on at "
            f"{there:.2g} and ends at {end:.2g}"
        )


def more_of(planned: Planned, settings: dict[str, Any]) -> str:
    """Return the options that make the run about three times as long, by what its length was given in."""
    if settings["budget"] is not None:
        minutes = ceil(LONGER * seconds_of(settings["budget"]) / 60)
        return f"--budget {minutes}m"
    return _DEFAULT_LONGER if planned.reason == "default" else longer(planned.epochs)
