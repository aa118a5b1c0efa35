"""Data sets into which copies, wrong labels and foreign rows were injected, for benchmarks/audit.py."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image
from scipy.signal import resample

sys.path.insert(0, str(Path(__file__).parents[1] / "papers"))
import data_sets as sets

COPIES, WRONG, FOREIGN = 0.02, 0.05, 0.01
ROWS = 4000
IMAGES, SERIES = ("cifar10", "fashion"), ("har", "ucr/FaceAll", "ucr/Adiac")
TABLES = ("phoneme", "adult", "california_housing", "wine_quality/colour")


@dataclass(frozen=True)
class Case:
    """A data set with what was injected.

    Attributes:
        values: the rows, (N, ...) or a frame. labels: as given, 5 % of them wrong; None where they are numbers.
        copy: (N,) whether a row is a copy or has one. wrong, foreign: (N,) likewise. modality: its kind.
    """

    values: Any
    labels: Any
    copy: Any
    wrong: Any
    foreign: Any
    modality: str


def case(name: str, folder: Path, seed: int = 0) -> Case:
    """Return at most 4,000 rows of a set: copies of 2 %, 5 % wrong labels among the others, 1 % foreign rows."""
    found, rng = sets.whole(name, folder), np.random.default_rng(seed)
    rows = np.sort(rng.permutation(len(found))[:ROWS])
    found = found.take(rows)
    values, labels = found.values, np.asarray(found.labels)
    classes = found.task != "numbers"
    count = len(labels)
    copied = rng.permutation(count)[: max(3, round(COPIES * count))]
    alien = rng.permutation(count)[: max(3, round(FOREIGN * count))]
    copies = COPY[found.modality](values, copied, rng)
    aliens = ALIEN[found.modality](name, values, alien, rng, folder)
    if isinstance(values, pd.DataFrame):
        values = pd.concat([values, copies, aliens], ignore_index=True)
    else:
        values = np.concatenate([values, copies.astype(values.dtype), aliens.astype(values.dtype)])
    labels = np.concatenate([labels, labels[copied], labels[alien]])
    total = len(labels)
    copy, wrong, foreign = np.zeros((3, total), dtype=bool)
    copy[copied] = copy[count : count + len(copied)] = True
    foreign[count + len(copied) :] = True
    if classes:
        others = np.unique(labels)
        pool = np.flatnonzero(~copy & ~foreign)
        for row in rng.permutation(pool)[: round(WRONG * total)]:
            labels[row] = rng.choice(others[others != labels[row]])
            wrong[row] = True
    order = rng.permutation(total)
    values = values.iloc[order].reset_index(drop=True) if isinstance(values, pd.DataFrame) else values[order]
    return Case(values, labels[order] if classes else None, copy[order], wrong[order], foreign[order], found.modality)


def _copied_images(values: Any, rows: Any, rng: Any) -> Any:
    """Each by one of four: a crop of 70 to 90 % of the sides, a shift by up to 15 %, gain, brightness."""
    out = []
    for place, row in enumerate(rows):
        image = values[row].astype(np.float64)
        kind, side = place % 4, image.shape[-1]
        if kind == 0:
            size = round(rng.uniform(0.7, 0.9) * side)
            top, left = rng.integers(0, side - size + 1, 2)
            crop = image[:, top : top + size, left : left + size].astype(np.uint8)
            image = np.stack([np.asarray(Image.fromarray(c).resize((side, side), Image.BILINEAR)) for c in crop])
        elif kind == 1:
            down, right = rng.integers(-round(0.15 * side), round(0.15 * side) + 1, 2)
            padded = np.pad(image, ((0, 0), (side, side), (side, side)), mode="edge")
            image = padded[:, side + down : 2 * side + down, side + right : 2 * side + right]
        elif kind == 2:
            image = image * rng.uniform(0.7, 1.3)
        else:
            image = image + rng.uniform(-40, 40)
        out.append(np.clip(np.round(image), 0, 255))
    return np.stack(out)


def _copied_series(values: Any, rows: Any, rng: Any) -> Any:
    """Each by one of four: a crop of 70 to 90 % of the steps, a shift by up to 15 %, gain, an offset."""
    out, spread = [], values.std(axis=(0, 2))[:, None]
    for place, row in enumerate(rows):
        one, steps = values[row].astype(np.float64), values.shape[-1]
        kind = place % 4
        if kind == 0:
            size = round(rng.uniform(0.7, 0.9) * steps)
            start = rng.integers(0, steps - size + 1)
            grid = np.linspace(start, start + size - 1, steps)
            one = np.stack([np.interp(grid, np.arange(steps), channel) for channel in one])
        elif kind == 1:
            away = int(rng.integers(1, round(0.15 * steps) + 2)) * int(rng.choice([-1, 1]))
            one = one[:, np.clip(np.arange(steps) + away, 0, steps - 1)]
        elif kind == 2:
            one = one * rng.uniform(0.7, 1.3)
        else:
            one = one + rng.uniform(-0.5, 0.5) * spread
        out.append(one)
    return np.stack(out)


def _copied_tables(values: pd.DataFrame, rows: Any, rng: Any) -> pd.DataFrame:
    """Each with its numbers moved by 1 % of their deviation (whole ones stay whole), or one value of another row."""
    out = values.iloc[rows].reset_index(drop=True).copy()
    for name in out.columns:
        column = out[name]
        if pd.api.types.is_float_dtype(column.dtype):
            moved = rng.random(len(out)) < 1.0
            jitter = 0.01 * float(values[name].std()) * rng.normal(size=len(out))
            out[name] = np.where(moved & (np.arange(len(out)) % 2 == 0), column + jitter, column)
    for place in range(1, len(out), 2):
        name = rng.choice(list(out.columns))
        out.loc[place, name] = values[name].iloc[int(rng.integers(len(values)))]
    return out


def _alien_images(name: str, values: Any, rows: Any, rng: Any, folder: Path) -> Any:
    """Images of another set at this one's size and channels."""
    other = sets.whole("fashion" if name == "cifar10" else "cifar10", folder).values
    side, channels = values.shape[-1], values.shape[1]
    out = []
    for row in rng.permutation(len(other))[: len(rows)]:
        image = other[row].mean(axis=0) if channels == 1 else np.broadcast_to(other[row], (3, *other.shape[-2:]))
        planes = image[None] if channels == 1 else image
        small = [np.asarray(Image.fromarray(p.astype(np.uint8)).resize((side, side), Image.BILINEAR)) for p in planes]
        out.append(np.stack(small))
    return np.stack(out)


