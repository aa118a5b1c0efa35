"""How much memory is free for a process: what the system, its container and its own limits leave."""

import os
from collections.abc import Iterator
from pathlib import Path

_MEMINFO, _OWN, _GROUPS = Path("/proc/meminfo"), Path("/proc/self"), Path("/sys/fs/cgroup")


def free_memory() -> int | None:
    """Return about how many bytes this process may still take, None on a system that does not tell.

    The least of what is available on the machine, within the control group, and below `ulimit -v` and `ulimit -d`.
    """
    left = [one for one in (_of_machine(), _of_group(), _of_limits()) if one is not None]
    return max(0, min(left)) if left else None


def _of_machine() -> int | None:
    for line in _lines(_MEMINFO):
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    except (ValueError, OSError, AttributeError):
        return None


def _of_group() -> int | None:
    """Return what the control group of version 2, or of version 1, leaves; what is kept of files is no loss."""
    for line in _lines(_OWN / "cgroup"):
        _, controllers, path = line.split(":", 2)
        for folder, limit, held in (
            (_GROUPS / path.strip("/"), "memory.max", "anon"),
            (_GROUPS / "memory" / path.strip("/"), "memory.limit_in_bytes", "total_rss"),
        ):
            most = next(_lines(folder / limit), "max")
            if controllers in ("", "memory") and most.isdigit():
                taken = dict(pair.split() for pair in _lines(folder / "memory.stat")).get(held, "0")
                return int(most) - int(taken)
    return None


def _of_limits() -> int | None:
    try:
        import resource
    except ImportError:  # Windows
        return None
    sizes = next(_lines(_OWN / "statm"), "0 0 0 0 0 0").split()
    left = [
        limit - int(sizes[place]) * resource.getpagesize()
        for place, kind in ((0, resource.RLIMIT_AS), (5, resource.RLIMIT_DATA))
        if (limit := resource.getrlimit(kind)[0]) != resource.RLIM_INFINITY
    ]
    return min(left, default=None)


def _lines(path: Path) -> Iterator[str]:
    try:
        return iter(path.read_text().splitlines())
    except OSError:
        return iter(())
