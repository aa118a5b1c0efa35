"""The bound on how far the two losses differ, by the equivariance error."""

from collections.abc import Callable
from typing import Any

import torch
from rows import Row, Rows
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional as F

from isotropy.encoders import C4CNN, DilationCNN, ScaleCNN
from isotropy.views.equivariant import Offsets


@torch.no_grad()
def losses(name: str, seed: int, quick: bool) -> Row:
    """Return both losses, their difference, and twice the mean distance of the unit vectors."""
    x = torch.from_numpy(load_digits().images[: 80 if quick else 512]).float()
    x = (x - x.mean()) / x.std()
    if name.startswith("speeds"):
        x = F.interpolate(x, size=128, mode="linear", align_corners=False)
    else:
        x = F.interpolate(x.unsqueeze(1), size=(32, 32), mode="bilinear", align_corners=False)
    torch.manual_seed(seed)
    encoder: Any = BOUNDS[name]().train()
    for rows in x.split(len(x) // 20):
        encoder.fibres(rows)
    encoder.eval()
    base, origin = encoder.base, encoder.base.origin(1).expand(len(x), -1)
    offsets, maps = Offsets(base)(torch.arange(len(x)), seed=seed, pass_=0), encoder.fibres(x)
    read = [F.normalize(base.crop(maps, offset, 1), dim=1) for offset in offsets]
    moved = [F.normalize(base.crop(encoder.fibres(base.transformed(x, o, 1)), origin, 1), dim=1) for o in offsets]
    structured, of_input = (-float((a * b).sum(dim=1).mean()) for a, b in (read, moved))
    return {
        "loss_structured": round(structured, 5),
        "loss_moved": round(of_input, 5),
        "difference": round(abs(structured - of_input), 7),
        "bound": round(sum(float((a - b).norm(dim=1).mean()) for a, b in zip(read, moved)), 7),
        "equivariance_error": float(f"{encoder.equivariance_error:.2g}"),
    }


BOUNDS: dict[str, Callable[[], nn.Module]] = {
    "quarter turns (exact)": lambda: C4CNN(channels=1, size=(32, 32)),
    "sizes, 3 levels": lambda: ScaleCNN(channels=1, size=(32, 32)),
    "speeds, 3 levels": lambda: DilationCNN(channels=8, length=128),
}


def below_the_bound(rows: Rows) -> tuple[str, str]:
    """Judge the difference of the losses by the bound, row by row."""
    inexact = [row for row in rows if not row["variant"].startswith("quarter")]
    ends = [f"{min(r[n] for r in inexact):.3f} to {max(r[n] for r in inexact):.3f}" for n in ("difference", "bound")]
    holds = all(row["difference"] <= row["bound"] + 1e-6 for row in rows)
    return f"{ends[0]} against {ends[1]}; 0 for turns", "holds" if holds else "does not hold"
