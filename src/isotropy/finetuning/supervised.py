"""Fine-tuning as methods that the training loop takes: the label's loss alone, or beside a self-supervised one."""

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from isotropy import rng
from isotropy.finetuning.head import Network
from isotropy.finetuning.target import Target
from isotropy.methods.method import Method, Outputs
from isotropy.views.multiview import Dataset, MultiView

_ROWS = 7  # purpose of the draw of labelled rows


class Supervised(Method):
    """The label's loss on the views of labelled rows.

    Args:
        network: what is fine-tuned, in place.
        target: what the label is. encoded: its values for the rows of the data set, in their order.
        beside: what the embedding has of these rows besides the encoder's vectors, (N, columns); None for nothing.
        frozen_passes: passes in which the head learns alone.
        averaging: what an earlier state counts beside the next in the average of weights, per step.

    Attributes:
        average: the network with the exponential moving average of the weights, beginning as `network`; at a constant
            rate it is what the last steps agree on (Polyak and Juditsky 1992).
    """

    min_views = 1

    def __init__(
        self, network: Network, target: Target, encoded: Tensor, *, beside: Tensor | None = None,
        frozen_passes: int = 0, averaging: float = 0.0,
    ) -> None:  # fmt: skip
        super().__init__()
        self.encoder, self.network, self.beside = network.encoder, network, beside
        self.average, self.averaging = copy.deepcopy(network).requires_grad_(False), averaging
        self.target, self.encoded, self.frozen_passes = target, encoded, frozen_passes

    def forward(self, views: MultiView) -> Outputs:
        """Return the head's outputs of every view, and the labels."""
        beside = None if self.beside is None else self.beside[views.index]
        outputs = [self.network.read(self.network.block(z), beside) for z in views.through(self.encoder)]
        return {"outputs": outputs, "labels": self.encoded[views.index].to(outputs[0].device)}

    def loss(self, outputs: list[Tensor], labels: Tensor) -> dict[str, Tensor]:
        """Return the mean of the label's loss over views."""
        return {"label": torch.stack([self.target.loss(out, labels) for out in outputs]).mean()}

    def update(self, **outputs: Any) -> None:
        """Move the average of the weights; statistics of batch norms are taken over as they are."""
        torch._foreach_lerp_([*self.average.parameters()], [*self.network.parameters()], 1 - self.averaging)
        for kept, new in zip(self.average.buffers(), self.network.buffers()):
            kept.copy_(new)

    def frozen(self, pass_: int) -> tuple[nn.Module, ...]:
        """Return the encoder while the head learns alone."""
        return (self.encoder,) if pass_ < self.frozen_passes else ()


class Joint(Method):
    """A self-supervised method on all rows, and the label's loss on as many labelled rows drawn in every step.

    Args:
        method: with its heads, trained further in place; its encoder is the network's.
        supervised: the label's loss. views: makes the views of labelled rows, given their places.
        labelled: how many labelled rows there are. batch: how many are drawn. weight: of the self-supervised loss.
    """

    def __init__(
        self, method: Method, supervised: Supervised, views: Callable[[Tensor, int, int], MultiView], *,
        labelled: int, batch: int, weight: float,
    ) -> None:  # fmt: skip
        super().__init__()
        self.encoder = method.encoder
        self.method, self.supervised, self._views = method, supervised, views
        self.labelled, self.batch, self.weight = labelled, batch, weight
        self.gathered, self.averaged = method.gathered, method.averaged
        self.min_views, self.max_views = method.min_views, method.max_views
        self.passes_per_epoch = method.passes_per_epoch
        self._names: tuple[str, ...] = ()

    @property
    def head(self) -> nn.Module:
        """The label's head."""
        return self.supervised.network.head

    def forward(self, views: MultiView) -> Outputs:
        """Return the outputs of the method and of the label's loss, which must not share a name."""
        self.method.progress, self.method.rng = self.progress, self.rng
        own = self.method(views)
        self._names = tuple(own)
        keys = self.rng.of_step(self.batch, _ROWS)
        index = rng.integers(rng.bits(keys, 1)[:, 0], self.labelled)
        labelled = self.supervised(self._views(index, self.rng.seed % (1 << 31), self.rng.step))
        # Rows of the two batches differ in number: the label's loss is taken here, one value per row of the other.
        term = self.supervised.loss(**labelled)["label"]
        return {**own, "label_loss": term.expand(len(views.index))}

    def loss(self, *_: Any, label_loss: Tensor, **outputs: Any) -> dict[str, Tensor]:
        """Return the weighted terms of the method, and the label's."""
        terms = {name: self.weight * value for name, value in self.method.loss(**outputs).items()}
        return {**terms, "label": label_loss.mean()}

    def frozen(self, pass_: int) -> tuple[nn.Module, ...]:
        """Return what the method or the label's loss freezes."""
        return (*self.method.frozen(pass_), *self.supervised.frozen(pass_))

    def check_batch_size(self, batch_size: int) -> None:
        """Raise what the method raises."""
        self.method.check_batch_size(batch_size)

    def update(self, **outputs: Any) -> None:
        """Move teachers, centres and queues of the method."""
        self.method.progress = self.progress
        self.method.update(**{name: outputs[name] for name in self._names})
        self.supervised.update()

    def before_pass(self, dataset: Dataset, pass_: int) -> None:
        """Prepare what the method needs."""
        self.method.rng = self.rng
        self.method.before_pass(dataset, pass_)
