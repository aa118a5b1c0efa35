"""A SimCLR step at 32 px: the loop beside the bare network, and beside lightly's own example loop.

    python benchmarks/step.py [--full] [--out benchmarks/results/step.json]

- bare: forward, NT-Xent and backward of the same network on ready float tensors, channels-last, at the same precision;
  it takes no optimiser step and reads no data, the loop does both.
- lightly's loop: its published example for CIFAR-10: PIL images, SimCLRTransform without blur, a DataLoader,
  NTXentLoss, SimCLRProjectionHead, SGD. It gets our encoder, and of 0, 1 and 2 workers the number that is fastest here.
- ours: `isotropy.training.fit` on uint8 images with the same crops, flips, colours and SGD.

Times are of whole epochs, starting lightly's workers included, divided by their steps. ResNet-18 (3x3 stem) runs with
batches of 64 so that this ends in minutes; --full takes 256, and leaves the small network out.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from functools import partial
from itertools import islice

import measure
import torch
from lightly.loss import NTXentLoss
from lightly.models.modules import SimCLRProjectionHead
from lightly.transforms import SimCLRTransform
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from isotropy.data import ArrayDataset, ImagePreprocess
from isotropy.encoders import Encoder, Timm, wrap
from isotropy.methods import SimCLR
from isotropy.objectives import nt_xent
from isotropy.training import Optim, Step, fit
from isotropy.training.precision import choose_precision
from isotropy.views import ImageViews

SIZE, LR, HIDDEN, OUT = 32, 0.06, 512, 128
WORKERS = (0, 1, 2)
CPU = torch.device("cpu")


def resnet18() -> Encoder:
    return Timm(model="resnet18", channels=3, size=(SIZE, SIZE))


def small() -> Encoder:
    layers: list[nn.Module] = []
    for before, after in ((3, 16), (16, 32), (32, 64), (64, 128)):
        layers += [nn.Conv2d(before, after, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
    return wrap(nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1)), width=128)


def images(rows: int) -> Tensor:
    """Return smooth random images, (rows, 3, 32, 32) uint8."""
    coarse = torch.rand(rows, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    return (nn.functional.interpolate(coarse, size=(SIZE, SIZE), mode="bilinear") * 255).byte()


def autocast(precision: str) -> torch.autocast | nullcontext[None]:
    return torch.autocast("cpu", torch.bfloat16) if precision == "bf16" else nullcontext()


class Pictures(Dataset):
    """The images as lightly's example holds CIFAR-10: arrays that become PIL images when they are read."""

    def __init__(self, rows: Tensor) -> None:
        self.arrays = rows.permute(0, 2, 3, 1).contiguous().numpy()
        self.transform = SimCLRTransform(input_size=SIZE, gaussian_blur=0.0)

    def __len__(self) -> int:
        return len(self.arrays)

    def __getitem__(self, place: int) -> tuple[list[Tensor], int]:
        return self.transform(Image.fromarray(self.arrays[place])), 0


def lightly_epoch(encoder: Encoder, rows: Tensor, batch: int, precision: str) -> Callable[[int], None]:
    head = SimCLRProjectionHead(encoder.width, HIDDEN, OUT)
    criterion, data = NTXentLoss(), Pictures(rows)
    optimizer = torch.optim.SGD([*encoder.parameters(), *head.parameters()], lr=LR)

    def run(workers: int) -> None:
        for (x0, x1), _ in DataLoader(data, batch_size=batch, shuffle=True, drop_last=True, num_workers=workers):
            with autocast(precision):
                z0, z1 = head(encoder(x0).flatten(1)), head(encoder(x1).flatten(1))
            loss = criterion(z0.float(), z1.float())
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()

    return run


