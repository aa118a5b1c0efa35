"""Views in feature space against the same moves of the input: on scikit-learn's digits, with a verdict.

    python experiments/structured_digits.py [--only rotation translation] [--out docs/results/structured_digits.json]

Rotation: SimCLR on upright digits with a network that is equivariant to quarter turns; test digits are turned at
random.
Translation: digits on a torus of 12 x 12 pixels, shifted at random by up to 3, with a network that is equivariant to
cyclic shifts, over the distance of the views (in places of 2 pixels) and the number of places that a view reads. Each
beside a network
without the structure, whose output is merely called a map. "structured" reads both views from one feature map, "moved"
transforms the input; nothing else differs. Linear probe on frozen features, 1300 training and 497 test digits, three
seeds. About fifteen minutes on one thread; a run that is in the file is not made again.

Claim (Keller, Suau and Zappella, "Homomorphic Self-Supervised Learning", TMLR 2023, arXiv 2211.08282, abstract): views
in feature space train as well as augmentations where the network is equivariant, and fail where it is not.
"""

import argparse
import json
import platform
from collections.abc import Callable
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn import functional as F

from isotropy.encoders import C4CNN, CyclicCNN
from isotropy.encoders.equivariant.space import BaseSpace, Rotations, Translations, act
from isotropy.evaluation import linear_probe
from isotropy.methods import SimCLR
from isotropy.training import Optim, fit
from isotropy.views import MovedViews, StructuredViews

SEEDS = (0, 1, 2)
EPOCHS, BATCH, TRAIN = 30, 256, 1300


class Pixels:
    """Digits as a source for `fit`."""

    modality = "image"

    def __init__(self, images: Tensor) -> None:
        self.images = images

    def __len__(self) -> int:
        return len(self.images)

    def batch(self, index: Tensor) -> Tensor:
        """Return the images `index`."""
        return self.images[index]

    def to_input(self, rows: Tensor) -> Tensor:
        """Return them as they are: they are input already."""
        return rows


class Called(nn.Module):
    """A network without the structure: its output is cut into pieces that are called places of a base space."""

    def __init__(self, network: nn.Module, base: BaseSpace, width: int, read: int = 1) -> None:
        super().__init__()
        self.network, self.base, self.fibre_width, self.read = network, base, width, read
        self.width = width * read ** len(base.shape)

    def fibres(self, x: Tensor) -> Tensor:
        """Return (B, width, *base.shape)."""
        maps: Tensor = self.network(x).unflatten(1, (self.fibre_width, *self.base.shape))
        return maps

    def forward(self, x: Tensor) -> Tensor:
        """Return what stands at home."""
        return self.base.crop(self.fibres(x), self.base.origin(self.read).expand(len(x), -1), self.read)


def turning_network() -> nn.Module:
    """Return a network that is equivariant to quarter turns: 8, 16 and 32 fields."""
    return C4CNN(channels=1, size=(8, 8), width=32, read=1)


def plain_turning_network() -> nn.Module:
    """Return an ordinary network with as many channels, which are called four turns of 32 fields."""
    layers: list[nn.Module] = []
    for before, after in ((1, 32), (32, 64), (64, 128)):
        layers += [nn.Conv2d(before, after, 3, padding=1), nn.BatchNorm2d(after), nn.ReLU()]
    layers.insert(3, nn.MaxPool2d(2))
    return Called(nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten()), Rotations(mirrors=False), 32)


def shifting_network(read: int = 1) -> nn.Module:
    """Return a network that is equivariant to cyclic shifts by 2 pixels: 32 channels at 6 x 6 places."""
    return CyclicCNN(channels=1, size=(12, 12), width=32, halvings=1, read=read)


def plain_shifting_network() -> nn.Module:
    """Return two dense layers whose output is called a map of 32 channels at 6 x 6 places."""
    layers = (nn.Flatten(), nn.Linear(144, 256), nn.BatchNorm1d(256), nn.ReLU(), nn.Linear(256, 32 * 36))
    return Called(nn.Sequential(*layers), Translations((6, 6), stride=2), 32)


def digits(seed: int) -> tuple[Tensor, np.ndarray, np.ndarray, np.ndarray]:
    """Return all images (1797, 1, 8, 8), standardised, their labels, and the rows for training and for testing."""
    found = load_digits()
    order = np.random.default_rng(seed).permutation(len(found.target))
    train, test = order[:TRAIN], order[TRAIN:]
    x = torch.from_numpy(found.images).float().unsqueeze(1)
    return (x - x[train].mean()) / x[train].std(), found.target, train, test


