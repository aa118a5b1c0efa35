"""Frozen features of one representation, in the forms in which probes read them: as is, standardised, whitened."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from isotropy.batch import batched, spread_out
from isotropy.errors import UserError

Floats = NDArray[np.float32]
AS_IS, STANDARDISED, WHITENED = "as it is", "standardised", "whitened"
FORMS = 3
WIDEST = 1024  # columns that probes see
_AXIS_ROWS = 2048  # training rows from which the axes of wider features are learnt
_COVARIANCE_ROWS = 10_000
_TURNING_ROWS = 3_000
_FAR = 1e4  # deviations from zero to the mean: float32 keeps three digits of such a column
_PIECE = 1024  # rows of wide features that are scaled at a time
_FLOOR = 1e-3  # of the mean variance: a direction with less than this is noise, and stays small when whitened


@dataclass(frozen=True)
class Form:
    """Features in one form: training rows (N, d), test rows (M, d) and further training rows (F, d), float32.

    Attributes:
        principal: whether the columns are principal axes already.
    """

    name: str
    train: Floats
    test: Floats
    further: Floats | None = None
    principal: bool = field(default=False, kw_only=True)

    @cached_property
    def axes(self) -> Tensor:
        """Principal axes (d, d) of the training rows.

        Along them L-BFGS starts near the right curvature; what is fitted is the same.
        """
        if self.principal:
            return torch.eye(self.train.shape[1])
        some = torch.from_numpy(self.train[spread_out(len(self.train), _TURNING_ROWS)])
        some = some - some.mean(0)
        return torch.linalg.eigh((some.T @ some).double())[1].float()

    @cached_property
    def turned(self) -> Floats:
        """The training rows (N, d) along their principal axes."""
        return self.train if self.principal else (torch.from_numpy(self.train) @ self.axes).numpy()


class Features:
    """Training and test features of one representation.

    Columns of float64 or of whole numbers whose offset is so large that float32 would lose their digits (a mean of more
    than 10,000 deviations) are centred by the training rows first.

    Wider than 1,024 columns, a form is given by its coordinates along the leading 1,024 principal axes of 2,048
    training rows: with fewer training rows than that nothing of them is lost. Nothing is learnt from test rows.

    Args:
        train: (N, D), finite. test: (M, D), finite.
        further: (F, D), finite: training rows from which the linear probe alone learns, as there are too many of them
            for the others. Nothing else is learnt from them.
        parts: columns that may be read alone, by name, such as the blocks of a joined embedding.

    Raises:
        UserError: not two-dimensional, of two widths, or not finite.

    Example:
        >>> x = np.random.default_rng(0).normal(size=(200, 3)) * [9, 1, 1]
        >>> [(form.name, (10 * form.train.std(axis=0)).round().astype(int).tolist()) for form in Features(x, x).forms()]
        [('as it is', [17, 2, 2]), ('standardised', [10, 10, 10]), ('whitened', [10, 10, 10])]
    """

    def __init__(
        self, train: ArrayLike, test: ArrayLike, further: ArrayLike | None = None,
        *, parts: Mapping[str, slice] | None = None,
    ) -> None:  # fmt: skip
        offset = _offset(train)
        self.train, self.test = _checked("training", train, offset), _checked("test", test, offset)
        if self.train.shape[1] != self.test.shape[1]:
            raise UserError(f"training features are {self.train.shape[1]} wide and test features {self.test.shape[1]}")
        self.further = None if further is None else _checked("further training", further, offset)
        self.parts = dict(parts or {})

    @property
    def width(self) -> int:
        """How many columns there are."""
        return self.train.shape[1]

    def forms(self) -> Iterator[Form]:
        """Yield the features in each form; those that are the same as one before are left out."""
        yield self.as_is
        if self.width > 1:
            yield self.standardised
            yield self.whitened

    def readings(self) -> Iterator[Form]:
        """Yield the features in each form, then each of their parts alone, as it is."""
        yield from self.forms()
        yield from self._alone

    @cached_property
    def _alone(self) -> list[Form]:
        alone = ((name, Features(*(x[:, columns] for x in self._parts))) for name, columns in self.parts.items())
        return [replace(part.as_is, name=f"{name} alone") for name, part in alone]

    @cached_property
    def as_is(self) -> Form:
        """The features as they are, but for one number that makes their mean variance 1; not centred."""
        scale = 1 / max(float(np.sqrt(self.train.var(axis=0).mean())), 1e-12)
        return self._form(AS_IS, lambda x: x * np.float32(scale))

    @cached_property
    def standardised(self) -> Form:
        """Each column with the mean 0 and the standard deviation 1 of the training rows; constant columns are 0."""
        mean, spread = self.train.mean(axis=0), self.train.std(axis=0)
        scale = np.where(spread > 1e-6 * (1e-6 + np.abs(mean)), 1 / np.maximum(spread, 1e-30), 0).astype(np.float32)
        return self._form(STANDARDISED, lambda x: (x - mean) * scale)

    @cached_property
    def whitened(self) -> Form:
        """Principal axes of the training rows, each with variance 1 (Hyvarinen and Oja 2000, section 5.2)."""
        form = self.as_is
        train, *others = (torch.from_numpy(x) for x in (form.train, form.test, form.further) if x is not None)
        mean = train.mean(0)
        some = (train[spread_out(len(train), _COVARIANCE_ROWS)] - mean).double()
        values, axes = torch.linalg.eigh(some.T @ some / len(some))
        values = values.clamp(min=0)
        there = values > 1e-10 * values[-1].clamp(min=1e-30)
        axes = (axes / (values + _FLOOR * values.mean()).sqrt())[:, there].float()
        return Form(WHITENED, *(((part - mean) @ axes).numpy() for part in (train, *others)), principal=True)

    @property
    def _parts(self) -> list[Floats]:
        return [part for part in (self.train, self.test, self.further) if part is not None]

    def _form(self, name: str, scaled: Callable[[Floats], Floats]) -> Form:
        if self.width <= WIDEST:
            return Form(name, *(scaled(part) for part in self._parts))
        some = torch.from_numpy(scaled(self.train[spread_out(len(self.train), _AXIS_ROWS)]))
        values, vectors = torch.linalg.eigh(some @ some.T)  # in float32: many times faster at this size
        kept = torch.argsort(values, descending=True)[:WIDEST]
        kept = kept[values[kept] > 1e-6 * values.max()]
        axes = some.T @ (vectors[:, kept] / values[kept].sqrt())
        return Form(name, *(_along(part, scaled, axes) for part in self._parts), principal=True)


def corners(x: Floats) -> Floats:
    """Return rows (1 + D, D) that tell an affine map of rows like x (N, D): their mean, and a step along each column.

    A step is as long as the largest number: beside a far mean float32 would lose a shorter one.
    """
    out = np.tile(x.mean(axis=0, dtype=np.float64).astype(np.float32), (1 + x.shape[1], 1))
    out[1:][np.diag_indices(x.shape[1])] += max(-float(x.min()), float(x.max())) or 1.0
    return out


def affine(made: NDArray[Any], corners: Floats) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the affine map that makes `made` (1 + D, d) of `corners`: turn (D, d), and the shift (d,) at the first.

    Every form is such a map of the features.

    Example:
        >>> rows = corners(np.array([[1, 4], [3, 4]], dtype=np.float32))
        >>> [part.tolist() for part in affine(rows @ [[1], [10]] + 5, rows)]
        [[[1.0], [10.0]], [47.0]]
    """
    shift, steps = made[0].astype(np.float64), np.diagonal(corners[1:].astype(np.float64) - corners[0])
    return (made[1:].astype(np.float64) - shift) / steps[:, None], shift


