"""Failures planted in methods for the collapse bench: each leaves out what keeps its method from collapse."""

from typing import Any

import torch
from torch import Tensor, nn

from isotropy.methods import BYOL, DINO, WMSE, CenterSubtraction, SimSiam, SwAV
from isotropy.methods.method import Outputs
from isotropy.methods.pairs import crossed
from isotropy.objectives import swav
from isotropy.views.multiview import Dataset, MultiView, ViewMaker


class SimSiamWithGradient(SimSiam):
    """SimSiam whose targets carry a gradient."""

    def forward(self, views: MultiView) -> Outputs:
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


class WMSEWithoutWhitening(WMSE):
    """W-MSE whose views are compared as they are."""

    def loss(self, z: list[Tensor]) -> dict[str, Tensor]:
        """Return the mean distance of the unit rows."""
        pairs = [2 - 2 * torch.cosine_similarity(one, other, dim=1).mean() for one, other in crossed(z, z)]
        return {"distance": torch.stack(pairs).mean()}


class CenterSubtractionWithoutCentre(CenterSubtraction):
    """Center subtraction whose centre stays at 0."""

    def update(self, **_: Any) -> None:
        """Leave the centre where it is."""


class SameRow:
    """Looks at the first row of the batch, given for every sample."""

    def __init__(self, views: ViewMaker) -> None:
        self.views, self.count = views, views.count

    def __call__(self, dataset: Dataset, index: Tensor, *, seed: int, pass_: int) -> MultiView:
        """Return views of `index` that show one row."""
        shown = self.views(dataset, index, seed=seed, pass_=pass_)
        return MultiView(index, lambda: [view[:1].expand_as(view).contiguous() for view in shown.tensors])


PLANTED = {
    "simsiam_with_gradient": SimSiamWithGradient,
    "simsiam_without_predictor": SimSiamWithoutPredictor,
    "byol_without_predictor": BYOLWithoutPredictor,
    "swav_without_sinkhorn": SwAVWithoutSinkhorn,
    "dino_without_centring": DINOWithoutCentring,
    "w_mse_without_whitening": WMSEWithoutWhitening,
    "center_subtraction_no_centre": CenterSubtractionWithoutCentre,
}