def rotation_data(seed: int) -> tuple[Tensor, Tensor, np.ndarray, np.ndarray]:
    """Return upright training digits and test digits that are turned at random, with their labels."""
    x, y, train, test = digits(seed)
    turns = np.random.default_rng(100 + seed).integers(4, size=len(test))
    turned = torch.stack([act(image, int(k)) for image, k in zip(x[test], turns)])
    return x[train], turned, y[train], y[test]


def translation_data(seed: int) -> tuple[Tensor, Tensor, np.ndarray, np.ndarray]:
    """Return digits on a torus of 12 x 12 pixels, each shifted by up to 3 both ways, with their labels."""
    x, y, train, test = digits(seed)
    x = F.pad(x, (2, 2, 2, 2), value=float(x.min()))
    shifts = np.random.default_rng(200 + seed).integers(-3, 4, size=(len(x), 2))
    x = torch.stack([image.roll((int(a), int(b)), (1, 2)) for image, (a, b) in zip(x, shifts)])
    return x[train], x[test], y[train], y[test]


@torch.no_grad()
def scores(encoder: Any, data: tuple[Tensor, Tensor, np.ndarray, np.ndarray]) -> dict[str, float]:
    """Return the linear accuracy of what stands at home and of the mean over the base space."""
    encoder.eval()
    x, x_test, y, y_test = data
    maps, maps_test = encoder.fibres(x), encoder.fibres(x_test)
    home = encoder.base.origin(1)
    pairs = {
        "fibre": [encoder.base.crop(m, home.expand(len(m), -1), 1) for m in (maps, maps_test)],
        "mean": [m.flatten(2).mean(dim=2) for m in (maps, maps_test)],
    }
    return {name: round(linear_probe(a.numpy(), y, b.numpy(), y_test).score, 4) for name, (a, b) in pairs.items()}


@torch.no_grad()
def invariance(method: SimCLR, x: Tensor) -> float:
    """Return the mean cosine between the projections of an image and of its turned copies, centred."""
    method.eval()
    encoder: Any = method.encoder
    home = encoder.base.origin(1)

    def projected(k: int) -> Tensor:
        maps = encoder.fibres(act(x, k))
        return method.projector(encoder.base.crop(maps, home.expand(len(x), -1), 1))

    z = torch.stack([projected(k) for k in range(4)])
    unit = F.normalize(z - z.mean(dim=(0, 1)), dim=2)
    return round(float((unit[1:] * unit[:1]).sum(dim=2).mean()), 4)


def run(
    make: Callable[[], nn.Module], views: str, data: tuple[Tensor, ...], seed: int, lr: float, **options: Any
) -> dict[str, Any]:
    """Train one network and return its scores; no views leave it as it was drawn."""
    torch.manual_seed(seed)
    method = SimCLR(make(), projector=(64, 32), temperature=0.2)
    encoder: Any = method.encoder
    began, loss = process_time(), None
    if views:
        maker = {"structured": StructuredViews, "moved": MovedViews}[views](
            base=encoder.base, base_size=encoder.read or 1, **options
        )
        optim = Optim(name="adam", lr=lr, weight_decay=0.0, warmup=0.0)
        for step in fit(
            method, Pixels(data[0]), maker, optim=optim, epochs=EPOCHS, batch_size=BATCH, seed=seed, precision="float32"
        ):
            loss = round(step.loss, 4)
    return {
        "seconds": round(process_time() - began, 1),
        "loss": loss,
        **scores(encoder, data),  # type: ignore[arg-type]
        "invariance": invariance(method, data[1]) if isinstance(encoder.base, Rotations) else None,
    }


def cases() -> dict[str, list[tuple[str, dict[str, Any]]]]:
    """Return all runs: part -> (name, arguments of `run` but data and seed)."""
    turning = [
        (f"{network}, {views or 'frozen'}", {"make": make, "views": views, "lr": 2e-3})
        for network, make in (("C4", turning_network), ("plain", plain_turning_network))
        for views in ("", "moved", "structured")
    ]
    shifting: list[tuple[str, dict[str, Any]]] = [
        ("torus, frozen", {"make": shifting_network, "views": "", "lr": 3e-3})
    ]
    for views in ("moved", "structured"):
        shifting += [
            (f"torus, {views}, distance {d}", {"make": shifting_network, "views": views, "lr": 3e-3, "distance": d})
            for d in (0, 1, 2, 3)
        ]
        shifting += [
            (
                f"torus, {views}, distance 1, base size {b}",
                {"make": lambda b=b: shifting_network(b), "views": views, "lr": 3e-3, "distance": 1},
            )
            for b in (2, 3)
        ]
    shifting += [
        (
            f"dense, {views or 'frozen'}" + (", distance 3" if views else ""),
            {"make": plain_shifting_network, "views": views, "lr": 3e-3, **({"distance": 3} if views else {})},
        )
        for views in ("", "moved", "structured")
    ]
    return {"rotation": turning, "translation": shifting}


