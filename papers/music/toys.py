"""A toy in which independent segments must say what uncorrelated numbers need not.

A row has a group, one of nine, which both of its views keep, and a kind, one of four, which each view draws anew with a
probability: functions of the kind correlate .8 between views, those of the group 1. Eight uncorrelated numbers on which
both views agree are functions of the group, so Barlow Twins and VICReg reach the loss 0 without the kind, for every
correlation below 1. Two segments of four units have a joint entropy of at most log 9 by the group, and log 16 with the
kind. Of sixteen uncorrelated numbers the group alone has too few.
"""

from collections.abc import Callable
from math import sqrt
from typing import Any

import torch
from figures import Dots
from pages import Claim, Table, beside, reproduced
from rows import Row, Rows, mean, paired, select
from torch import Tensor, nn

from isotropy.evaluation import linear_probe
from isotropy.objectives import barlow_twins, music, vicreg

GROUPS, KINDS, CORRELATION, UNITS = 9, 4, 0.8, 4
STEPS, BATCH, RATE, HIDDEN, READ = 3000, 512, 2e-3, 64, 2000
NARROW, WIDE = GROUPS - 1, 2 * (GROUPS - 1)
LOSSES: dict[str, Callable[..., dict[str, Tensor]]] = {
    "music": lambda *z: music(*z, num_segments=z[0].shape[1] // UNITS),
    "barlow_twins": barlow_twins,
    "vicreg": vicreg,
}
SETTINGS = f"{GROUPS} {KINDS} {CORRELATION} {UNITS} {STEPS} {BATCH} {RATE} {HIDDEN}"


def toy(objective: str, width: int, seed: int, quick: bool) -> Row:
    """Train a small network on an objective, and read group and kind from its embedding of rows as they are."""
    draw = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    net = nn.Sequential(
        nn.Linear(GROUPS + KINDS, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, width)
    )
    steps = 5 if quick else STEPS
    optimiser = torch.optim.Adam(net.parameters(), lr=RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    for _ in range(steps):
        group, kind = _drawn(BATCH, draw)
        terms = LOSSES[objective](*(net(_input(group, _view(kind, draw))) for _ in range(2)))
        loss = torch.stack(list(terms.values())).sum()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    group, kind = _drawn(2 * READ, draw)
    with torch.no_grad():
        z = net(_input(group, kind)).numpy()
    read = {
        name: linear_probe(z[:READ], truth[:READ].numpy(), z[READ:], truth[READ:].numpy(), metric="accuracy").score
        for name, truth in (("group", group), ("kind", kind))
    }
    return {"loss": round(float(loss.detach()), 4)} | {name: round(score, 4) for name, score in read.items()}


def _drawn(count: int, draw: torch.Generator) -> tuple[Tensor, Tensor]:
    group = torch.randint(GROUPS, (count,), generator=draw)
    return group, torch.randint(KINDS, (count,), generator=draw)


def _view(kind: Tensor, draw: torch.Generator) -> Tensor:
    """Return the kinds of a view: a function of two views' kinds correlates by the chance that both were kept."""
    again = torch.rand(len(kind), generator=draw) < 1 - sqrt(CORRELATION)
    return torch.where(again, torch.randint(KINDS, kind.shape, generator=draw), kind)


def _input(group: Tensor, kind: Tensor) -> Tensor:
    one_hot: Any = nn.functional.one_hot
    return torch.cat([one_hot(group, GROUPS), one_hot(kind, KINDS)], 1).float()


def says_the_kind(rows: Rows) -> tuple[str, str] | None:
    """Judge whether the kind is in MUSIC's narrow embedding, more than in its peers'."""
    name = f"D = {NARROW}"
    gaps = {other: paired(rows, f"music, {name}", f"{other}, {name}", "kind") for other in LOSSES if other != "music"}
    found = beside(gaps)
    if found is None:
        return None
    read = ", ".join(f"{which} {mean(rows, 'kind', variant=f'{which}, {name}'):.2f}" for which in LOSSES)
    return f"{read} (chance {1 / KINDS:.2f}); music {found[0]}", found[1]


def wide(rows: Rows) -> tuple[str, str] | None:
    """Judge whether twice as wide an embedding has the kind for all."""
    read = {which: [r["kind"] for r in rows if r["variant"] == f"{which}, D = {WIDE}"] for which in LOSSES}
    if not all(read.values()):
        return None
    said = ", ".join(f"{which} {sum(values) / len(values):.2f}" for which, values in read.items())
    return said, reproduced(all(min(values) > 0.9 for values in read.values()))


CLAIMS = [
    Claim("toy: eight numbers say the kind by MUSIC alone", "derived", "toy", says_the_kind),
    Claim("toy: sixteen say it by all three", "derived", "toy", wide),
]
TABLE = Table("The toy: what the embedding says (loss at the end)", "toy", {
    "loss": "loss", "group": "group", "kind": "kind"}, ("variant",))  # fmt: skip


def panel(rows: Rows) -> list[Dots]:
    """Return how well the kind is read from either width."""
    found = select(rows, study="toy")
    names = {f"{which}, D = {width}": f"{which}, D = {width}" for width in (NARROW, WIDE) for which in LOSSES}
    strong = [name for name in names if name.startswith("music")]
    chance = [("chance", 1 / KINDS)]
    return [Dots.of("toy: nine groups, four kinds", "accuracy of the kind", found, "kind", names, strong, marks=chance)]
