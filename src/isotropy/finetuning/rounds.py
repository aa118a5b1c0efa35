"""Rounds of fine-tuning: the training loop, and what the network says of held-out rows after each round."""

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import ceil
from time import perf_counter
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from isotropy.batch import Batch, take
from isotropy.data import ArrayDataset, Preprocess
from isotropy.errors import UserError
from isotropy.finetuning.head import Network
from isotropy.finetuning.held_out import Rows, losses
from isotropy.finetuning.optim import LayerwiseOptim
from isotropy.finetuning.settings import AUGMENTATION, ONE_VIEW, ROUND_STEPS, FineTuning
from isotropy.finetuning.supervised import Joint, Supervised
from isotropy.finetuning.target import Target
from isotropy.methods.method import Method
from isotropy.modalities import MODALITIES
from isotropy.representation import embed_together
from isotropy.training import Diverged, Plan, Step, fit
from isotropy.views import Plain
from isotropy.views.multiview import ViewMaker

Rounds = list[NDArray[np.float32]]
_JOINT_ROWS = 256  # of a step, labelled ones and all rows alike
_MOST_WARMUP = 0.9


@dataclass(frozen=True)
class SelfSupervised:
    """The method that trained an encoder, with its heads and its views: what fine-tunes jointly goes on with it."""

    method: Method
    views: ViewMaker


@dataclass(frozen=True)
class Material:
    """What a network is fine-tuned on.

    Attributes:
        rows: all rows as they are stored. preprocess: makes inputs of them.
        train: the rows that may be learnt from, labelled or not; `labelled`: those with a label.
        encoded: the labels of the labelled rows, as `target` encodes them.
        beside: what the embedding has of labelled rows besides the encoder's vectors, (M, columns); None for nothing.
        settings: how. seed: of all that is drawn. device: where.
        joint: what goes on beside, where `settings.joint` is above 0.
    """

    rows: Tensor | Batch
    preprocess: Preprocess
    train: Rows
    labelled: Rows
    encoded: NDArray[Any]
    target: Target
    settings: FineTuning
    seed: int
    device: torch.device
    chunk: int
    joint: SelfSupervised | None = None
    beside: Tensor | None = None

    def outputs(self, network: Network, places: Rows) -> NDArray[np.float32]:
        """Return the network's outputs (M, K) of labelled rows by place among these."""
        rows = take(self.rows, torch.from_numpy(self.labelled[places]))
        body = nn.Sequential(network.encoder, network.block)
        z = torch.from_numpy(embed_together(body, self.preprocess, rows, self.chunk)).to(self.device)
        network.eval()
        with torch.inference_mode():
            outputs: NDArray[np.float32] = network.read(z, self.beside_of(places)).numpy(force=True)
        return outputs

    def beside_of(self, places: Rows) -> Tensor | None:
        """Return what stands beside the vectors of labelled rows by place among these."""
        return None if self.beside is None else self.beside[torch.from_numpy(places)].to(self.device)


@dataclass
class Trained:
    """What rounds of fine-tuning left.

    Attributes:
        network: as it was after its best round. rounds: outputs of the held-out rows after each round, from 0 on.
        passes: of a round over the labelled rows (jointly: epochs over all rows).
    """

    network: Network
    passes: int
    rounds: Rounds


