"""Equivariant layers beside plain convolutions, and a step with views in feature space beside two views of the input.

    python benchmarks/structured.py [--busy] [--out benchmarks/results/structured.json]

- layer: forward and backward of one group layer (filters expanded, convolved, all gradients) beside one plain
  convolution with the same number of multiply-adds, 3x3 at 16 x 16 pixels, batches of 64, float32.
- step: `isotropy.training.fit` of SimCLR on the same network and data, views read from the feature map beside the same
  moves of the input, a pair of passes over 1024 rows in batches of 256.
"""

import sys
from collections.abc import Callable
from itertools import islice

import measure
import torch
from torch import Tensor, nn

from isotropy.data import ArrayDataset, ImagePreprocess, SeriesPreprocess
from isotropy.encoders import C4CNN, C4ResNet, CyclicSeriesCNN
from isotropy.encoders.equivariant.groups import GroupConv, Lift
from isotropy.encoders.equivariant.space import Rotations
from isotropy.methods import SimCLR
from isotropy.training import Optim, fit
from isotropy.views import MovedViews, StructuredViews

BATCH, SIDE, PAIRS = 64, 16, 15


def both_ways(layer: nn.Module, x: Tensor) -> Callable[[], None]:
    """Return a call of forward and backward, of the input's gradient too."""
    x = x.requires_grad_()

    def run() -> None:
        for _ in range(5):
            layer(x).sum().backward()

    return run


def layers() -> list[measure.Row]:
    """Time group layers and plain ones with as many multiply-adds."""
    rows = []
    for name, mirrors, fields in (("C4", False, 32), ("D4", True, 16)):
        group = Rotations(mirrors=mirrors)
        n = group.shape[0]
        x = torch.randn(BATCH, fields, n, SIDE, SIDE)
        sides = {
            "group": both_ways(GroupConv(group, fields, fields), x),
            "plain": both_ways(nn.Conv2d(fields * n, fields * n, 3, padding=1, bias=False), x.detach().flatten(1, 2)),
        }
        times = measure.in_turns(sides, PAIRS)
        rows.append(measure.row(f"{name} group convolution / plain", times["group"], times["plain"], 1.3, at_most=True))
        image = torch.randn(BATCH, 3, 32, 32)
        sides = {
            "group": both_ways(Lift(group, 3, fields), image),
            "plain": both_ways(nn.Conv2d(3, fields * n, 3, padding=1, bias=False), image.clone()),
        }
        times = measure.in_turns(sides, PAIRS)
        rows.append(measure.row(f"{name} lifting layer / plain", times["group"], times["plain"], 1.3, at_most=True))
    return rows


def passes(make: Callable[[], nn.Module], dataset: ArrayDataset, views: type) -> Callable[[], object]:
    """Return a call that takes four steps of 256 rows."""
    torch.manual_seed(0)
    encoder = make()
    steps = fit(
        SimCLR(encoder, projector=(128, 64)),
        dataset,
        views(base=encoder.base),  # type: ignore[attr-defined]
        optim=Optim(name="sgd", lr=0.01),
        epochs=1000,
        batch_size=256,
        precision="float32",
    )
    return lambda: list(islice(steps, 4))


def steps() -> list[measure.Row]:
    """Time the loop with either kind of views."""
    images = torch.randint(256, (1024, 1, 28, 28), generator=torch.Generator().manual_seed(0)).byte()
    series = torch.randn(1024, 9, 128, generator=torch.Generator().manual_seed(0))
    pictures = ArrayDataset(images, ImagePreprocess.learn(images))
    recordings = ArrayDataset(series, SeriesPreprocess.learn(series))
    cases = {
        "C4 network, 28 px": (lambda: C4CNN(channels=1, size=(28, 28), width=32), pictures),
        "C4 residual network, 28 px": (lambda: C4ResNet(channels=1, size=(28, 28), width=16), pictures),
        "cyclic network, series of 9 x 128": (lambda: CyclicSeriesCNN(channels=9, length=128), recordings),
    }
    rows = []
    for name, (make, dataset) in cases.items():
        sides = {"moved": passes(make, dataset, MovedViews), "read": passes(make, dataset, StructuredViews)}
        times = measure.in_turns(sides, 5)
        rows.append(measure.row(f"{name}: two views of the input / feature views", times["moved"], times["read"], 1.6))
    return rows


def main() -> int:
    arguments = measure.start(measure.parser("structured", __doc__.splitlines()[0]))
    return measure.finish("structured", layers() + steps(), arguments.out)


if __name__ == "__main__":
    sys.exit(main())
