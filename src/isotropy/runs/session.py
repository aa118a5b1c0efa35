"""A run as a generator of events: plan, steps, records, evidence and result, for the caller's loop."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import log
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn

from isotropy.data import Data, read
from isotropy.diagnostics.verdict import Verdict, verdict
from isotropy.errors import UserError
from isotropy.evaluation.evaluate import check_evaluators
from isotropy.evaluation.evaluators import DEFAULT
from isotropy.evaluation.evidence import codes_evidence, evidence
from isotropy.modalities import MODALITIES
from isotropy.representation import Representation
from isotropy.runs import defaults, prepare
from isotropy.runs.diagnose import run_facts
from isotropy.runs.directory import Recorder, Run, free_folder, on_first
from isotropy.runs.monitor import Monitor
from isotropy.runs.prepare import Prepared
from isotropy.runs.recipe import Recipe
from isotropy.training import Step, checkpoint, comm, fit

# Rows on which the encoder is watched: twice as many cost more than 3% of a short training.
_MONITORED_ROWS = 256


@dataclass(frozen=True)
class Planned:
    """What will be trained and for how long; nothing is written yet.

    Attributes:
        prepared: the data, its division, and the method; `prepared.recipe` is the recipe as it will be run.
        epochs: of the encoder. reason: what decided them: "epochs", "budget", "recipe", "default" or "resume".
        folder: the run directory, None where there will be none.
    """

    prepared: Prepared
    epochs: float
    reason: str
    folder: Path | None

    @cached_property
    def seconds(self) -> float:
        """About how long the training takes: measured on a few batches when first asked for, on every rank or none."""
        return self.epochs * prepare.seconds_per_epoch(self.prepared)


@dataclass
class _Stoppable:
    _stop: bool | None = field(default=None, init=False, repr=False)

    def stop(self, *, save: bool = True) -> None:
        """End the run after this step on all ranks, with a checkpoint of it unless `save` is false.

        The next event is `Stopped`. After the last step there is nothing left to stop.
        """
        self._stop = save


@dataclass
class Recorded(_Stoppable):
    """The monitor's newest record, a line of diagnostics.jsonl; on the first rank alone.

    Attributes:
        record: step, epoch, loss and numbers of outputs and encoder; None stands for what is not finite.
        verdict: the newest, None before there is one.
    """

    record: dict[str, Any]
    verdict: Verdict | None


@dataclass
class Stepped(_Stoppable):
    """One step of training.

    Attributes:
        step: as `isotropy.training.fit` yields it.
        health: the newest of every number that the monitor records.
    """

    step: Step
    health: dict[str, Any]


@dataclass(frozen=True)
class Stopped:
    """The run was stopped before its end; nothing follows.

    Attributes:
        step: the last step that was taken. saved: whether `resume` goes on after it.
        folder: the run directory, if there is one.
    """

    step: Step
    saved: bool
    folder: Path | None


@dataclass(frozen=True)
class Trained:
    """All steps are taken; evaluation and export follow."""

    prepared: Prepared


@dataclass(frozen=True)
class Evaluated:
    """A label was probed on the test rows; on the first rank alone.

    Attributes:
        evidence: an entry of probes.json: the scores of the encoder beside its baselines, and a sentence.
    """

    evidence: dict[str, Any]


@dataclass(frozen=True)
class Finished:
    """The end of a run; nothing follows.

    Attributes:
        representation: the trained encoder. prepared: the data and the method.
        records: of the monitor. evidence: one entry per label. codes: what codes are worth, where there are some.
        verdict: on the whole training; these four are the first rank's, and empty or None on the others.
        folder: the run directory, if there is one.
    """

    representation: Representation
    prepared: Prepared
    records: list[dict[str, Any]]
    evidence: list[dict[str, Any]]
    codes: dict[str, Any] | None
    verdict: Verdict | None
    folder: Path | None


Event = Planned | Recorded | Stepped | Stopped | Trained | Evaluated | Finished


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
    device: torch.device | str = "cpu",
    out: Path | str | None = None,
    resume: Path | str | None = None,
    monitor: bool = True,
    evaluators: Sequence[str] = DEFAULT,
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
        epochs: of the encoder. budget: seconds to train for. With neither, the recipe's where one is given, else the
            default length (`isotropy.runs.defaults`).
        seed: every random choice is a function of it. precision: "auto", "float32" or "bf16".
        device: where training runs.
        out: the run directory to write, "auto" for one under runs/; None keeps everything in memory.
        resume: a run directory to go on with; its recipe holds, and `data` is where its data moved to.
        monitor: whether to measure the training's health: without it there is no `Recorded` and no verdict.
        evaluators: names in `isotropy.evaluation.EVALUATORS`, by which a label is scored; the first one decides.
        origin: where a `Data` came from, as keywords of `isotropy.read`: kept in the recipe, for a resume.
        reading: keywords of `isotropy.read`, such as `label` and `split`.

    Raises:
        UserError: what does not fit, named; arguments at once, the rest while the run goes.
        Diverged: the loss is not finite.

    Example:
        >>> from sklearn.datasets import load_iris
        >>> rows, species = load_iris(return_X_y=True)
        >>> for event in train(rows, label=species, method="simclr", epochs=2):
        ...     if isinstance(event, Finished):
        ...         print(event.representation.transform(rows).shape, event.evidence[0]["label"])
        (150, 256) label
    """
    check_evaluators(evaluators)
    measured = _Measured(monitor, tuple(evaluators))
    if resume is not None:
        given = (recipe, method, encoder, settings, epochs, budget, seed, precision, out, origin, *reading.values())
        if any(value is not None for value in given):
            raise UserError("resume goes on with the settings of the run: give data and device alone beside it")
        run = Run.opened(resume)
        run.refuse_if_finished()
        return _resumed(run, data, device, measured)
    if data is None:
        raise UserError("train needs data, or resume: the run directory to go on with")
    if budget is not None and (epochs is not None or "train.epochs" in (settings or {})):
        raise UserError("give epochs or budget, not both")
    if budget is not None and not budget > 0:
        raise UserError(f"budget = {budget:g} must be a number of seconds above 0")
    if isinstance(encoder, nn.Module) and out is not None:
        raise UserError("a network of your own is in no recipe: leave out `out` and save `Finished.representation`")
    if isinstance(data, Data) and reading:
        raise UserError(f"the data is read already: give {next(iter(reading))} to isotropy.read")
    if out not in (None, "auto"):
        Run(out).refuse_if_taken()
    named = {
        "method": method,
        "encoder": encoder if isinstance(encoder, str) else None,
        "train.epochs": epochs,
        "train.seed": seed,
        "train.precision": precision,
    }
    changes = {name: value for name, value in named.items() if value is not None} | dict(settings or {})
    reason = "budget" if budget else "epochs" if "train.epochs" in changes else "recipe" if recipe else "default"
    network = encoder if isinstance(encoder, nn.Module) else None
    origin = dict(origin or {}) or _origin(data, reading)
    return _begun(data, reading, recipe, changes, reason, budget, network, device, out, origin, measured)


