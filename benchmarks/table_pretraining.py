"""A step of masked pretraining of the default table encoder beside the same mathematics written plainly in torch.

    python benchmarks/table_pretraining.py [--out benchmarks/results/table_pretraining.json]

20 numeric columns of 32 bins and 8 categories; half of the cells are hidden, and are to be told from the rest.
The plain loop lays out the piecewise-linear encoding of every number, (rows, columns, bins), and the categories as ones
and zeros, multiplies them by one matrix, and trains in float32 with fused AdamW; ours looks vectors up and trains as
`isotropy fit` does. Both run at equal batches. The last rows compare embedding with a bare forward pass.
"""

import sys
from collections.abc import Iterator, Mapping
from itertools import accumulate, islice
from typing import Any

import measure
import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from isotropy.data import ArrayDataset, TablePreprocess
from isotropy.encoders import Encoder, build
from isotropy.methods import Masked
from isotropy.nn.decoders import table_decoder
from isotropy.representation import Representation, learn_embedding
from isotropy.training import Optim, Step, fit
from isotropy.views import Plain

ROWS, NUMERIC, CATEGORIES = 16_384, 20, (2, 2, 3, 5, 7, 9, 15, 40)
BATCHES = (128, 256, 512, 1024)
BINS, WIDTH = 32, 256
TURNS, SEEN = 8, 8192
OPTIM = Optim()


def table() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    numbers = rng.normal(size=(ROWS, 4)) @ rng.normal(size=(4, NUMERIC)) + rng.normal(size=(ROWS, NUMERIC))
    frame = pd.DataFrame(numbers, columns=[f"x{place}" for place in range(NUMERIC)])
    for place, levels in enumerate(CATEGORIES):
        frame[f"c{place}"] = pd.Series(rng.integers(levels, size=ROWS)).map(lambda code: f"level {code}")
    return frame


def our_loop(x: Tensor, preprocess: TablePreprocess, batch: int) -> Iterator[Step]:
    encoder = build("table_quantiles", "table", preprocess.shape)
    method = Masked(encoder, make_decoder=lambda width: table_decoder(preprocess.shape, width))
    return fit(
        method, ArrayDataset(x, preprocess), Plain(), optim=OPTIM, epochs=1e6, batch_size=batch, precision="auto"
    )


class PlainEncoder(nn.Module):
    """The same function with the encoding laid out."""

    low: Tensor
    scale: Tensor

    def __init__(self, edges: Tensor, categories: list[int]) -> None:
        super().__init__()
        self.register_buffer("low", edges[:, :-1])
        self.register_buffer("scale", 1 / edges.diff(dim=1))
        self.categories = categories
        inputs = edges[:, 1:].numel() + sum(categories) + len(edges) + len(categories)
        self.first = nn.Linear(inputs, WIDTH)
        self.blocks = nn.ModuleList(
            [nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.ReLU(), nn.Linear(WIDTH, WIDTH)) for _ in range(2)]
        )

    def encoded(self, numbers: Tensor) -> Tensor:
        """Return the piecewise-linear encoding (B, columns, bins), its ends open for one more piece."""
        share = (numbers[:, :, None] - self.low) * self.scale
        first = share[:, :, :1].clamp(-1, 1)
        last = share[:, :, -1:].clamp(0, 2)
        return torch.cat([first, share[:, :, 1:-1].clamp(0, 1), last], 2)

    def forward(self, x: Tensor, hidden: Tensor) -> Tensor:
        """Return vectors (B, width) of rows whose `hidden` cells are not seen."""
        columns = len(self.low)
        numbers = self.encoded(x[:, :columns]) * ~hidden[:, :columns, None]
        codes = [
            F.one_hot(x[:, columns + place].long(), levels) * ~hidden[:, columns + place, None]
            for place, levels in enumerate(self.categories)
        ]
        state = self.first(torch.cat([numbers.flatten(1), *codes, hidden], 1))
        for block in self.blocks:
            state = state + block(state)
        return state


