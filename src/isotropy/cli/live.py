"""The live line of a training: where it is, how it goes, and how long it takes."""

from collections import deque
from statistics import fmean
from time import perf_counter
from typing import Any

from rich.live import Live
from rich.text import Text

from isotropy.cli.show import OUT, duration
from isotropy.training import Step

_SECONDS_BETWEEN_LINES = 10.0
# Steps of which the loss that is shown is the mean: one batch's alone is as low as its rows are easy.
_MEAN_OF = 50


class LiveLine:
    """Shows every step of so many epochs: one line that changes on a terminal, a line every ten seconds elsewhere.

    Of several ranks one has `shown` set. `label` is the verdict so far.
    """

    def __init__(self, epochs: float, *, shown: bool = True) -> None:
        self.epochs, self.shown, self.label = epochs, shown, ""
        self._recent: deque[tuple[float, int, float]] = deque(maxlen=200)
        self._terms: deque[dict[str, float]] = deque(maxlen=_MEAN_OF)
        self._live = Live(console=OUT, refresh_per_second=8, transient=False) if OUT.is_terminal and shown else None
        self._begun = self._printed = perf_counter()
        self._first = 0

    def __enter__(self) -> "LiveLine":
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live:
            self._live.stop()

    def show(self, step: Step, health: dict[str, Any]) -> None:
        """Show a step; `health` is the newest of every number that is recorded."""
        self._first = self._first or step.number
        now = perf_counter()
        self._recent.append((now, step.rows, step.waited / max(step.seconds, 1e-9)))
        self._terms.append(step.terms)
        if self._live:
            self._live.update(Text(folded(self.line(step, health), OUT.width), overflow="ellipsis", no_wrap=True))
        elif self.shown and (step.number == step.steps or now - self._printed > _SECONDS_BETWEEN_LINES):
            OUT.print(Text(self.line(step, health)))
            self._printed = now

    def line(self, step: Step, health: dict[str, Any]) -> str:
        """Return the line: epoch, loss terms (means of the last steps), speed, wait, rank, mean norm, time left."""
        recent = [*self._terms] or [step.terms]
        terms = "  ".join(f"{name} {fmean(one[name] for one in recent):.4g}" for name in step.terms)
        passed = perf_counter() - self._begun
        done = step.number - self._first + 1
        left = passed / done * (step.steps - step.number)
        # As many digits as the total has: a length of 1.669 epochs ends at 1.669, and not at 2.0.
        total = f"{self.epochs:g}"
        digits = max(1, len(total.partition(".")[2]))
        parts = [f"epoch {min(step.epoch, self.epochs):.{digits}f}/{total}", terms, *self._speed()]
        if "effective_rank" in health:
            rank, norm = health["effective_rank"], health["mean_norm"]
            parts.append("rank none" if rank is None else f"rank {rank:.1f}")
            parts.append("mean none" if norm is None else f"mean {norm:.2f}")
        if self.label:
            parts.append(self.label)
        parts.append(f"{duration(left)} left" if step.number < step.steps else f"took {duration(passed)}")
        return " | ".join(parts)

    def _speed(self) -> list[str]:
        if len(self._recent) < 2:
            return []
        seconds = self._recent[-1][0] - self._recent[0][0]
        rows = sum(rows for _, rows, _ in self._recent) - self._recent[0][1]
        waited = sum(share for *_, share in self._recent) / len(self._recent)
        return [f"{rows / max(seconds, 1e-9):,.0f} samples/s", f"data {waited:.0%}"]


def folded(line: str, width: int) -> str:
    """Return the line with breaks between its parts, where a terminal is too narrow for all of them.

    Example:
        >>> folded("epoch 1.0/3 | loss 0.5 | 7 s left", 24)
        'epoch 1.0/3 | loss 0.5\\n7 s left'
    """
    lines = [""]
    for part in line.split(" | "):
        longer = f"{lines[-1]} | {part}" if lines[-1] else part
        lines[-1:] = [longer] if len(longer) <= width or not lines[-1] else [lines[-1], part]
    return "\n".join(lines)
