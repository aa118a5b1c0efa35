"""How many threads a training gets on a processor that other programs use as well."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import sleep

import torch

from isotropy.training import checkpoint

_STAT = Path("/proc/stat")
_SAMPLE = 0.4


def threads_beside(taken: float, most: int) -> int:
    """Return how many of `most` threads fit beside other programs that take the fraction `taken` of the cores.

    Threads of one small step wait for each other hundreds of times. With a core too few they wait for the system to
    give one back each time, and together are slower than one thread alone (docs/speed.md).

    Example:
        >>> [threads_beside(taken, most=2) for taken in (0.0, 0.2, 0.5, 1.0)]
        [2, 2, 1, 1]
    """
    return min(most, max(1, int(most * (1 - taken) + 0.5)))


@contextmanager
def fitting_threads(device: torch.device, checkpoints: Path | None) -> Iterator[str]:
    """Let torch have as many threads within as fit beside other programs, or as the run had; yield what to say of it.

    Arithmetic depends on the number, so it is settled once for a run. OMP_NUM_THREADS decides where it is set.

    Args:
        device: where training runs; nothing is changed but for a processor.
        checkpoints: the folder of a run that goes on.
    """
    before = torch.get_num_threads()
    if device.type != "cpu" or "OMP_NUM_THREADS" in os.environ or (before == 1 and checkpoints is None):
        yield ""
        return
    last = None if checkpoints is None else checkpoint.last_good(checkpoints)
    if last is None:
        threads, why = threads_beside(_taken_by_others(), before), "other programs hold the processor"
    else:
        threads, why = min(before, int(checkpoint.about(last)["conditions"]["threads"])), "as the run began"
    torch.set_num_threads(threads)
    number = "one thread" if threads == 1 else f"{threads} threads"
    try:
        yield "" if threads == before else f"{why}: {number} of {before} (OMP_NUM_THREADS={before} takes all)"
    finally:
        torch.set_num_threads(before)


def _taken_by_others() -> float:
    """Return the fraction of all cores in use while this thread sleeps; 0 where the system does not tell."""
    if not _STAT.exists():
        return 0.0
    first = _used()
    sleep(_SAMPLE)
    used, every = (now - then for now, then in zip(_used(), first, strict=True))
    return used / every if every else 0.0


def _used() -> tuple[int, int]:
    """Return the ticks in which all cores worked, and those that passed, since the machine was started."""
    user, nice, system, idle, waiting, *rest = map(int, _STAT.read_text().split("\n", 1)[0].split()[1:9])
    used = user + nice + system + sum(rest)
    return used, used + idle + waiting
