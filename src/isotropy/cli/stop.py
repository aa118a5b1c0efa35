"""Ctrl-C that ends a step and saves, before it interrupts."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class Stop:
    """Whether the user asked to stop."""

    wanted = False


@contextmanager
def polite_stop() -> Iterator[Stop]:
    """Let the first Ctrl-C end the step and save; a second one interrupts at once."""
    stop = Stop()

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
