"""Rows to train on, upright or centred, and test rows that are turned, shifted or resized."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import data_sets as sets
import numpy as np
import torch
from sklearn.datasets import load_digits

from isotropy.data import Data
from isotropy.encoders.equivariant.space import Scales, act

TRAIN, ROWS = 1300, 10_000


def turned(images: Any, seed: int) -> Any:
    """Return the images in quarter turns."""
    turns = np.random.default_rng(seed).integers(4, size=len(images))
    return np.stack([act(torch.from_numpy(image), int(k)).numpy() for image, k in zip(images, turns)])


def rolled(rows: Any, most: int, axes: tuple[int, ...], seed: int) -> Any:
    """Return the rows shifted round their ends: by up to 3 either way, or by anything up to their length."""
    low, high = (-3, 4) if most == 3 else (0, most)
    shifts = np.random.default_rng(seed).integers(low, high, size=(len(rows), len(axes)))
    return np.stack([np.roll(row, tuple(map(int, shift)), axes) for row, shift in zip(rows, shifts)])


def resized(images: Any, seed: int) -> Any:
    """Return the images shrunk by 2, as they are, or stretched by 2, about their middle."""
    base, x = Scales(3, axes=2), torch.from_numpy(images).float()
    levels = torch.from_numpy(np.random.default_rng(seed).integers(3, size=(len(images), 1)))
    shown = x if x.dim() == 4 else x.unsqueeze(1)
    moved = torch.cat([base.transformed(part, level, 1) for part, level in zip(shown.split(512), levels.split(512))])
    return moved.view_as(x).round().clamp(0, 255).byte().numpy()


def shifted(images: Any, seed: int) -> Any:
    """Return the images shifted round their ends by whole positions of the feature map: of 4 pixels."""
    shifts = 4 * np.random.default_rng(seed).integers(images.shape[-1] // 4, size=(len(images), 2))
    return np.stack([np.roll(image, tuple(map(int, shift)), (-2, -1)) for image, shift in zip(images, shifts)])


@cache
def images(name: str, folder: Path | None) -> tuple[Any, Any, Any, Any]:
    """Return training and test images of Fashion-MNIST or CIFAR-10 with their labels."""
    if name == "cifar10":
        file = sets.path(folder, "cifar10_jpeg.npz")
        held, x, x_test = np.load(file), sets.jpegs(file, "train", ROWS), sets.jpegs(file, "test", 10_000)
    else:
        held = np.load(sets.path(folder, "fashion_mnist.npz"))
        x, x_test = held["X_train"][:ROWS], held["X_test"]
    return x, held["y_train"][:ROWS], x_test, held["y_test"]


def moved_rows(name: str, folder: Path | None, seed: int) -> Data:
    """Return the data set of a study: training rows as they are, and test rows that are moved."""
    if name in ("rotation", "translation"):
        x, y = sets.digit_pixels(), load_digits().target
        order = np.random.default_rng(seed).permutation(len(y))
        train, test = order[:TRAIN], order[TRAIN:]
        if name == "rotation":
            return sets.parts(x[train], y[train], turned(x[test], 100 + seed), y[test])
        x = rolled(np.pad(x, ((0, 0), (2, 2), (2, 2))), 3, (0, 1), 200 + seed)
        return sets.parts(x[train], y[train], x[test], y[test])
    if name == "har":
        held = np.load(sets.path(folder, "uci_har.npz"))
        moved = rolled(held["X_test"], 128, (1,), seed)
        return sets.parts(held["X_train"], held["y_train"], moved, held["y_test"], modality="series")
    kind, _, structure = name.partition(", ")
    x, y, x_test, y_test = images(kind, folder)
    return sets.parts(x, y, STRUCTURES[structure or "turns"][1](x_test, seed), y_test)


# Structure -> its network, and how test images are moved.
STRUCTURES: dict[str, tuple[str, Callable[[Any, int], Any]]] = {
    "turns": ("c4_cnn", turned),
    "shifts": ("cyclic_cnn", shifted),
    "sizes": ("scale_cnn", resized),
}
