"""MiniRocket's random convolutions of series, no training; what a representation of series has to beat."""

from functools import cached_property
from math import ceil
from typing import Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from isotropy.batch import Batch
from isotropy.errors import UserError
from isotropy.features.free import FreeFeatures
from isotropy.features.minirocket import KERNELS, TAPS, Dilation, Floats, apply, learn
from isotropy.features.series import whole_series

NAME = "random convolutions"
FEATURES = 10_000
FEWER = 2520  # where they are part of an embedding: four times as fast as all, and no worse after 256 axes
FEWEST = 1008  # that many or long series are described by
AFFORDABLE = 1e10  # comparisons: a few seconds of one core
LONGEST = 4096  # steps to which longer series are brought in an embedding


def random_convolutions(
    train: ArrayLike, test: ArrayLike, *, features: int = FEATURES, seed: int = 0
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return MiniRocket's features of training and test series, each (N, about `features`) in [0, 1].

    84 kernels of length 9 with weights -1 and 2, at up to 32 dilations up to the length of the series; a feature is the
    fraction of positions where a response is above a bias, and biases are quantiles of the responses to training
    series. A kernel reads a random set of at most 9 channels. Missing values are interpolated along time.

    Args:
        train: series (N, C, T), T from 3 on. test: (M, C, T).
        features: about how many, at least 84; a multiple of 84 comes out.
        seed: of channels and of the series that biases come from.

    Raises:
        UserError: series of another shape or shorter than 3 steps, or fewer than 84 features.

    Source: Dempster, Schmidt and Webb, MiniRocket (KDD 2021), section 3; several channels as in the authors' code.

    Example:
        >>> waves = np.sin(np.arange(50) * np.array([[[0.2]], [[0.9]]]))
        >>> found, _ = random_convolutions(waves, waves, features=168)
        >>> found.shape, bool(0 <= found.min() and found.max() <= 1)
        ((2, 168), True)
    """
    if features < len(KERNELS):
        raise UserError(f"{features} features: random convolutions have at least {len(KERNELS)}, one a kernel")
    parts = [_series(part) for part in (train, test)]
    if parts[0].shape[1:] != parts[1].shape[1:]:
        raise UserError(f"training series are {tuple(parts[0].shape[1:])} and test series {tuple(parts[1].shape[1:])}")
    bank = learn(parts[0], features, np.random.default_rng(seed))
    return apply(bank, parts[0]), apply(bank, parts[1])


def affordable(train: ArrayLike, test: ArrayLike, *, seed: int = 0) -> tuple[Floats, Floats]:
    """Return `random_convolutions` at a cost of seconds, however many and long the series are.

    10,000 features where rows x steps x features stay within 1e10 comparisons; otherwise fewer, down to 1,008; where
    that is still too much, so many neighbouring steps are averaged that it is not.

    Args:
        train: series (N, C, T), T from 3 on. test: (M, C, T).
        seed: as in `random_convolutions`.

    Example:
        >>> train, test = affordable(np.zeros((3, 1, 20)), np.zeros((2, 1, 20)))
        >>> train.shape, test.shape
        ((3, 9996), (2, 9996))
    """
    parts = [_series(part) for part in (train, test)]
    steps = parts[0].shape[2]
    values = sum(len(part) for part in parts) * steps
    features = int(np.clip(AFFORDABLE / max(values, 1), FEWEST, FEATURES))
    block = min(ceil(values * features / AFFORDABLE), steps // TAPS)
    if block > 1:
        kept = steps // block * block
        parts = [part[..., :kept].reshape(*part.shape[:2], -1, block).mean(axis=3) for part in parts]
    return random_convolutions(*parts, features=features, seed=seed)


def _series(values: ArrayLike) -> Floats:
    x = np.asarray(values, dtype=np.float32)
    if x.ndim != 3 or x.shape[2] < 3:
        raise UserError(
            f"series have shape {x.shape}: random convolutions need (rows, channels, time), 3 steps or more"
        )
    gone = np.isnan(x)
    if gone.any():
        x, steps = x.copy(), np.arange(x.shape[2])
        for row, channel in np.argwhere(gone.any(axis=2)):
            there = ~gone[row, channel]
            x[row, channel] = np.interp(steps, steps[there], x[row, channel, there]) if there.any() else 0.0
    return x


class RandomConvolutions(FreeFeatures):
    """`random_convolutions` of series that are brought to one length; their bits depend on no batch.

    It is the length of the training's longest, or 4,096 steps: words spoken fast and slowly then look alike.

    Example:
        >>> x = torch.randn(5, 2, 40)
        >>> RandomConvolutions.learn(x)(x[:2]).shape
        torch.Size([2, 2520])
    """

    any_batch = True
    weight = 2.0
    length: Tensor
    steps: Tensor
    counts: Tensor
    channels: Tensor
    whole: Tensor
    biases: Tensor

    @classmethod
    def learn(cls, rows: Tensor | Batch, *, features: int = FEWER, seed: int = 0) -> Self:
        """Learn the biases of about so many features on series (N, C, T)."""
        length = int(np.clip(rows.shape[2], 3, LONGEST))
        x = whole_series(rows, length)
        bank = learn(x, features, np.random.default_rng(seed))
        reads = torch.zeros(len(bank), len(KERNELS), x.shape[1], dtype=torch.bool)
        for place, one in enumerate(bank):
            for kernel, channels in enumerate(one.channels):
                reads[place, kernel, list(channels)] = True
        return cls(
            {
                "length": torch.tensor(length),
                "steps": torch.tensor([one.step for one in bank]),
                "counts": torch.tensor([one.biases.shape[1] for one in bank]),
                "channels": reads,
                "whole": torch.from_numpy(np.stack([one.whole for one in bank])),
                "biases": torch.from_numpy(np.concatenate([one.biases for one in bank], axis=1)),
            }
        )

    def forward(self, rows: Tensor | Batch) -> Tensor:
        """Return the features (B, F) in [0, 1] of series (B, C, T)."""
        return torch.from_numpy(np.ascontiguousarray(apply(self._bank, whole_series(rows, int(self.length)))))

    @cached_property
    def _bank(self) -> list[Dilation]:
        biases = np.split(self.biases.numpy(force=True), np.cumsum(self.counts.tolist())[:-1], axis=1)
        bank = []
        for place, step in enumerate(self.steps.tolist()):
            reads = tuple(tuple(np.flatnonzero(one).tolist()) for one in self.channels[place].numpy(force=True))
            whole = self.whole[place].numpy(force=True)
            bank.append(Dilation(step, reads, whole, np.ascontiguousarray(biases[place])))
        return bank
