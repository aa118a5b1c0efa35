"""`isotropy fit`: options into `isotropy.train`, its events onto the terminal, signals and endings into exit codes."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path
from typing import Any

from rich.status import Status
from rich.text import Text

from isotropy.cli.budget import seconds_of
from isotropy.cli.diagnose import show as show_verdict
from isotropy.cli.inputs import pick_device, read_with_bar
from isotropy.cli.live import LiveLine
from isotropy.cli.planned import more_of, show_longer, show_plan
from isotropy.cli.show import COLLAPSED, INTERRUPTED, OUT, note, say, waiting
from isotropy.cli.stop import Stop, polite_stop
from isotropy.cli.summary import notes_of, summary
from isotropy.diagnostics.answers import LEARNING
from isotropy.diagnostics.verdict import UNKNOWN, Verdict
from isotropy.errors import UserError
from isotropy.evaluation.baselines import check_baselines
from isotropy.evaluation.evaluate import with_budget
from isotropy.evaluation.problem import label_budget as sizes_of
from isotropy.methods import find_method
from isotropy.runs.auto import AUTO
from isotropy.runs.diagnose import diagnose
from isotropy.runs.directory import Run
from isotropy.runs.events import Event, Finished, Planned, Recorded, Stepped, Stopped, Trained
from isotropy.runs.planning import read_again, with_recipe
from isotropy.runs.session import train
from isotropy.runs.settings import parse_setting
from isotropy.training import Diverged, comm
from isotropy.training.plan import MOST_EPOCHS


def fit(
    origin: dict[str, Any],
    settings: dict[str, Any],
    *,
    resume: Path | None,
    out: Path | None,
    evaluators: Sequence[str],
    baselines: Sequence[str],
    label_budget: str | None,
    device: str,
    stop_on_collapse: bool,
    dry_run: bool,
) -> dict[str, Any]:
    """Run `isotropy fit PATH`, or `isotropy fit --resume RUN [PATH]`, whose path is where the data moved to.

    Args:
        origin: the path and how it is read. settings: what the command line asks of the recipe; None says nothing.

    Returns: where the run is, its verdict and its evidence; of a dry run what would be trained.
    """
    check_baselines(baselines)
    sizes = sizes_of(label_budget)
    evaluators = with_budget(evaluators, sizes)
    naming: AbstractContextManager[None] = nullcontext()
    if resume is None:
        origin, naming = with_recipe(settings["recipe"], origin)
        arguments = _beginning(origin, settings, out)
    else:
        origin, arguments = _resumption(resume, origin, settings, out)
    place = comm.local_device(pick_device(device))
    with comm.process_group(place):
        with naming:
            data = read_with_bar(origin, stream=origin.get("stream") if resume is None else bool(origin.get("stream")))
        if resume is None:
            say(data.description)
        probing = Status(Text("preparing the embedding"), console=OUT)
        events = train(
            data,
            device=place,
            evaluators=evaluators,
            baselines=baselines,
            label_budget=sizes,
            progress=probing.update,
            **arguments,
        )
        with waiting("measuring how long an epoch takes"):
            planned = next(events)
            assert isinstance(planned, Planned)
            if resume is None or planned.reason == "longer":
                _ = planned.seconds  # measured at the first access, where the plan did not need it
        if planned.reason == "longer":
            show_longer(planned)
        elif resume is None:
            show_plan(planned, settings)
        if dry_run:
            say(f"would be written to {planned.folder}; nothing was trained (--dry-run)")
            return {
                "data": data.description, "rows": len(planned.prepared.dataset), "folder": str(planned.folder),
                "method": planned.prepared.recipe.method, "encoder": planned.prepared.recipe.encoder,
                "epochs": planned.epochs, "seconds": planned.seconds,
            }  # fmt: skip
        return _show(planned, events, probing, more_of(planned, settings), stop_on_collapse=stop_on_collapse)


def _beginning(origin: dict[str, Any], settings: dict[str, Any], out: Path | None) -> dict[str, Any]:
    """Return the keyword arguments of `isotropy.train` for a new run."""
    if origin["path"] is None:
        raise UserError("fit needs the PATH of the data (or --resume RUN)")
    epochs, budget = settings["epochs"], settings["budget"]
    length = _length(epochs, budget)
    changes = dict(parse_setting(text) for text in settings["set"])
    if "train.epochs" in changes and (epochs is not None or budget is not None):
        raise UserError("--set train.epochs says what --epochs and --budget say: give one of them")
    if settings["method"] not in (None, AUTO):
        find_method(settings["method"])
    if out is not None:
        Run(out).refuse_if_taken()
    named = {name: value for name, value in settings.items() if name != "set"}
    return named | {**length, "settings": changes, "out": out or "auto", "origin": read_again(**origin)}


def _length(epochs: float | None, budget: str | None) -> dict[str, Any]:
    """Return `epochs` and `budget` in seconds, as `isotropy.train` takes them."""
    if epochs is not None and budget is not None:
        raise UserError("give --epochs or --budget, not both")
    if epochs is not None and not 0 < epochs <= MOST_EPOCHS:
        most = f" and at most {MOST_EPOCHS:,}" if epochs > MOST_EPOCHS else ""
        raise UserError(f"--epochs {epochs:g} must be a number above 0{most}")
    return {"epochs": epochs, "budget": None if budget is None else seconds_of(budget)}


def _resumption(
    folder: Path, origin: dict[str, Any], settings: dict[str, Any], out: Path | None
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return where the data of a run is, and the keyword arguments of `isotropy.train` to go on with it."""
    epochs, budget = settings["epochs"], settings["budget"]
    given = {**origin, "path": None, **settings, "epochs": None, "budget": None, "out": out}
    names = [f"--{name.replace('_', '-')}" for name, value in given.items() if value is not None and value != []]
    if names:
        raise UserError(f"--resume goes on with the settings of the run: leave out {', '.join(names)}")
    length = _length(epochs, budget)
    run = Run.opened(folder)
    if epochs is None and budget is None:
        run.refuse_if_finished()
    else:
        run.refuse_if_not_extensible()
    kept = run.recipe.data | ({"path": origin["path"]} if origin["path"] else {})
    if "path" not in kept:
        raise UserError(f"{folder}: its data was in memory: go on with isotropy.train(data, resume={str(folder)!r})")
    return kept, {"resume": folder, **length}


