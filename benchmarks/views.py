"""Image views beside kornia's batched chain and torchvision's per-sample PIL chain: crop, flip, colour, greyscale.

    python benchmarks/views.py [--out benchmarks/results/views.json]

All three run in this process and take turns; a ratio is the median over turns of the peer's time over ours. Kornia gets
uint8 tensors and normalises like ours; PIL gets decoded images and ends with ToTensor and Normalize. The script exits
with 1 where a ratio is below its threshold.
"""

import sys
from collections.abc import Callable
from importlib.metadata import version
from statistics import median

import measure
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
    views = ImageViews(size=size, mean=MEAN, std=STD, num_views=1, scale=SCALE, jitter=JITTER, hue=hue)
    index, passes = torch.arange(len(images)), iter(range(1 << 30))

    def run() -> Tensor:
        return views.make(images, index, seed=0, pass_=next(passes))[0]

    return run


def seconds(run: Callable[[], Tensor], batches: int = 3) -> float:
    run()  # the turn's first batch finds the caches and the allocator as another chain left them
    return measure.timed(lambda: [run() for _ in range(batches)]) / batches


def compare(size: int, dataset: int, batch: int, turns: int) -> dict[str, list[float]]:
    """Return the seconds per batch of every chain, one number per turn."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(batch, 3, 8, 8, generator=generator)
    images = (torch.nn.functional.interpolate(coarse, size=(dataset, dataset), mode="bilinear") * 255).byte()
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


def main() -> int:
    arguments = measure.start(measure.parser("views", __doc__.splitlines()[0]))
    rows, rates = [], {}
    for size, dataset, batch, turns, thresholds in CASES:
        times = compare(size, dataset, batch, turns)
        rates[f"{dataset} -> {size} px"] = {name: round(batch / median(each)) for name, each in times.items()}
        for hue, least in thresholds.items():
            for peer in ("kornia", "pil"):
                name = f"{dataset} -> {size} px, {hue} hue: {peer} / ours"
                # What is asked beside PIL's one process is asked of two cores, and --busy takes one.
                threshold = None if arguments.busy and peer == "pil" else least.get(peer)
                rows.append(measure.row(name, times[peer], times[hue], threshold))
    versions = {name: version(name) for name in ("torchvision", "kornia", "pillow")}
    return measure.finish("views", rows, arguments.out, versions=versions, images_per_second=rates)


if __name__ == "__main__":
    sys.exit(main())
