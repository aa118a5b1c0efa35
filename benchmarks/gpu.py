"""What has to be known of a machine with a GPU, in one run of ten minutes at most.

    python benchmarks/gpu.py [--data cifar10_jpeg.npz] [--minutes 8] [--out gpu.json]
    python benchmarks/gpu.py --device cpu --quick               # a rehearsal where there is none, in a minute

Checks, each a line with what was found and whether it is fine: the device; a group of one process (nccl, or gloo on a
CPU) whose step is that of no group; embeddings in bf16 within 1e-2 of float32's; the fraction of a step that views take
(asked: under 10 %); a ResNet's images a second at 32 px in batches of 512 (lightly's benchmarks report 1,900); a run
that is stopped and resumed ends in the same bits; and k-NN accuracy on CIFAR-10 after SimCLR for the minutes that are
left. Without --data it trains on noise and skips the last. The file has the arrays jpeg_*, offsets_* and y_* of the
parts "train" and "test". ResNet-18 needs the extra `images`; without it a small residual network takes its place.
"""

import argparse
import io
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from isotropy.data import Data, read
from isotropy.evaluation import knn_probe
from isotropy.methods.method import Method
from isotropy.runs.events import Finished, Stepped
from isotropy.runs.prepare import Prepared, prepare
from isotropy.runs.recipe import Recipe
from isotropy.runs.session import train
from isotropy.training import comm, fit

LIGHTLY = 1_900  # images a second
CLOSE, VIEWS = 1e-2, 0.10
Found = tuple[dict[str, Any], bool]


class Script:
    """The checks and what they share.

    Args:
        device: where to train. quick: small sizes, for a rehearsal. images: of training and test rows with labels.
        minutes: that the last check may train.
    """

    def __init__(self, device: torch.device, quick: bool, images: Data, minutes: float) -> None:
        self.device, self.quick, self.images, self.minutes = device, quick, images, minutes
        resnet = "timm:resnet18" if find_spec("timm") and not quick else "small_resnet"
        batch = 32 if quick else 512
        changes: dict[str, Any] = {"encoder": resnet, "train.batch_size": batch, "train.epochs": 1.0}
        changes |= {"encoder.small_stem": True} if resnet.startswith("timm:") else {"encoder.stem": 8}
        self.recipe = Recipe.default("simclr", "image").changed(changes)

    def prepared(self, **changes: Any) -> Prepared:
        """Return the run ready to be trained, with other settings of its recipe."""
        settings = {name.replace("__", "."): value for name, value in changes.items()}
        return prepare(self.recipe.changed(settings), self.images, device=self.device)

    def steps(self, count: int, **changes: Any) -> list[Any]:
        """Return the first steps of a run."""
        one = self.prepared(**changes)
        return [*islice(fit(one.method, one.dataset, one.views, **one.arguments()), count)]

    def named_device(self) -> Found:
        """Say what the device is."""
        if self.device.type != "cuda":
            return {"device": "cpu", "torch": str(torch.__version__)}, self.quick
        about = torch.cuda.get_device_properties(self.device)
        return {"device": about.name, "bytes": about.total_memory, "torch": str(torch.__version__)}, True

    def group_of_one(self) -> Found:
        """Compare the losses of a group of one process with those of none."""
        alone = [step.loss for step in self.steps(3, train__precision="float32")]
        with one_rank(), comm.process_group(self.device):
            grouped = [step.loss for step in self.steps(3, train__precision="float32")]
        away = max(abs(one - other) / abs(one) for one, other in zip(alone, grouped, strict=True))
        return {"relative_difference": away}, away < 1e-4

    def bf16(self) -> Found:
        """Compare the outputs of the encoder in bf16 with those in float32, of rows in eval mode."""
        one = self.prepared()
        encoder = one.method.encoder.to(self.device).eval()
        rows = one.dataset.to_input(one.dataset.batch(torch.arange(32)))
        with torch.no_grad():
            exact = encoder(rows)
            with torch.autocast(self.device.type, torch.bfloat16):
                rough = encoder(rows).float()
        away = float((exact - rough).norm() / exact.norm())
        return {"relative_difference": away}, away < CLOSE

    def rate(self) -> Found:
        """Measure images a second, and the fraction of a step that its views take on the device."""
        steps = self.steps(6 if self.quick else 40)[2:]
        one = self.prepared()
        index = torch.arange(min(len(one.dataset), one.recipe.train.batch_size))
        views = median(self._timed(lambda: one.views(one.dataset, index, seed=0, pass_=0).inputs) for _ in range(5))
        seconds = median(step.seconds for step in steps)
        rate, share = steps[0].rows / seconds, views / seconds
        said = {"images_a_second": rate, "lightly": LIGHTLY, "views_share": share, "encoder": self.recipe.encoder}
        return said, self.quick or share < VIEWS

    def _timed(self, action: Callable[[], object]) -> float:
        start = perf_counter()
        action()
        if self.device.type == "cuda":
            torch.cuda.synchronize()
        return perf_counter() - start

    def resumed(self) -> Found:
        """Stop a run, go on, and compare its weights with those of one that was not stopped."""
        few = noise(128 if self.quick else 2048)
        changes = self.recipe.changed({"train.epochs": 2.0})
        ends = []
        with tempfile.TemporaryDirectory() as folder:
            for name, stop in (("once", None), ("often", 3)):
                out = Path(folder) / name
                events = train(few, changes, device=self.device, out=out, evaluators=("linear",))
                last = ended(events, stop)
                if stop is not None:
                    last = ended(train(few, resume=out, device=self.device, evaluators=("linear",)))
                assert isinstance(last, Finished)
                ends.append(weights(last.prepared.method))
        same = all(torch.equal(one, other) for one, other in zip(*ends, strict=True))
        # Some kernels of a GPU add in an order of their own: then equal to rounding is what can be had.
        away = max(float((one - other).abs().max()) for one, other in zip(*ends, strict=True))
        return {"same_bits": same, "largest_difference": away}, same or (self.device.type == "cuda" and away < 1e-3)

    def neighbours(self) -> Found:
        """Train for the minutes that are left, and classify test images by their nearest training images."""
        budget = 60 * self.minutes
        start, one = perf_counter(), self.prepared(train__epochs=4.0 if self.quick else 200.0)
        for step in fit(one.method, one.dataset, one.views, **one.arguments()):
            epochs = step.epoch
            if perf_counter() - start > budget:
                break
        made = one.representation()
        test, some = one.test, one.train[: 2_000 if self.quick else len(one.train)]
        labels = np.asarray(self.images.labels)
        vectors = [made.embed_stored(one.rows[torch.from_numpy(part)]) for part in (some, test)]
        probed = knn_probe(vectors[0], labels[some], vectors[1], labels[test])
        return {"epochs": epochs, "accuracy": float(probed.score), "training_rows": len(some)}, True


