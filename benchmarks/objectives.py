"""Time and peak memory of forward plus backward of every objective, beside the same loss in other libraries.

    python benchmarks/objectives.py [--busy] [--out benchmarks/results/objectives.json]

512 rows of 2048 dimensions on the CPU, float32, two views; SwAV and DISSL with 3000 prototypes or categories, SIGReg
with 1024 directions, MUSIC with 64 segments of 32. `peers.py` holds every loss as ours, lightly 1.6 and
stable-pretraining 0.1.8 write it, and how the latter is read. Before anything is timed, values and gradients of all
sides are compared: exits with 2 where they are not the same loss.

Peak memory is of tensors: the largest sum of what forward and backward hold at once above the inputs, gradients of
the inputs included, from the allocations that torch's profiler records. `bytes` of the record has them.
"""

import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import measure
import torch
from peers import SEGMENTS, Case, D, Loss, cases, published_bbt, stable_pretraining
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

from isotropy import objectives as o

PAIRS, LEAST = 11, 0.05
BBT = Case(
    "batchwise_barlow_twins", lambda p, y: o.batchwise_barlow_twins(p, y, offdiagonal=0.01), published_bbt, leaves=1
)


def both_ways(loss: Loss, tensors: list[Tensor]) -> Tensor:
    """Return the loss's value, with gradients left in the tensors."""
    for x in tensors:
        x.grad = None
    made: Any = loss(*tensors)
    value: Tensor = torch.stack(list(made.values())).sum() if isinstance(made, dict) else made
    if value.requires_grad:
        value.sum().backward()
    return value.detach()


def differences(case: Case, theirs: Loss) -> tuple[float, float]:
    """Return the relative differences of values and of gradients."""
    sides = []
    for loss in (case.ours, theirs):
        tensors = case.tensors()
        torch.manual_seed(1)  # what is drawn inside
        value = both_ways(loss, tensors)
        sides.append((value, [x.grad for x in tensors if x.grad is not None]))
    (mine, my), (other, its) = sides
    assert len(my) == len(its) == case.leaves, case.name
    values = ((mine - other).norm() / other.norm()).item()
    return values, max([((a - b).norm() / b.norm()).item() for a, b in zip(my, its, strict=True)], default=0.0)


def peak(loss: Loss, tensors: list[Tensor]) -> int:
    """Return the most bytes that forward and backward hold at once, above what was there before."""
    both_ways(loss, tensors)
    for x in tensors:
        x.grad = None
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as recorded:
        both_ways(loss, tensors)
    held = most = 0
    events = recorded.profiler.kineto_results.events()  # type: ignore[union-attr]
    for event in sorted((e for e in events if e.name() == "[memory]"), key=lambda e: e.start_ns()):
        held += event.nbytes()
        most = max(most, held)
    return most


def call(loss: Loss, tensors: list[Tensor]) -> Callable[[], None]:
    """Return a call that repeats the loss until it takes a time worth measuring."""
    both_ways(loss, tensors)
    repeats = max(1, round(LEAST / max(measure.timed(lambda: both_ways(loss, tensors)), 1e-4)))

    def run() -> None:
        for _ in range(repeats):
            both_ways(loss, tensors)

    run.repeats = repeats  # type: ignore[attr-defined]
    return run


def compare(sides: dict[str, tuple[Loss, list[Tensor]]]) -> tuple[dict[str, list[float]], dict[str, int]]:
    """Return the seconds of one run of every side, a number per turn, and its peak memory."""
    calls = {name: call(*side) for name, side in sides.items()}
    times = measure.in_turns(calls, PAIRS)  # type: ignore[arg-type]
    for name, run in calls.items():
        times[name] = [seconds / run.repeats for seconds in times[name]]  # type: ignore[attr-defined]
    return times, {name: peak(*side) for name, side in sides.items()}


def main() -> int:
    parser = measure.parser("objectives", __doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="only objectives whose name holds this")
    arguments = measure.start(parser)
    rows, apart, most, alone = [], {}, {}, {}
    for case in [*cases(), BBT]:
        if arguments.only not in case.name:
            continue
        peers = {"lightly": case.lightly, "stable-pretraining": case.stable}
        if case is BBT:
            peers = {"published": case.lightly}
        sides = {"ours": (case.ours, case.tensors())}
        for name, theirs in peers.items():
            if theirs is not None:
                apart[f"{case.name}: {name}"] = values, gradients = differences(case, theirs)
                if not (values <= case.within and gradients <= 10 * case.within):
                    print(f"{case.name}: {name} has another loss: {values:.1e}, {gradients:.1e}", file=sys.stderr)
                    return 2
                sides[name] = theirs, case.tensors()
        times, most[case.name] = compare(sides)
        for name in list(sides)[1:]:
            rows.append(measure.row(f"{case.name}: ours / {name}", times["ours"], times[name], 1.05, at_most=True))
        if len(sides) == 1:
            alone[case.name] = round(measure.median(times["ours"]), 5)
        print(case.name, {k: round(measure.median(v) * 1e3, 2) for k, v in times.items()}, most[case.name], flush=True)
    rows += music(arguments.only)
    if stable_pretraining() is None:
        print("STABLE_PRETRAINING names no folder with stable-pretraining: its rows are left out")
    return measure.finish("objectives", rows, arguments.out, differences=apart, bytes=most, seconds_alone=alone)


def music(only: str) -> list[measure.Row]:
    """Return the rows of MUSIC beside Barlow Twins at the same width, and beside the least that MUSIC must do.

    The least are three products with matrices of D x D, which the joint probabilities and the gradients of the two
    views are, and one logarithm of such a matrix. Our Barlow Twins makes no such matrix where 4 N < 3 D; the rows at
    D = 512 show both losses where it makes one.
    """
    found = {case.name: case for case in cases()}
    if only not in "music":
        return []
    twins = found["barlow_twins, lightly's"]

    def least(a: Tensor, b: Tensor) -> Tensor:
        slope = (a.detach().T @ b.detach()).abs_().log_()
        a.grad, b.grad = b.detach() @ slope.T, a.detach() @ slope
        return slope[0, 0]

    rows = []
    for width in (D, 512):
        tensors = [x[:, :width].detach().contiguous().requires_grad_() for x in twins.tensors()]
        loss = partial(o.music, num_segments=width * SEGMENTS // D)
        sides = {"music": loss, "lightly's barlow_twins": twins.lightly, "our barlow_twins": twins.ours}
        sides["three products and a logarithm"] = least
        times, _ = compare({name: (side, tensors) for name, side in sides.items()})  # type: ignore[misc]
        for name in list(sides)[1:]:
            asked = 1.3 if name.endswith("twins") and width == D else None
            at = "" if width == D else f", D = {width}"
            rows.append(measure.row(f"music / {name}{at}", times["music"], times[name], asked, at_most=True))
            print(rows[-1].name, rows[-1].ratio, flush=True)
    return rows


if __name__ == "__main__":
    sys.exit(main())
