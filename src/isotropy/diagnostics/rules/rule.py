"""What a rule is: a failure, how it is told from a run's records, and what to try against it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from isotropy.diagnostics.rules.records import Evidence, Records, RunFacts

# Fraction of the training before which slowness, or a low value, is expected in healthy runs too.
BEGUN = 0.15

# What is tried against more than one failure.
LOWER_RATE = "lower optim.lr tenfold, and raise optim.warmup to 0.1"
TRAIN_LONGER = "train longer (raise train.epochs), or raise optim.lr threefold"
CHECK_VIEWS = "look at the views: views of different samples must differ, and a view must keep what its sample is"


@dataclass(frozen=True)
class Rule:
    """One failure.

    Attributes:
        name, sentence: of the verdict. when: returns the evidence for it, empty where there is none.
        advice: one or two things to try, by method, by mechanism or by "" for any; settings that they name exist.
        alarm: whether going on as it is cannot help.
    """

    name: str
    sentence: str
    when: Callable[[Records, RunFacts], Evidence]
    advice: Mapping[str, tuple[str, ...]]
    alarm: bool = False

    def advise(self, facts: RunFacts) -> tuple[str, ...]:
        """Return what to try: for the method, else for its mechanism, else for any."""
        return next(self.advice[key] for key in (facts.method, facts.mechanism, "") if key in self.advice)
