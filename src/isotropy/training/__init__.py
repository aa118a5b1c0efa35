"""Where the loop is: `for step in fit(...)`, ranks, optimisers and checkpoints."""

from isotropy.training.checkpoint import Diverged
from isotropy.training.loop import Step, fit
from isotropy.training.optim import LARS, Optim
from isotropy.training.plan import Plan

__all__ = ["LARS", "Diverged", "Optim", "Plan", "Step", "fit"]
