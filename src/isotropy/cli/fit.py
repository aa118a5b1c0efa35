"""`isotropy fit`: read, prepare, train with a live line, show the evidence, write the report."""

import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from math import log
from pathlib import Path
from re import fullmatch
from typing import Any

from isotropy import report
from isotropy.cli.diagnose import show as show_verdict
from isotropy.cli.inputs import on_first, pick_device, read_with_bar, remembered
from isotropy.cli.live import Training
from isotropy.cli.show import COLLAPSED, INTERRUPTED, OUT, duration, note, say
from isotropy.cli.table import show_evidence
from isotropy.data import Data
from isotropy.diagnostics.verdict import verdict
from isotropy.errors import UserError, nearest
from isotropy.evaluation.evaluate import check_evaluators
from isotropy.methods import METHODS
from isotropy.runs import prepare
from isotropy.runs.diagnose import diagnose, known
from isotropy.runs.directory import Run
from isotropy.runs.prepare import Prepared
from isotropy.runs.recipe import Recipe
from isotropy.runs.settings import parse_setting
from isotropy.training import Diverged, comm
from isotropy.training.precision import choose

# What suits a modality best on one small machine; measured in docs/log.md.
DEFAULT_METHOD = {"table": "lfr", "series": "lfr", "image": "simclr"}


@dataclass(frozen=True)
class Settings:
    """What the command line asks of the recipe."""

    method: str | None
    encoder: str | None
    epochs: float | None
    budget: str | None
    seed: int | None
    precision: str | None
    changes: list[str]
    recipe: Path | None

    def __post_init__(self) -> None:
        if self.epochs is not None and self.budget is not None:
            raise UserError("give --epochs or --budget, not both")
        if self.budget is not None:
            seconds_of(self.budget)
        if self.epochs is not None and not 0 < self.epochs < float("inf"):
            raise UserError(f"--epochs {self.epochs:g} must be a number above 0")
        if self.sets_epochs and (self.epochs is not None or self.budget is not None):
            raise UserError("--set train.epochs says what --epochs and --budget say: give one of them")
        if self.method is not None and self.method not in METHODS:
            raise UserError(f"method {self.method!r} is unknown{nearest(self.method, METHODS)}")

    @property
    def sets_epochs(self) -> bool:
        """Whether --set says how long to train."""
        return any(parse_setting(text)[0] == "train.epochs" for text in self.changes)

    def apply(self, data: Data, origin: dict[str, Any]) -> Recipe:
        """Return the recipe: the file or the method's default, then the options, then --set."""
        if self.recipe is not None:
            recipe = Recipe.from_toml(self.recipe, data.modality)
            if recipe.modality != data.modality:
                raise UserError(f"{self.recipe}: is for {recipe.modality} data, and this is {data.modality} data")
        else:
            recipe = Recipe.default(self.method or DEFAULT_METHOD[data.modality], data.modality)
        options = {
            "method": self.method if self.method != recipe.method else None,
            "encoder": self.encoder,
            "train.epochs": self.epochs,
            "train.seed": self.seed,
            "train.precision": self.precision,
        }
        given = {name: value for name, value in options.items() if value is not None}
        recipe = recipe.changed(given | dict(parse_setting(text) for text in self.changes))
        return Recipe(**{**recipe.__dict__, "data": origin})


def begin(
    origin: dict[str, Any],
    settings: Settings,
    *,
    evaluators: Sequence[str],
    device: str,
    out: Path | None,
    stop_on_collapse: bool,
) -> None:
    """Run `isotropy fit PATH`."""
    check_evaluators(evaluators)
    place = comm.local_device(pick_device(device))
    with comm.process_group(place):
        if out is not None:
            Run(out).refuse_if_taken()
        data = read_with_bar(origin)
        first = comm.rank() == 0
        if first:
            say(data.description)
        recipe = settings.apply(data, remembered(origin))
        prepared = prepare.prepare(recipe, data, device=place)
        prepared = _planned(prepared, settings, shown=first)
        run = Run(comm.broadcast_object(out if out is not None else _free_folder(origin["path"], recipe.method)))
        on_first(lambda: run.create(prepared))
        _train(run, prepared, evaluators, stop_on_collapse=stop_on_collapse)


def go_on(
    folder: Path,
    origin: dict[str, Any],
    settings: Settings,
    *,
    evaluators: Sequence[str],
    device: str,
    out: Path | None,
    stop_on_collapse: bool,
) -> None:
    """Run `isotropy fit --resume RUN [PATH]`; a path is where the data moved to."""
    check_evaluators(evaluators)
    path = origin.pop("path")
    given = {**origin, **settings.__dict__, "set": settings.changes, "changes": None, "out": out}
    names = [f"--{name.replace('_', '-')}" for name, value in given.items() if value is not None and value != []]
    if names:
        raise UserError(f"--resume goes on with the settings of the run: leave out {', '.join(names)}")
    run = Run.opened(folder)
    if run.finished:
        raise UserError(f"{folder}: is finished; look at it with: isotropy report {folder}")
    place = comm.local_device(pick_device(device))
    with comm.process_group(place):
        recipe = run.recipe
        data = read_with_bar({**recipe.data, **({"path": path} if path else {})})
        prepared = prepare.prepare(recipe, data, device=place, preprocess=run.preprocess)
        run.refuse_other_data(prepared.rows)
        _train(run, prepared, evaluators, stop_on_collapse=stop_on_collapse)


