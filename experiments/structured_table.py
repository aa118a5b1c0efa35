"""A-SSL and H-SSL on real data: views of the input against views in feature space, on the same equivariant network.

    python experiments/structured_table.py --data DIR [--only fashion cifar10 har] [--out FILE.json]

The kind of table of Keller, Suau and Zappella (TMLR 2023, arXiv 2211.08282, table 1: top-1 of a linear probe on frozen
features), at a small size on processors: SimCLR with a C4 network on 10,000 images of Fashion-MNIST and on 10,000 of
CIFAR-10 (a JPEG copy), test images turned by random quarter turns; with a cyclic network on the HAR windows, test
windows shifted by random steps. Trained on what is upright and unshifted. Either kind of views gets the same epochs,
draws and settings; its processor seconds are beside. Three seeds; the interval is over them. A run that is in the
file is not made again.
"""

import argparse
import io
import json
import platform
from collections.abc import Callable
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from isotropy.data import ArrayDataset, ImagePreprocess, SeriesPreprocess
from isotropy.encoders import C4CNN, CyclicSeriesCNN, Equivariant
from isotropy.encoders.equivariant.space import act
from isotropy.evaluation import linear_probe
from isotropy.methods import SimCLR
from isotropy.training import Optim, fit
from isotropy.views import MovedViews, StructuredViews

SEEDS = (0, 1, 2)
ROWS, BATCH = 10_000, 256
Split = tuple[Any, np.ndarray, Any, np.ndarray]


def fashion(folder: Path, seed: int) -> Split:
    """Return upright training images and test images that are turned at random."""
    d = np.load(folder / "fashion_mnist.npz")
    return turned(d["X_train"][:ROWS, None], d["y_train"][:ROWS], d["X_test"][:, None], d["y_test"], seed)


def cifar10(folder: Path, seed: int) -> Split:
    """Return upright training images and test images that are turned at random."""
    d = np.load(folder / "cifar10_jpeg.npz")

    def images(part: str, count: int) -> np.ndarray:
        content, at = d[f"jpeg_{part}"].tobytes(), d[f"offsets_{part}"]
        read = [np.asarray(Image.open(io.BytesIO(content[i:j]))) for i, j in zip(at[:count], at[1:])]
        return np.stack(read).transpose(0, 3, 1, 2)

    return turned(images("train", ROWS), d["y_train"][:ROWS], images("test", 10_000), d["y_test"], seed)


def turned(x: np.ndarray, y: np.ndarray, x_test: np.ndarray, y_test: np.ndarray, seed: int) -> Split:
    turns = np.random.default_rng(seed).integers(4, size=len(x_test))
    rows = torch.from_numpy(np.ascontiguousarray(x_test))
    test = torch.stack([act(image, int(k)) for image, k in zip(rows, turns)])
    return torch.from_numpy(np.ascontiguousarray(x)), y, test, y_test


def har(folder: Path, seed: int) -> Split:
    """Return the training windows and test windows that are shifted round their end at random."""
    d = np.load(folder / "uci_har.npz")
    shifts = np.random.default_rng(seed).integers(d["X_test"].shape[2], size=len(d["X_test"]))
    test = np.stack([np.roll(window, int(s), axis=-1) for window, s in zip(d["X_test"], shifts)])
    train = torch.from_numpy(d["X_train"]).float()
    return train, d["y_train"], torch.from_numpy(test).float(), d["y_test"]


# data set -> how it is read, preprocessing, network, epochs, distance of the views
CASES: dict[str, tuple[Callable[[Path, int], Split], Any, Callable[[], Equivariant], float, int | None]] = {
    "fashion": (fashion, ImagePreprocess, lambda: C4CNN(channels=1, size=(28, 28)), 6, None),
    "cifar10": (cifar10, ImagePreprocess, lambda: C4CNN(channels=3, size=(32, 32)), 6, None),
    "har": (har, SeriesPreprocess, lambda: CyclicSeriesCNN(channels=9, length=128), 20, 4),
}


@torch.no_grad()
def vectors(encoder: Equivariant, x: Tensor, *, mean: bool) -> np.ndarray:
    """Return the mean over the base space of every row, or what stands at home."""
    encoder.eval()
    found = []
    for rows in x.split(512):
        maps = encoder.fibres(rows)
        home = encoder.base.origin(1).expand(len(rows), -1)
        found.append(maps.flatten(2).mean(dim=2) if mean else encoder.base.crop(maps, home, 1))
    return torch.cat(found).numpy()


