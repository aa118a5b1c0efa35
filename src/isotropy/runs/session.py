"""A run as a generator of events: plan, steps, records, evidence and result, for the caller's loop."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from isotropy.data import Data, read
from isotropy.data.recordings.paths import first_path, named_by_path, resolved
from isotropy.diagnostics.verdict import Verdict, verdict
from isotropy.errors import UserError
from isotropy.evaluation.baselines import check_baselines
from isotropy.evaluation.evaluate import with_budget
from isotropy.evaluation.evaluators import DEFAULT
from isotropy.evaluation.evidence import codes_evidence, evidence
from isotropy.evaluation.problem import Size
from isotropy.evaluation.problem import label_budget as sizes_of
from isotropy.representation import Representation
from isotropy.runs import defaults, prepare
from isotropy.runs.budget import divided
from isotropy.runs.diagnose import run_facts
from isotropy.runs.directory import Recorder, Run, free_folder, on_first
from isotropy.runs.division import Label
from isotropy.runs.initial import beginning
from isotropy.runs.longer import epochs_done, epochs_within_budget, refuse_no_more
from isotropy.runs.measured import measured
from isotropy.runs.monitor import Monitor, verdict_due
from isotropy.runs.prepare import Prepared
from isotropy.runs.recipe import Recipe
from isotropy.runs.threads import fitting_threads
from isotropy.training import Step, checkpoint, comm, fit

_AS_USUAL: Sequence[int] = ()
_HELD_BYTES = 1 << 29  # of embeddings that probes and export share; more are made again, piece by piece


@dataclass(frozen=True)
class Planned:
    """What will be trained and for how long; nothing is written yet.

    Attributes:
        prepared: the data, its division, and the method; `prepared.recipe` is the recipe as it will be run.
        epochs: of the encoder. reason: what decided them: "epochs", "budget", "recipe" or "default"; "resume" where a
            run goes on to its end, and "longer" where a finished one is extended.
        folder: the run directory, None where there will be none.
        reserved: seconds of the budget, or of the default length, that are not for training: reading, embedding,
            evidence.
        done: epochs that a finished run was trained for already, where it is extended.
        probed: training and test rows that are probed at most, where it is less than usual.
        note: why fewer threads train than there are; empty where all do.
        per_epoch: seconds that an epoch takes, where that had to be known for the plan.
    """

    prepared: Prepared
    epochs: float
    reason: str
    folder: Path | None
    reserved: float = 0.0
    done: float = 0.0
    probed: Sequence[int] = ()
    note: str = ""
    per_epoch: float | None = None

    @cached_property
    def seconds(self) -> float:
        """About how long the training takes; where that is not known yet, ask on every rank or none."""
        per_epoch = prepare.seconds_per_epoch(self.prepared) if self.per_epoch is None else self.per_epoch
        return (self.epochs - self.done) * per_epoch


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
    """The monitor's newest record, a line of diagnostics.jsonl, and the newest verdict; on the first rank alone.

    In `record` None stands for what is not finite.
    """

    record: dict[str, Any]
    verdict: Verdict | None


@dataclass
class Stepped(_Stoppable):
    """One step of training, and in `health` the newest of every number that the monitor records."""

    step: Step
    health: dict[str, Any]


@dataclass(frozen=True)
class Stopped:
    """The run was stopped after `step`, before its end; nothing follows. `saved`: whether `resume` goes on after it."""

    step: Step
    saved: bool
    folder: Path | None


@dataclass(frozen=True)
class Trained:
    """All steps are taken; evaluation and export follow."""

    prepared: Prepared


@dataclass(frozen=True)
class Evaluated:
    """One of the labels was probed on the test rows: `evidence` is an entry of probes.json; on the first rank alone."""

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


@dataclass(frozen=True)
class _Probing:
    """How labels are evaluated; `sizes` are those of the few-label curve."""

    evaluators: Sequence[str]
    baselines: Sequence[str]
    sizes: Sequence[Size] | None
    progress: Callable[[str], None] | None


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
    progress: Callable[[str], None] | None = None,
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
        progress: called with the name of each representation before it is probed.
        origin: where a `Data` came from, as keywords of `isotropy.read`: kept in the recipe, for a resume.
        reading: keywords of `isotropy.read`, such as `label`, `split`, `group`, `time` and `task`.

    Raises:
        UserError: what does not fit, named; arguments at once, the rest while the run goes.
        Diverged: the loss is not finite.

    Example:
        >>> from sklearn.datasets import load_iris
        >>> rows, species = load_iris(return_X_y=True)
        >>> for event in train(rows, label=species, method="simclr", epochs=2):
        ...     if isinstance(event, Finished):
        ...         print(event.representation.transform(rows).shape, event.evidence[0]["label"])
        (150, 260) label
    """
    check_baselines(baselines, data.modality if isinstance(data, Data) else None)
    sizes = sizes_of(label_budget)
    evaluators = with_budget(evaluators, sizes)
    checkpoints = None
    if resume is not None:
        given = (
            recipe,
            method,
            encoder,
            settings,
            seed,
            precision,
            embedding,
            init,
            freeze,
            out,
            origin,
            *reading.values(),
        )
        if any(value is not None for value in given):
            raise UserError(
                "resume goes on with the settings of the run: give data and device alone beside it, and epochs or "
                "budget to train it longer"
            )
        run = Run.opened(resume)
        if epochs is None and budget is None:
            run.refuse_if_finished()
        else:
            _check_length(epochs, budget, {})
            run.refuse_if_not_extensible()
        plan = partial(_plan_resumed, run, data, epochs, budget)
        checkpoints = run.checkpoints
    else:
        _check(data, encoder, settings or {}, epochs, budget, out, reading)
        if embedding is None and recipe is None and isinstance(encoder, nn.Module):
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
        if named_by_path(data):
            origin = origin or read_again(data, **reading)
        else:
            origin = origin or {name: value for name, value in reading.items() if _is_name(value, data)}
        network = encoder if isinstance(encoder, nn.Module) else None
        plan = partial(_plan, data, reading, dict(origin), recipe, changes, budget, network, out)
    return _events(plan, checkpoints, device, monitor, _Probing(evaluators, tuple(baselines), sizes, progress))


