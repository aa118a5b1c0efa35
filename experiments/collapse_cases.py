"""The cases of the collapse bench: failures planted by subclasses and settings, healthy runs, and their data."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from isotropy.methods import BYOL, DINO, METHODS, SimSiam, SwAV
from isotropy.methods.looks import crossed
from isotropy.methods.method import Outputs
from isotropy.objectives import swav
from isotropy.views.views import Source, ViewMaker, Views


class SimSiamWithGradient(SimSiam):
    """SimSiam whose targets carry a gradient."""

    def forward(self, views: Views) -> Outputs:
        """Return predictions and targets, neither detached."""
        z = [self.projector(h) for h in views.through(self.encoder)]
        return {"prediction": [self.predictor(x) for x in z], "target": z}

    def loss(self, prediction: list[Tensor], target: list[Tensor]) -> dict[str, Tensor]:
        """Return the distance through which both sides learn."""
        pairs = [1 - torch.cosine_similarity(p, z, dim=1).mean() for p, z in crossed(prediction, target)]
        return {"distance": torch.stack(pairs).mean() - 1}


class SimSiamWithoutPredictor(SimSiam):
    """SimSiam whose predictor is the identity."""

    def __init__(self, encoder: nn.Module, **options: Any) -> None:
        super().__init__(encoder, **options)
        self.predictor = nn.Sequential()


class BYOLWithoutPredictor(BYOL):
    """BYOL whose predictor is the identity."""

    def __init__(self, encoder: nn.Module, **options: Any) -> None:
        super().__init__(encoder, **options)
        self.predictor = nn.Sequential()


class SwAVWithoutSinkhorn(SwAV):
    """SwAV whose codes are the softmax of the scores: nothing makes clusters equally full."""

    def loss(self, scores: list[Tensor], z: list[Tensor]) -> dict[str, Tensor]:
        """Return the cross entropy with codes that are not balanced."""
        codes = [(one.detach() / self.epsilon).softmax(1) for one in scores[: self.assigned]]
        return {"prediction": swav(scores, codes, temperature=self.temperature)}


class DINOWithoutCentring(DINO):
    """DINO whose centre stays at 0."""

    def update(self, level: Tensor, **_: object) -> None:
        """Move the teacher alone."""
        super().update(level=torch.zeros_like(level))


class SameRow:
    """Looks at the first row of the batch, given for every sample."""

    def __init__(self, views: ViewMaker) -> None:
        self.views, self.count = views, views.count

    def __call__(self, source: Source, index: Tensor, *, seed: int, pass_: int) -> Views:
        """Return views of `index` that show one row."""
        shown = self.views(source, index, seed=seed, pass_=pass_)
        return Views(index, lambda: [look[:1].expand_as(look).contiguous() for look in shown.looks])


PLANTED = {
    "simsiam_with_gradient": SimSiamWithGradient,
    "simsiam_without_predictor": SimSiamWithoutPredictor,
    "byol_without_predictor": BYOLWithoutPredictor,
    "swav_without_sinkhorn": SwAVWithoutSinkhorn,
    "dino_without_centring": DINOWithoutCentring,
}
METHODS.update(PLANTED)


@dataclass(frozen=True)
class Case:
    """One run of the bench.

    Attributes:
        name: what is planted, or which method is healthy. base: the method that it is of.
        data: a name that `rows_of` knows. expected: the verdicts that are right.
        method: the planted class, where it is not the base. settings: on top of the base's defaults.
        same_row: whether every look shows one row.
    """

    name: str
    base: str
    data: str
    expected: tuple[str, ...]
    method: str = ""
    settings: dict[str, Any] = field(default_factory=dict)
    same_row: bool = False


HEALTHY = ("healthy",)
NARROW = ("point collapse", "dimensional collapse")
CODES = ("uniform codes", "one code")


def healthy(data: str, *bases: str) -> list[Case]:
    """Return the healthy runs of methods on a data set."""
    return [Case(f"{base} as it is", base, data, HEALTHY) for base in bases]


TUNED: Sequence[Case] = [
    Case("SimSiam without stop-gradient", "simsiam", "digits", NARROW, "simsiam_with_gradient"),
    Case("SimSiam without predictor", "simsiam", "digits", NARROW, "simsiam_without_predictor"),
    Case("SwAV without Sinkhorn", "swav", "digits", (*CODES, *NARROW), "swav_without_sinkhorn"),
    Case("VICReg without variance", "vicreg", "epilepsy", NARROW, settings={"method.variance": 0.0}),
    Case("SimCLR, the same row for every sample", "simclr", "epilepsy", ("point collapse",), same_row=True),
    Case("DINO without centring", "dino", "cancer", (*CODES, *NARROW), "dino_without_centring"),
    Case(
        "SimCLR, a rate that diverges",
        "simclr",
        "cancer",
        ("divergence",),
        settings={"optim.name": "sgd", "optim.lr": 1e6, "optim.warmup": 0.0},
    ),
    *healthy("digits", "simsiam", "swav", "simclr"),
    *healthy("epilepsy", "vicreg", "simclr"),
    *healthy("cancer", "dino", "simclr"),
]
HELD_OUT: Sequence[Case] = [
    Case("BYOL without predictor", "byol", "fashion", NARROW, "byol_without_predictor"),
    Case(
        "BYOL at momentum 1", "byol", "har", ("no better than the random encoder",), settings={"method.momentum": 1.0}
    ),
    Case(
        "DINO without sharpening",
        "dino",
        "fashion",
        ("uniform codes",),
        settings={"method.teacher_temperature": 0.1, "method.warmup_temperature": 0.1},
    ),
    Case("Barlow Twins without the off-diagonal", "barlow_twins", "dry_bean", NARROW, settings={"method.lambda_": 0.0}),
    Case(
        "MUSIC, the transform term alone",
        "music",
        "har",
        ("one code",),
        settings={"method.diagonal": 0.0, "method.off_diagonal": 0.0},
    ),
    Case("DISSL below its threshold", "dissl", "dry_bean", ("one code",), settings={"method.lambd": 0.0}),
    Case("MoCo v3, the same row for every sample", "moco_v3", "fashion", ("point collapse",), same_row=True),
    *healthy("fashion", "byol", "dino", "moco_v3"),
    *healthy("har", "byol", "music"),
    *healthy("dry_bean", "barlow_twins", "dissl"),
]
