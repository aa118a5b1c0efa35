"""Free features as tensor operations alone, for graphs; in training they are numpy's, which is several times faster."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from isotropy.errors import UserError
from isotropy.features import Columns, Patches, Pixels, RandomConvolutions, SeriesCourse, SeriesSummary
from isotropy.features.minirocket import KERNELS, TAPS
from isotropy.features.patches import small_images
from isotropy.features.random_convolutions import LONGEST
from isotropy.features.summary import FLOOR, PARTS, band_edges, cuts


class _Patches(nn.Module):
    """`Patches` of all images of the batch at once."""

    def __init__(self, made: nn.Module) -> None:
        super().__init__()
        assert isinstance(made, Patches)
        self.made = made
        self.side, self.stride = int(made.side), int(made.stride)

    def forward(self, rows: Tensor) -> Tensor:
        return self.made.pooled(small_images(rows), self.side, self.stride)


class _Summary(nn.Module):
    """The summary of all series of one length."""

    bands: Tensor
    waves: Tensor

    def __init__(self, steps: int) -> None:
        super().__init__()
        bins = steps // 2
        edges = [*band_edges(bins), bins]
        band = np.searchsorted(edges[1:], np.arange(bins), side="right")
        factor = np.full(bins, 2 / steps**2)
        if steps % 2 == 0:
            factor[-1] /= 2
        bands = torch.from_numpy(np.eye(len(edges) - 1)[band] * factor[:, None])
        angles = 2 * np.pi / steps * (np.outer(np.arange(steps), np.arange(1, bins + 1)) % steps)
        # The Fourier transform as one product: of the lengths that encoders take it is small beside them.
        waves = torch.from_numpy(np.concatenate([np.cos(angles), np.sin(angles)], axis=1))
        for name, values in (("bands", bands), ("waves", waves)):
            self.register_buffer(name, values)

    def forward(self, rows: Tensor) -> Tensor:
        x = rows.double()
        mean = x.mean(2)
        centred = x - mean[:, :, None]
        parts = (centred @ self.waves) ** 2
        bins = self.bands.shape[0]
        power = parts[..., :bins] + parts[..., bins:]
        spectrum = torch.log(power @ self.bands + FLOOR)
        step = (x[..., 1:] - x[..., :-1]).abs().mean(2)
        spread = (centred**2).mean(2).sqrt()
        return torch.cat([mean, spread, x.amin(2), x.amax(2), step, spectrum.flatten(1)], 1).float()


class _Course(nn.Module):
    """`SeriesCourse` of series of the training's length."""

    def __init__(self, steps: int) -> None:
        super().__init__()
        self.cuts = cuts(steps, PARTS)
        # Parts of as many steps have the same numbers.
        self.summaries = nn.ModuleDict({str(stop - start): _Summary(stop - start) for start, stop in self.cuts})

    def forward(self, rows: Tensor) -> Tensor:
        return torch.cat([self.summaries[str(stop - start)](rows[..., start:stop]) for start, stop in self.cuts], 1)


class _Convolutions(nn.Module):
    """`RandomConvolutions` of series of the training's length: one convolution of 84 kernels for each dilation."""

    def __init__(self, made: nn.Module) -> None:
        super().__init__()
        assert isinstance(made, RandomConvolutions)
        self.dilations = nn.ModuleList(
            _Dilation(int(step), *rest)
            for step, *rest in zip(
                made.steps.tolist(), made.channels, made.whole, made.biases.split(made.counts.tolist(), 1), strict=True
            )
        )

    def forward(self, rows: Tensor) -> Tensor:
        return torch.cat([each(rows) for each in self.dilations], 1)


class _Dilation(nn.Module):
    weights: Tensor
    biases: Tensor
    whole: Tensor
    valid: Tensor
    order: Tensor

    def __init__(self, step: int, channels: Tensor, whole: Tensor, biases: Tensor) -> None:
        super().__init__()
        self.step = step
        kernels = torch.full((len(KERNELS), TAPS), -1.0)
        for kernel, taps in enumerate(KERNELS):
            kernels[kernel, list(taps)] = 2.0
        self.register_buffer("weights", kernels[:, None] * channels.float()[:, :, None])
        self.register_buffer("biases", biases.clone())
        self.register_buffer("whole", whole.nonzero()[:, 0])
        self.register_buffer("valid", (~whole).nonzero()[:, 0])
        self.register_buffer("order", torch.cat([self.whole, self.valid]).argsort())

    def forward(self, rows: Tensor) -> Tensor:
        margin = self.step * (TAPS // 2)
        response = functional.conv1d(rows, self.weights, padding=margin, dilation=self.step)
        parts = [self._above(response, self.whole)]
        if self.valid.shape[0]:
            parts.append(self._above(response[..., margin : response.shape[2] - margin], self.valid))
        return torch.cat(parts, 1).index_select(1, self.order).flatten(1)

    def _above(self, response: Tensor, kernels: Tensor) -> Tensor:
        some, biases = response.index_select(1, kernels), self.biases.index_select(0, kernels)
        return (some[:, :, None] > biases[:, :, None]).float().mean(3)


def _as_it_is(made: nn.Module) -> nn.Module:
    return made


def _summary(made: nn.Module) -> nn.Module:
    assert isinstance(made, SeriesSummary | SeriesCourse)
    steps = int(made.length)
    if steps > LONGEST:
        raise UserError(
            f"export: series of {steps} steps: the free features of a joined embedding are in graphs of at most "
            f"{LONGEST} steps: train with --set embedding=learned"
        )
    return _Summary(steps) if isinstance(made, SeriesSummary) else _Course(steps)


_GRAPHS: dict[type[nn.Module], Callable[[nn.Module], nn.Module]] = {
    Columns: _as_it_is,
    Pixels: _as_it_is,
    Patches: _Patches,
    SeriesCourse: _summary,
    SeriesSummary: _summary,
    RandomConvolutions: _Convolutions,
}


def graph_of(name: str, made: nn.Module) -> nn.Module:
    """Return free features as tensor operations; UserError, naming them, where they have no such form."""
    if type(made) not in _GRAPHS:
        raise UserError(f"export: the free features {name!r} have no graph: train with --set embedding=learned")
    return _GRAPHS[type(made)](made)
