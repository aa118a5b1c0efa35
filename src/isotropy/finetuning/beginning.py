"""The network that fine-tuning begins with: the encoder, and the probe on its embeddings for a head."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from isotropy.batch import take
from isotropy.evaluation.evaluators.linear import LinearModel
from isotropy.finetuning.head import Head, Network, linear_model
from isotropy.finetuning.held_out import Rows
from isotropy.finetuning.rounds import Material
from isotropy.finetuning.spread import Spread
from isotropy.representation import Representation

PROBE, SPREAD = "frozen probe", "frozen probe on spread labels"


@dataclass(frozen=True)
class Beginning:
    """Makes the network that fine-tuning begins with: a copy of the encoder, and the probe on some labelled rows.

    The probe is on their embeddings `z` and has the form and the strength of `like`: chosen once, which favours it.
    With `spread` it learns from further rows, to which their labels spread.
    """

    representation: Representation
    material: Material
    z: NDArray[np.float32]
    like: LinearModel
    spread: Spread | None = None

    @property
    def name(self) -> str:
        """What the network is called where its head stays the probe."""
        return PROBE if self.spread is None else SPREAD

    def spread_to(self, others: Rows) -> "Beginning":
        """Return the beginning whose probe learns from rows without a label as well."""
        rows = take(self.material.rows, torch.from_numpy(others))
        spread = Spread.over(self.z, self.representation.embed_stored(rows))
        z, encoded = replace(self, spread=spread).learnt(np.arange(len(self.z)))
        like = linear_model(z, encoded, self.material.target, z[:1], seed=self.material.seed)
        return replace(self, spread=spread, like=like)

    def better(self, other: "Beginning", pairs: Sequence[tuple[Rows, Rows]]) -> "Beginning":
        """Return the other beginning if its probe gets more held-out rows right, or if none are held out."""
        mine, others = (
            sum(int((one.read(fit, out) == self.material.encoded[out]).sum()) for fit, out in pairs)
            for one in (self, other)
        )
        return other if not pairs or others > mine else self

    def learnt(self, places: Rows) -> tuple[NDArray[np.float32], NDArray[Any]]:
        """Return the embeddings and the encoded labels that the probe on the labelled rows `places` learns from."""
        z, encoded = self.z[places], self.material.encoded[places]
        if self.spread is None:
            return z, encoded
        others, given = self.spread(places, encoded)
        return np.concatenate([z, others]), np.concatenate([encoded, given])

    def head(self, places: Rows) -> Head:
        """Return the probe on the labelled rows `places`."""
        z, encoded = self.learnt(places)
        return Head.probe(z, encoded, self.material.target, dropout=self.material.settings.dropout, like=self.like)

    @torch.no_grad()
    def read(self, fit: Rows, out: Rows) -> NDArray[np.int64]:
        """Return the classes that the probe on the labelled rows `fit` gives to the labelled rows `out`."""
        return self.head(fit).eval()(torch.from_numpy(self.z[out])).argmax(1).numpy()

    def __call__(self, places: Rows) -> Network:
        """Return the network with the probe on the labelled rows `places`."""
        head = self.head(places)
        encoder, block = copy.deepcopy((self.representation.encoder, self.representation.embedding.vector_block()))
        encoder.drop_units(self.material.settings.encoder_dropout)
        return Network(encoder, head.to(self.representation.device), block)