def _along(part: Floats, scaled: Callable[[Floats], Floats], axes: Tensor) -> Floats:
    """Return the coordinates of scaled rows, some at a time: a scaled copy of wide features takes longer than they."""
    out = np.empty((len(part), axes.shape[1]), dtype=np.float32)
    for rows in batched(len(part), rows=_PIECE):
        torch.matmul(torch.from_numpy(scaled(part[rows])), axes, out=torch.from_numpy(out[rows]))
    return out


def _offset(values: Any) -> NDArray[np.float64] | None:
    """Return what to subtract of each column (D,) before float32 would lose its digits, None where nothing."""
    x = np.asarray(values)
    if x.ndim != 2 or not len(x) or x.dtype not in (np.float64, np.int64, np.uint64):
        return None
    with np.errstate(all="ignore"):
        mean, spread = x.mean(axis=0), x.std(axis=0)
        far = (spread > 0) & (np.abs(mean) > _FAR * spread)
    return np.where(far, mean, 0.0) if far.any() else None


def _checked(part: str, values: Any, offset: NDArray[np.float64] | None) -> Floats:
    x = np.asarray(values)
    if x.ndim != 2:
        raise UserError(f"{part} features have shape {x.shape}: give (rows, width)")
    if offset is not None and x.shape[1] == len(offset):
        x = x - offset
    x = np.ascontiguousarray(x, dtype=np.float32)
    if not np.isfinite(x).all():
        raise UserError(f"the {part} features hold NaN or infinite values: a probe needs finite ones")
    return x
