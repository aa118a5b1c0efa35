"""A run as a generator of events: plan, steps, records, evidence and result, for the caller's loop."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from isotropy.data import Data
from isotropy.data.recordings.paths import named_by_path
from isotropy.diagnostics.verdict import verdict
from isotropy.errors import UserError
from isotropy.evaluation.baselines import check_baselines
from isotropy.evaluation.evaluate import with_budget
from isotropy.evaluation.evaluators import DEFAULT
from isotropy.evaluation.problem import Size
from isotropy.evaluation.problem import label_budget as sizes_of
from isotropy.runs.diagnose import run_facts
from isotropy.runs.directory import Run
from isotropy.runs.events import Event, Planned, Recorded, Stepped, Stopped, Trained
from isotropy.runs.finish import Probing, finish, refuse_sizes
from isotropy.runs.initial import beginning
from isotropy.runs.monitor import Monitor, verdict_due
from isotropy.runs.planning import check_length, check_new, origin_of, plan_new, plan_resumed, with_recipe
from isotropy.runs.prepare import Prepared
from isotropy.runs.recipe import Recipe
from isotropy.runs.recorder import Recorder
from isotropy.runs.threads import fitting_threads
from isotropy.training import checkpoint, comm, fit
from isotropy.validation import find_device


def train(
    data: Any = None,
    recipe: Recipe | Path | str | None = None,
    *,
    method: str | None = None,
    encoder: str | nn.Module | None = None,
    settings: Mapping[str, Any] | None = None,
    epochs: float | None = None,
    budget: float | None = None,
    seed: int | None = None,
    precision: str | None = None,
    embedding: str | None = None,
    init: Path | str | None = None,
    freeze: int | None = None,
    device: torch.device | str = "cpu",
    out: Path | str | None = None,
    resume: Path | str | None = None,
    monitor: bool = True,
    evaluators: Sequence[str] = DEFAULT,
    baselines: Sequence[str] = (),
    label_budget: str | Sequence[Size] | None = None,
    progress: Callable[[str], None] = lambda what: None,
    origin: Mapping[str, Any] | None = None,
    **reading: Any,
) -> Iterator[Event]:
    """Train an encoder on unlabelled data and measure what it is worth: what `isotropy fit` does, event by event.

    Yields `Planned`; `Recorded` and `Stepped` for every step; `Trained`; `Evaluated` where there is a label; and
    `Finished`. To end early, call `event.stop()`, or leave the loop: with `out` a checkpoint of the step is kept.

    Args:
        data: a path, a DataFrame, an array or a tensor, as `isotropy.read` takes it, or the `Data` that it gave.
        recipe: or the path of one in TOML; by default what suits the method and the modality.
        method: by default the modality's. encoder: by default the modality's; a network of your own is copied.
        settings: changes of the recipe, such as {"method.temperature": 0.2}.
        epochs: of the encoder. budget: seconds for all of it: training, embedding and evidence. With neither, the
            recipe's epochs where one is given, else the default length (`isotropy.runs.defaults`).
        seed: every random choice is a function of it. precision: "auto", "float32" or "bf16".
        embedding: what the run gives of a row: "learned", the encoder's vectors, or "joined", free features beside
            them; by default the recipe's, or the modality's where there is none, or "learned" of your own network.
        init: weights to begin with: a run, whose encoder is then taken too, a .safetensors file, or a state dictionary
            (`runs.initial`). freeze: how many of the encoder's first layers stay as they are.
        device: where training runs.
        out: the run directory to write, "auto" for one under runs/; None keeps everything in memory.
        resume: a run directory to go on with; its recipe holds, and `data` is where its data moved to. With `epochs` or
            `budget`, in all, a finished run is trained longer (`runs.longer`).
        monitor: whether to measure the training's health: without it there is no `Recorded` and no verdict.
        evaluators: names in `isotropy.evaluation.EVALUATORS`, by which a label is scored; the first one decides.
        baselines: names in `isotropy.evaluation.baselines.EXTRAS` of those on request, such as "patches" for images.
        label_budget: sizes of the few-label curve, "1,10,50,1%" or [1, 10, 50, 0.01]: labels a class (rows, where the
            label is a number) or a fraction of the training rows.
        progress: called after the training with what is done next, such as "probing raw features".
        origin: where a `Data` came from, as keywords of `isotropy.read`: kept in the recipe, for a resume.
        reading: keywords of `isotropy.read`, such as `label`, `split`, `group`, `time` and `task`.

    Raises:
        UserError: what does not fit, named; arguments at once, the rest while the run goes.
        Diverged: the loss is not finite.

    Example:
        >>> from sklearn.datasets import load_iris
        >>> from isotropy import Finished
        >>> rows, species = load_iris(return_X_y=True)
        >>> for event in train(rows, label=species, method="simclr", epochs=2):
        ...     if isinstance(event, Finished):
        ...         print(event.representation.transform(rows).shape, event.evidence[0]["label"])
        (150, 260) label
    """
    check_baselines(baselines, data.modality if isinstance(data, Data) else None)
    sizes = sizes_of(label_budget)
    probing = Probing(with_budget(evaluators, sizes), tuple(baselines), sizes, progress)
    events = partial(_events, device=find_device(device), monitor=monitor, probing=probing)
    length = {"epochs": epochs, "budget": budget}
    if resume is not None:
        given = (recipe, method, encoder, settings, seed, precision, embedding, init, freeze, out, origin)
        return events(*_going_on(resume, data, length, (*given, *reading.values())))
    check_new(data, encoder, settings or {}, epochs, budget, out, reading)
    reading, naming = with_recipe(recipe if named_by_path(data) else None, reading)
    network = encoder if isinstance(encoder, nn.Module) else None
    if embedding is None and recipe is None and network is not None:
        embedding = "learned"
    named = {
        "method": method,
        "encoder": encoder if isinstance(encoder, str) else None,
        "train.epochs": epochs,
        "train.seed": seed,
        "train.precision": precision,
        "embedding": embedding,
    }
    changes = {name: value for name, value in named.items() if value is not None}
    chosen = encoder is not None or any(name.startswith("encoder") for name in settings or {})
    changes |= beginning(init, freeze, encoder_named=chosen) | dict(settings or {})
    origin = dict(origin or origin_of(data, reading))
    return events(partial(plan_new, data, reading, naming, origin, recipe, changes, budget, network, out), None)


def _going_on(
    resume: Path | str, data: Any, length: Mapping[str, float | None], given: Iterable[Any]
) -> tuple[Callable[[torch.device], Planned], Path]:
    """Return the plan of a run that goes on, or is trained longer, and the folder of its checkpoints."""
    if any(value is not None for value in given):
        raise UserError(
            "resume goes on with the settings of the run: give data and device alone beside it, and epochs or "
            "budget to train it longer"
        )
    run = Run.opened(resume)
    epochs, budget = length["epochs"], length["budget"]
    if epochs is None and budget is None:
        run.refuse_if_finished()
    else:
        check_length(epochs, budget, {})
        run.refuse_if_not_extensible()
    return partial(plan_resumed, run, data, epochs, budget), run.checkpoints


def _events(
    plan: Callable[[torch.device], Planned],
    checkpoints: Path | None,
    device: torch.device,
    monitor: bool,
    probing: Probing,
) -> Iterator[Event]:
    """Plan, train from the run's last checkpoint if there is one, then evaluate and export."""
    place = comm.local_device(device)
    with comm.process_group(place), fitting_threads(place, checkpoints) as note, ExitStack() as held:
        planned = replace(plan(place), note=note)
        check_baselines(probing.baselines, planned.prepared.preprocess.modality)
        refuse_sizes(probing.sizes, planned.prepared.division, planned.probed)
        yield planned
        prepared = planned.prepared
        run = None if planned.folder is None else Run(planned.folder)
        if run is not None:
            comm.on_first(lambda: _begin(run, planned, held))
        resume = checkpoint.last_good(run.checkpoints) if run else None
        watch = Monitor.of(prepared) if monitor else None
        with run.recording(_offsets(resume) if resume else {}) if run else nullcontext(Recorder({})) as recorder:
            if watch is not None and comm.rank() == 0 and not recorder.records:
                recorder.record(watch.at_start())
            stopped = yield from _steps(prepared, recorder, watch, resume, run.extends if run else [])
        if stopped is not None:
            yield replace(stopped, folder=planned.folder)
            return
        yield Trained(prepared)
        yield from finish(planned, run, recorder.records, watch, probing)


