"""The events of a run: plan, steps, records, evidence and result."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from isotropy.diagnostics.verdict import Verdict
from isotropy.representation import Representation
from isotropy.runs import prepare
from isotropy.runs.prepare import Prepared
from isotropy.training import Step


@dataclass(frozen=True)
class Planned:
    """What will be trained and for how long; nothing is written yet.

    Attributes:
        prepared: the data, its division, and the method; `prepared.recipe` is the recipe as it will be run.
        epochs: of the encoder. reason: what decided them: "epochs", "budget", "recipe" or "default"; "resume" where a
            run goes on to its end, and "longer" where a finished one is extended.
        folder: the run directory, None where there will be none.
        reserved: seconds of the budget, or of the default length, that are not for training: reading, embedding,
            evidence.
        done: epochs that a finished run was trained for already, where it is extended.
        probed: training and test rows that are probed at most, where it is less than usual.
        left_out: evaluators that labels of many classes are not read by, where the budget does not pay for them.
        note: why fewer threads train than there are; empty where all do.
        per_epoch: seconds that an epoch takes, where that had to be known for the plan.
    """

    prepared: Prepared
    epochs: float
    reason: str
    folder: Path | None
    reserved: float = 0.0
    done: float = 0.0
    probed: Sequence[int] = ()
    left_out: Sequence[str] = ()
    note: str = ""
    per_epoch: float | None = None

    @cached_property
    def seconds(self) -> float:
        """About how long the training takes; where that is not known yet, ask on every rank or none."""
        per_epoch = prepare.seconds_per_epoch(self.prepared) if self.per_epoch is None else self.per_epoch
        return (self.epochs - self.done) * per_epoch


@dataclass
class _Stoppable:
    """An event after which the run can be stopped; `stopping`: whether with a checkpoint, None where it goes on."""

    stopping: bool | None = field(default=None, init=False, repr=False)

    def stop(self, *, save: bool = True) -> None:
        """End the run after this step on all ranks, with a checkpoint of it unless `save` is false.

        The next event is `Stopped`. After the last step there is nothing left to stop.
        """
        self.stopping = save


@dataclass
class Recorded(_Stoppable):
    """The monitor's newest record, a line of diagnostics.jsonl, and the newest verdict; on the first rank alone.

    In `record` None stands for what is not finite.
    """

    record: dict[str, Any]
    verdict: Verdict | None


@dataclass
class Stepped(_Stoppable):
    """One step of training, and in `health` the newest of every number that the monitor records."""

    step: Step
    health: dict[str, Any]


@dataclass(frozen=True)
class Stopped:
    """The run was stopped after `step`, before its end; nothing follows. `saved`: whether `resume` goes on after it."""

    step: Step
    saved: bool
    folder: Path | None


@dataclass(frozen=True)
class Trained:
    """All steps are taken; evaluation and export follow."""

    prepared: Prepared


@dataclass(frozen=True)
class Evaluated:
    """One of the labels was probed on the test rows: `evidence` is an entry of probes.json; on the first rank alone."""

    evidence: dict[str, Any]


@dataclass(frozen=True)
class Finished:
    """The end of a run; nothing follows.

    Attributes:
        representation: the trained encoder. prepared: the data and the method.
        records: of the monitor. evidence: one entry per label. codes: what codes are worth, where there are some.
        verdict: on the whole training; these four are the first rank's, and empty or None on the others.
        folder: the run directory, if there is one.
    """

    representation: Representation
    prepared: Prepared
    records: list[dict[str, Any]]
    evidence: list[dict[str, Any]]
    codes: dict[str, Any] | None
    verdict: Verdict | None
    folder: Path | None


Event = Planned | Recorded | Stepped | Stopped | Trained | Evaluated | Finished
