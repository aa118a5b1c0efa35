"""What a run will do, decided before anything is written: its data, recipe, length and folder."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import replace
from numbers import Real
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from torch import nn

from isotropy.data import Data, read
from isotropy.data.recordings.paths import first_path, named_by_path, resolved
from isotropy.errors import UserError
from isotropy.runs import defaults, prepare
from isotropy.runs.budget import Parts, parts_of_budget
from isotropy.runs.directory import Run, free_folder
from isotropy.runs.events import Planned
from isotropy.runs.longer import epochs_done, epochs_within_budget, refuse_no_more
from isotropy.runs.prepare import Prepared
from isotropy.runs.recipe import Recipe
from isotropy.training import comm

_AS_USUAL = Parts(0.0)


def check_new(
    data: Any,
    encoder: Any,
    settings: Mapping[str, Any],
    epochs: float | None,
    budget: float | None,
    out: Path | str | None,
    reading: Mapping[str, Any],
) -> None:
    """Raise UserError for arguments of a new run that do not go together."""
    if data is None:
        raise UserError("train needs data, or resume: the run directory to go on with")
    check_length(epochs, budget, settings)
    if isinstance(encoder, nn.Module) and out is not None:
        raise UserError("a network of your own is in no recipe: leave out `out` and save `Finished.representation`")
    if isinstance(data, Data) and reading:
        raise UserError(f"the data is read already: give {next(iter(reading))} to isotropy.read")
    if out not in (None, "auto"):
        Run(out).refuse_if_taken()


def check_length(epochs: float | None, budget: float | None, settings: Mapping[str, Any]) -> None:
    """Raise UserError for epochs beside a budget, and for no time at all."""
    if budget is not None and (epochs is not None or "train.epochs" in settings):
        raise UserError("give epochs or budget, not both")
    if budget is not None and (not isinstance(budget, Real) or not budget > 0):
        raise UserError(f"budget = {budget!r} must be a number of seconds above 0")


def read_again(path: Any, **reading: Any) -> dict[str, Any]:
    """Return the keywords of `isotropy.read` that find the data again from any folder."""
    kept = {name: value for name, value in reading.items() if value not in (None, [], ())}
    return kept | {"path": resolved(path)}


def origin_of(data: Any, reading: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a recipe keeps of how its data is read: the place, or of data in memory the names of columns."""
    if named_by_path(data):
        return read_again(data, **reading)
    return {name: value for name, value in reading.items() if _is_name(value, data)}


def with_recipe(
    recipe: Recipe | Path | str | None, reading: Mapping[str, Any]
) -> tuple[dict[str, Any], AbstractContextManager[None]]:
    """Return how data is read, by a recipe's [data] where nothing is said: its label, groups and times, for example.

    Within the context that comes with it an error names the recipe and what it says.
    """
    kept: Mapping[str, Any] = {}
    if recipe is not None:
        # One without a modality was written by no run; another error is raised where the recipe is used.
        with suppress(UserError):
            kept = (recipe if isinstance(recipe, Recipe) else Recipe.from_toml(Path(recipe))).data
    given = {name: x for name, x in reading.items() if not (x is None or (isinstance(x, list | tuple) and not x))}
    taken = {name: value for name, value in kept.items() if name not in ("path", "stream", *given)}
    naming = _named("the recipe" if isinstance(recipe, Recipe) else str(recipe), taken) if taken else nullcontext()
    return {**reading, **taken, **given}, naming


@contextmanager
def _named(recipe: str, taken: Iterable[str]) -> Iterator[None]:
    try:
        yield
    except UserError as error:
        said = f"{recipe} says {', '.join(taken)}: say another here, or take it out"
        raise UserError(f"{error}; {said}") from error


def _is_name(value: Any, data: Any) -> bool:
    """Return whether an option names columns of what is in memory: values are not kept."""
    # A table of pyarrow calls its columns' values "columns".
    columns = [str(name) for name in getattr(data, "column_names", getattr(data, "columns", ()))]
    names = isinstance(value, list | tuple) and len(value) > 0 and all(name in columns for name in value)
    return isinstance(value, str) or names


