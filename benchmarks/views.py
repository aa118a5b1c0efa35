"""Image views beside kornia's batched chain and torchvision's per-sample PIL chain: crop, flip, colour, greyscale.

    python benchmarks/views.py [--out benchmarks/results/views.json] [--threads 2]

All three run in this process and take turns; a ratio is the median over turns of the peer's time over ours. Kornia gets
uint8 tensors and normalises like ours; PIL gets decoded images and ends with ToTensor and Normalize. The script exits
with 1 where a ratio is below its threshold.
"""

import argparse
import json
import platform
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from statistics import median
from time import perf_counter

import torch
from torch import Tensor

from isotropy.views import ImageViews

MEAN, STD = [0.49, 0.48, 0.45], [0.25, 0.24, 0.26]
SCALE, JITTER = (0.2, 1.0), (0.4, 0.4, 0.4, 0.1)
# (size, source, batch, turns) and the least ratio of each peer's time to ours, by hue.
CASES = [
    (32, 32, 256, 11, {"rotation": {"kornia": 5.0, "pil": 12.0}, "exact": {"kornia": 2.5, "pil": 8.0}}),
    (224, 256, 32, 7, {"rotation": {"kornia": 4.0, "pil": 3.0}, "exact": {}}),
]


def kornia_chain(images: Tensor, size: int) -> Callable[[], Tensor]:
    import kornia.augmentation as K

    chain = torch.nn.Sequential(
        K.RandomResizedCrop((size, size), scale=SCALE),
        K.RandomHorizontalFlip(),
        K.ColorJitter(*JITTER, p=0.8),
        K.RandomGrayscale(p=0.2),
        K.Normalize(torch.tensor(MEAN), torch.tensor(STD)),
    )

    def run() -> Tensor:
        return chain(images.float() / 255)

    return run


def pil_chain(images: Tensor, size: int) -> Callable[[], Tensor]:
    from torchvision import transforms as T

    pictures = [T.functional.to_pil_image(image) for image in images]
    chain = T.Compose([
        T.RandomResizedCrop(size, scale=SCALE),
        T.RandomHorizontalFlip(),
        T.RandomApply([T.ColorJitter(*JITTER)], 0.8),
        T.RandomGrayscale(0.2),
        T.ToTensor(),
        T.Normalize(MEAN, STD),
    ])  # fmt: skip

    def run() -> Tensor:
        return torch.stack([chain(picture) for picture in pictures])

    return run


def our_chain(images: Tensor, size: int, hue: str) -> Callable[[], Tensor]:
    views = ImageViews(size=size, mean=MEAN, std=STD, looks=1, scale=SCALE, jitter=JITTER, hue=hue)
    index, passes = torch.arange(len(images)), iter(range(1 << 30))

    def run() -> Tensor:
        return views.looks(images, index, seed=0, pass_=next(passes))[0]

    return run


def seconds(run: Callable[[], Tensor], batches: int = 3) -> float:
    run()  # the turn's first batch finds the caches and the allocator as another chain left them
    start = perf_counter()
    for _ in range(batches):
        run()
    return (perf_counter() - start) / batches


def measure(size: int, source: int, batch: int, turns: int) -> dict[str, list[float]]:
    """Return the seconds per batch of every chain, one number per turn."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(batch, 3, 8, 8, generator=generator)
    images = (torch.nn.functional.interpolate(coarse, size=(source, source), mode="bilinear") * 255).byte()
    chains = {
        "rotation": our_chain(images, size, "rotation"),
        "exact": our_chain(images, size, "exact"),
        "kornia": kornia_chain(images, size),
        "pil": pil_chain(images, size),
    }
    times: dict[str, list[float]] = {name: [] for name in chains}
    for _ in range(turns):
        for name, run in chains.items():
            times[name].append(seconds(run))
    return times


def processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "views.json")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    rows, passed = [], True
    for size, source, batch, turns, thresholds in CASES:
        times = measure(size, source, batch, turns)
        rates = {name: round(batch / median(each)) for name, each in times.items()}
        print(f"{source} -> {size} px, batch {batch}: " + ", ".join(f"{n} {r} images/s" for n, r in rates.items()))
        row = {"source": source, "size": size, "batch": batch, "images_per_second": rates, "ratios": []}
        for hue, least in thresholds.items():
            for peer in ("kornia", "pil"):
                pairs = sorted(theirs / ours for ours, theirs in zip(times[hue], times[peer]))
                ratio, threshold = median(pairs), least.get(peer)
                fine = threshold is None or ratio >= threshold
                passed &= fine
                span = [round(pairs[0], 2), round(pairs[-1], 2)]
                found = {"hue": hue, "peer": peer, "median": round(ratio, 2), "span": span, "threshold": threshold}
                row["ratios"].append(found)
                needed = "" if threshold is None else f" (at least {threshold}{'' if fine else ': NOT REACHED'})"
                print(f"  {hue} hue is {ratio:.1f} times as fast as {peer}, pairs {span[0]} to {span[1]}{needed}")
        rows.append(row)
    result = {
        "command": "python benchmarks/views.py",
        "processor": processor(),
        "threads": arguments.threads,
        "versions": {name: version(name) for name in ("torch", "torchvision", "kornia", "pillow")},
        "cases": rows,
    }
    arguments.out.write_text(json.dumps(result, indent=1) + "\n")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
