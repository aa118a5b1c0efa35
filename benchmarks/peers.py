"""The same losses as others publish them: what `objectives.py` times beside ours, with the constants between them.

A `Case` holds one loss as this library, lightly 1.6 and stable-pretraining 0.1.8 write it. A peer's call returns our
value: where its definition has another constant, the call adds or multiplies that, and `within` says how far values
and gradients may still be apart.

stable-pretraining asks for 139 packages, so nothing of it is imported: the definitions of its losses alone are taken
out of its files and run, from the folder that the environment variable STABLE_PRETRAINING names
(`uv pip install --no-deps --target FOLDER stable-pretraining==0.1.8`). Without it its rows are left out.
"""

import ast
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
import torch.nn.functional as F
from lightly.loss import (
    BarlowTwinsLoss,
    DINOLoss,
    LeJEPALoss,
    NegativeCosineSimilarity,
    NTXentLoss,
    SwaVLoss,
    VICRegLoss,
    WMSELoss,
)
from lightly.loss.lejepa_loss import SIGReg
from lightly.loss.swav_loss import sinkhorn as lightly_sinkhorn
from torch import Tensor, nn

from isotropy import objectives as o
from isotropy.nn.prototypes import Prototypes

N, D, PROTOTYPES, DIRECTIONS, SEGMENTS = 512, 2048, 3000, 1024, 64
Loss = Callable[..., Any]
Theirs = Callable[[Callable[[SimpleNamespace], Loss]], Loss | None]  # stable-pretraining's, where it is there


@dataclass(frozen=True)
class Case:
    """One loss in several hands.

    Attributes:
        shapes: of the tensors that all sides take; normal with standard deviation `spread` about a common part.
        ours, lightly, stable: calls that return a scalar, named terms, or what has no gradient; None where there is
            no such loss.
        within: how far values may be apart, relatively; gradients ten times as far.
        leaves: how many of the tensors, the first ones, get a gradient.
        given: makes the other tensors, where they are not normal.
    """

    name: str
    ours: Loss
    lightly: Loss | None = None
    stable: Loss | None = None
    shapes: Sequence[tuple[int, ...]] = ((N, D), (N, D))
    spread: float = 1.0
    within: float = 1e-4
    leaves: int = 2
    given: Callable[[], list[Tensor]] = list

    def tensors(self) -> list[Tensor]:
        """Return the same tensors every time."""
        torch.manual_seed(0)
        common = torch.randn(self.shapes[0])
        made = [
            self.spread * (torch.randn(shape) + (common if shape == self.shapes[0] else 0.0)) for shape in self.shapes
        ]
        return [x.requires_grad_(place < self.leaves) for place, x in enumerate(made)] + self.given()


def stable_pretraining() -> SimpleNamespace | None:
    """Return stable-pretraining's losses by name, or None where there are none to be had."""
    folder = os.environ.get("STABLE_PRETRAINING")
    if not folder or not (root := Path(folder) / "stable_pretraining").is_dir():
        return None
    names: dict[str, Any] = {"torch": torch, "F": F, "nn": nn, "dist": torch.distributed, "os": os}
    exec("from typing import *", names)
    for file, wanted in {
        "utils/distributed.py": (
            "_RANK_ENV_KEYS is_dist_avail_and_initialized get_rank get_world_size all_gather all_reduce"
        ),
        "losses/utils.py": "off_diagonal VCRegLoss",
        "losses/joint_embedding.py": "BYOLLoss VICRegLoss BarlowTwinsLoss SwAVLoss InfoNCELoss NTXEntLoss",
        "losses/dino.py": "DINOv1Loss",
        "losses/reconstruction.py": "mae",
        "methods/lejepa.py": "EppsPulley SlicedEppsPulley",
    }.items():
        for node in ast.parse((root / file).read_text()).body:
            name = node.targets[0].id if isinstance(node, ast.Assign) else getattr(node, "name", "")
            if name in wanted.split():
                exec(compile(ast.Module([node], []), str(root / file), "exec"), names)
    return SimpleNamespace(**names)


def drawn(step: int | None = None) -> Tensor:
    """Return directions (M, D), drawn as lightly does, or as stable-pretraining does in its step `step`."""
    generator = None if step is None else torch.Generator().manual_seed(step)
    return torch.randn(D, DIRECTIONS, generator=generator).T


def our_dino() -> Loss:
    """Return DINO's loss with the update of its centre, which both peers' calls make too."""
    centre = torch.zeros(1, D)

    def run(a: Tensor, b: Tensor, c: Tensor, d: Tensor) -> Tensor:
        loss = o.dino([a, b], [c, d], centre=centre)
        centre.lerp_(torch.stack([c, d]).mean(dim=(0, 1)), 0.1)
        return loss

    return run