def seconds_of(text: str) -> float:
    """Return the seconds of "90s", "10m", "1h30m" or "2h".

    Raises:
        UserError: anything else, or no time at all.

    Example:
        >>> seconds_of("1h30m"), seconds_of("90s"), seconds_of("2m 5s")
        (5400.0, 90.0, 125.0)
    """
    found = fullmatch(r"(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s)?", "".join(text.split()))
    total = sum(float(n or 0) * unit for n, unit in zip(found.groups(), (3600, 60, 1), strict=True)) if found else 0.0
    if total <= 0:
        raise UserError(f"--budget {text}: a time is written as 90s, 10m or 1h30m")
    return total


def _planned(prepared: Prepared, settings: Settings, *, shown: bool) -> Prepared:
    """Fix the number of epochs and say how long they will take."""
    per_epoch = prepare.seconds_per_epoch(prepared)
    train = prepared.recipe.train
    if settings.budget is not None:
        epochs, why = prepare.epochs_within(seconds_of(settings.budget), per_epoch), f"--budget {settings.budget}"
    elif settings.epochs is not None or settings.sets_epochs or settings.recipe is not None:
        epochs, why = train.epochs, "as asked"
    else:
        epochs = prepare.epochs_within(prepare.DEFAULT_BUDGET, per_epoch, most=prepare.MOST_EPOCHS)
        why = "the default; --epochs or --budget change it"
    prepared = prepared.with_epochs(epochs)
    if shown:
        recipe = prepared.recipe
        precision = choose(train.precision, prepared.device, prepared.method.encoder)
        width = getattr(prepared.method.encoder, "width", "?")
        say(
            f"{recipe.method} with {recipe.encoder} (width {width}) on {len(prepared.dataset):,} training rows: "
            f"{epochs:g} epochs, about {duration(epochs * per_epoch)} on {prepared.device} in {precision} ({why})"
        )
    return prepared


def _due(records: int) -> bool:
    """Return whether a verdict is due after so many records: the first fifty, then a fiftieth more each time.

    A verdict reads every record, so this keeps its cost down in a long training. It depends on the number alone, so
    that a run that was interrupted is judged at the same steps.
    """
    return records <= 50 or int(log(records) / log(1.02)) > int(log(records - 1) / log(1.02))


def _train(run: Run, prepared: Prepared, evaluators: Sequence[str], *, stop_on_collapse: bool) -> None:
    first = comm.rank() == 0
    training = known(prepared.recipe.method, prepared.facts())
    resume = f"go on with: isotropy fit --resume {run.folder}"
    try:
        with _polite_stop() as stop, Training(prepared.recipe.train.epochs, shown=first) as live:

            def collapsed() -> bool:
                if not _due(len(run.records)):
                    return False
                found = verdict(run.records, training)
                live.word = found.name if found.name != "unknown" else ""
                return stop_on_collapse and found.alarm

            step = live.watch(run.train(prepared, stop=stop.asked, collapsed=collapsed))
        if step is not None and step.number < step.steps and not stop.wanted:
            _say_collapsed(run, step.number, step.steps)
            raise SystemExit(COLLAPSED)
        if step is not None and step.number < step.steps:
            say(f"stopped after step {step.number:,} of {step.steps:,}; {resume}")
            raise SystemExit(INTERRUPTED)
        if first:
            _finish(run, prepared, evaluators)
    except Diverged as error:
        kept = f"in {run.folder / 'recipe.toml'}; the last good checkpoint is kept, {resume}"
        raise UserError(
            f"{error} {kept if run.has_checkpoint else 'and begin again: no checkpoint was due yet'}"
        ) from error
    except KeyboardInterrupt:
        say(f"interrupted; {resume}")
        raise SystemExit(INTERRUPTED) from None


def _finish(run: Run, prepared: Prepared, evaluators: Sequence[str]) -> None:
    with OUT.status("") if OUT.is_terminal else nullcontext() as status:
        found = run.finish(
            prepared,
            evaluators=evaluators,
            progress=lambda name: status.update(f"probing {name}") if status else None,
        )
        page = report.write(run.folder)
    for entry in found:
        say("")
        show_evidence(entry)
    say("")
    show_verdict(diagnose(run.folder))
    if not found:
        note("no label was given, so nothing was probed; with one: isotropy probe RUN PATH --label NAME")
    say("")
    say(f"encoder     {run.folder}/encoder.safetensors (isotropy.load({str(run.folder)!r}).transform(rows))")
    say(f"embeddings  {run.folder}/embeddings.parquet")
    say(f"report      {page}")


def _say_collapsed(run: Run, step: int, steps: int) -> None:
    """Say why the training was stopped, what is left of it, and how to go on."""
    if comm.rank() == 0:
        show_verdict(diagnose(run.folder))
    kept = "the last checkpoint before it is kept" if run.has_checkpoint else "no checkpoint was due before"
    say(
        f"stopped after step {step:,} of {steps:,}, for --stop-on-collapse; {kept}. Begin again with another setting: "
        f"isotropy fit PATH --recipe {run.folder / 'recipe.toml'} --set NAME=VALUE; or go on in spite of it: "
        f"isotropy fit --resume {run.folder}"
    )


class _Stop:
    """Whether the user asked to stop."""

    def __init__(self) -> None:
        self.wanted = False

    def asked(self) -> bool:
        return self.wanted


@contextmanager
def _polite_stop() -> Iterator[_Stop]:
    """Let the first Ctrl-C end the step and save; a second one interrupts at once."""
    stop = _Stop()

    def on_signal(number: int, frame: Any) -> None:
        if stop.wanted:
            raise KeyboardInterrupt
        stop.wanted = True

    before = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _free_folder(path: str, method: str) -> Path:
    """Return runs/NAME-METHOD, numbered where it is taken."""
    base = Path("runs") / f"{Path(path).resolve().stem}-{method}"
    folder, number = base, 2
    while folder.exists():
        folder, number = base.with_name(f"{base.name}-{number}"), number + 1
    return folder