def _show(
    planned: Planned, events: Iterator[Event], probing: Status, more: str, *, stop_on_collapse: bool
) -> dict[str, Any]:
    """Show a run to its end, and return what came out; a run that was stopped ends with an exit code."""
    folder = planned.folder
    assert folder is not None
    resume = f"go on with: isotropy fit --resume {folder}"
    try:
        with polite_stop() as stop, LiveLine(planned.epochs, shown=comm.rank() == 0) as live:
            last = _show_training(events, live, stop, stop_on_collapse=stop_on_collapse)
        if isinstance(last, Stopped):
            _end_stopped(last, folder, resume)
        return _show_result(
            events, probing, more, () if planned.reason == "resume" else planned.prepared.division.notes
        )
    except Diverged as error:
        _write_page(folder)
        kept = f"in {folder / 'recipe.toml'}; the last good checkpoint is kept, {resume}"
        raise UserError(
            f"{error} {kept if Run(folder).has_checkpoint else 'and begin again, as no checkpoint was due yet'}"
        ) from error
    except comm.RankLost as error:
        raise UserError(f"{error}; the last good checkpoint is kept, {resume}") from error
    except KeyboardInterrupt:
        say(f"interrupted; {resume}")
        raise SystemExit(INTERRUPTED) from None


def _show_training(events: Iterator[Event], live: LiveLine, stop: "Stop", *, stop_on_collapse: bool) -> Event:
    """Show the steps as they pass; return the event that ends them."""
    for event in events:
        match event:
            case Recorded(verdict=verdict) if verdict is not None:
                live.label = _label(verdict)
                if stop_on_collapse and verdict.alarm:
                    event.stop(save=False)
            case Stepped(step=step, health=health):
                live.show(step, health)
                if stop.wanted:
                    event.stop()
            case Trained() | Stopped():
                return event
    raise AssertionError("a training ends in Trained or Stopped")


def _label(verdict: Verdict) -> str:
    """Return what the live line says of a run: its verdict, and whether it still learns."""
    state = {"yes": LEARNING, "no": "no longer learning"}.get(verdict.answer(LEARNING).answer, "")
    return ", ".join(part for part in (verdict.name, "" if verdict.alarm else state) if part not in ("", UNKNOWN))


def _end_stopped(stopped: Stopped, folder: Path, resume: str) -> None:
    """Say why the training was stopped, what is left of it, and how to go on."""
    step = stopped.step
    if stopped.saved:
        say(f"stopped after step {step.number:,} of {step.steps:,}; {resume}")
        raise SystemExit(INTERRUPTED)
    _write_page(folder)
    if comm.rank() == 0:
        show_verdict(diagnose(folder))
    kept = "the last checkpoint before it is kept" if Run(folder).has_checkpoint else "no checkpoint was due before"
    say(
        f"stopped after step {step.number:,} of {step.steps:,}, for --stop-on-collapse; {kept}. Begin again with "
        f"another setting: isotropy fit PATH --recipe {folder / 'recipe.toml'} --set NAME=VALUE; or go on in spite of "
        f"it: isotropy fit --resume {folder}"
    )
    raise SystemExit(COLLAPSED)


def _write_page(folder: Path) -> None:
    """Write the page of a run that ends without an encoder: it leads with why, which a full disk must not hide."""
    if comm.rank() == 0:
        from isotropy import report

        with suppress(OSError, UserError):
            report.write(folder)


def _show_result(events: Iterator[Event], probing: Status, more: str, said: Sequence[str]) -> dict[str, Any]:
    """Show the notes that were not `said` before, and the summary.

    Returns evidence, verdict and where everything is; on other ranks than the first nothing.
    """
    with probing if OUT.is_terminal else nullcontext():
        for event in events:
            match event:
                case Finished(folder=Path() as folder) if comm.rank() == 0:
                    from isotropy import report  # a fifth of a second that the first step need not wait for

                    probing.update("writing the page")
                    page = report.write(folder, event.prepared.data)
                    finished = event
    if comm.rank() != 0:
        return {}
    assert finished.verdict is not None
    for text in notes_of(finished.evidence, said):
        note(text)
    say("")
    for line in summary(finished.evidence, finished.verdict, folder, page, more):
        say(line)
    return {
        "folder": str(folder), "page": str(page), "verdict": finished.verdict.to_json(), "evidence": finished.evidence,
    }  # fmt: skip