def run(name: str, views: str, folder: Path, seed: int) -> dict[str, Any]:
    """Train one network, or leave it as drawn, and return its scores and times."""
    read, preprocess, make, epochs, distance = CASES[name]
    x, y, x_test, y_test = read(folder, seed)
    learnt = preprocess.learn(x)
    dataset = ArrayDataset(learnt.transform(x), learnt)
    torch.manual_seed(seed)
    encoder = make()
    began, loss = process_time(), None
    if views:
        maker = {"structured": StructuredViews, "moved": MovedViews}[views](base=encoder.base, distance=distance)
        optim = Optim(name="adamw", lr=1e-3)
        method = SimCLR(encoder, projector=(256, 64), temperature=0.2)
        for step in fit(method, dataset, maker, optim=optim, epochs=epochs, batch_size=BATCH, seed=seed):
            loss = round(step.loss, 4)
    seconds = round(process_time() - began, 1)
    rows, rows_test = (learnt.to_input(learnt.transform(part)) for part in (x, x_test))
    found: dict[str, Any] = {"epochs": epochs if views else 0, "processor_seconds": seconds, "loss": loss}
    for label, mean in (("home", False), ("mean", True)):
        pair = (vectors(encoder, rows, mean=mean), vectors(encoder, rows_test, mean=mean))
        found[label] = round(linear_probe(pair[0], y, pair[1], y_test).score, 4)
    return found


def difference(runs: dict[str, dict[str, Any]], data: str, column: str) -> str:
    """Return the mean of H - A over seeds in points, with its interval, or nothing until all seeds are there."""
    pairs = [(f"{data}/structured/{s}", f"{data}/moved/{s}") for s in SEEDS]
    if not all(key in runs for pair in pairs for key in pair):
        return ""
    gaps = [100 * (runs[a][column] - runs[b][column]) for a, b in pairs]
    half = 4.303 * np.std(gaps, ddof=1) / len(gaps) ** 0.5  # t with two degrees of freedom
    return f"{np.mean(gaps):+.1f} [{np.mean(gaps) - half:+.1f}, {np.mean(gaps) + half:+.1f}]"


def table(runs: dict[str, dict[str, Any]]) -> str:
    """Return top-1 in percent, mean and standard deviation over seeds, and A minus H with its interval."""
    lines = ["| data | views | at home | mean over the base | processor seconds |", "|---|---|---|---|---|"]
    names = {"moved": "of the input (A-SSL)", "structured": "in feature space (H-SSL)", "frozen": "untrained"}
    for data in CASES:
        for views, said in names.items():
            of = [runs[key] for seed in SEEDS if (key := f"{data}/{views}/{seed}") in runs]
            if of:
                columns = [[100 * entry[c] for entry in of] for c in ("home", "mean")]
                cells = [f"{np.mean(values):.1f} ± {np.std(values):.1f}" for values in columns]
                cells.append(f"{np.mean([entry['processor_seconds'] for entry in of]):.0f}")
                lines.append(f"| {data} | {said} | {' | '.join(cells)} |")
        gaps = [difference(runs, data, column) for column in ("home", "mean")]
        if all(gaps):
            lines.append(f"| {data} | H - A, points [95% over seeds] | {' | '.join(gaps)} | |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--only", nargs="*", choices=tuple(CASES), default=tuple(CASES))
    parser.add_argument("--seeds", nargs="*", type=int, default=SEEDS)
    parser.add_argument("--table", action="store_true", help="show the results that are there")
    parser.add_argument("--out", type=Path, default=Path("docs/results/structured_table.json"))
    options = parser.parse_args()
    kept = json.loads(options.out.read_text()) if options.out.exists() else {"runs": {}}
    if options.data is None and not options.table:
        parser.error("--data DIR is needed to train")
    torch.set_num_threads(1)
    for seed in () if options.table else options.seeds:
        for name in options.only:
            for views in ("frozen", "structured", "moved"):
                key = f"{name}/{views}/{seed}"
                if key in kept["runs"]:
                    continue
                kept["runs"][key] = run(name, "" if views == "frozen" else views, options.data, seed)
                print(key, kept["runs"][key], flush=True)
                kept |= {
                    "command": "python experiments/structured_table.py --data DIR",
                    "torch": torch.__version__,
                    "machine": f"{platform.machine()}, one thread",
                }
                options.out.write_text(json.dumps(kept, indent=1) + "\n")
    print(table(kept["runs"]))


if __name__ == "__main__":
    main()
