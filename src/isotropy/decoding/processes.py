"""Processes that decode small images side by side, which threads of one process cannot: most of that work is Python."""

import os
import subprocess
import sys
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from queue import SimpleQueue
from typing import Self

from PIL import Image

from isotropy.decoding.answers import Answer, Content, answer, question, read_reply, receive, send
from isotropy.decoding.image_files import Form

# Questions in flight for each process: what bounds the memory.
_AHEAD = 3
_START = "import sys; sys.path[:] = {path!r}; from isotropy.decoding.worker import main; main({pixels!r})"


class Processes:
    """As many processes as there are cores, which answer about files; a context that ends them.

    They are started anew by their interpreter, not forked, and import neither torch nor the user's program, so that
    no script needs a guard. What a process leaves unanswered, because it cannot start or was killed, is done here.
    """

    def __init__(self, count: int) -> None:
        self._idle: SimpleQueue[subprocess.Popen[bytes] | None] = SimpleQueue()
        self._all = [found for _ in range(count) if (found := _started()) is not None]
        for place in range(count):
            self._idle.put(self._all[place] if place < len(self._all) else None)
        self._threads = ThreadPoolExecutor(count, "decoding")
        self._count = count

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        # What is still in work would be waited for: its answer is not wanted where an error came in between.
        for one in self._all:
            one.kill()
        self._threads.shutdown(cancel_futures=True)
        for one in self._all:
            # A question that was not read to its end cannot be sent.
            with suppress(OSError), one:
                pass

    def answers(self, parts: Iterable[Sequence[Content]], form: Form) -> Iterator[Answer]:
        """Yield the images of each part of the files in a form, in order, and what their headers tell."""
        waiting: deque[Future[Answer]] = deque()
        for files in parts:
            waiting.append(self._threads.submit(self._answer, files, form))
            if len(waiting) >= _AHEAD * self._count:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()

    def _answer(self, files: Sequence[Content], form: Form) -> Answer:
        process = self._idle.get()
        try:
            if process is not None:
                try:
                    return _asked(process, files, form)
                except (OSError, EOFError, ValueError):
                    process.kill()
                    process = None
            return answer(files, form)
        finally:
            self._idle.put(process)


def _asked(process: "subprocess.Popen[bytes]", files: Sequence[Content], form: Form) -> Answer:
    assert process.stdin is not None and process.stdout is not None
    send(process.stdin, *question(files, form))
    return read_reply(*receive(process.stdout), form)


def _started() -> "subprocess.Popen[bytes] | None":
    """Return a new process that answers; None where none can be had."""
    # A program that was frozen into one file is its own interpreter, and would start itself.
    if not sys.executable or getattr(sys, "frozen", False):
        return None
    code = _START.format(path=[str(place) for place in sys.path], pixels=Image.MAX_IMAGE_PIXELS)
    one_thread = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    try:
        return subprocess.Popen(
            [sys.executable, "-I", "-c", code],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=os.environ | one_thread,
        )
    except OSError:
        return None
