"""Which method, if any, is worth training on this data: several at equal budget, beside everything free."""

import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from numbers import Real
from pathlib import Path
from typing import Any

import torch

from isotropy.data import Data, read
from isotropy.data.recordings.paths import first_path, named_by_path, resolved
from isotropy.data.unequal import ends
from isotropy.errors import UserError, refuse_text
from isotropy.methods import find_method
from isotropy.runs.comparison_folder import LEADERBOARD, ComparisonFolder, default_folder, identity_of
from isotropy.runs.contest import Contest, contestants, divided, with_split
from isotropy.runs.defaults import COMPARED, COMPARED_BUDGET
from isotropy.runs.events import Event, Planned, Stepped, Stopped, Trained
from isotropy.runs.fingerprint import fingerprint
from isotropy.runs.prepare import Prepared, epochs_within, prepare
from isotropy.runs.recipe import Recipe
from isotropy.runs.session import train
from isotropy.runs.shares import is_timed, share_budget, time_method, try_out
from isotropy.training import Diverged
from isotropy.validation import find_device

# A run stops where it has used so much of its budget, though it was planned for less: measured steps differ.
_MOST, _PLANNED = 1.1, 0.95


@dataclass(frozen=True)
class Measuring:
    """A representation is about to be measured, or a method to be timed: `name` says which."""

    name: str


@dataclass(frozen=True)
class Shared:
    """What needs no training is measured, and the rest of the budget is divided.

    Attributes:
        folder: of the comparison. runs: names of all runs. left: of those that are not finished.
        share: CPU seconds (on a GPU: seconds) for the training of each. notes: on how the rows were divided.
    """

    folder: Path
    runs: tuple[str, ...]
    left: tuple[str, ...]
    share: float
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Underway:
    """An event of a run, as `isotropy.train` yields it; `event.stop()` of a step ends the comparison after it."""

    run: str
    event: Event


@dataclass(frozen=True)
class Interrupted:
    """The comparison was stopped in a run, whose step was saved; the same call goes on. Nothing follows."""

    run: str
    folder: Path


@dataclass(frozen=True)
class Leaderboard:
    """The end of a comparison; nothing follows.

    Attributes:
        rows: of every method and everything free; see `evaluation.leaderboard.scored_rows`. Of a method also
            training_seconds (CPU, the mean over seeds), verdict, seeds and runs; where it is known, embedding_seconds,
            CPU seconds per 1,000 rows; without a label stability, the overlap of neighbours of two seeds.
        recommendation: outcome, method, use, sentence; see `runs.recommendation.recommend`.
        about: label, metric, task, rows_used, methods, budget, spent, share and notes.
    """

    folder: Path
    rows: list[dict[str, Any]]
    recommendation: dict[str, Any]
    about: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        """Return what leaderboard.json holds."""
        return {"format": 1, **self.about, "rows": self.rows, "recommendation": self.recommendation}


ComparisonEvent = Measuring | Shared | Underway | Interrupted | Leaderboard


