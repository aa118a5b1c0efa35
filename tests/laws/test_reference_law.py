"""The reference-loss law: what a method says its loss is worth in a known situation is what its loss gives there."""

from collections.abc import Callable
from math import log

import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize, one_hot

from isotropy.methods import METHODS, SimCLR
from isotropy.methods.method import Method, Outputs
from isotropy.objectives import instance_classification
from laws import cases

ROWS = 8
# What brings a method into a situation and returns its outputs there, by the situation's name.
Situations = dict[str, Callable[[Method], Outputs]]


def pair(name: str, *others: str) -> Callable[[Tensor], Callable[[Method], Outputs]]:
    """Return what makes two views of the same rows the outputs of these names."""
    return lambda rows: lambda method: {key: [rows, rows] for key in (name, *others)}


def point(rows: int = ROWS, width: int = 16) -> Tensor:
    """Return equal rows."""
    return torch.ones(rows, width, dtype=torch.float64)


def simplex() -> Tensor:
    """Return unit rows with the least possible cosine, -1/(N-1), in 16 dimensions."""
    corners = normalize(torch.eye(ROWS, dtype=torch.float64) - 1 / ROWS, dim=1)
    return torch.nn.functional.pad(corners, (0, 16 - ROWS))


def spread(rows: int = 16, categories: int = 16) -> Tensor:
    """Return rows that take every category equally often."""
    return torch.eye(categories, dtype=torch.float64).repeat(rows // categories, 1)


def uncorrelated(rows: int, width: int, *, ddof: int) -> Tensor:
    """Return centred columns of unit variance that are orthogonal, for width < rows."""
    noise = torch.randn(rows, width, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    columns = torch.linalg.qr(torch.cat([torch.ones(rows, 1, dtype=torch.float64), noise], 1)).Q[:, 1:]
    return (rows - ddof) ** 0.5 * columns


def contrast(*names: str) -> Situations:
    """Return the situations of losses that compare every row with all others."""
    make = pair(*names)
    return {"point collapse": make(point()), "perfection": make(simplex())}


def agreement(*names: str) -> Situations:
    """Return the situations of losses that see the two views of a row alone."""
    make = pair(*names)
    return {"point collapse": make(point()), "perfection": make(spread())}


def nearest(rows: Tensor) -> Callable[[Method], Outputs]:
    """Return what puts `rows` into NNCLR's queue, too."""

    def make(method: Method) -> Outputs:
        method.queue[:ROWS] = normalize(rows, dim=1)
        return {"prediction": [rows, rows], "z": [rows, rows]}

    return make


def centred(rows: Tensor) -> Callable[[Method], Outputs]:
    """Return what lets a method's moving centre come to rest at the mean of `rows`."""

    def make(method: Method) -> Outputs:
        for _ in range(150):
            method.update(mean=normalize(rows, dim=1).mean(0, keepdim=True))
        return {"z": [rows, rows]}

    return make


def distilled(logits: Tensor) -> Callable[[Method], Outputs]:
    """Return what centres DINO's teacher on `logits`, with its warm-up over."""

    def make(method: Method) -> Outputs:
        method.progress, method.centre = 1.0, logits.mean(0, keepdim=True)
        return {"student": [logits, logits], "teacher": [logits, logits]}

    return make


def assigned(rows: Tensor) -> Callable[[Method], Outputs]:
    """Return what scores unit `rows` with orthogonal prototypes."""

    def make(method: Method) -> Outputs:
        with torch.no_grad():
            method.prototypes.weight.copy_(torch.eye(len(method.prototypes.weight)))
        return {"scores": [rows, rows], "z": [rows, rows]}

    return make


def categories(logits: Tensor) -> Callable[[Method], Outputs]:
    """Return DISSL's outputs at `logits`."""

    def make(method: Method) -> Outputs:
        marginal = (logits / method.temperature).softmax(1).mean(0, keepdim=True)
        return {"student": [logits, logits], "teacher": [logits, logits], "marginal": [marginal, marginal]}

    return make


def named(*, known: bool) -> Callable[[Method], Outputs]:
    """Return DIET's outputs where all rows are one vector, or where each names itself as well as it should."""

    def make(method: Method) -> Outputs:
        count = method.head.out_features
        weight = torch.zeros(count, count, dtype=torch.float64)
        if known:
            other = method.label_smoothing / count
            weight += log(other)
            weight.fill_diagonal_(log(1 - method.label_smoothing + other))
        index = torch.arange(ROWS)
        rows = torch.eye(count, dtype=torch.float64)[index]
        losses = instance_classification(rows, weight, index, smoothing=method.label_smoothing)
        return {"cross_entropy": [losses]}

    return make


def orthogonal_codes() -> Tensor:
    """Return 16 rows of four segments of four units: every pair of units of two segments stands in one row."""
    high, low = torch.arange(16) // 4, torch.arange(16) % 4
    times = torch.tensor([[0, 1, 2, 3], [0, 2, 3, 1]])
    return one_hot(torch.stack([high, low, *(high ^ table[low] for table in times)], 1), 4).double()


def projected(prediction: Tensor, target: Tensor) -> Callable[[Method], Outputs]:
    """Return LFR's outputs, the same for each of its projectors."""
    return lambda method: {"prediction": prediction.unsqueeze(1), "target": target.unsqueeze(1)}


def told(**more: list[Tensor]) -> Situations:
    """Return the situation of a decoder that gives back what was there."""
    rows = torch.randn(ROWS, cases.FEATURES, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    return {"perfection": lambda method: {"prediction": [rows], "target": [rows], **more}}


def one_future(method: Method) -> Outputs:
    """Return TS-TCC's outputs where all samples are one point."""
    frames = point(ROWS, method.timesteps * method.width).view(ROWS, method.timesteps, method.width)
    return {"prediction": [frames, 2 * frames], "future": [frames, frames], "context": [point(), point()]}


MASK = torch.ones(ROWS, cases.FEATURES, dtype=torch.bool)
VARIANCE = {ddof: {"point collapse": pair("z")(point(24)), "perfection": pair("z")(uncorrelated(24, 16, ddof=ddof))}
            for ddof in (0, 1)}  # fmt: skip
SITUATIONS: dict[str, Situations] = {
    "autoencoder": told(),
    "barlow_twins": VARIANCE[0],
    "byol": agreement("prediction", "target"),
    "center": contrast("z"),
    "center_subtraction": {
        "point collapse": centred(point()),
        "perfection": centred(torch.cat([spread(), -spread()])),
    },
    "cissl": contrast("student", "teacher"),
    "dacl": contrast("z"),
    "diet": {"point collapse": named(known=False), "perfection": named(known=True)},
    "dino": {
        "point collapse": distilled(torch.zeros(16, 16, dtype=torch.float64)),
        "uniform codes": distilled(torch.zeros(16, 16, dtype=torch.float64)),
        "perfection": distilled(spread()),
    },
    "dissl": {
        "one code": categories(1e4 * spread()[:1].expand(16, 16)),
        "uniform codes": categories(torch.zeros(16, 16, dtype=torch.float64)),
        "perfection": categories(1e4 * spread()),
    },
    "lejepa": {"point collapse": lambda method: {"large": [0 * point()] * 2, "small": []}},
    "lfr": {
        "point collapse": projected(point(), point()),
        "perfection": projected(spread(), 2 * spread()),
    },
    "masked": told(hidden=[MASK]),
    "moco_v3": contrast("query", "key"),
    "music": {
        "uniform codes": pair("z")(torch.zeros(16, 16, dtype=torch.float64)),
        "one code": pair("z")(1e4 * one_hot(torch.zeros(16, 4, dtype=torch.int64), 4).flatten(1).double()),
        "perfection": pair("z")(1e4 * orthogonal_codes().flatten(1)),
    },
    "nnclr": {"point collapse": nearest(point()), "perfection": nearest(simplex())},
    "scarf": contrast("z"),
    "simclr": contrast("z"),
    "simsiam": agreement("prediction", "target"),
    "stab": agreement("prediction", "target"),
    "swav": {
        "point collapse": assigned(normalize(point(16), dim=1)),
        "one code": assigned(spread()[:1].expand(16, 16)),
        "uniform codes": assigned(normalize(point(16), dim=1)),
        "perfection": assigned(spread()),
    },
    "ts_tcc": {"point collapse": one_future},
    "vicreg": VARIANCE[1],
    "w_mse": {"point collapse": pair("z")(point(ROWS, 2)), "perfection": pair("z")(uncorrelated(ROWS, 2, ddof=0))},
}  # fmt: skip
# Means over draws, which their methods' own tests take.
EXPECTED = {("barlow_twins", "independence"), ("lejepa", "perfection")}
CLAIMS = [
    (name, situation)
    for name in METHODS
    for situation in cases.make(name).reference_losses(ROWS)
    if (name, situation) not in EXPECTED
]


def difference(method: Method, situation: str, make: Callable[[Method], Outputs]) -> float:
    """Return how far the loss in a situation is from what the method says."""
    outputs = make(method)
    first = next(iter(outputs.values()))
    rows = len(first[0] if isinstance(first, list) else first)
    loss = float(sum(method.loss(**outputs).values()))
    return abs(loss - method.reference_losses(rows)[situation])


@pytest.mark.parametrize(("name", "situation"), CLAIMS)
def test_the_loss_in_a_known_situation_is_what_the_method_says(name, situation):
    # Where nothing is said of a method, its outputs are the embedded views, and all of them are compared.
    situations = SITUATIONS.get(name, contrast("z"))
    assert situation in situations, f"say here what brings {name} to {situation!r}"
    assert difference(cases.make(name), situation, situations[situation]) < 1e-4


class Miscounted(SimCLR):
    """SimCLR with the commonest slip in its closed form: N candidates where each view has 2N - 1."""

    def reference_losses(self, batch_size):
        return {"point collapse": log(batch_size)}


def test_a_slip_in_a_closed_form_breaks_the_law():
    assert difference(Miscounted(cases.encoder()), "point collapse", SITUATIONS["simclr"]["point collapse"]) > 0.5