def our_loop(encoder: Encoder, rows: Tensor, batch: int, precision: str) -> Iterator[Step]:
    preprocess = ImagePreprocess.learn(rows.numpy())
    views = ImageViews(
        size=SIZE, mean=preprocess.mean, std=preprocess.std, scale=(0.08, 1.0), jitter=(0.8, 0.8, 0.8, 0.2)
    )
    return fit(
        SimCLR(encoder, projector=(HIDDEN, OUT)),
        ArrayDataset(rows, preprocess),
        views,
        optim=Optim(name="sgd", lr=LR, momentum=0.0, weight_decay=0.0),
        epochs=1e6,
        batch_size=batch,
        precision=precision,
    )


def bare_steps(encoder: Encoder, batch: int, precision: str, steps: int) -> Callable[[], None]:
    method = SimCLR(encoder, projector=(HIDDEN, OUT)).to(memory_format=torch.channels_last)
    x = torch.randn(2 * batch, 3, SIZE, SIZE).to(memory_format=torch.channels_last)

    def run() -> None:
        for _ in range(steps):
            with autocast(precision):
                z = [method.projector(features) for features in method.encoder(x).chunk(2)]
            nt_xent(*(view.float() for view in z), temperature=method.temperature).backward()
            method.zero_grad()

    return run


def best_workers(epoch: Callable[[int], None]) -> tuple[int, dict[int, float]]:
    """Return the number of workers with which an epoch is shortest, and all times."""
    epoch(0)
    seconds = {workers: round(measure.timed(partial(epoch, workers)), 3) for workers in WORKERS}
    return min(seconds, key=seconds.__getitem__), seconds


def compare(make: Callable[[], Encoder], batch: int, steps: int, precision: str, turns: int) -> tuple[dict, dict]:
    """Return the seconds of `steps` steps of every side, one number per turn, and lightly's by workers."""
    rows = images(batch * steps)
    theirs = lightly_epoch(make(), rows, batch, precision)
    workers, by_workers = best_workers(theirs)
    loop = our_loop(make(), rows, batch, precision)
    sides = {
        "lightly": partial(theirs, workers),
        "ours": lambda: list(islice(loop, steps)),
        "bare": bare_steps(make(), batch, precision, steps),
    }
    return measure.in_turns(sides, turns), by_workers


def main() -> int:
    parser = measure.parser("step", __doc__.splitlines()[0])
    parser.add_argument("--full", action="store_true", help="only ResNet-18, with batches of 256")
    arguments = measure.start(parser)
    torch.manual_seed(0)
    batch, steps, turns = (256, 2, 3) if arguments.full else (64, 3, 3)
    default = choose_precision("auto", CPU, resnet18())
    rows, workers, lightly_default = [], {}, []
    for precision in dict.fromkeys(("float32", default)):
        times, by_workers = compare(resnet18, batch, steps, precision, turns)
        case = f"ResNet-18, batch {batch}, {precision}"
        workers[case] = by_workers
        rows.append(measure.row(f"{case}: loop / bare", times["ours"], times["bare"], 1.05, at_most=True))
        rows.append(measure.row(f"{case}: lightly / ours", times["lightly"], times["ours"], 1.0))
        lightly_default = lightly_default or times["lightly"]
    if default == "bf16":
        # Asked for only where the processor has AMX. Both sides' medians: they were not timed in the same turns.
        amx = getattr(torch.cpu, "get_capabilities", dict)().get("amx_bf16")
        name = f"ResNet-18, batch {batch}: lightly as published (float32) / our defaults (bf16)"
        rows.append(measure.row(name, lightly_default, times["ours"], 2.0 if amx else None))
    if not arguments.full:
        times, workers["small"] = compare(small, 256, 10, "float32", 5)
        rows.append(
            measure.row("small network, batch 256, float32: lightly / ours", times["lightly"], times["ours"], 3.0)
        )
        rows.append(measure.row("small network, batch 256, float32: loop / bare", times["ours"], times["bare"]))
    return measure.finish("step", rows, arguments.out, lightly_seconds_by_workers=workers)


if __name__ == "__main__":
    sys.exit(main())