def their_dino(peer: SimpleNamespace) -> Loss:
    loss = peer.DINOv1Loss()

    def run(a: Tensor, b: Tensor, c: Tensor, d: Tensor) -> Tensor:
        teacher = torch.stack([c, d])
        value = loss(torch.stack([a, b]), loss.softmax_center_teacher(teacher, 0.04))
        loss.update_center(teacher)
        return value

    return run


def our_prototypes() -> Loss:
    """Return SwAV's loss from projections on, codes of both views together, as stable-pretraining has it."""
    layer = prototypes(Prototypes(D, PROTOTYPES))

    def run(a: Tensor, b: Tensor) -> Tensor:
        scores = layer(F.normalize(torch.cat([a, b])))
        return o.swav(scores.chunk(2), o.sinkhorn(scores.detach()).chunk(2), temperature=0.1)

    return run


def their_prototypes(peer: SimpleNamespace) -> Loss:
    loss, layer = peer.SwAVLoss(), prototypes(nn.Linear(D, PROTOTYPES, bias=False))
    return lambda a, b: loss(a, b, layer)


def prototypes(layer: nn.Module) -> nn.Module:
    """Return a layer whose weights are the same unit rows every time."""
    with torch.no_grad():
        layer.weight.copy_(
            F.normalize(torch.randn(PROTOTYPES, D, generator=torch.Generator().manual_seed(0)))  # type: ignore
        )
    return layer