def _alien_series(name: str, values: Any, rows: Any, rng: Any, folder: Path) -> Any:
    """Series of other sets at this one's length, each with the deviation and mean of a row of this one."""
    others = [o for o in (*SERIES[1:], "ucr/MelbournePedestrian") if o != name]
    out = []
    for row in rows:
        other = sets.whole(others[int(rng.integers(len(others)))], folder).values
        shape = [resample(other[int(rng.integers(len(other))), 0], values.shape[-1]) for _ in range(values.shape[1])]
        like = values[row].astype(np.float64)
        one = np.stack(shape)
        one = (one - one.mean(axis=1, keepdims=True)) / (one.std(axis=1, keepdims=True) + 1e-9)
        out.append(one * like.std(axis=1, keepdims=True) + like.mean(axis=1, keepdims=True))
    return np.stack(out)


def _alien_tables(name: str, values: pd.DataFrame, rows: Any, rng: Any, folder: Path) -> pd.DataFrame:
    """Rows whose values are each of another row: every column is as usual, their combination is not."""
    return pd.DataFrame({c: values[c].iloc[rng.integers(0, len(values), len(rows))].to_numpy() for c in values.columns})


COPY = {"image": _copied_images, "series": _copied_series, "table": _copied_tables}
ALIEN = {"image": _alien_images, "series": _alien_series, "table": _alien_tables}
