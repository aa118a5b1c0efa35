"""The small images of the experiments: scikit-learn's digits (8 px), parts of Fashion-MNIST (14 px) and of CIFAR-10."""

import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

from isotropy.data import Data, read
from isotropy.evaluation import split

# A digit is not its mirror image, and a small part of one is no digit.
VIEWS = {
    "digits": {"views.flip": 0.0, "views.scale": [0.5, 1.0], "views.jitter": [0.4, 0.4, 0.4, 0.1]},
    "fashion": {"views.flip": 0.5, "views.scale": [0.2, 1.0], "views.jitter": [0.4, 0.4, 0.4, 0.1]},
}


def digits() -> Data:
    """Return 1258 training and 539 test images of 8 x 8."""
    content = load_digits()
    part = np.full(len(content.target), "train")
    part[split(content.target, test=0.3, seed=0)[1]] = "test"
    pixels = (content.images * 255 / 16).round().astype(np.uint8)
    return read(pixels, modality="image", label=content.target, split=part)


def fashion(folder: Path, *, train: int = 3000, test: int = 2000) -> Data:
    """Return rows of Fashion-MNIST's two parts, drawn at random, each pixel the mean of 2 x 2."""
    content, rng = np.load(folder / "fashion_mnist.npz"), np.random.default_rng(0)
    images, labels = [], []
    for part, count in (("train", train), ("test", test)):
        rows = np.sort(rng.permutation(len(content[f"y_{part}"]))[:count])
        pixels = content[f"X_{part}"][rows].reshape(count, 14, 2, 14, 2)
        images.append(pixels.mean(axis=(2, 4)).round().astype(np.uint8))
        labels.append(content[f"y_{part}"][rows])
    where = np.repeat(["train", "test"], [train, test])
    return read(np.concatenate(images), modality="image", label=np.concatenate(labels), split=where)


def cifar10(folder: Path, *, train: int = 10_000, test: int = 4000) -> Data:
    """Return the first rows of the shuffled parts of a JPEG copy of CIFAR-10, 3 x 32 x 32."""
    content, images, labels = np.load(folder / "cifar10_jpeg.npz"), [], []
    for part, count in (("train", train), ("test", test)):
        images.append(decoded(content, part, count))
        labels.append(content[f"y_{part}"][:count])
    where = np.repeat(["train", "test"], [train, test])
    return read(np.concatenate(images), modality="image", label=np.concatenate(labels), split=where)


def decoded(content: Mapping[str, np.ndarray], part: str, count: int) -> np.ndarray:
    """Return the first images (N, 3, H, W) of a part, stored as JPEG files one after another."""
    raw, ends = content[f"jpeg_{part}"].tobytes(), content[f"offsets_{part}"][: count + 1]
    files = [Image.open(io.BytesIO(raw[start:end])) for start, end in zip(ends, ends[1:])]
    pixels = np.stack([np.asarray(file.convert("RGB")) for file in files])
    return np.ascontiguousarray(pixels.transpose(0, 3, 1, 2))
