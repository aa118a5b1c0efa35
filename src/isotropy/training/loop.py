"""The loop: a generator that trains; what else should happen is the body of the caller's `for`."""

import warnings
from collections.abc import Collection, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from torch import nn

from isotropy.encoders.encoder import to_channels_last
from isotropy.errors import UserError, counted
from isotropy.methods.method import Method, Outputs
from isotropy.rng import Stream
from isotropy.training import checkpoint, comm
from isotropy.training.gradient import Gradient, refuse_batch_statistics
from isotropy.training.optim import Optim
from isotropy.training.plan import Plan
from isotropy.training.precision import choose_precision
from isotropy.validation import find_device
from isotropy.views.multiview import Dataset, ViewMaker


@dataclass(frozen=True)
class Step:
    """One step that was taken.

    Attributes:
        number, steps: steps taken so far, from 1, and how many there will be.
        pass_, ends_pass: number of the pass over the data, from 0, and whether this was its last step.
        epoch: epochs of the encoder done so far.
        terms, loss: the loss's named terms over the rows of all ranks, and their sum.
        outputs: what `forward` returned, detached, gathered where the method gathers.
        lr: the scheduled learning rate.
        rows: rows of the batch over all ranks.
        seconds, waited: time that the step took, and the part of it spent on data and views.
    """

    number: int
    steps: int
    pass_: int
    ends_pass: bool
    epoch: float
    terms: dict[str, float]
    loss: float
    outputs: Outputs
    lr: float
    rows: int
    seconds: float
    waited: float
    _state: "_State"

    def save(self, folder: Path, **about: Any) -> Path | None:
        """Write a checkpoint of this step, before the next is taken, into `folder` (rank 0 only) and return its path.

        `about` is kept as JSON beside what the loop itself writes.

        Raises: Diverged for a weight that is not finite; UserError where the disk does not take the file.
        """
        assert self._state.done == self.number, "a step is saved before the next one is taken"
        return self._state.save(folder, about)


def fit(
    method: Method,
    dataset: Dataset,
    views: ViewMaker,
    *,
    optim: Optim | None = None,
    epochs: float = 10,
    batch_size: int = 256,
    seed: int = 0,
    precision: str = "auto",
    keep_last: bool = False,
    micro_batch: int | None = None,
    compile: bool = False,
    device: torch.device | str = "cpu",
    resume: Path | None = None,
    extends: Collection[int] = (),
) -> Iterator[Step]:
    """Train `method` on `dataset`, yielding every step.

    Args:
        method: moved to `device` and trained in place; in eval mode at the end.
        dataset: unlabelled rows on `device`.
        views: makes the views of a batch.
        optim: the optimiser and its schedule, AdamW by default.
        epochs: epochs of the encoder, above 0.
        batch_size: rows of one step over all ranks.
        seed: every random choice is a function of it.
        precision: "auto" (what the processor has units for), "float32" or "bf16".
        keep_last: keep the last, smaller batch of a pass.
        micro_batch: rows that go through the networks at once: exact large batches on small memory; refused where a
            module's batch statistics would differ.
        compile: compile the encoder.
        device: where training runs.
        resume: a checkpoint of the same training, which goes on bit-identically under the same conditions.
        extends: lengths in steps of which the checkpoint's training may be instead: it goes on at the place in this
            longer schedule that its step has there, as if it had been planned so long where the schedule is constant.

    Raises: UserError for arguments that do not fit; Diverged where the loss is not finite.

    Example:
        >>> from isotropy.data import ArrayDataset, TablePreprocess
        >>> from isotropy.encoders import TableMLP
        >>> from isotropy.methods import SimCLR
        >>> from isotropy.views import TableViews
        >>> table = TablePreprocess.learn(torch.randn(64, 5))
        >>> rows = table.transform(torch.randn(64, 5))
        >>> method = SimCLR(TableMLP(numeric=5, width=8, depth=2), projector=(8, 4))
        >>> views = TableViews(values=rows, numeric=5)
        >>> for step in fit(method, ArrayDataset(rows, table), views, epochs=1, batch_size=32):
        ...     pass
        >>> step.number, sorted(step.terms)
        (2, ['contrast'])
    """
    plan = Plan(
        rows=len(dataset),
        batch_size=batch_size,
        epochs=epochs,
        passes_per_epoch=method.passes_per_epoch,
        keep_last=keep_last,
    )
    _check(method, views, plan, micro_batch)
    device, optim = find_device(device), optim or Optim()
    precision = choose_precision(precision, device, method.encoder)
    method.to(device)
    if getattr(method.encoder, "convolutional", False):
        to_channels_last(method)
    if compile:
        method.encoder.compile()
    trainable = [parameter for parameter in method.parameters() if parameter.requires_grad]
    model = comm.distributed(method, find_unused=type(method).frozen is not Method.frozen)
    gradient = Gradient(
        method, model, device=device, bf16=precision == "bf16", seed=seed, chunked=micro_batch is not None
    )
    state = _State(method, optim, plan, seed, f"{device.type} {precision}")
    if resume is not None:
        state.load(resume, extends)
    try:
        yield from _steps(state, gradient, trainable, dataset, views, micro_batch)
    finally:
        # Also when the caller breaks off: nothing stays frozen, and the method is ready to be used or trained on.
        for parameter in trainable:
            parameter.requires_grad_(True)
        method.eval()