def train_rounds(
    network: Network,
    material: Material,
    places: Rows,
    held_out: Rows,
    *,
    passes: int | None = None,
    seconds: float | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Trained:
    """Fine-tune `network` in place on labelled rows; return its average after the round that was best on held-out rows.

    Args:
        network: its head is the probe. material: what it is fine-tuned on.
        places, held_out: of the labelled rows to learn from and of those to choose by; without the latter all
            `passes` are made, and the last state is the result.
        passes: to make, by default as many as the settings allow.
        seconds: after which no further round begins.
        progress: hears the rounds that are done and how many there are at most.
    """
    begun = perf_counter()
    settings = material.settings
    method, supervised, dataset, views = _prepared(network, material, places)
    batch = settings.batch(len(places)) if material.joint is None else _JOINT_ROWS
    batch = max(2, min(batch, len(dataset)))
    per_epoch = Plan(rows=len(dataset), batch_size=batch, epochs=1, passes_per_epoch=method.passes_per_epoch).per_epoch
    per_round = max(1, ceil(ROUND_STEPS / per_epoch))
    epochs = max(settings.epochs, per_round) if passes is None else passes
    # As many steps whatever the length, so that the rates of a number of passes are those with which it was chosen.
    warmup = min(_MOST_WARMUP, max(per_epoch, 2 * ROUND_STEPS) / (epochs * per_epoch))
    optim = LayerwiseOptim(
        lr=settings.lr, weight_decay=settings.weight_decay, first_layer_rate=settings.first_layer_rate,
        warmup=warmup, final=1.0,
    )  # fmt: skip
    watch = _Watch(supervised.average, material, held_out)
    steps = fit(
        method, dataset, views, optim=optim, epochs=epochs, batch_size=batch, seed=material.seed,
        precision=settings.precision, device=material.device,
    )  # fmt: skip
    for step in _finite(steps, settings.lr):
        if step.number % (per_round * per_epoch):
            continue
        if progress is not None:
            progress(step.number // (per_round * per_epoch), ceil(epochs / per_round))
        watch.look()
        if watch.waited >= settings.patience or (seconds is not None and perf_counter() - begun > seconds):
            break
    watch.restore()
    return Trained(supervised.average.eval(), per_round, watch.rounds)


def _finite(steps: Iterator[Step], lr: float) -> Iterator[Step]:
    """Yield the steps; where the loss is no longer finite, UserError says it of fine-tuning and names its setting."""
    try:
        yield from steps
    except Diverged as error:
        raise UserError(f"fine-tuning diverged: its loss is no longer finite with lr = {lr:g}; lower lr") from error


class _Watch:
    """Looks at the held-out rows after each round, and keeps the weights of the best; without rows it does nothing."""

    def __init__(self, network: Network, material: Material, held_out: Rows) -> None:
        self.network, self.material, self.held_out = network, material, held_out
        self.rounds: Rounds = []
        self.waited, self._best, self._kept = 0, np.inf, dict[str, Tensor]()
        self.look()

    def look(self) -> None:
        """Keep what the network says of the held-out rows, and its weights where that is better than before."""
        if not len(self.held_out):
            return
        material = self.material
        self.rounds.append(material.outputs(self.network, self.held_out))
        loss = float(losses(material.target.task, self.rounds[-1], material.encoded[self.held_out]).mean())
        self.waited += 1
        if loss < self._best:
            self._best, self.waited = loss, 0
            self._kept = {name: x.detach().clone() for name, x in self.network.state_dict().items()}

    def restore(self) -> None:
        """Put the weights of the best round back."""
        if self._kept:
            self.network.load_state_dict(self._kept)


def _prepared(network: Network, material: Material, places: Rows) -> tuple[Method, Supervised, ArrayDataset, ViewMaker]:
    """Return the method to train and the label's part of it, its rows and their views."""
    settings, device = material.settings, material.device
    index = torch.from_numpy(material.labelled[places])
    labelled = ArrayDataset(material.rows, material.preprocess, device=device, index=index)
    encoded = material.target.tensor(material.encoded[places])
    views, frozen = augmentation(material, labelled), settings.frozen_epochs
    if material.joint is not None:
        frozen *= material.joint.method.passes_per_epoch
    supervised = Supervised(
        network, material.target, encoded, beside=material.beside_of(places), frozen_passes=frozen,
        averaging=settings.averaging,
    ).to(device)  # fmt: skip
    if material.joint is None:
        return supervised, supervised, labelled, views
    whole = ArrayDataset(material.rows, material.preprocess, device=device, index=torch.from_numpy(material.train))
    method = copy.deepcopy(material.joint.method)
    _share_encoder(method, network)
    joint = Joint(
        method, supervised, lambda rows, seed, step: views(labelled, rows, seed=seed, pass_=step),
        labelled=len(labelled), batch=min(_JOINT_ROWS, len(labelled)), weight=settings.joint,
    )  # fmt: skip
    return joint, supervised, whole, material.joint.views


def _share_encoder(method: Method, network: Network) -> None:
    """Let the method train the network's encoder, which is a copy of its own."""
    own = method.encoder
    for name, module in list(method.named_modules()):
        if module is own:
            parent, _, child = name.rpartition(".")
            setattr(method.get_submodule(parent), child, network.encoder)


def augmentation(material: Material, labelled: ArrayDataset) -> ViewMaker:
    """Return what makes the one view of a labelled row: the row as it is where nothing suits."""
    modality = MODALITIES[material.preprocess.modality]
    options = material.settings.views
    options = AUGMENTATION.get(modality.name, {}) if options is None else dict(options)
    if not options:
        return Plain()
    given = modality.view_arguments(material.preprocess, labelled)
    views: ViewMaker = modality.views(**(given | ONE_VIEW.get(modality.name, {}) | {"num_views": 1, **options}))
    return views