class _Measured(NamedTuple):
    """What is measured of a run beside its losses."""

    monitor: bool
    evaluators: tuple[str, ...]


def choose_recipe(data: Data, recipe: Recipe | Path | str | None, changes: Mapping[str, Any]) -> Recipe:
    """Return the recipe, or the default one of the method in `changes` (or of the modality), with the changes.

    Raises:
        UserError: a recipe for another modality, or a change that does not fit.
    """
    if recipe is None:
        name = changes.get("method") or MODALITIES[data.modality].default_method
        chosen = Recipe.default(name, data.modality)
    else:
        chosen = recipe if isinstance(recipe, Recipe) else Recipe.from_toml(Path(recipe), data.modality)
        if chosen.modality != data.modality:
            where = "the recipe" if isinstance(recipe, Recipe) else recipe
            raise UserError(f"{where}: is for {chosen.modality} data, and this is {data.modality} data")
    return chosen.changed(changes)


def _origin(data: Any, reading: Mapping[str, Any]) -> dict[str, Any]:
    """Return how the data is read again from any folder; of what is in memory, the names alone."""
    options = {name: value for name, value in reading.items() if value not in (None, [], ())} if _on_disk(data) else {
        name: value for name, value in reading.items() if isinstance(value, str)
    }  # fmt: skip
    return options | ({"path": str(Path(data).expanduser().resolve())} if _on_disk(data) else {})


def _on_disk(data: Any) -> bool:
    return isinstance(data, (str, Path))


def _read(data: Any, reading: Mapping[str, Any]) -> Data:
    """Read the data; of several ranks the first one goes ahead, as it may have images to decode."""
    if isinstance(data, Data):
        return data
    if comm.world() > 1:
        on_first(lambda: read(data, **reading))
    return read(data, **reading)


def _begun(
    data: Any,
    reading: Mapping[str, Any],
    recipe: Recipe | Path | str | None,
    changes: Mapping[str, Any],
    reason: str,
    budget: float | None,
    network: nn.Module | None,
    device: torch.device | str,
    out: Path | str | None,
    origin: dict[str, Any],
    measured: "_Measured",
) -> Iterator[Event]:
    place = comm.local_device(torch.device(device))
    with comm.process_group(place):
        data = _read(data, reading)
        chosen = replace(choose_recipe(data, recipe, changes), data=origin)
        prepared = prepare.prepare(chosen, data, device=place, network=network)
        if reason == "budget":
            assert budget is not None
            epochs = prepare.epochs_within(budget, prepare.seconds_per_epoch(prepared))
        elif reason == "default":
            epochs = prepare.epochs_within(
                defaults.DEFAULT_BUDGET,
                prepare.seconds_per_epoch(prepared),
                most=prepare.default_epochs(chosen, len(prepared.dataset)),
            )
        else:
            epochs = chosen.train.epochs
        prepared = prepared.with_epochs(epochs)
        if out == "auto":
            out = free_folder(origin.get("path", "data"), chosen.method) if comm.rank() == 0 else None
            out = comm.broadcast_object(out)
        run = None if out is None else Run(out)
        yield Planned(prepared, epochs, reason, run.folder if run else None)
        if run is not None:
            on_first(lambda: run.create(prepared))
        yield from _events(prepared, run, measured)


