"""What the loop asks of a method, checked once on the first step: one line says what was found and what to write."""

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from operator import itemgetter
from typing import Any

import torch
from torch import Tensor

from isotropy.errors import UserError, nearest
from isotropy.methods.method import Method, Outputs

# Largest relative difference between a mean over rows and the mean of its halves' means: rounding in float32 is less.
_ROUNDING = 1e-3


@contextmanager
def unwritten(method: Method) -> Iterator[None]:
    """Refuse, with a UserError, a `forward` that moves parameters: another rank or a replay would see other ones."""
    before = _sums(method)
    yield
    for name, total in _sums(method).items():
        if not torch.equal(total, before[name]):
            raise UserError(
                f"{type(method).__name__}.forward writes the parameter {name!r}: move it in update, which comes after "
                "the optimiser's step"
            )


@torch.no_grad()
def _sums(method: Method) -> dict[str, Tensor]:
    # Sums, not copies, which might not fit, nor versions, which a write through `.data` leaves as they are.
    return {name: parameter.float().sum().nan_to_num() for name, parameter in method.named_parameters()}


def check_outputs(method: Method, outputs: Any, rows: int) -> None:
    """Refuse what `forward` returned for `rows` rows where `gather` or `loss` would fail, or train on it in silence.

    Raises: UserError, in one line.
    """
    name = type(method).__name__
    if not isinstance(outputs, dict) or not outputs:
        raise UserError(
            f"{name}.forward returned {_kind(outputs)}: return named outputs, as "
            '{"z": [projected for each view]}, each (B, ...)'
        )
    for key, value in outputs.items():
        for tensor in as_list(value):
            if not isinstance(tensor, Tensor):
                raise UserError(
                    f"{name}.forward: output {key!r} is {_kind(value)}: give a tensor (B, ...), or a list of such, one "
                    "per view"
                )
            if tensor.ndim == 0 or len(tensor) != rows:
                raise UserError(
                    f"{name}.forward: output {key!r} has shape {tuple(tensor.shape)} for a batch of {rows} rows: rows "
                    "come first, and views stand in a list of (B, ...) tensors"
                )
    for kind in ("gathered", "averaged"):
        for key in getattr(method, kind):
            if key not in outputs:
                raise UserError(f"{name}.{kind} names {key!r}, which forward does not return{nearest(key, outputs)}")
    _check_parameters(method, outputs)


def check_terms(method: Method, terms: Any, outputs: Outputs) -> None:
    """Refuse what `loss` returned where it is no dictionary of scalars, or couples rows that are not gathered.

    Raises: UserError, in one line.
    """
    name = type(method).__name__
    if not isinstance(terms, dict) or not terms:
        raise UserError(f'{name}.loss returned {_kind(terms)}: return named scalar terms, as {{"contrast": loss}}')
    for key, term in terms.items():
        if not isinstance(term, Tensor) or term.ndim:
            shape = f"a tensor {tuple(term.shape)}" if isinstance(term, Tensor) else _kind(term)
            raise UserError(f"{name}.loss: term {key!r} is {shape}: give a scalar tensor, the mean over the rows")
    if not any(term.requires_grad for term in terms.values()):
        raise UserError(f"{name}.loss: no term depends on a parameter that learns: was an output detached?")
    if not method.gathered:
        _check_mean(method, terms, outputs)


def _check_parameters(method: Method, outputs: Outputs) -> None:
    """Refuse a `loss` whose arguments are not what `forward` returns."""
    name, named = type(method).__name__, inspect.signature(method.loss).parameters
    if not any(p.kind is p.VAR_KEYWORD for p in named.values()):
        for key in outputs:
            if key not in named:
                raise UserError(f"{name}.loss has no argument for the output {key!r} of forward{nearest(key, named)}")
    for key, parameter in named.items():
        variadic = parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        if parameter.default is parameter.empty and not variadic and key not in outputs:
            raise UserError(f"{name}.loss asks for {key!r}, which forward does not return{nearest(key, outputs)}")


@torch.no_grad()
def _check_mean(method: Method, terms: dict[str, Tensor], outputs: Outputs) -> None:
    """Refuse a loss over the rows of one rank that is no mean over rows: ranks would not add up to the whole batch."""
    rows = {key: value for key, value in outputs.items() if key not in method.averaged}
    count = min((len(x) for value in rows.values() for x in as_list(value)), default=0)
    if count < 4:
        return
    halves = [slice(0, count // 2), slice(count // 2, count)]
    parts = [
        method.loss(**outputs | {key: each(value, itemgetter(half)) for key, value in rows.items()}) for half in halves
    ]
    for key, term in terms.items():
        mean = sum(float(part[key]) * (half.stop - half.start) for part, half in zip(parts, halves)) / count
        if abs(mean - float(term)) > _ROUNDING * max(abs(mean), abs(float(term)), 1e-6):
            found = f"{float(term):.4g} for the batch, {mean:.4g} as the mean of its halves"
            raise UserError(
                f"{type(method).__name__}.loss: term {key!r} is no mean over rows ({found}): ranks would not add up; "
                "name the outputs that it compares in `gathered`"
            )


def as_list(value: Any) -> list[Any]:
    """Return an output as the list of its views, of one where it is a tensor."""
    return value if isinstance(value, list) else [value]


def each(value: Tensor | list[Tensor], function: Callable[[Tensor], Any]) -> Any:
    """Return `function` of an output, or of every view of it where it is a list."""
    return [function(x) for x in value] if isinstance(value, list) else function(value)


def _kind(value: Any) -> str:
    kind = type(value).__name__
    return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}" if value else f"an empty {kind}"