def ended(events: Iterator[Any], stop: int | None = None) -> Any:
    """Return the last event of a run, which is stopped after a step."""
    for event in events:
        if isinstance(event, Stepped) and event.step.number == stop:
            event.stop()
    return event


def weights(method: Method) -> list[torch.Tensor]:
    """Return all parameters of a method on the CPU."""
    return [parameter.detach().cpu() for parameter in method.parameters()]


@contextmanager
def one_rank() -> Iterator[None]:
    """Say what `torchrun` says to a process that is alone."""
    said = {"WORLD_SIZE": "1", "RANK": "0", "LOCAL_RANK": "0", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29555"}
    os.environ.update(said)
    try:
        yield
    finally:
        for name in said:
            del os.environ[name]


def decoded(file: Path, most: int) -> Data:
    """Return the images in a file of JPEGs with their labels and parts."""
    with np.load(file) as arrays:
        images, labels, parts = [], [], []
        for part in ("train", "test"):
            data, offsets = arrays[f"jpeg_{part}"].tobytes(), arrays[f"offsets_{part}"][: most + 1]
            pairs = zip(offsets[:-1], offsets[1:], strict=True)
            images.append(np.stack([np.asarray(Image.open(io.BytesIO(data[i:j]))) for i, j in pairs]))
            labels.append(arrays[f"y_{part}"][:most])
            parts.append(np.repeat(part, len(images[-1])))
    joined: list[NDArray[Any]] = [np.concatenate(one) for one in (images, labels, parts)]
    return read(joined[0], label=joined[1], split=joined[2])


def noise(rows: int) -> Data:
    """Return images of noise."""
    return read(np.random.default_rng(0).integers(256, size=(rows, 32, 32, 3), dtype=np.uint8))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--quick", action="store_true", help="small sizes: a rehearsal")
    parser.add_argument("--data", type=Path, help="CIFAR-10 as JPEGs in an .npz")
    parser.add_argument("--minutes", type=float, default=8.0)
    parser.add_argument("--out", type=Path, default=Path("gpu.json"))
    arguments = parser.parse_args()
    if arguments.device == "cuda" and not torch.cuda.is_available():
        print("no GPU was found: rehearse with --device cpu --quick")
        return 2
    start, most = perf_counter(), 300 if arguments.quick else 50_000
    images = noise(most) if arguments.data is None else decoded(arguments.data, most)
    device = comm.local_device(torch.device(arguments.device))
    script = Script(device, arguments.quick, images, 0.2 if arguments.quick else arguments.minutes)
    checks = [script.named_device, script.group_of_one, script.bf16, script.rate, script.resumed]
    checks += [script.neighbours] if arguments.data is not None else []
    found: dict[str, Any] = {}
    for check in checks:
        said, fine = check()
        found[check.__name__] = {**said, "fine": fine}
        print(f"{check.__name__}: {'fine' if fine else 'MISSED'} {said}", flush=True)
    record = {"command": " ".join(["python", *sys.argv]), "seconds": round(perf_counter() - start, 1), "checks": found}
    arguments.out.write_text(json.dumps(record, indent=1) + "\n")
    return 0 if all(one["fine"] for one in found.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
