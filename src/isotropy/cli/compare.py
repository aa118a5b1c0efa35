"""`isotropy compare`: options into `isotropy.compare_methods`, its events onto the terminal, endings as exit codes."""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from shlex import join
from typing import Any

from rich.status import Status

from isotropy import report
from isotropy.cli.budget import seconds_of
from isotropy.cli.inputs import pick_device, read_with_bar
from isotropy.cli.leaderboard import show_leaderboard
from isotropy.cli.live import LiveLine
from isotropy.cli.show import INTERRUPTED, OUT, complain, duration, note, say, waiting
from isotropy.cli.stop import polite_stop
from isotropy.runs.compare_methods import (
    ComparisonEvent,
    Interrupted,
    Leaderboard,
    Measuring,
    Shared,
    Underway,
    compare_methods,
)
from isotropy.runs.events import Planned, Recorded, Stepped
from isotropy.runs.settings import parse_setting


def compare(
    origin: dict[str, Any],
    *,
    methods: tuple[str, ...],
    seeds: int | None,
    budget: str,
    seed: int,
    settings: list[str],
    device: str,
    out: Path | None,
    again: list[str],
) -> dict[str, Any]:
    """Run `isotropy compare PATH`; return what leaderboard.json holds.

    Args:
        origin: the path and how it is read. again: the arguments of the command, which go on after an interruption.
    """
    place = pick_device(device)
    clock = time.perf_counter if place.type == "cuda" else time.process_time
    begun = clock()
    changes = dict(parse_setting(text) for text in settings)
    seconds = seconds_of(budget)
    data = read_with_bar(origin)
    say(data.description)
    events = compare_methods(
        data, methods=methods or None, seeds=seeds, budget=seconds, seed=seed, settings=changes, device=place,
        out=out, spent=clock() - begun, origin=origin,
    )  # fmt: skip
    board = _show(events, f"go on with the same command: {join(['isotropy', *again])}")
    with waiting("writing the page"):
        page = report.write(board.folder)
    say("")
    show_leaderboard(board.to_json())
    say("")
    say(f"runs        {board.folder}/METHOD-SEED (isotropy embed, probe and report take them)")
    say(f"report      {page}")
    return board.to_json()


def _show(events: Iterator[ComparisonEvent], go_on: str) -> Leaderboard:
    """Show a comparison to its end; one that was stopped ends with an exit code."""
    try:
        for event in _shown(events):
            if isinstance(event, Leaderboard):
                return event
            assert isinstance(event, Interrupted)
            complain(f"stopped in {event.run}, whose step was saved; {go_on}")
            break
    except KeyboardInterrupt:
        complain(f"interrupted; {go_on}")
    raise SystemExit(INTERRUPTED)


def _shown(events: Iterator[ComparisonEvent]) -> Iterator[Leaderboard | Interrupted]:
    """Show the events as they pass, and yield the one that ends them."""
    live: LiveLine | None = None
    status = Status("", console=OUT)
    with polite_stop() as stop, ExitStack() as shown:

        def wait(what: str) -> None:
            if OUT.is_terminal:
                status.update(what)
                shown.enter_context(status)

        wait("preparing the rows")
        for event in events:
            if not isinstance(event, Underway):
                shown.close()
                live = None
            match event:
                case Measuring(name=name):
                    wait(f"measuring {name}")
                case Shared() if event.left:
                    runs = f"{len(event.left)} of {len(event.runs)} runs to train"
                    say(f"{runs}, {duration(event.share)} of CPU time each, in {event.folder}")
                    for line in event.notes:
                        note(line)
                    wait("preparing the first run")
                case Underway(run=run, event=Planned() as planned):
                    shown.close()
                    say(f"{run}:")
                    live = shown.enter_context(LiveLine(planned.epochs))
                case Underway(event=Recorded(verdict=verdict)) if verdict is not None and live is not None:
                    live.label = verdict.name if verdict.name != "unknown" else ""
                case Underway(event=Stepped() as stepped) if live is not None:
                    live.show(stepped.step, stepped.health)
                    if stop.wanted:
                        stepped.stop()
                case Interrupted() | Leaderboard():
                    yield event
            if stop.wanted and not isinstance(event, Underway):
                raise KeyboardInterrupt
