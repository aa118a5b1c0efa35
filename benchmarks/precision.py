"""A training step under bf16 autocast beside one in float32: what `precision="auto"` is decided by.

    python benchmarks/precision.py [--out benchmarks/results/precision.json]

Forward and backward of each encoder on ready tensors, channels-last on both sides, in turns. Nothing is asked of the
ratios: which processors get bf16 is in docs/decisions/0010-bf16-on-processors.md.
"""

import sys
from collections.abc import Callable
from contextlib import nullcontext

import measure
import torch
from torch import Tensor, nn

from isotropy.encoders import SeriesCNN, SmallResNet, TableMLP, Timm

PAIRS = 7


def step(encoder: nn.Module, x: Tensor, bf16: bool) -> Callable[[], None]:
    def run() -> None:
        with torch.autocast("cpu", torch.bfloat16) if bf16 else nullcontext():
            features = encoder(x)
        features.float().square().mean().backward()
        encoder.zero_grad()

    return run


def main() -> int:
    arguments = measure.start(measure.parser("precision", __doc__.splitlines()[0]))
    torch.manual_seed(0)
    cases = {
        "ResNet-18, 128 images of 32 px": (Timm(model="resnet18", channels=3, size=(32, 32)), (128, 3, 32, 32)),
        "SmallResNet, 512 images of 28 px": (SmallResNet(channels=1, size=(28, 28)), (512, 1, 28, 28)),
        "SeriesCNN, 256 series of 9 x 128": (SeriesCNN(channels=9, length=128), (256, 9, 128)),
        "TableMLP, 256 rows of 100": (TableMLP(numeric=100), (256, 100)),
    }
    rows = []
    for name, (encoder, shape) in cases.items():
        encoder.to(memory_format=torch.channels_last)
        x = torch.randn(shape)
        if x.ndim == 4:
            x = x.to(memory_format=torch.channels_last)
        sides = {"float32": step(encoder, x, bf16=False), "bf16": step(encoder, x, bf16=True)}
        times = measure.in_turns(sides, PAIRS)
        rows.append(measure.row(f"{name}: float32 / bf16", times["float32"], times["bf16"]))
    return measure.finish("precision", rows, arguments.out)


if __name__ == "__main__":
    sys.exit(main())
