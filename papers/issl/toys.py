"""Toys: rows with known orbits, their views, and a small network trained on them."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn

from isotropy import rng
from isotropy.encoders import wrap
from isotropy.methods import BYOL, CISSL, DISSL, Method, SimCLR
from isotropy.training import Optim, fit
from isotropy.views.multiview import MultiView

INPUTS, HIDDEN, HEAD, K, LABELS = 8, 128, 32, 10, (5, 10, 20, 40)
DISSL_HEADS: dict[str, Any] = {"num_categories": 64, "bottleneck_width": HEAD, "teacher_hidden": (HIDDEN,)}
MAKERS: dict[str, Callable[[nn.Module], Method]] = {
    "simclr": lambda f: SimCLR(f, projector=(HIDDEN, HEAD), temperature=0.2),
    "cissl": lambda f: CISSL(f, projector=(HIDDEN, HEAD), temperature=0.2),
    "dissl": lambda f: DISSL(f, **DISSL_HEADS),
    "byol": lambda f: BYOL(f, projector=(HIDDEN, HEAD), predictor_hidden=HIDDEN),
}
OPTIM = Optim(name="adam", lr=2e-3, weight_decay=0.0, warmup=0.0)


class Flips:
    """Rows that are the centres of K orbits, 64 of each, and their views: the sign flipped at random, and noise."""

    modality, count = "table", 2

    def __init__(self, orbits: int, seed: int) -> None:
        directions = torch.randn(orbits, INPUTS, generator=torch.Generator().manual_seed(1000 + seed))
        self.centres = 2 * nn.functional.normalize(directions, dim=1)
        self.labels = torch.arange(64 * orbits) % orbits

    def __len__(self) -> int:
        return len(self.labels)

    def batch(self, index: Tensor) -> Tensor:
        """Return the centres of rows."""
        return self.centres[self.labels[index]]

    def to_input(self, rows: Tensor) -> Tensor:
        """Return rows as they are."""
        return rows

    def __call__(self, dataset: Any, index: Tensor, *, seed: int, pass_: int) -> MultiView:
        """Return two views of rows, each drawn from its own keys."""
        return MultiView(index, lambda: [self.view(index, rng.keys(seed, pass_, number, index)) for number in (0, 1)])

    def view(self, index: Tensor, keys: Any) -> Tensor:
        """Return a view of rows."""
        noise = rng.normals(rng.halves(keys, INPUTS + 1)).float()
        return noise[:, :1].sign() * self.batch(index) + 0.1 * noise[:, 1:]


class Turns(Flips):
    """Ten digits, one of each kind, in one of four quarter turns, and noise."""

    def __init__(self, orbits: int, seed: int) -> None:
        super().__init__(orbits, seed)
        images, kinds = load_digits(return_X_y=True)
        draw = np.random.default_rng(seed)
        chosen = [draw.permutation(np.flatnonzero(kinds == kind))[: orbits // 10] for kind in range(10)]
        pixels = torch.from_numpy(images[np.concatenate(chosen)]).float() / 16
        self.centres = 2 * nn.functional.normalize(pixels - pixels.mean(), dim=1)

    def view(self, index: Tensor, keys: Any) -> Tensor:
        """Return a view of rows."""
        noise = rng.normals(rng.halves(keys, 64, start=1)).float()
        images = self.batch(index).view(-1, 8, 8)
        turned = torch.stack([torch.rot90(images, quarter, (1, 2)) for quarter in range(4)])
        return turned[rng.integers(rng.bits(keys, 1)[:, 0], 4), torch.arange(len(index))].flatten(1) + 0.1 * noise


class _Skip(nn.Module):
    """A linear map plus one hidden layer."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, width)
        self.bent = nn.Sequential(nn.Linear(inputs, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, width))

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x) + self.bent(x)


def trained(make: Any, rows: Flips, width: int, steps: int, batch: int, seed: int, quick: bool) -> Any:
    """Return the method after its steps (the encoder alone without one), in eval mode.

    By `fit`: the views of a toy are its own, and `isotropy.train` takes views by name.
    """
    torch.manual_seed(seed)
    encoder = wrap(_Skip(rows.centres.shape[1], width), width=width)
    if make is None:
        return encoder.eval()
    method, epochs = make(encoder), (2 if quick else steps) / (len(rows) // batch)
    for _ in fit(method, rows, rows, optim=OPTIM, epochs=epochs, batch_size=batch, seed=seed, precision="float32"):
        pass
    return method.eval()


@torch.no_grad()
def new_views(module: nn.Module, rows: Flips) -> list[Tensor]:
    """Return two views of all rows that no training has seen, through a module."""
    return rows(rows, torch.arange(len(rows)), seed=99, pass_=0).through(module)
