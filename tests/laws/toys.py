"""Small methods that reach the corners of the seam which no registered method reaches yet."""

import torch
from torch import Tensor, nn

from isotropy.methods.method import Method, Outputs
from isotropy.nn.mlp import mlp
from isotropy.objectives import nt_xent
from isotropy.views.multiview import MultiView


class Spread(Method):
    """Rows agree between views and the mean assignment is uniform: nothing gathered, one output averaged."""

    averaged = ("marginal",)

    def __init__(self, encoder: nn.Module, *, width: int = 6) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = mlp((encoder.width, 8, width))
        self.register_buffer("centre", torch.zeros(1, width))

    def forward(self, views: MultiView) -> Outputs:
        logits = [self.head(h) for h in views.through(self.encoder)]
        return {"logits": logits, "marginal": [rows.softmax(1) for rows in logits]}

    def loss(self, logits: list[Tensor], marginal: list[Tensor]) -> dict[str, Tensor]:
        target = (logits[0] - self.centre).softmax(1)
        mean = torch.cat(marginal).mean(0)
        agree = -(target * logits[1].log_softmax(1)).sum(1).mean()
        return {"agree": agree, "spread": (mean * mean.log()).sum()}

    def update(self, marginal: list[Tensor], **_: object) -> None:
        self.centre.lerp_(torch.cat(marginal).mean(0, keepdim=True).to(self.centre.dtype), 0.1)


class Contrast(Method):
    """The batch coupled by negatives, with a head whose learning rate stays constant."""

    gathered = ("z",)
    unscheduled = ("head",)

    def __init__(self, encoder: nn.Module, *, width: int = 6, dropout: float = 0.0) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = nn.Sequential(nn.Dropout(dropout), mlp((encoder.width, 8, width)))

    def forward(self, views: MultiView) -> Outputs:
        return {"z": [self.head(h) for h in views.through(self.encoder)]}

    def loss(self, z: list[Tensor]) -> dict[str, Tensor]:
        return {"contrast": nt_xent(*z, temperature=0.5)}


class Breaks(Contrast):
    """Its second term becomes NaN at step 3, on the last row of the batch alone."""

    gathered = ()

    def forward(self, views: MultiView) -> Outputs:
        rows = self.head(views.through(self.encoder)[0])
        late = self.progress > 0.15
        return {"rows": rows, "bad": torch.where(views.index == 0, float("nan") if late else 0.0, 0.0).to(rows)}

    def loss(self, rows: Tensor, bad: Tensor) -> dict[str, Tensor]:
        return {"fine": rows.square().mean(), "broken": bad.mean() * rows.mean()}


TOYS: dict[str, type[Method]] = {"toy_contrast": Contrast, "toy_spread": Spread}
