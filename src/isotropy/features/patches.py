"""Patches by k-means: what a single layer that is learnt in seconds reads from images."""

from collections.abc import Callable
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from isotropy.batch import Batch, without_mask
from isotropy.errors import UserError
from isotropy.features.free import FreeFeatures

NAME = "patches by k-means"
CENTROIDS = 256
_FEWER = 128  # where patches are part of an embedding
PATCH = 6  # pixels a side
LARGEST = 32  # pixels a side: larger images are averaged down
IMAGES = 2000  # that patches are learnt from, at most
_PATCHES = 50_000
_CONTRAST, _WHITENING = 10 / 255**2, 0.1  # added to variances: of a patch, and of a direction
_CELLS = 1 << 21  # distances held at a time: more of them leave the processor's cache


class Patches(FreeFeatures):
    """`patches` of images: centroids (K, F) after normalisation and the whitening x -> (x - mean) @ axes.

    Example:
        >>> images = torch.rand(20, 1, 8, 8, generator=torch.Generator().manual_seed(0))
        >>> Patches.learn(images)(images[:3]).shape
        torch.Size([3, 512])
    """

    weight = 2.0
    side: Tensor
    stride: Tensor
    mean: Tensor
    axes: Tensor
    centroids: Tensor

    @classmethod
    def learn(cls, rows: Tensor | Batch, *, centroids: int = _FEWER, stride: int = 2, seed: int = 0) -> Self:
        """Learn the centroids on images (N, C, H, W); by default half as many as `patches`, at every other pixel."""
        learnt = _learn(without_mask(rows, cls.__name__), centroids, seed)
        return cls({**learnt, "stride": torch.tensor(stride)})

    def forward(self, rows: Tensor | Batch) -> Tensor:
        """Return the features (B, 4 K) of images (B, C, H, W)."""
        small, side = small_images(without_mask(rows, type(self).__name__).to(self.mean.device)), int(self.side)
        positions = (small.shape[2] - side + 1) * (small.shape[3] - side + 1) / int(self.stride) ** 2
        step, stride = max(1, int(_CELLS / (positions * len(self.centroids)))), int(self.stride)
        parts = [small[start : start + step] for start in range(0, len(small), step)]
        return torch.cat([self.pooled(part, side, stride) for part in parts])

    def pooled(self, images: Tensor, side: int, stride: int) -> Tensor:
        """Return the features of `small_images`, all at once, given the side of a patch and the step to the next."""
        high, wide = ((length - side) // stride + 1 for length in images.shape[2:])
        whitened = (_normalised(_cut(images, side, stride)) - self.mean) @ self.axes
        distance = torch.cdist(whitened, self.centroids)  # (B, positions, K)
        near = distance.neg_().sub_(distance.mean(dim=2, keepdim=True)).clamp_(min=0)
        near = near.transpose(1, 2).reshape(images.shape[0], -1, high, wide)
        # The quadrants overlap by one position where a side has an odd number of them.
        return torch.nn.functional.adaptive_avg_pool2d(near, min(2, high, wide)).flatten(1)


def patches(images: Tensor, *, centroids: int = CENTROIDS, seed: int = 0) -> Callable[[Tensor], NDArray[np.float32]]:
    """Learn patches of images by k-means and return what makes features (M, 4 K) of images (M, C, H, W).

    Patches of 6 x 6 pixels (half of the side in smaller images) are normalised in brightness and contrast and whitened
    (ZCA); a feature is how much nearer than the mean a centroid is, averaged over a quadrant. Images of more than 32
    pixels a side are averaged down to it.

    Args:
        images: training images (N, C, H, W), uint8, or floats in [0, 1].
        centroids: how many, K; at most as many as there are patches.
        seed: of the patches drawn, and of k-means.

    Raises:
        UserError: images of fewer than 2 pixels a side.

    Source: Coates, Ng and Lee, An Analysis of Single-Layer Networks in Unsupervised Feature Learning (AISTATS 2011),
    section 3.

    Example:
        >>> images = torch.rand(20, 1, 8, 8, generator=torch.Generator().manual_seed(0))
        >>> patches(images, centroids=16)(images[:3]).shape
        (3, 64)
    """
    layer = Patches.learn(images, centroids=centroids, stride=1, seed=seed)
    return lambda rows: layer(rows).numpy(force=True)


def _learn(images: Tensor, centroids: int, seed: int) -> dict[str, Tensor]:
    """Return the buffers of `Patches`."""
    from sklearn.cluster import MiniBatchKMeans

    if images.ndim != 4 or min(images.shape[2:]) < 2:
        shape = tuple(images.shape)
        raise UserError(
            f"images have shape {shape}: patches need (rows, channels, height, width), 2 x 2 pixels or more"
        )
    small = small_images(images[np.linspace(0, len(images) - 1, min(len(images), IMAGES)).astype(np.int64)])
    side = min(PATCH, max(2, min(small.shape[2:]) // 2))
    rng = np.random.default_rng(seed)
    each = max(1, _PATCHES // len(small))
    drawn = []
    for image in small:
        every = _cut(image[None], side)[0]
        drawn.append(every[torch.from_numpy(rng.permutation(len(every))[:each])])
    x = _normalised(torch.cat(drawn))
    mean = x.mean(0)
    values, vectors = torch.linalg.eigh(((x - mean).T @ (x - mean) / len(x)).double())
    axes = (vectors / (values.clamp(min=0) + _WHITENING).sqrt() @ vectors.T).float()
    white = ((x - mean) @ axes).numpy()
    count = min(centroids, len(white))
    found = MiniBatchKMeans(count, batch_size=4096, n_init=1, random_state=seed).fit(white)
    learnt = {"side": torch.tensor(side), "mean": mean, "axes": axes}
    return {**learnt, "centroids": torch.from_numpy(found.cluster_centers_).float()}


def small_images(images: Tensor) -> Tensor:
    """Return the images as floats in [0, 1], no larger than 32 pixels a side."""
    x = images.float() / 255 if images.dtype == torch.uint8 else images.float()
    size = min(x.shape[2], LARGEST), min(x.shape[3], LARGEST)
    return x if size == x.shape[2:] else torch.nn.functional.adaptive_avg_pool2d(x, size)


def _cut(images: Tensor, side: int, stride: int = 1) -> Tensor:
    """Return the patches at all positions, or every so many, (B, positions, C * side * side)."""
    return torch.nn.functional.unfold(images, side, stride=stride).transpose(1, 2)


def _normalised(x: Tensor) -> Tensor:
    centred = x - x.mean(dim=-1, keepdim=True)
    return centred / (centred.pow(2).mean(dim=-1, keepdim=True) + _CONTRAST).sqrt()


class Pixels(FreeFeatures):
    """The pixels of images in [0, 1], those of more than 32 a side averaged down to it.

    Example:
        >>> Pixels.learn(torch.rand(2, 1, 40, 8))(torch.ones(3, 1, 40, 8)).shape
        torch.Size([3, 256])
    """

    any_batch = True
    weight = 2.0

    @classmethod
    def learn(cls, rows: Tensor | Batch, *, seed: int = 0) -> Self:
        """Nothing is learnt."""
        return cls({})

    def forward(self, rows: Tensor | Batch) -> Tensor:
        """Return the pixels (B, C H W) of images (B, C, H, W)."""
        return small_images(without_mask(rows, type(self).__name__)).flatten(1)