def _check(
    data: Any,
    encoder: Any,
    settings: Mapping[str, Any],
    epochs: float | None,
    budget: float | None,
    out: Path | str | None,
    reading: Mapping[str, Any],
) -> None:
    if data is None:
        raise UserError("train needs data, or resume: the run directory to go on with")
    _check_length(epochs, budget, settings)
    if isinstance(encoder, nn.Module) and out is not None:
        raise UserError("a network of your own is in no recipe: leave out `out` and save `Finished.representation`")
    if isinstance(data, Data) and reading:
        raise UserError(f"the data is read already: give {next(iter(reading))} to isotropy.read")
    if out not in (None, "auto"):
        Run(out).refuse_if_taken()


def _check_length(epochs: float | None, budget: float | None, settings: Mapping[str, Any]) -> None:
    if budget is not None and (epochs is not None or "train.epochs" in settings):
        raise UserError("give epochs or budget, not both")
    if budget is not None and not budget > 0:
        raise UserError(f"budget = {budget:g} must be a number of seconds above 0")


def read_again(path: Any, **reading: Any) -> dict[str, Any]:
    """Return the keywords of `isotropy.read` that find the data again from any folder."""
    kept = {name: value for name, value in reading.items() if value not in (None, [], ())}
    return kept | {"path": resolved(path)}


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
        on_first(lambda: read(data, **reading))
    return read(data, **reading)


def _plan(
    data: Any,
    reading: Mapping[str, Any],
    origin: dict[str, Any],
    recipe: Recipe | Path | str | None,
    changes: Mapping[str, Any],
    budget: float | None,
    network: nn.Module | None,
    out: Path | str | None,
    place: torch.device,
) -> Planned:
    """Plan a new run."""
    begun = perf_counter()
    data = _read(data, reading)
    if data.stream is not None:
        origin["stream"] = True  # also where more memory is free
    chosen = replace(Recipe.chosen(recipe, data.modality, changes), data=origin)
    prepared = prepare.prepare(chosen, data, device=place, network=network)
    reserved, probed, per_epoch = 0.0, _AS_USUAL, None
    if budget is not None:
        reason = "budget"
        epochs, reserved, probed, per_epoch = _within(budget, prepared, begun)
    elif recipe or "train.epochs" in changes:
        reason = "epochs" if "train.epochs" in changes else "recipe"
        epochs = chosen.train.epochs
    else:
        reason = "default"
        most = prepare.default_epochs(chosen, len(prepared.dataset))
        epochs, reserved, probed, per_epoch = _within(defaults.DEFAULT_BUDGET, prepared, begun, most=most)
    if out == "auto":
        out = free_folder(first_path(origin.get("path", "data")), chosen.method) if comm.rank() == 0 else None
        out = comm.broadcast_object(out)
    folder = None if out is None else Path(out)
    prepared = prepared.with_epochs(epochs)
    return Planned(prepared, epochs, reason, folder, reserved, probed=probed, per_epoch=per_epoch)


def _within(
    budget: float, prepared: Prepared, begun: float, *, most: float = float("inf")
) -> tuple[float, float, Sequence[int], float]:
    """Return the epochs that a budget allows, what it keeps for the rest, the rows that are probed, and an epoch."""
    per_epoch = prepare.seconds_per_epoch(prepared)
    spent = perf_counter() - begun
    seconds, probed = divided(prepared, budget, spent)
    return prepare.epochs_within(seconds, per_epoch, most=most), budget - seconds, probed, per_epoch


