"""How far apart views in feature space and of the input are where the equivariance is approximate, and the bound.

    python experiments/structured_bound.py [--out docs/results/structured_bound.json]

Corollary of Keller, Suau and Zappella (TMLR 2023, arXiv 2211.08282), as `docs/structured.md` states it: where both
sides of the equivariance differ by at most e, |L_A - L_H| <= Lip(loss) * 2 e. The loss is the negative cosine of two
views, which in each unit vector has the Lipschitz constant 1; e is the mean distance of the unit vectors that the
two sides give. Digits enlarged to 32 x 32 pixels for the axis of sizes, and their rows read as series of 8 x 128
steps for the axis of speeds; networks as drawn, in eval mode after 20 batches in train mode, three seeds; an exact
group beside.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import torch
from sklearn.datasets import load_digits
from torch import Tensor
from torch.nn import functional as F

from isotropy.encoders import C4CNN, DilationCNN, Equivariant, ScaleCNN
from isotropy.views.equivariant import Offsets


def images() -> Tensor:
    """Return 512 digits of 32 x 32 pixels, standardised."""
    x = torch.from_numpy(load_digits().images[:512]).float().unsqueeze(1)
    return F.interpolate((x - x.mean()) / x.std(), size=(32, 32), mode="bilinear", align_corners=False)


def series() -> Tensor:
    """Return 512 smooth series of 8 channels and 128 steps: the rows of the digits, enlarged along time."""
    x = torch.from_numpy(load_digits().images[:512]).float()
    return F.interpolate((x - x.mean()) / x.std(), size=128, mode="linear", align_corners=False)


@torch.no_grad()
def measure(encoder: Equivariant, x: Tensor, seed: int) -> dict[str, float]:
    """Return both losses, their difference, and twice the mean distance of the unit vectors."""
    encoder.train()
    for rows in x.split(len(x) // 20):
        encoder.fibres(rows)
    encoder.eval()
    base = encoder.base
    starts = Offsets(base)(torch.arange(len(x)), seed=seed, pass_=0)
    home = base.origin(1).expand(len(x), -1)
    maps = encoder.fibres(x)
    read = [F.normalize(base.crop(maps, start, 1), dim=1) for start in starts]
    moved = [F.normalize(base.crop(encoder.fibres(base.transformed(x, start, 1)), home, 1), dim=1) for start in starts]
    loss = {name: -float((one * two).sum(dim=1).mean()) for name, (one, two) in (("H", read), ("A", moved))}
    distance = [float((a - b).norm(dim=1).mean()) for a, b in zip(read, moved)]
    return {
        "loss, feature space": round(loss["H"], 5),
        "loss, input": round(loss["A"], 5),
        "difference": round(abs(loss["H"] - loss["A"]), 7),
        "bound": round(sum(distance), 7),
        "error at construction": float(f"{encoder.equivariance_error:.2g}"),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("docs/results/structured_bound.json"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    cases = {
        "quarter turns (exact)": (lambda: C4CNN(channels=1, size=(32, 32)), images()),
        "sizes, 3 levels": (lambda: ScaleCNN(channels=1, size=(32, 32)), images()),
        "speeds, 3 levels": (lambda: DilationCNN(channels=8, length=128), series()),
    }
    found: dict[str, Any] = {"command": "python experiments/structured_bound.py", "runs": {}}
    for name, (make, x) in cases.items():
        for seed in range(3):
            torch.manual_seed(seed)
            found["runs"][f"{name}/{seed}"] = result = measure(make(), x, seed)
            print(name, seed, result)
            assert result["difference"] <= result["bound"] + 1e-6
    options.out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