def _steps(
    state: "_State",
    gradient: Gradient,
    trainable: list[nn.Parameter],
    dataset: Dataset,
    views: ViewMaker,
    micro_batch: int | None,
) -> Iterator[Step]:
    """Take the steps that are left: this is the loop."""
    method, plan, seed = state.method, state.plan, state.seed

    entered = None
    for number in range(state.done, plan.steps):
        start = perf_counter()
        pass_, place = divmod(number, plan.per_pass)
        method.progress = number / plan.steps
        method.rng = Stream.of(seed, type(method).__name__, pass_=pass_, step=number)
        if pass_ != entered:
            _enter_pass(method, trainable, dataset, pass_, micro_batch)
            order, entered = plan.order(seed, pass_, dataset), pass_
        index = plan.batch(order, place)
        counts = comm.split_rows(len(index))
        mine = index.split(counts)[comm.rank()]
        pieces = [views(dataset, rows, seed=seed, pass_=pass_) for rows in mine.split(micro_batch or len(mine))]
        # A step stands for the time that it takes: its rate is that of its middle, and no step has the rate 0.
        lr = state.optim.set_rate(state.optimizer, (number + 0.5) / plan.steps)
        terms, outputs = gradient.backward(pieces, counts, number)
        state.optimizer.step()
        state.optimizer.zero_grad(set_to_none=True)
        method.progress = (number + 1) / plan.steps
        with torch.no_grad():
            method.update(**outputs)
        state.done = number + 1
        yield Step(
            number=state.done,
            steps=plan.steps,
            pass_=pass_,
            ends_pass=place + 1 == plan.per_pass,
            epoch=state.done / plan.per_epoch,
            terms=terms,
            loss=sum(terms.values()),
            outputs=outputs,
            lr=lr,
            rows=len(index),
            seconds=perf_counter() - start,
            waited=sum(piece.seconds for piece in pieces),
            _state=state,
        )


def _check(method: Method, views: ViewMaker, plan: Plan, micro_batch: int | None) -> None:
    name = type(method).__name__
    made = f"of a sample and the views make {views.count}: set views.num_views"
    if views.count < method.min_views:
        raise UserError(f"{name} compares at least {method.min_views} views {made} = {method.min_views}")
    if method.max_views is not None and views.count > method.max_views:
        raise UserError(f"{name} uses at most {counted(method.max_views, 'view')} {made} = {method.max_views}")
    if micro_batch is not None and micro_batch < 1:
        raise UserError(f"micro_batch = {micro_batch} must be at least 1 row")
    method.check_batch_size(min(plan.batch_size, plan.rows))
    if plan.smallest < comm.world():
        raise UserError(f"a batch of {counted(plan.smallest, 'row')} cannot be shared by {comm.world()} ranks")


def _enter_pass(
    method: Method, trainable: list[nn.Parameter], dataset: Dataset, pass_: int, micro_batch: int | None
) -> None:
    """Begin a pass: who learns, who sits it out, and what the method prepares from the data."""
    method.train()
    for parameter in trainable:
        parameter.requires_grad_(True)
    for module in method.modules():
        # Layers that are kept as they were given, in a teacher's copy of the encoder too: their norms do not move.
        for part in getattr(module, "held", ()):
            part.eval()
    for module in method.frozen(pass_):
        module.eval()
        for parameter in module.parameters():
            # No gradient at all: an optimiser would still decay a parameter whose gradient is zero.
            parameter.requires_grad_(False)
            parameter.grad = None
    if micro_batch is not None:
        refuse_batch_statistics(method)
    with torch.no_grad():
        method.before_pass(dataset, pass_)


class _State:
    """What a checkpoint holds, and which training it belongs to."""

    def __init__(self, method: Method, optim: Optim, plan: Plan, seed: int, arithmetic: str) -> None:
        self.method, self.optim, self.plan, self.seed, self.done = method, optim, plan, seed, 0
        self.optimizer = optim.build(method, method.unscheduled)
        self.identity = {
            "method": type(method).__name__,
            "rows": plan.rows,
            "batch_size": plan.batch_size,
            "steps": plan.steps,
            "keep_last": plan.keep_last,
            "seed": seed,
            "optim": asdict(optim) | {"betas": list(optim.betas)},
        }
        self.conditions = {
            "torch": str(torch.__version__),
            "threads": torch.get_num_threads(),
            "arithmetic": arithmetic,
            "ranks": comm.world(),
        }

    def save(self, folder: Path, about: dict[str, Any]) -> Path | None:
        if comm.rank() != 0:
            return None
        header = {"identity": self.identity, "conditions": self.conditions, "about": about}
        return checkpoint.save(folder, self.done, self.method, self.optimizer, header)

    def load(self, path: Path, extends: Collection[int] = ()) -> None:
        header = checkpoint.about(path)
        for name, value in self.identity.items():
            if (was := header["identity"].get(name)) != value and not (name == "steps" and was in extends):
                raise UserError(f"{path}: belongs to another training: {name} was {was} and is {value} now")
        was = header["conditions"]
        differ = [f"{k} {was.get(k)} -> {v}" for k, v in self.conditions.items() if was.get(k) != v]
        if differ:
            warnings.warn(f"the resumed run will not be bit-identical: {', '.join(differ)}", stacklevel=3)
        checkpoint.load(path, self.method, self.optimizer)
        self.done = int(header["step"])