def verdicts(runs: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return the comparisons that the claim is about, with every seed's difference, and what they say."""

    def differences(part: str, one: str, other: str) -> list[float]:
        pairs = [(f"{part}/{one}/{seed}", f"{part}/{other}/{seed}") for seed in SEEDS]
        return [round(100 * (runs[a]["fibre"] - runs[b]["fibre"]), 1) for a, b in pairs if a in runs and b in runs]

    found: dict[str, Any] = {}
    equal = differences("rotation", "C4, structured", "C4, moved")
    removed = differences("rotation", "plain, structured", "plain, moved")
    if len(equal) == len(SEEDS) == len(removed):
        found["rotation"] = {
            "structured - moved, equivariant network, points": equal,
            "structured - moved, structure removed, points": removed,
            "verdict": "reproduced" if abs(np.mean(equal)) < 6 and np.mean(removed) < -15 else "not reproduced",
        }
    by_distance = {
        d: differences("translation", f"torus, structured, distance {d}", f"torus, moved, distance {d}")
        for d in (0, 1, 2, 3)
    }
    dense = differences("translation", "dense, structured, distance 3", "dense, moved, distance 3")
    if all(len(values) == len(SEEDS) for values in [*by_distance.values(), dense]):
        half = 4.303 * float(np.std(dense, ddof=1)) / len(dense) ** 0.5  # t with two degrees of freedom
        close = all(abs(np.mean(values)) < 6 for values in by_distance.values())
        found["translation"] = {
            "structured - moved, equivariant network, points, by distance": by_distance,
            "structured - moved, structure removed, points": dense,
            "structure removed, mean and its 95% interval over seeds": [
                round(float(np.mean(dense)) + sign * half, 1) for sign in (0, -1, 1)
            ],
            "verdict": "reproduced" if close and np.mean(dense) < 0 else "not reproduced",
        }
    return found


def table(runs: dict[str, dict[str, Any]]) -> str:
    """Return the runs as a table in Markdown: mean and standard deviation over seeds, in percent."""
    lines = ["| run | at home | mean over the base | invariance of the head | seconds |", "|---|---|---|---|---|"]
    for name in dict.fromkeys(key.rsplit("/", 1)[0] for key in runs):
        of = [value for key, value in runs.items() if key.rsplit("/", 1)[0] == name]
        cells = []
        for column in ("fibre", "mean"):
            values = [100 * entry[column] for entry in of]
            cells.append(f"{np.mean(values):.1f} ± {np.std(values):.1f}")
        cosines = [entry["invariance"] for entry in of if entry["invariance"] is not None]
        cells += [f"{np.mean(cosines):.2f}" if cosines else "", f"{np.mean([e['seconds'] for e in of]):.0f}"]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", choices=("rotation", "translation"), default=("rotation", "translation"))
    parser.add_argument("--table", action="store_true", help="show the results that are there")
    parser.add_argument("--out", type=Path, default=Path("docs/results/structured_digits.json"))
    options = parser.parse_args()
    kept = json.loads(options.out.read_text()) if options.out.exists() else {"runs": {}}
    torch.set_num_threads(1)
    for part in () if options.table else options.only:
        for seed in SEEDS:
            data = {"rotation": rotation_data, "translation": translation_data}[part](seed)
            for name, arguments in cases()[part]:
                key = f"{part}/{name}/{seed}"
                if key in kept["runs"]:
                    continue
                kept["runs"][key] = run(data=data, seed=seed, **arguments)
                print(key, kept["runs"][key], flush=True)
                kept |= {
                    "command": "python experiments/structured_digits.py",
                    "torch": torch.__version__,
                    "machine": f"{platform.machine()}, one thread",
                    "verdicts": verdicts(kept["runs"]),
                }
                options.out.write_text(json.dumps(kept, indent=1) + "\n")
    print(table(kept["runs"]))
    print(json.dumps(verdicts(kept["runs"]), indent=1))


if __name__ == "__main__":
    main()
