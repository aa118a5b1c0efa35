"""A SimCLR step on a table (batches of 256 rows of 100 numbers, a table MLP) beside a loop written by hand.

    python benchmarks/table.py [--out benchmarks/results/table.json]

The hand-written loops do the same mathematics in the fewest lines of torch: SCARF's two views (60 of 100 columns of one
of them replaced by values of other rows), the same encoder and projector, NT-Xent, fused AdamW with two parameter
groups. One indexes tensors, the other reads a TensorDataset through a DataLoader with its default collation.
"""

import sys
from collections.abc import Callable, Iterable, Iterator
from itertools import islice

import measure
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from isotropy.data import ArrayDataset, TablePreprocess
from isotropy.encoders import TableMLP
from isotropy.methods import SimCLR
from isotropy.nn.mlp import mlp
from isotropy.training import Optim, Step, fit
from isotropy.views import TableViews

ROWS, COLUMNS, BATCH, CORRUPTED = 12_800, 100, 256, 60
PROJECTOR, TEMPERATURE = (512, 128), 0.5
STEPS, TURNS = 10, 60
OPTIM = Optim()


def our_loop(x: Tensor, preprocess: TablePreprocess) -> Iterator[Step]:
    views = TableViews(values=x, numeric=COLUMNS, corrupt=(0.0, CORRUPTED / COLUMNS))
    method = SimCLR(TableMLP(numeric=COLUMNS), projector=PROJECTOR, temperature=TEMPERATURE)
    return fit(method, ArrayDataset(x, preprocess), views, optim=OPTIM, epochs=1e6, batch_size=BATCH)


def by_index(x: Tensor) -> Iterator[Tensor]:
    for index in torch.randperm(ROWS).split(BATCH):
        yield x[index]


def by_loader(x: Tensor) -> Iterator[Tensor]:
    for (rows,) in DataLoader(TensorDataset(x), batch_size=BATCH, shuffle=True, drop_last=True):
        yield rows


def by_hand(x: Tensor, epoch: Callable[[Tensor], Iterable[Tensor]]) -> Iterator[None]:
    """Train as one would write it down, a step per `next`."""
    encoder = TableMLP(numeric=COLUMNS)
    projector = mlp((encoder.width, *PROJECTOR))
    network = nn.ModuleList([encoder, projector])
    groups = [
        {"params": [p for p in network.parameters() if p.ndim > 1], "weight_decay": OPTIM.weight_decay},
        {"params": [p for p in network.parameters() if p.ndim == 1], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=OPTIM.lr, fused=True)
    places = torch.arange(2 * BATCH).roll(BATCH)
    while True:
        for rows in epoch(x):
            chosen = torch.rand(BATCH, COLUMNS).argsort(1)[:, :CORRUPTED]
            donors = torch.randint(ROWS, (BATCH, CORRUPTED))
            corrupted = rows.scatter(1, chosen, x[donors, chosen])
            views = encoder(torch.cat([rows, corrupted])).chunk(2)
            z = F.normalize(torch.cat([projector(view) for view in views]))
            cosines = (z @ z.T / TEMPERATURE).fill_diagonal_(-torch.inf)
            loss = F.cross_entropy(cosines, places)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            yield


def main() -> int:
    arguments = measure.start(measure.parser("table", __doc__.splitlines()[0]))
    torch.manual_seed(0)
    values = np.random.default_rng(0).normal(size=(ROWS, COLUMNS)).astype(np.float32)
    preprocess = TablePreprocess.learn(values)
    x = preprocess.transform(values)
    loops = {"ours": our_loop(x, preprocess), "tensors": by_hand(x, by_index), "loader": by_hand(x, by_loader)}
    sides = {name: (lambda loop=loop: list(islice(loop, STEPS))) for name, loop in loops.items()}
    times = measure.in_turns(sides, TURNS)
    rows = [
        measure.row("table step: loop / by hand over tensors", times["ours"], times["tensors"], 1.3, at_most=True),
        measure.row("table step: by hand with a DataLoader / loop", times["loader"], times["ours"], 1.0),
    ]
    return measure.finish("table", rows, arguments.out)


if __name__ == "__main__":
    sys.exit(main())