def _offsets(path: Path) -> dict[str, int]:
    """Return the lengths of the logs at a checkpoint of a run."""
    beside: dict[str, Any] = checkpoint.about(path)["about"]
    if "offsets" not in beside:
        raise UserError(f"{path}: is a checkpoint of no run (it does not say how long the logs were): delete it")
    return dict(beside["offsets"])


def _begin(run: Run, planned: Planned, held: ExitStack) -> None:
    """Take the folder until the run's end, and write what a run begins with, or goes on longer with."""
    held.enter_context(run.held())
    if planned.reason != "resume":
        begin = run.extend if planned.reason == "longer" else run.create
        begin(planned.prepared, planned.probed, planned.left_out)
    else:  # finished by another process, while this one read the data
        run.refuse_if_finished()


def _steps(
    prepared: Prepared, recorder: Recorder, watch: Monitor | None, resume: Path | None, extends: list[int]
) -> Any:
    """Yield the events of all steps that are left; return `Stopped` where the caller stopped them."""
    first = comm.rank() == 0
    facts = run_facts(prepared.recipe.method, prepared.facts()) if watch else None
    health = {name: value for record in recorder.records for name, value in record.items()}
    newest = None
    going_on: dict[str, Any] = {"resume": resume, "extends": extends, **prepared.arguments()}
    for step in fit(prepared.method, prepared.dataset, prepared.views, **going_on):
        recorder.step(step)
        seen = watch.at(step) if watch else None
        last, recorded = step.number == step.steps, None
        stepped = Stepped(step, health)
        try:
            if first and seen is not None:
                record = recorder.record(seen)
                stepped.health = health = health | record
                if facts is not None and verdict_due(len(recorder.records)):
                    newest = verdict(recorder.records, facts)
                yield (recorded := Recorded(record, newest))
            yield stepped
        except GeneratorExit:
            recorder.save(step)
            raise
        asked = [event.stopping for event in (recorded, stepped) if event is not None and event.stopping is not None]
        dropped = seen is not None and not last and comm.any_rank(False in asked)
        stop = dropped or comm.any_rank(True in asked or False in asked)
        if not dropped and (last or stop or recorder.due):
            recorder.save(step)
        if stop and not last:
            return Stopped(step, saved=not dropped and recorder.checkpoints is not None, folder=None)
    return None
