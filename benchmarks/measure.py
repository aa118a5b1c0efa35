"""What the benchmarks share: timing in turns, ratios of pairs, and the record that `run.py` reads.

The rule: the sides of a comparison run in one process and take turns, the first turn warms up and is dropped, every
other turn gives one ratio, and the median of these ratios must reach the threshold. The smallest and the largest are
recorded beside it, and the fraction of the cores that other programs took meanwhile: how noisy the machine was.

On a machine that others use the clock times the queue for its cores. There `--busy` counts CPU seconds instead,
of one thread, those of a loader's workers included: the work that either side does, whoever else is at work.
"""

import argparse
import json
import os
import platform
import resource
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import torch

RESULTS = Path(__file__).parent / "results"
CLOCK: list[Callable[[], float]] = [perf_counter]


@dataclass(frozen=True)
class Row:
    """One comparison: the median over pairs of a ratio of times, and what it has to reach.

    Attributes:
        name: what is compared, "numerator / denominator".
        ratio: the median over the pairs; `low` and `high`: the smallest and the largest.
        threshold: what the median must reach, None where nothing is asked; `at_most`: it is an upper bound.
        seconds: median seconds of either side.
    """

    name: str
    ratio: float
    low: float
    high: float
    threshold: float | None = None
    at_most: bool = False
    seconds: tuple[float, float] | None = None

    @property
    def fine(self) -> bool:
        """Whether the threshold, if there is one, is reached."""
        if self.threshold is None:
            return True
        return self.ratio <= self.threshold if self.at_most else self.ratio >= self.threshold


def in_turns(sides: dict[str, Callable[[], object]], turns: int) -> dict[str, list[float]]:
    """Return the seconds of every side, one number per turn; the order within a turn is reversed every time."""
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for turn in range(turns + 1):
        for name in list(sides) if turn % 2 else reversed(list(sides)):
            taken = timed(sides[name])
            if turn:
                seconds[name].append(taken)
    return seconds


def timed(run: Callable[[], object]) -> float:
    """Return the seconds that `run` takes, by the clock that was asked for."""
    start = CLOCK[0]()
    run()
    return CLOCK[0]() - start


def row(
    name: str, above: list[float], below: list[float], threshold: float | None = None, at_most: bool = False
) -> Row:
    """Return the comparison of the times `above` with the times `below`, pair by pair."""
    ratios = [a / b for a, b in zip(above, below, strict=True)]
    found = [round(number, 3) for number in (median(ratios), min(ratios), max(ratios))]
    return Row(name, *found, threshold, at_most, (round(median(above), 5), round(median(below), 5)))


def busy_seconds() -> tuple[float, float]:
    """Return the CPU seconds that all programs took so far, and those of this one and its ended children."""
    stat = Path("/proc/stat")
    if not stat.exists():
        return 0.0, 0.0
    user, nice, system, _, _, *rest = (int(ticks) for ticks in stat.read_text().split("\n", 1)[0].split()[1:9])
    return (user + nice + system + sum(rest)) / os.sysconf("SC_CLK_TCK"), own_seconds()


def own_seconds() -> float:
    """Return the CPU seconds of this program and its ended children, to microseconds."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


START = (perf_counter(), *busy_seconds())


def taken_by_others() -> float:
    """Return the fraction of all cores that other programs took since this module was imported (0 where unknown)."""
    seconds, everyone, own = (now - then for now, then in zip((perf_counter(), *busy_seconds()), START))
    return round(max(0.0, everyone - own) / (seconds * (os.cpu_count() or 1)), 3)


def machine() -> dict[str, Any]:
    """Return what a time depends on."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    able = getattr(torch.cpu, "get_capabilities", dict)()
    return {
        "processor": names[0] if names else platform.processor(),
        "units": [unit for unit in ("amx_bf16", "avx512_bf16", "avx512_f", "avx2") if able.get(unit)],
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "torch": str(torch.__version__),
    }


def write(name: str, rows: list[Row], out: Path, **more: Any) -> float:
    """Write the record of benchmark `name` to `out` and return the fraction of the cores that other programs took."""
    # All that changes the numbers: not where they are written.
    given = sys.argv[1:]
    arguments = [word for word, before in zip(given, ["", *given]) if "--out" not in (word, before)]
    record = {
        "command": " ".join(["python", f"benchmarks/{name}.py", *arguments]),
        "date": date.today().isoformat(),
        "machine": machine(),
        "clock": "processor" if CLOCK[0] is own_seconds else "wall",
        "seconds": round(perf_counter() - START[0], 1),
        "taken_by_others": taken_by_others(),
        "rows": [asdict(row) for row in rows],
        **more,
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(record, indent=1) + "\n")
    return taken_by_others()


def finish(name: str, rows: list[Row], out: Path, **more: Any) -> int:
    """Write the record of benchmark `name` to `out`, print its rows, and return the exit status."""
    others = write(name, rows, out, **more)
    for row in rows:
        asked = "" if row.threshold is None else f", {'at most' if row.at_most else 'at least'} {row.threshold}"
        print(f"{row.name}: {row.ratio} ({row.low} to {row.high}{asked}){'' if row.fine else ' MISSED'}")
    print(f"other programs took {others:.0%} of the cores")
    return 0 if all(row.fine for row in rows) else 1


def parser(name: str, description: str) -> argparse.ArgumentParser:
    """Return a parser with the options that every benchmark has."""
    made = argparse.ArgumentParser(description=description)
    made.add_argument("--out", type=Path, default=RESULTS / f"{name}.json")
    made.add_argument("--busy", action="store_true", help="count the CPU seconds of one thread")
    return made


def start(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """Parse the arguments and set the clock that they ask for."""
    arguments = parser.parse_args()
    if arguments.busy:
        torch.set_num_threads(1)
        CLOCK[0] = own_seconds
    return arguments
