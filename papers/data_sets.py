"""Every data set of papers/: made from a public source, or read from a folder that the reader fills.

scikit-learn ships digits, wine and breast cancer. The others are read from a folder (`--data DIR`) of these files;
sources.toml names their public sources, nothing is downloaded here, `python papers/data_sets.py DIR` says what is
missing.
"""

import io
import sys
import tomllib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from sklearn.feature_extraction.text import HashingVectorizer

from isotropy.data import Data, read
from isotropy.errors import UserError
from isotropy.evaluation import split
from isotropy.evaluation.splits import stratified
from isotropy.evaluation.task import Task

SOURCES: dict[str, dict[str, str]] = tomllib.loads(Path(__file__).with_name("sources.toml").read_text())
_DRY_BEAN = ["restored", "Class", "split"]
PARTS: dict[str, Any] = {"key": "X_train", "label_key": "y_train", "test_key": "X_test", "test_label_key": "y_test"}
EPILEPSY: dict[str, Any] = {"key": "X", "label_key": "y", "split": "is_test_recording", "modality": "series"}
# A digit is not its mirror image, and a small part of one is no digit.
DIGIT_VIEWS: dict[str, Any] = {"views.flip": 0.0, "views.scale": [0.5, 1.0]}


def path(folder: Path | None, name: str) -> Path:
    """Return a file of the folder.

    Raises:
        UserError: no folder, or no such file: with its source and layout.
    """
    if folder is None or not (found := folder / name).exists():
        where = "give --data DIR" if folder is None else f"{folder / name} is missing"
        raise UserError(f"{where}: {name} is made from {SOURCES[name]['source']}; it holds {SOURCES[name]['holds']}")
    return found


@cache
def digits() -> Data:
    """Return scikit-learn's digits, 8 x 8: 1258 training and 539 test images."""
    content = load_digits()
    part = np.full(len(content.target), "train")
    part[split(content.target, test=0.3, seed=0)[1]] = "test"
    return read(digit_pixels(), modality="image", label=content.target, split=part)


def digit_pixels() -> NDArray[np.uint8]:
    """Return the digits' pixels as bytes."""
    pixels: NDArray[np.uint8] = (load_digits().images * 255 / 16).round().astype(np.uint8)
    return pixels


def parts(x: Any, y: Any, x_test: Any, y_test: Any, modality: str = "image") -> Data:
    """Return training and test rows as one data set."""
    where = np.repeat(["train", "test"], [len(x), len(x_test)])
    return read(np.concatenate([x, x_test]), modality=modality, label=np.concatenate([y, y_test]), split=where)


@cache
def fashion(folder: Path | None, train: int = 3000, test: int = 2000) -> Data:
    """Return random rows of Fashion-MNIST's two parts at 14 x 14: each pixel the mean of 2 x 2."""
    content, draw, found = np.load(path(folder, "fashion_mnist.npz")), np.random.default_rng(0), []
    for part, count in (("train", train), ("test", test)):
        rows = np.sort(draw.permutation(len(content[f"y_{part}"]))[:count])
        found += [halved(content[f"X_{part}"][rows]), content[f"y_{part}"][rows]]
    return parts(*found)