def compare_methods(
    data: Any,
    *,
    methods: Sequence[str] | None = None,
    seeds: int | None = None,
    budget: float = COMPARED_BUDGET,
    seed: int = 0,
    settings: Mapping[str, Any] | None = None,
    device: torch.device | str = "cpu",
    out: Path | str | None = None,
    spent: float = 0.0,
    origin: Mapping[str, Any] | None = None,
    **reading: Any,
) -> Iterator[ComparisonEvent]:
    """Train several methods at equal budget and compare them with everything free: what `isotropy compare` does.

    Yields `Measuring` and `Shared`; `Underway` for every event of every run; and `Leaderboard`. All are trained on the
    same rows and scored on the same test rows. The same call goes on with what an earlier one left unfinished.

    Args:
        data: a path, a DataFrame, an array or a tensor, as `isotropy.read` takes it, or the `Data` that it gave.
        methods: names; by default a few that suit the modality (`runs.defaults.COMPARED`).
        seeds: of every method; by default 1, and 2 without a label, where stability is all that is measured.
        budget: CPU seconds (on a GPU seconds) for everything: reading, evidence, and in equal parts for runs the rest.
        seed: the first one, and that of the split.
        settings: changes of every method's recipe, such as {"encoder.width": 64}.
        device: where training runs.
        out: the folder; by default runs/NAME-compare. Each run has a run directory in it.
        spent: of the budget before this call, as for data that is read already.
        origin: where a `Data` came from, as keywords of `isotropy.read`: it names the folder and the label.
        reading: keywords of `isotropy.read`, such as `label`, `split`, `group`, `time` and `task`.

    Raises:
        UserError: what does not fit, named; a budget that is too small, with the smallest one that is not.

    Example:
        >>> from sklearn.datasets import load_iris
        >>> rows, species = load_iris(return_X_y=True)
        >>> *_, board = compare_methods(rows, label=species, methods=["lfr", "masked"], budget=60)  # doctest: +SKIP
        >>> board.recommendation["outcome"]  # doctest: +SKIP
        'do not train'
    """
    if not isinstance(budget, Real) or not budget > 0:
        raise UserError(f"budget = {budget!r} must be a number of seconds above 0")
    if seeds is not None and seeds < 1:
        raise UserError(f"seeds = {seeds}: at least one run of each method is needed")
    refuse_text(methods, "methods")
    for number, name in enumerate(methods or ()):
        find_method(name)
        if name in (methods or ())[:number]:
            raise UserError(f"method {name!r} is given twice")
    clock = time.perf_counter if find_device(device).type == "cuda" else time.process_time
    if isinstance(data, Data) and reading:
        raise UserError(f"the data is read already: give {next(iter(reading))} to isotropy.read")
    if named_by_path(data):
        origin = {"path": resolved(data), **reading}
    origin = origin or reading
    ask = partial(_events, methods=methods, seeds=seeds, budget=budget, seed=seed, settings=settings or {}, out=out)
    return ask(data, reading, origin, device, clock, clock() - spent)


def _events(
    data: Any, reading: Mapping[str, Any], origin: Mapping[str, Any], device: torch.device | str,
    clock: Callable[[], float], begun: float, *, methods: Sequence[str] | None, seeds: int | None, budget: float,
    seed: int, settings: Mapping[str, Any], out: Path | str | None,
) -> Iterator[ComparisonEvent]:  # fmt: skip
    data = data if isinstance(data, Data) else read(data, **reading)
    chosen = list(methods or _suited(data))
    kept = _kept(data, chosen, origin)
    label = kept.get("label", "")
    division = divided(data, seed, label)
    data = with_split(data, division)
    every_seed = range(seed, seed + (seeds or (1 if label else 2)))
    recipes = {one: Recipe.default(one, data.modality).changed({"train.seed": seed, **settings}) for one in chosen}
    prepared = prepare(recipes[chosen[0]], data, device=device)
    trained_by = [*chosen, *sorted(map(str, settings.items()))]
    identity = identity_of(data, fingerprint(prepared.rows), label, trained_by, list(every_seed), division)
    name = Path(first_path(origin.get("path", "data"))).resolve().stem
    folder = ComparisonFolder(default_folder(name, identity) if out is None else out)
    contest = Contest(folder, prepared, division, recipes, kept, clock, begun)
    runs = contestants(chosen, every_seed)
    folder.begin(identity, budget)
    try:
        for measured in contest.measure_free():
            yield Measuring(measured)
        yield from _timed(contest, chosen, runs, device)
        if folder.share is None:
            share_budget(contest, budget, [method for run, (method, _) in runs.items() if run not in folder.runs])
    except UserError:
        folder.discard()  # nothing is trained yet
        raise
    assert folder.share is not None
    left = tuple(run for run in runs if not folder.runs.get(run, {}).get("finished"))
    yield Shared(folder.folder, tuple(runs), left, folder.share, tuple(contest.split_notes))
    for run in left:
        if (yield from _run(contest, run, *runs[run], device)):
            yield Interrupted(run, folder.folder)
            return
    rows, recommendation, about = contest.leaderboard(runs)
    board = Leaderboard(folder.folder, rows, recommendation, about | {"budget": budget})
    folder.write(LEADERBOARD, board.to_json())
    yield board