def _resumed(run: Run, data: Any, device: torch.device | str, measured: "_Measured") -> Iterator[Event]:
    place = comm.local_device(torch.device(device))
    with comm.process_group(place):
        recipe = run.recipe
        if data is None and "path" not in recipe.data:
            raise UserError(f"{run.folder}: its data was in memory: give it again beside resume")
        options = {name: value for name, value in recipe.data.items() if name != "path"}
        data = _read(recipe.data["path"] if data is None else data, options)
        prepared = prepare.prepare(recipe, data, device=place, preprocess=run.preprocess)
        run.refuse_other_data(prepared.rows)
        yield Planned(prepared, recipe.train.epochs, "resume", run.folder)
        yield from _events(prepared, run, measured)


def _events(prepared: Prepared, run: Run | None, measured: "_Measured") -> Iterator[Event]:
    """Train, from the last checkpoint of the run if there is one, then evaluate and export."""
    resume = checkpoint.last_good(run.checkpoints) if run else None
    offsets = checkpoint.about(resume)["about"]["offsets"] if resume else {}
    with run.recording(offsets) if run else nullcontext(Recorder({}, None)) as recorder:
        watch = _monitor(prepared) if measured.monitor else None
        if watch is not None and comm.rank() == 0 and not recorder.records:
            recorder.record(watch.at_start())
        stopped = yield from _steps(prepared, recorder, watch, resume)
    folder = run.folder if run else None
    if stopped is not None:
        yield replace(stopped, folder=folder)
        return
    yield Trained(prepared)
    method = prepared.method
    made = Representation(method.encoder, prepared.preprocess, method=prepared.recipe.method, coder=method.coder())
    found, coded, said = [], None, None
    if comm.rank() == 0:
        if run is not None:
            run.save_weights(made)
        for entry in _evidence(prepared, made, measured.evaluators):
            found.append(entry)
            yield Evaluated(entry)
        if made.coder:
            coded = codes_evidence(made, prepared.rows, prepared.data.labels, prepared.train, prepared.test)
        if run is not None:
            run.export(prepared, made, found, coded)
        if measured.monitor:
            said = verdict(recorder.records, run_facts(prepared.recipe.method, prepared.facts()), probes=found)
    yield Finished(made, prepared, recorder.records, found, coded, said, folder)


def _monitor(prepared: Prepared) -> Monitor:
    # Spread over the data: rows that stand together are often of one class.
    rows = len(prepared.dataset)
    chosen = prepared.dataset.batch(torch.linspace(0, rows - 1, min(_MONITORED_ROWS, rows)).long())
    untrained = prepared.untrained().to(prepared.device)
    return Monitor(prepared.method, chosen, prepared.preprocess.to_input, untrained)


def _steps(prepared: Prepared, recorder: Recorder, watch: Monitor | None, resume: Path | None) -> Any:
    """Yield the events of all steps that are left; return `Stopped` where the caller stopped them."""
    recipe, first = prepared.recipe, comm.rank() == 0
    facts = run_facts(recipe.method, prepared.facts()) if watch else None
    health = {name: value for record in recorder.records for name, value in record.items()}
    newest = None
    for step in fit(
        prepared.method,
        prepared.dataset,
        prepared.views,
        optim=recipe.optim,
        device=prepared.device,
        resume=resume,
        **recipe.train.arguments(),
    ):
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
        asked = [event._stop for event in (recorded, stepped) if event is not None and event._stop is not None]
        dropped = seen is not None and not last and comm.any_rank(False in asked)
        stop = dropped or comm.any_rank(True in asked or False in asked)
        if not dropped and (last or stop or recorder.due):
            recorder.save(step)
        if stop and not last:
            return Stopped(step, saved=not dropped and recorder.run is not None, folder=None)
    return None


def verdict_due(records: int) -> bool:
    """Return whether a verdict is due after so many records: the first fifty, then a fiftieth more each time.

    A verdict reads every record, so this keeps its cost down in a long training. It depends on the number alone, so
    that a run that was interrupted is judged at the same steps.
    """
    return records <= 50 or int(log(records) / log(1.02)) > int(log(records - 1) / log(1.02))


def _evidence(prepared: Prepared, made: Representation, evaluators: Sequence[str]) -> Iterator[dict[str, Any]]:
    labels, origin = prepared.data.labels, prepared.recipe.data
    if labels is not None and len(prepared.test):
        yield evidence(
            made,
            prepared.untrained(),
            prepared.rows,
            labels,
            prepared.train,
            prepared.test,
            label=origin.get("label") or origin.get("label_key") or "label",
            evaluators=evaluators,
        )