def halved(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    """Return images (..., H, W) at half the size, each pixel the mean of 2 x 2."""
    *front, height, width = pixels.shape
    small = pixels.reshape(*front, height // 2, 2, width // 2, 2).mean(axis=(-3, -1))
    found: NDArray[np.uint8] = small.round().astype(np.uint8)
    return found


def jpegs(file: Path, part: str, rows: Any) -> NDArray[np.uint8]:
    """Return images (N, 3, H, W) of a part; `rows` is a number of first rows or an array of row numbers."""
    with np.load(file) as content:
        raw, ends = content[f"jpeg_{part}"].tobytes(), content[f"offsets_{part}"]
    files = [io.BytesIO(raw[ends[i] : ends[i + 1]]) for i in (range(rows) if isinstance(rows, int) else rows)]
    pixels = np.stack([np.asarray(Image.open(file).convert("RGB")) for file in files])
    return np.ascontiguousarray(pixels.transpose(0, 3, 1, 2))


@cache
def cifar10(folder: Path | None, train: int = 10_000, test: int = 4000) -> Data:
    """Return the first rows of CIFAR-10's two parts, 3 x 32 x 32."""
    file = path(folder, "cifar10_jpeg.npz")
    y, y_test = (np.load(file)[f"y_{part}"] for part in ("train", "test"))
    return parts(jpegs(file, "train", train), y[:train], jpegs(file, "test", test), y_test[:test])


# The sets of ucr_dev.npz.
UCR = """Adiac AllGestureWiimoteX ArrowHead BME Beef BeetleFly BirdChicken CBF Car Chinatown Coffee CricketX
DiatomSizeReduction DistalPhalanxOutlineAgeGroup DistalPhalanxOutlineCorrect DodgerLoopDay DodgerLoopWeekend
ECGFiveDays EOGHorizontalSignal Earthquakes FaceAll FiftyWords Fungi GestureMidAirD1 GesturePebbleZ1 GunPoint
GunPointMaleVersusFemale GunPointOldVersusYoung Haptics Herring InsectEPGSmallTrain ItalyPowerDemand Lightning2 Meat
MelbournePedestrian MiddlePhalanxOutlineAgeGroup MiddlePhalanxOutlineCorrect MiddlePhalanxTW MoteStrain OliveOil
PhalangesOutlinesCorrect PickupGestureWiimoteZ PowerCons ProximalPhalanxOutlineAgeGroup ProximalPhalanxOutlineCorrect
RefrigerationDevices ScreenType ShapeletSim SmallKitchenAppliances SonyAIBORobotSurface1 ToeSegmentation1
WormsTwoClass""".split()  # noqa: SIM905


@cache
def tiny_imagenet_ten(folder: Path | None, test: int = 2000) -> Data:
    """Return ten classes of Tiny ImageNet at 32 px: 3500 training images, 2000 test ones with the official 500."""
    file = path(folder, "tiny_imagenet50_a.npz")
    labels = [np.load(file)[f"y_{part}"] for part in ("test", "train")]
    rows = [np.flatnonzero(found < 10) for found in labels]
    pixels = np.concatenate([halved(jpegs(file, part, part_rows)) for part, part_rows in zip(("test", "train"), rows)])
    y = np.concatenate([found[part_rows] for found, part_rows in zip(labels, rows)])
    return parts(pixels[test:], y[test:], pixels[:test], y[:test])


# Tables that come without parts: label, its task, and columns that are neither label nor input. A fifth is held out
# with seed 0.
TABLES: dict[str, tuple[str, Task, list[str]]] = {
    "california_housing": ("median_house_value", "numbers", []),
    "california_housing/income": ("median_income", "numbers", []),
    "phoneme": ("nasal", "classes", []),
    "wine_quality/colour": ("colour", "classes", ["quality"]),
    "gesture_phase": ("phase", "classes", ["video"]),
    "abalone": ("rings", "numbers", []),
    "german_credit": ("bad", "classes", []),
    "wine_quality/quality": ("quality", "numbers", ["colour"]),
}


@cache
def whole(name: str, folder: Path | None) -> Data:
    """Return a data set with labels and its parts: digits, fashion and cifar10 (10,000 training rows), tiny_imagenet,
    har, epilepsy (seizure or not, recordings held out), a table by its name in `TABLES`, or "ucr/NAME"."""
    if name.startswith("ucr/"):
        held = np.load(path(folder, "ucr_dev.npz"))
        x, y, x_test, y_test = (held[f"{name[4:]}_{part}"] for part in ("X_train", "y_train", "X_test", "y_test"))
        return parts(x, y, x_test, y_test, "series")
    if name == "cifar10":
        return cifar10(folder)
    if name == "tiny_imagenet":
        file = path(folder, "tiny_imagenet50_a.npz")
        images = [halved(jpegs(file, part, count)) for part, count in (("train", 10_000), ("test", 2_500))]
        y, y_test = (np.load(file)[f"y_{part}"] for part in ("train", "test"))
        return parts(images[0], y[:10_000], images[1], y_test[:2_500])
    if name in TABLES:
        label, task, left_out = TABLES[name]
        frame = pd.read_parquet(path(folder, f"{name.partition('/')[0]}.parquet"))
        part = np.full(len(frame), "train")
        part[split(frame[label], test=0.2, seed=0, task=task)[1]] = "test"
        values = frame.drop(columns=[label, *left_out])
        return read(values, label=frame[label].to_numpy(), split=part, task=task)
    if name == "digits":
        return digits()
    if name == "fashion":
        data = read(path(folder, "fashion_mnist.npz"), **PARTS)
        train = data.part("train")
        return data.take(np.concatenate([train[stratified(np.asarray(data.labels)[train], 10_000)], data.part("test")]))
    if name == "har":
        return read(path(folder, "uci_har.npz"), **PARTS)
    if name == "epilepsy":
        data = read(path(folder, "epilepsy.npz"), **EPILEPSY)
        return Data(
            data.values, data.modality, np.asarray(data.labels == 0).astype(np.int8), data.split, data.description
        )
    if name == "adult":
        return read(path(folder, "adult.parquet"), label="income", na=["?"], split="split")
    return read(path(folder, "dry_bean.parquet"), label="Class", drop=["restored"])


@cache
def subset(name: str, folder: Path | None, train: int = 3000, test: int = 800) -> Data:
    """Return a stratified subset; HAR at half the sampling rate, "cifar" at 16 x 16."""
    if name == "cifar":
        file, found = path(folder, "cifar10_jpeg.npz"), []
        for part, most in (("train", train), ("test", test)):
            labels = np.load(file)[f"y_{part}"]
            rows = stratified(labels, most)
            found += [halved(jpegs(file, part, rows)), labels[rows]]
        return parts(*found)
    data = whole(name, folder)
    pairs = ((data.part("train"), train), (data.part("test"), test))
    chosen = [part[stratified(np.asarray(data.labels)[part], most)] for part, most in pairs]
    if name == "har":
        values = np.asarray(data.values, dtype=np.float32)
        values = values.reshape(*values.shape[:2], -1, 2).mean(axis=3)
        data = Data(values, data.modality, data.labels, data.split, data.description)
    return data.take(np.concatenate(chosen))


def _loudness(folder: Path | None) -> NDArray[np.float32]:
    """Return the spoken digits as series (N, 1, 100): the log of the mean amplitude of pieces of 32 samples."""
    held = np.load(path(folder, "fsdd.npz"))
    audio, ends = held["audio"], held["offsets"]
    clips = np.zeros((len(ends) - 1, 3200), dtype=np.float32)
    for clip, begin, end in zip(clips, ends[:-1], ends[1:], strict=True):
        clip[: end - begin] = np.abs(audio[begin:end].astype(np.float32))[:3200]
    return np.log(clips.reshape(len(clips), 1, 100, 32).mean(axis=3) + 1)


def _hashed_tokens(folder: Path | None) -> NDArray[np.float64]:
    """Return how often the tokens of 48 hash buckets occur in the sentences of SST-2, as logarithms."""
    return _counts(pd.read_parquet(path(folder, "sst2.parquet"))["sentence"], 48)


def _counts(sentences: Any, buckets: int) -> NDArray[np.float64]:
    counts = HashingVectorizer(n_features=buckets, alternate_sign=False, norm=None).transform(sentences)
    found: NDArray[np.float64] = np.log1p(counts.toarray())
    return found


@cache
def spoken_digits(folder: Path | None) -> Data:
    """Return the loudness of the spoken digits over time, labelled by the digit; the official parts."""
    held = np.load(path(folder, "fsdd.npz"))
    where = np.where(held["is_test"], "test", "train")
    return read(_loudness(folder), modality="series", label=held["y"], split=where)


@cache
def sentences(folder: Path | None, train: int = 6000) -> Data:
    """Return whole sentences of SST-2 and random phrases to train on, as counts of 256 hash buckets, by sentiment."""
    frame = pd.read_parquet(path(folder, "sst2.parquet"))
    phrases = frame[frame.split == "train"].sample(train, random_state=0)
    chosen = pd.concat([phrases, frame[frame.split == "test"]])
    values = _counts(chosen["sentence"], 256)
    return read(values, modality="table", label=chosen["label"].to_numpy(), split=chosen["split"].to_numpy())


def _ucr(name: str, *which: str) -> Callable[[Path | None], NDArray[Any]]:
    def load(folder: Path | None) -> NDArray[Any]:
        held = np.load(path(folder, "ucr_small.npz"))
        return np.concatenate([held[f"{name}_X_{part}"] for part in which])

    return load


ROWS = 1500
# Rows without labels: modality, and what returns the values.
UNLABELLED: dict[str, tuple[str, Callable[[Path | None], Any]]] = {
    "digits": ("image", lambda _: digit_pixels()),
    "cancer": ("table", lambda _: load_breast_cancer().data),
    "wine": ("table", lambda _: load_wine().data),
    "fsdd": ("series", _loudness),
    "cifar": ("image", lambda folder: jpegs(path(folder, "cifar10_jpeg.npz"), "train", ROWS)),
    "tiny": ("image", lambda folder: halved(jpegs(path(folder, "tiny_imagenet50_a.npz"), "train", ROWS))),
    "sst2": ("table", _hashed_tokens),
    "italy_few": ("series", _ucr("ItalyPowerDemand", "train")),
    "italy": ("series", _ucr("ItalyPowerDemand", "test")),
    "gunpoint": ("series", _ucr("GunPoint", "train", "test")),
    "arrowhead": ("series", _ucr("ArrowHead", "train", "test")),
    "motions": ("series", _ucr("BasicMotions", "train", "test")),
    "epilepsy": ("series", lambda folder: np.load(path(folder, "epilepsy.npz"))["X"][:, None]),
    "har": ("series", lambda folder: np.load(path(folder, "uci_har.npz"))["X_train"]),
    "fashion": ("image", lambda folder: np.load(path(folder, "fashion_mnist.npz"))["X_train"]),
    "dry_bean": (
        "table",
        lambda folder: pd.read_parquet(path(folder, "dry_bean.parquet")).drop(columns=_DRY_BEAN),
    ),
    "adult": ("table", lambda folder: pd.read_parquet(path(folder, "adult.parquet")).drop(columns=["split", "income"])),
}


@cache
def unlabelled(name: str, folder: Path | None) -> Data:
    """Return at most 1500 rows of a data set, spread over it, without labels."""
    modality, load = UNLABELLED[name]
    data = read(load(folder), modality=modality)
    return data.take(np.linspace(0, len(data) - 1, min(ROWS, len(data))).astype(np.int64))


if __name__ == "__main__":
    for name, about in SOURCES.items():
        there = len(sys.argv) > 1 and (Path(sys.argv[1]) / name).exists()
        print(f"{'there  ' if there else 'missing'} {name}: {about['source']}\n        {about['holds']}")