def _read(data: Any, reading: Mapping[str, Any]) -> Data:
    """Read the data; of several ranks the first one goes ahead, as it may have images to decode."""
    if isinstance(data, Data):
        return data
    reading = {"stream": None} | dict(reading)
    if comm.world() > 1:
        comm.on_first(lambda: read(data, **reading))
    return read(data, **reading)


def plan_new(
    data: Any,
    reading: Mapping[str, Any],
    naming: AbstractContextManager[None],
    origin: dict[str, Any],
    recipe: Recipe | Path | str | None,
    changes: Mapping[str, Any],
    budget: float | None,
    network: nn.Module | None,
    out: Path | str | None,
    place: torch.device,
) -> Planned:
    """Plan a new run; within `naming` the data is read."""
    begun = perf_counter()
    with naming:
        data = _read(data, reading)
    if data.stream is not None:
        origin["stream"] = True  # also where more memory is free
    chosen = replace(Recipe.chosen(recipe, data.modality, changes), data=origin)
    prepared = prepare.prepare(chosen, data, device=place, network=network)
    reserved, parts, per_epoch = 0.0, _AS_USUAL, None
    if budget is not None:
        reason = "budget"
        epochs, reserved, parts, per_epoch = _within(budget, prepared, begun)
    elif recipe or "train.epochs" in changes:
        reason = "epochs" if "train.epochs" in changes else "recipe"
        epochs = chosen.train.epochs
    else:
        reason = "default"
        most = prepare.default_epochs(chosen, len(prepared.dataset))
        epochs, reserved, parts, per_epoch = _within(defaults.DEFAULT_BUDGET, prepared, begun, most=most)
    if out == "auto":
        out = free_folder(first_path(origin.get("path", "data")), chosen.method) if comm.rank() == 0 else None
        out = comm.broadcast_object(out)
    folder = None if out is None else Path(out)
    prepared = prepared.with_epochs(epochs)
    return Planned(
        prepared, epochs, reason, folder, reserved, probed=parts.probed, left_out=parts.left_out, per_epoch=per_epoch
    )


def _within(
    budget: float, prepared: Prepared, begun: float, *, most: float = float("inf")
) -> tuple[float, float, Parts, float]:
    """Return the epochs that a budget allows, what it keeps for the rest, what that is, and the time of an epoch."""
    per_epoch = prepare.seconds_per_epoch(prepared)
    spent = perf_counter() - begun
    parts = parts_of_budget(prepared, budget, spent)
    return prepare.epochs_within(parts.training, per_epoch, most=most), budget - parts.training, parts, per_epoch


def plan_resumed(run: Run, data: Any, epochs: float | None, budget: float | None, place: torch.device) -> Planned:
    """Plan what is left of a run, or of a longer one."""
    recipe = run.recipe
    if data is None and "path" not in recipe.data:
        raise UserError(f"{run.folder}: its data was in memory: give it again beside resume")
    options = {"stream": False, **{name: value for name, value in recipe.data.items() if name != "path"}}
    data = _read(recipe.data["path"] if data is None else data, options)
    prepared = prepare.prepare(recipe, data, device=place, preprocess=run.preprocess)
    run.refuse_other_data(prepared.rows)
    run.refuse_other_blocks(prepared)
    if epochs is None and budget is None:
        return Planned(prepared, recipe.train.epochs, "resume", run.folder, probed=run.probed, left_out=run.left_out)
    done = epochs_done(run, prepared)
    reserved, parts = 0.0, _AS_USUAL
    if epochs is None:
        assert budget is not None
        parts = parts_of_budget(prepared, budget)
        reserved = budget - parts.training
        epochs = epochs_within_budget(run, prepared, done, budget, reserved)
    else:
        refuse_no_more(run, prepared, done, epochs)
    return Planned(
        prepared.with_epochs(epochs), epochs, "longer", run.folder, reserved, done, parts.probed, parts.left_out
    )