def _kept(data: Data, chosen: Sequence[str], origin: Mapping[str, Any]) -> dict[str, str]:
    """Return what runs keep of the label and of how rows are divided, by name; UserError where no run can be made."""
    if not chosen:
        raise UserError(f"there are no default methods for {data.modality} data: name some")
    if data.more_labels:
        raise UserError(
            f"methods are compared by one label, and there are {1 + len(data.more_labels)}: give one of them"
        )
    if data.labels is None:
        return {}
    label = next((v for v in (origin.get("label"), origin.get("label_key")) if isinstance(v, str)), "label")
    return {"label": label} | {k: origin[k] for k in ("group", "time", "task") if isinstance(origin.get(k), str)}


def _timed(
    contest: Contest, chosen: Sequence[str], runs: Mapping[str, tuple[str, int]], device: torch.device | str
) -> Iterator[Measuring]:
    """Time the methods that no earlier call has timed; the runs of one that diverges are over."""
    folder = contest.folder
    failed = {runs[run][0] for run in runs if "failed" in folder.runs.get(run, {})}
    for one in (one for one in chosen if not is_timed(folder.costs, one) and one not in failed):
        yield Measuring(f"the speed of {one}")
        try:
            time_method(contest, one, device)
        except Diverged as error:
            folder.runs |= {run: _failed(*runs[run], error) for run in runs if runs[run][0] == one}


def _suited(data: Data) -> list[str]:
    """Return the methods that are compared where none is named; of series of unequal length those that take masks."""
    names = COMPARED.get(data.modality, ())
    if data.modality == "series" and len(steps := ends(data.values)) and (steps != steps[0]).any():
        return [name for name in names if find_method(name).takes_masks]
    return list(names)


def _failed(method: str, seed: int, error: Diverged) -> dict[str, Any]:
    times = {"cpu_seconds": 0.0, "seconds": 0.0}
    return {"method": method, "seed": seed, **times, "finished": True, "failed": str(error), "verdict": "diverged"}


def _run(
    contest: Contest, name: str, method: str, seed: int, device: torch.device | str
) -> Generator[ComparisonEvent, None, bool]:
    """Train one run to its end or its part of the budget, and measure it; return whether the caller stopped it."""
    folder = contest.folder
    state = folder.runs.setdefault(name, {"method": method, "seed": seed, "cpu_seconds": 0.0, "seconds": 0.0})
    prepared: Prepared | None = None
    interrupted = False
    try:
        for event in _training(contest, name, method, seed, device):
            if isinstance(event, Planned):
                prepared = event.prepared
            interrupted = isinstance(event, Stopped) and not state.get("full")
            yield Underway(name, event)
    except Diverged as error:
        folder.runs[name] = _failed(method, seed, error) | {k: state[k] for k in ("cpu_seconds", "seconds")}
        contest.spend()
        return False
    if interrupted:
        return True
    assert prepared is not None
    yield Measuring(name)
    contest.measure_run(name, prepared)
    return False


def _training(contest: Contest, name: str, method: str, seed: int, device: torch.device | str) -> Iterator[Event]:
    folder, clock = contest.folder, contest.clock
    state, place = folder.runs[name], folder.folder / name
    assert folder.share is not None
    start, wall, before = clock(), time.perf_counter(), state["cpu_seconds"]
    if (place / "recipe.toml").is_file():
        events = train(contest.data, resume=place, device=device)
    else:
        recipe = contest.recipes[method].changed({"train.seed": seed})
        per_epoch = try_out(contest, recipe, device)
        seconds = _PLANNED * folder.share - (clock() - start) - folder.costs[f"beginning {method}"]
        recipe = recipe.changed({"train.epochs": epochs_within(max(seconds, 0.0), per_epoch)})
        events = train(contest.data, recipe, out=place, device=device, origin=contest.origin)
    try:
        for event in events:
            if isinstance(event, Stepped) and before + clock() - start > _MOST * folder.share:
                state["full"] = True
                event.stop()
            yield event
            if isinstance(event, (Trained, Stopped)):
                return
    finally:
        events.close()  # type: ignore[attr-defined]
        state["cpu_seconds"] = before + clock() - start
        state["seconds"] += time.perf_counter() - wall
        contest.spend()