def _plan_resumed(run: Run, data: Any, epochs: float | None, budget: float | None, place: torch.device) -> Planned:
    """Plan what is left of a run, or of a longer one."""
    recipe = run.recipe
    if data is None and "path" not in recipe.data:
        raise UserError(f"{run.folder}: its data was in memory: give it again beside resume")
    options = {"stream": False, **{name: value for name, value in recipe.data.items() if name != "path"}}
    data = _read(recipe.data["path"] if data is None else data, options)
    prepared = prepare.prepare(recipe, data, device=place, preprocess=run.preprocess)
    run.refuse_other_data(prepared.rows)
    if epochs is None and budget is None:
        return Planned(prepared, recipe.train.epochs, "resume", run.folder, probed=run.probed)
    done = epochs_done(run, prepared)
    reserved, probed = 0.0, _AS_USUAL
    if epochs is None:
        assert budget is not None
        seconds, probed = divided(prepared, budget)
        reserved = budget - seconds
        epochs = epochs_within_budget(run, prepared, done, budget, reserved)
    else:
        refuse_no_more(run, prepared, done, epochs)
    return Planned(prepared.with_epochs(epochs), epochs, "longer", run.folder, reserved, done, probed)


def _events(
    plan: Callable[[torch.device], Planned],
    checkpoints: Path | None,
    device: torch.device | str,
    monitor: bool,
    probing: "_Probing",
) -> Iterator[Event]:
    """Plan, train from the run's last checkpoint if there is one, then evaluate and export."""
    place = comm.local_device(torch.device(device))
    with comm.process_group(place), fitting_threads(place, checkpoints) as note:
        planned = replace(plan(place), note=note)
        check_baselines(probing.baselines, planned.prepared.preprocess.modality)
        yield planned
        prepared, folder = planned.prepared, planned.folder
        run = None if folder is None else Run(folder)
        if run is not None and planned.reason != "resume":
            begin = run.extend if planned.reason == "longer" else run.create
            on_first(lambda: begin(prepared, planned.probed))
        resume = checkpoint.last_good(run.checkpoints) if run else None
        offsets = checkpoint.about(resume)["about"]["offsets"] if resume else {}
        with run.recording(offsets) if run else nullcontext(Recorder({}, None)) as recorder:
            watch = Monitor.of(prepared) if monitor else None
            if watch is not None and comm.rank() == 0 and not recorder.records:
                recorder.record(watch.at_start())
            stopped = yield from _steps(prepared, recorder, watch, resume, run.extends if run else [])
        if stopped is not None:
            yield replace(stopped, folder=folder)
            return
        yield Trained(prepared)
        started = perf_counter()
        name, made = prepared.recipe.method, prepared.representation()
        found: list[dict[str, Any]] = []
        codes, said = None, None
        if comm.rank() == 0:
            if run is not None:
                made.save_weights(run.folder)
            labels, vectors = prepared.division.labels, None
            if labels and len(prepared.test):
                if run is not None and 4 * len(prepared.rows) * made.width <= _HELD_BYTES:
                    vectors = made.embed_stored(prepared.rows)
                for label in labels:
                    found.append(_evidence(planned, made, label, probing, vectors))
                    yield Evaluated(found[-1])
            if made.coder:
                values, task = (labels[0].values, labels[0].task) if labels else (None, None)
                codes = codes_evidence(made, prepared.rows, values, prepared.train, prepared.test, task=task)
            if run is not None:
                run.export(prepared, made, found, codes, vectors)
                run.keep_measured(measured(watch, perf_counter() - started))
            if monitor:
                said = verdict(recorder.records, run_facts(name, prepared.facts()), probes=found)
        yield Finished(made, prepared, recorder.records, found, codes, said, folder)


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
        asked = [event._stop for event in (recorded, stepped) if event is not None and event._stop is not None]
        dropped = seen is not None and not last and comm.any_rank(False in asked)
        stop = dropped or comm.any_rank(True in asked or False in asked)
        if not dropped and (last or stop or recorder.due):
            recorder.save(step)
        if stop and not last:
            return Stopped(step, saved=not dropped and recorder.run is not None, folder=None)
    return None


def _evidence(
    planned: Planned, made: Representation, label: Label, probing: _Probing, vectors: NDArray[np.float32] | None
) -> dict[str, Any]:
    prepared = planned.prepared
    return evidence(
        made,
        prepared.untrained(),
        prepared.rows,
        label.values,
        prepared.train,
        prepared.test,
        label=label.name,
        task=label.task,
        groups=prepared.division.groups,
        notes=prepared.division.notes_on(label),
        evaluators=probing.evaluators,
        baselines=probing.baselines,
        sizes=probing.sizes,
        vectors=vectors,
        most=planned.probed,
        device=prepared.device,
        progress=probing.progress,
    )