def our_w_mse(eps: float = 0.0) -> Loss:
    return lambda a, b: o.w_mse(a, b, parts=torch.randperm(len(a)).view(-1, len(a) // 2), eps=eps)


def their_w_mse() -> Loss:
    loss = WMSELoss(embedding_dim=128, w_size=N // 2, track_running_stats=False)
    return lambda a, b: loss(torch.cat([a, b]))


def patches() -> list[Tensor]:
    """Return which of 64 patches of 4 x 4 x 3 are hidden, (N, 64, 1): three of four in every row."""
    hidden = torch.rand(N, 64, generator=torch.Generator().manual_seed(1)).argsort(dim=1) < 48
    return [hidden.unsqueeze(2)]


def published_bbt(p: Tensor, y: Tensor) -> Tensor:
    """Return LFR's loss as its authors write it (transcribed; neither library has it)."""
    cosines = F.normalize(p, dim=1) @ F.normalize(y, dim=1).T
    rows = len(cosines)
    off = cosines.flatten()[:-1].view(rows - 1, rows + 1)[:, 1:].flatten().pow(2).sum()
    return torch.diagonal(cosines).add(-1).pow(2).sum() + 0.01 * off


def cases() -> list[Case]:
    """Return every loss, those that someone else publishes first."""
    peer = stable_pretraining()

    def theirs(make: Callable[[SimpleNamespace], Loss]) -> Loss | None:
        return None if peer is None else make(peer)

    codes = ((N, PROTOTYPES),) * 2
    return [*of_two_views(theirs), *of_targets(theirs, codes), *of_distributions_and_values(theirs), *alone(codes)]


def of_two_views(theirs: Theirs) -> list[Case]:
    """Return the losses of two views on equal terms: contrasted, or decorrelated."""
    return [
        Case(
            "nt_xent",
            lambda a, b: o.nt_xent(a, b, temperature=0.5),
            NTXentLoss(temperature=0.5),
            theirs(lambda s: s.NTXEntLoss(0.5)),
        ),
        Case(
            "info_nce",
            lambda a, b: o.info_nce(a, b, temperature=0.1),
            None,
            theirs(lambda s: lambda a, b: s.InfoNCELoss(0.1)(a, b, torch.arange(N))),
        ),
        # stable-pretraining divides by unbiased deviations: its correlations are (N-1)/N of ours.
        Case("barlow_twins, lightly's", o.barlow_twins, BarlowTwinsLoss()),
        Case("barlow_twins", o.barlow_twins, None, theirs(lambda s: s.BarlowTwinsLoss()), within=6e-3),
        Case("vicreg", o.vicreg, VICRegLoss(), theirs(lambda s: s.VICRegLoss()), spread=0.5),
    ]


def of_targets(theirs: Theirs, codes: Sequence[tuple[int, ...]]) -> list[Case]:
    """Return the losses that chase a target: of a teacher, or of prototypes."""
    cosine = NegativeCosineSimilarity()
    return [
        # Ours is a sum over both directions of 2 - 2 cos.
        Case(
            "byol",
            lambda a, b, c, d: o.byol([a, b], [c, d]),
            lambda a, b, c, d: 4 + 2 * (cosine(a, d.detach()) + cosine(b, c.detach())),
            theirs(lambda s: lambda a, b, c, d: s.BYOLLoss()(a, d.detach()) + s.BYOLLoss()(b, c.detach())),
            shapes=((N, D),) * 4,
        ),
        Case(
            "cosine_distance",
            o.cosine_distance,
            lambda a, b: 2 + 2 * cosine(a, b.detach()),
            theirs(lambda s: lambda a, b: s.BYOLLoss()(a, b.detach())),
            leaves=1,
        ),
        Case(
            "swav with sinkhorn",
            lambda a, b: o.swav([a, b], [o.sinkhorn(a.detach()), o.sinkhorn(b.detach())], temperature=0.1),
            lambda a, b: SwaVLoss()([a, b], []),
            shapes=codes,
            spread=0.2,
        ),
        Case("swav with prototypes and sinkhorn over both views", our_prototypes(), None, theirs(their_prototypes)),
        Case("sinkhorn", o.sinkhorn, lightly_sinkhorn, shapes=codes[:1], spread=0.2, leaves=0),
        # A fresh centre for either; lightly and stable-pretraining lose 2e-4 in one sum over a million products.
        Case(
            "dino with its centre, lightly's",
            our_dino(),
            (lambda loss: lambda a, b, c, d: loss([c, d], [a, b]))(DINOLoss(D)),
            shapes=((N, D),) * 4,
            spread=0.1,
            within=1e-3,
        ),
        Case(
            "dino with its centre", our_dino(), None, theirs(their_dino), shapes=((N, D),) * 4, spread=0.1, within=1e-3
        ),
    ]


def of_distributions_and_values(theirs: Theirs) -> list[Case]:
    """Return the losses that shape the distribution of embeddings, and that of reconstruction."""
    return [
        Case(
            "sigreg, lightly's draw",
            lambda a: o.sigreg(a, drawn()),
            SIGReg(num_vectors=DIRECTIONS),
            shapes=((N, D),),
            leaves=1,
        ),
        Case(
            "sigreg",
            lambda a: o.sigreg(a, drawn(0)),
            None,
            theirs(lambda s: lambda a: s.SlicedEppsPulley(DIRECTIONS)(a)),
            shapes=((N, D),),
            leaves=1,
        ),
        Case(
            "lejepa",
            lambda a, b: o.lejepa([a, b], drawn(), centre=1),
            (lambda loss: lambda a, b: loss(global_proj=a[None], local_proj=b[None]))(
                LeJEPALoss(sigreg_num_vectors=DIRECTIONS)
            ),
        ),
        # lightly takes no sub-batch of fewer than two rows a dimension.
        Case("w_mse, D = 128", our_w_mse(), their_w_mse(), shapes=((N, 128),) * 2, within=1e-3),
        Case(
            "reconstruction of hidden patches",
            lambda p, x, hidden: o.reconstruction(p, x, hidden=hidden),
            None,
            theirs(lambda s: lambda p, x, hidden: s.mae(x, p, hidden[..., 0])),
            shapes=((N, 64, 48),) * 2,
            leaves=1,
            given=patches,
        ),
    ]


def alone(codes: Sequence[tuple[int, ...]]) -> list[Case]:
    """Return the losses that neither publishes."""
    return [
        Case("music", lambda a, b: o.music(a, b, num_segments=SEGMENTS)),
        Case("dissl", lambda a, b, c, d: o.dissl([a, b], [c, d]), shapes=(*codes, *codes), leaves=4),
        Case("cissl", lambda a, b, c, d: o.cissl([a, b], [c, d], temperature=0.2), shapes=((N, D),) * 4, leaves=4),
        Case("center", lambda a, b: o.center(a, b, lambd=0.5)),
        Case("center_subtraction", lambda a, b: o.center_subtraction(a, b, centre=torch.zeros(D), lambd=0.5)),
        Case("w_mse with eps", our_w_mse(0.1)),
        Case("temporal_contrast", o.temporal_contrast, shapes=((N, 10, D // 10),) * 2),
        Case("hierarchical_contrast", o.hierarchical_contrast, shapes=((32, 64, 320),) * 2),
        Case("normalise_patches", lambda a: o.normalise_patches(a, 4), shapes=((N, 3, 32, 32),), leaves=0),
    ]
