"""The numbers and checkpoints of one training, as they are written."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

from isotropy.io.logs import Log, finite_or_none
from isotropy.training import Step

_SECONDS_BETWEEN_CHECKPOINTS = 30.0


class Recorder:
    """Writes the numbers and checkpoints of one training; without logs it keeps the records in memory.

    Args:
        logs: of the run, by name; empty on other ranks than the first.
        checkpoints: the folder where they go, None for nowhere.
        records: of the monitor, from before a resume.
    """

    def __init__(
        self, logs: Mapping[str, Log], checkpoints: Path | None = None, records: Sequence[dict[str, Any]] = ()
    ) -> None:
        self._logs, self.checkpoints = logs, checkpoints
        self.records = list(records)
        self._saved = perf_counter()

    def step(self, step: Step) -> None:
        """Write a step's line of metrics.jsonl (a function of the run alone) and of timing.jsonl."""
        if self._logs:
            self._logs["metrics"].add(_metrics(step))
            self._logs["timing"].add({"step": step.number, "seconds": step.seconds, "waited": step.waited})

    def record(self, seen: dict[str, float]) -> dict[str, Any]:
        """Keep what the monitor saw, and return it as it is written: null where a number is not finite."""
        self.records.append(self._logs["diagnostics"].add(seen) if self._logs else finite_or_none(seen))
        return self.records[-1]

    @property
    def due(self) -> bool:
        """Whether half a minute has passed since the last checkpoint."""
        return perf_counter() - self._saved > _SECONDS_BETWEEN_CHECKPOINTS

    def save(self, step: Step) -> None:
        """Write a checkpoint of the step, with the lengths of the logs, which a resume cuts back to."""
        if self.checkpoints is not None:
            step.save(self.checkpoints, offsets={name: log.flushed() for name, log in self._logs.items()})
            self._saved = perf_counter()


def _metrics(step: Step) -> dict[str, Any]:
    return {
        "step": step.number,
        "epoch": step.epoch,
        "pass": step.pass_,
        "loss": step.loss,
        "terms": step.terms,
        "lr": step.lr,
    }
