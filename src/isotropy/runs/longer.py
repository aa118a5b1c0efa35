"""A finished run that is trained longer: how much longer, and what cannot be.

The schedule is that of the longer run, entered where the run stands in it. Where it is constant (the learning rate, and
whatever the method moves with `progress`), the run ends in the bits of one that was planned so long. Where the rate
decays, it goes back up to what the longer schedule has there.
"""

from isotropy.errors import UserError
from isotropy.runs import prepare
from isotropy.runs.directory import Run
from isotropy.runs.prepare import Prepared
from isotropy.training import checkpoint


def epochs_done(run: Run, prepared: Prepared) -> float:
    """Return how many epochs of the encoder the run's last checkpoint has behind it."""
    last = checkpoint.last_good(run.checkpoints)
    assert last is not None, "a run without checkpoints is refused before"
    return float(checkpoint.about(last)["step"]) / prepared.plan.per_epoch


def refuse_no_more(run: Run, prepared: Prepared, done: float, epochs: float) -> None:
    """Raise UserError where so many epochs are no longer than what the run has behind it."""
    if prepared.with_epochs(epochs).plan.steps <= round(done * prepared.plan.per_epoch):
        raise UserError(f"{run.folder}: has been trained for {done:g} epochs: {epochs:g} in all is no longer")


def epochs_within_budget(run: Run, prepared: Prepared, done: float, budget: float, reserved: float) -> float:
    """Return how many epochs in all a budget in seconds allows, beside what is reserved for embedding and evidence.

    Raises:
        UserError: a budget that was spent.
    """
    spent = run.trained_seconds
    left = budget - reserved - spent
    if left <= 0:
        raise UserError(
            f"{run.folder}: {done:g} epochs took {spent:.0f} s, and of a budget of {budget:.0f} s in all "
            f"{max(budget - reserved, 0):.0f} s are for training: give more than {spent + reserved:.0f} s"
        )
    return round(done + prepare.epochs_within(left, prepare.seconds_per_epoch(prepared)), 3)