class PlainMasked(nn.Module):
    """Masked pretraining as one would write it down, for data of a shape {"numeric", "categories", "numbers"}."""

    def __init__(self, shape: Mapping[str, Any]) -> None:
        super().__init__()
        self.numeric, self.categories = shape["numeric"], list(shape["categories"])
        edges = torch.tensor([column["edges"] for column in shape["numbers"]])
        self.encoder = PlainEncoder(edges, self.categories)
        outputs = self.numeric + sum(self.categories)
        self.decoder = nn.Sequential(nn.Linear(WIDTH, 256), nn.ReLU(), nn.Linear(256, outputs))
        self.places = list(accumulate(self.categories, initial=self.numeric))[:-1]

    def optimizer(self) -> torch.optim.Optimizer:
        """Return fused AdamW over its weights, with our default settings."""
        groups = [
            {"params": [p for p in self.parameters() if p.ndim > 1], "weight_decay": OPTIM.weight_decay},
            {"params": [p for p in self.parameters() if p.ndim == 1], "weight_decay": 0.0},
        ]
        return torch.optim.AdamW(groups, lr=OPTIM.lr, fused=True)

    def forward(self, rows: Tensor) -> Tensor:
        """Return the loss of stored rows (B, columns), half of whose cells are hidden."""
        columns = rows.shape[1]
        order = torch.rand(len(rows), columns).argsort(1)
        hidden = torch.zeros(len(rows), columns, dtype=torch.bool).scatter(1, order[:, : -(-columns // 2)], True)
        told = self.decoder(self.encoder(rows, hidden))
        ranks = (self.encoder.encoded(rows[:, : self.numeric]).clamp(0, 1).mean(2) - 0.5) * 12**0.5
        errors = [(told[:, : self.numeric] - ranks).square()]
        for place, (start, levels) in enumerate(zip(self.places, self.categories), self.numeric):
            logits = told[:, start : start + levels]
            errors.append(F.cross_entropy(logits, rows[:, place].long(), reduction="none")[:, None])
        return (torch.cat(errors, 1) * hidden).sum(1).div(hidden.sum(1)).mean()


def by_hand(x: Tensor, preprocess: TablePreprocess, batch: int) -> Iterator[None]:
    """Train as one would write it down, a step per `next`."""
    network = PlainMasked(preprocess.shape)
    optimizer = network.optimizer()
    while True:
        for index in torch.randperm(ROWS).split(batch):
            optimizer.zero_grad()
            network(x[index]).backward()
            optimizer.step()
            yield


def embedding(preprocess: TablePreprocess, frame: pd.DataFrame) -> list[measure.Row]:
    """Return what embedding costs beside the encoder's bare forward passes: of stored rows, and of a frame."""
    encoder: Encoder = build("table_quantiles", "table", preprocess.shape).eval()
    representation = Representation(encoder, preprocess, method="masked")
    learnt = learn_embedding("joined", encoder, preprocess, preprocess.transform(frame))
    joined = Representation(encoder, preprocess, method="masked", embedding=learnt)
    frame = pd.concat([frame] * 4, ignore_index=True)
    stored = preprocess.transform(frame)

    @torch.inference_mode()
    def bare() -> None:
        for rows in stored.split(representation.chunk):
            encoder(rows)

    sides = {
        "stored": lambda: representation.embed_stored(stored),
        "frame": lambda: representation.transform(frame),
        "joined": lambda: joined.transform(frame),
        "bare": bare,
    }
    times = measure.in_turns(sides, 8)
    return [
        measure.row("embedding stored rows / bare forward", times["stored"], times["bare"], 1.15, at_most=True),
        measure.row("embedding a frame / bare forward", times["frame"], times["bare"], 1.15, at_most=True),
        measure.row("embedding a frame, joined with its columns / bare forward", times["joined"], times["bare"]),
    ]


def main() -> int:
    arguments = measure.start(measure.parser("table_pretraining", __doc__.splitlines()[0]))
    torch.manual_seed(0)
    frame = table()
    preprocess = TablePreprocess.learn(frame)
    x = preprocess.transform(frame)
    rows = []
    for batch in BATCHES:
        loops = {"ours": our_loop(x, preprocess, batch), "plain": by_hand(x, preprocess, batch)}
        steps = SEEN // batch
        sides = {name: (lambda loop=loop, steps=steps: list(islice(loop, steps))) for name, loop in loops.items()}
        times = measure.in_turns(sides, TURNS)
        rows.append(measure.row(f"masked step, batch {batch}: plain torch / ours", times["plain"], times["ours"], 2.0))
    rows += embedding(preprocess, frame)
    return measure.finish("table_pretraining", rows, arguments.out)


if __name__ == "__main__":
    sys.exit(main())
