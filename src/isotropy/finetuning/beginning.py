"""The network that fine-tuning begins with: the encoder, and the probe on its embeddings for a head."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from isotropy.batch import take
from isotropy.evaluation.evaluators.linear import LinearModel
from isotropy.finetuning.average import AVERAGE, Averaging, may_average, some_of
from isotropy.finetuning.head import Head, Network, linear_model
from isotropy.finetuning.held_out import Rows
from isotropy.finetuning.rounds import Material
from isotropy.representation import Representation

PROBE = "frozen probe"


@dataclass(frozen=True)
class Beginning:
    """Makes the network that fine-tuning begins with: a copy of the encoder, and a linear head on some labelled rows.

    The head is the probe on their embeddings `z`, with the form and the strength of `like`: chosen once, which favours
    it. Of few numbers there is no `like`: it is the average of all, which is linear as well. `averaging` makes what is
    read from few classes, which is not.
    """

    representation: Representation
    material: Material
    z: NDArray[np.float32]
    like: LinearModel | None
    averaging: Averaging | None = None
    groups: Rows | None = None

    @classmethod
    def of(
        cls, representation: Representation, material: Material, z: NDArray[np.float32], groups: Rows | None
    ) -> "Beginning":
        """Return the beginning on all labelled rows, of embeddings z (N, width) and groups (N,) or None."""
        target, encoded, seed = material.target, material.encoded, material.seed
        few = may_average(len(z))
        if few and target.task == "numbers":
            return cls(representation, material, z, None, groups=groups)
        begin = cls(representation, material, z, linear_model(z, encoded, target, z[:1], seed=seed, groups=groups))
        if not few:
            return begin
        others = torch.from_numpy(some_of(np.setdiff1d(material.train, material.labelled)))
        unlabelled = representation.embed_stored(take(material.rows, others)) if len(others) else z[:0]
        averaging = Averaging.of(z, unlabelled, encoded, target, seed=seed, groups=groups)
        return replace(begin, averaging=averaging)

    @property
    def linear(self) -> str:
        """What the network is called with its linear head."""
        return AVERAGE if self.like is None else PROBE

    @property
    def name(self) -> str:
        """What the network is called that is the result where no round is better."""
        return self.linear if self.averaging is None else AVERAGE

    def head(self, places: Rows) -> Head:
        """Return the linear head on the labelled rows `places`."""
        z, encoded, dropout = self.z[places], self.material.encoded[places], self.material.settings.dropout
        if self.like is None:
            groups = None if self.groups is None else self.groups[places]
            return Head.averaged(z, encoded, dropout=dropout, groups=groups)
        return Head.probe(z, encoded, self.material.target, dropout=dropout, like=self.like)

    def __call__(self, places: Rows) -> Network:
        """Return the network with the linear head on the labelled rows `places`."""
        head = self.head(places)
        encoder, block = copy.deepcopy((self.representation.encoder, self.representation.embedding.vector_block()))
        encoder.drop_units(self.material.settings.encoder_dropout)
        return Network(encoder, head.to(self.representation.device), block)

    def frozen(self, places: Rows) -> Network:
        """Return the network that is the result where no round is better, of the labelled rows `places`."""
        if self.averaging is None:
            return self(places)
        return Network(self.representation.encoder, self.averaging.head(places))

    def read(self, pairs: Sequence[tuple[Rows, Rows]], outputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return what `frozen` says of held-out rows, of which the linear head's `outputs` (N, K) are given."""
        return outputs if self.averaging is None else self.averaging.read(pairs)
