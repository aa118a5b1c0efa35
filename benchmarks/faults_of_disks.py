"""Faults of disks, folders and memory: what a command may not write, or not hold."""

import ctypes
import errno
import mmap
import os
import random
import resource
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kills import finished
from struck import (
    FIT,
    LONGER,
    Record,
    Strike,
    contents,
    damage,
    gone_on,
    gone_on_longer,
    half_written,
    in_place,
    on_run,
    problem,
    resumed,
    stop,
    struck,
)

# Writes of each command that are refused, each with all after it.
_REFUSED = 2


def limit(what: int, most: int) -> Callable[[], None]:
    """Return what limits a process."""
    return lambda: resource.setrlimit(what, (most, most))


def full_disk(record: Record, dice: random.Random) -> None:
    """Refuse files above a random size, which is what a disk that fills up does to the last one."""
    log = Path("log")
    sizes = sorted(path.stat().st_size for path in Path("peace").rglob("*") if path.is_file())
    for number in range(8):
        run = Path(f"disk-{number}")
        code = struck(
            [*FIT, "--out", str(run)], log, limit(resource.RLIMIT_FSIZE, dice.choice(sizes) - dice.randint(1, 20))
        )
        fault = problem(code, log) or (f"left {half_written(run)}" if half_written(run) else "")
        record.note("fit: one line, equal after", fault or gone_on(run, log))
        shutil.rmtree(run)
    for index in range(2 * len(on_run(Path()))):
        place = in_place(0)
        words, before = on_run(place)[index // 2], contents(place)
        code = struck(words, log, limit(resource.RLIMIT_FSIZE, 2000 if index % 2 else dice.randint(1, 40_000)))
        fault = problem(code, log) or damage(words, code, before, place)
        record.note("another command: one line" if code else "another command: ended well", fault)


class Writes:
    """Counts, in a child, what is opened to be written, made or renamed in a folder, and refuses one and all after it.

    What pyarrow writes is not seen here; a limit of the size of files meets it.
    """

    def __init__(self, place: Path) -> None:
        self.place, self.shared = str(place.resolve()) + os.sep, mmap.mmap(-1, 8)

    @property
    def count(self) -> int:
        """How many there were."""
        return int.from_bytes(self.shared[:8], "little")

    def refused(self, first: int, number: int) -> Callable[[], None]:
        """Return what makes those from the `first` one on fail with an error's number."""
        self.shared[:8] = bytes(8)

        def heard(event: str, given: tuple[Any, ...]) -> None:
            if event == "open":
                writes = bool(given[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
            else:
                writes = event in ("os.mkdir", "os.rename")
            if not writes or not isinstance(given[0], str | Path):
                return
            if os.path.abspath(given[0]).startswith(self.place):
                self.shared[:8] = (self.count + 1).to_bytes(8, "little")
                if self.count >= first:
                    raise OSError(number, os.strerror(number), str(given[0]))

        return lambda: sys.addaudithook(heard)


def refused_writes(record: Record, dice: random.Random) -> None:
    """Refuse what a command writes from a random write on; it says so in a line, changes nothing, and works after."""
    for index in range(len(_on_run_and_fits(Path()))):
        place, words = _begun(index)
        writes = Writes(place)
        code = struck(words, Path("log"), writes.refused(sys.maxsize, 0))
        said = Path("log").read_text()[-300:]
        record.note("without a fault", f"{words[0]} failed: {said}" if code else "")
        if not (count := writes.count):
            continue
        for _ in range(_REFUSED):
            place, words = _begun(index)
            first, error = dice.randint(1, count), dice.choice([errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EDQUOT])
            before = contents(place)
            code = struck(words, Path("log"), Writes(place).refused(first, error))
            fault = _after(words, code, before, place)
            record.note(
                "one line, and ends well after" if code else "ended well",
                fault and f"{' '.join(words[:2])}, write {first} of {count}, {os.strerror(error)}: {fault}",
            )


def _on_run_and_fits(place: Path) -> list[list[str]]:
    """Return the commands on a run, and those that begin one, resume one that was stopped, and train one longer."""
    new = place / "new"
    return [*on_run(place), [*FIT, "--out", str(new)], resumed(new), [*resumed(place / "run"), *LONGER]]


def _begun(index: int) -> tuple[Path, list[str]]:
    """Return a folder with what a command needs, and its words."""
    place = in_place(2)
    words = _on_run_and_fits(place)[index]
    if words == resumed(place / "new"):
        stop(place / "new")
    return place, words


def _after(words: list[str], code: int, before: dict[Path, bytes], place: Path) -> str:
    """Return what is wrong after a command whose writes were refused, empty where all is as it should be."""
    log = Path("log")
    if fault := problem(code, log):
        return fault
    if half_written(place):
        return f"left {half_written(place)}"
    if words[0] == "fit":
        return gone_on_longer(place / "run", log) if words[-len(LONGER) :] == LONGER else gone_on(place / "new", log)
    # What a probe found stays where its page alone could not be written.
    if words[0] != "probe" and (fault := damage(words, code, before, place)):
        return fault
    return f"again: {log.read_text()[-200:]}" if code and finished(words, log)[0] else ""


def obey_permissions() -> None:
    """Give up root's right to write where nobody may."""
    libc, header, held = ctypes.CDLL(None), (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
    if libc.capget(header, held):
        raise OSError("capget")
    for place in range(3):
        held[place] &= ~0b1110  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER
    if libc.capset(header, held):
        raise OSError("capset")


def read_only(record: Record, dice: random.Random) -> None:
    """Run each command where nothing may be written."""
    log = Path("log")
    for index in range(len(on_run(Path())) + 2):
        place = in_place(1)
        words = [
            *on_run(place),
            [*FIT, "--out", str(place / "new")],
            ["fit", "--resume", str(place / "run"), "--epochs", "9"],
        ][index]
        for path in [place, *place.rglob("*")]:
            path.chmod(0o555 if path.is_dir() else 0o444)
        before = {path: path.stat().st_mtime_ns for path in place.rglob("*")}
        code = struck(words, log, obey_permissions)
        after = {path: path.stat().st_mtime_ns for path in place.rglob("*")}
        fault = problem(code, log) or ("" if code == 2 else f"{words[0]} ended well")
        record.note("one line", fault or ("something changed" if before != after else ""))


def little_memory(record: Record, dice: random.Random) -> None:
    """Limit the memory to a random part of what a run takes beyond the imports."""
    log = Path("log")
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    others = len(on_run(Path()))
    for number in range(10 + 2 * others):
        place = in_place(3)
        most = used + int(2 ** dice.uniform(20, 31))
        fits = [*FIT, "--set", "encoder.hidden=2048", "--out", str(place / "new")]
        words, before = [*on_run(place), fits][min(number // 2, others)], contents(place)
        code = struck(words, log, limit(resource.RLIMIT_AS, most))
        # Libraries that are loaded late, and find no room for their variables, are ended by glibc.
        ended = code == 127 and "cannot allocate memory for thread-local data" in log.read_text()
        fault = ("" if ended else problem(code, log)) or ("" if ended else damage(words, code, before, place))
        record.note("ended by the C library" if ended else "one line" if code else "ended well", fault)


STRIKES: dict[str, Strike] = {
    "folder that may not be written": read_only, "writes refused": refused_writes, "limit of memory": little_memory,
    "full disk": full_disk,
}  # fmt: skip
