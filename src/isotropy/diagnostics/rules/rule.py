"""What a rule is: a failure, how it is told from a run's records, and what to try against it."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from isotropy.diagnostics.rules.records import Evidence, Records, RunFacts

# Fraction of the training before which slowness, or a low value, is expected in healthy runs too.
BEGUN = 0.15
_MOST_ADVICE = 2


@dataclass(frozen=True)
class Advice:
    """Something to try, for methods that have what it is about.

    Attributes:
        text: what to try; a method must have the settings "method.NAME" that it names.
        needs: what it must have beside them, as `Method.parts` names it.

    Example:
        >>> slower = Advice("raise method.momentum towards 1", needs=("teacher",))
        >>> slower.suits({"teacher", "method.momentum"}), slower.suits({"teacher"})
        (True, False)
    """

    text: str
    needs: tuple[str, ...] = ()

    def suits(self, parts: Iterable[str]) -> bool:
        """Return whether a method with these parts can follow it."""
        return {*self.needs, *re.findall(r"method\.\w+", self.text)} <= {*parts}


# What is tried against more than one failure.
LOWER_RATE = Advice("lower optim.lr tenfold, and raise optim.warmup to 0.1")
TRAIN_LONGER = Advice("train longer (raise train.epochs), or raise optim.lr threefold")
CHECK_VIEWS = Advice(
    "look at the views: views of different samples must differ, and a view must keep what its sample is",
    needs=("views",),
)


def suited(advice: Iterable[Advice], parts: Iterable[str]) -> tuple[str, ...]:
    """Return the texts of the first advice, two at most, that methods with these parts can follow."""
    return tuple(one.text for one in advice if one.suits(parts))[:_MOST_ADVICE]


@dataclass(frozen=True)
class Rule:
    """One failure.

    Attributes:
        name, sentence: of the verdict. when: returns the evidence for it, empty where there is none.
        advice: what to try, the most special first; something is for any method.
        alarm: whether going on as it is cannot help.
    """

    name: str
    sentence: str
    when: Callable[[Records, RunFacts], Evidence]
    advice: tuple[Advice, ...]
    alarm: bool = False

    def advise(self, facts: RunFacts) -> tuple[str, ...]:
        """Return one or two things to try with the method that was trained."""
        return suited(self.advice, facts.parts)
