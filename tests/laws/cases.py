"""One tiny case per registered method; a method that is registered later is picked up by its signature."""

import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from isotropy import rng
from isotropy.encoders import DilatedResNet, wrap
from isotropy.methods import METHODS
from isotropy.methods.method import Method
from isotropy.training import Optim, Plan, fit
from isotropy.views.multiview import MultiView, Plain, ViewMaker
from laws.toys import TOYS

FEATURES, ROWS, BATCH, EPOCHS = 5, 39, 9, 1.5
# Batches of which eight ranks have a row each, the last of a pass too.
LARGE_BATCH = 13
# Methods that do not take tables get series of this shape.
CHANNELS, LENGTH = 2, 24
KINDS: dict[str, type[Method]] = {**METHODS, **TOYS}
REGISTERED, ALL = sorted(METHODS), sorted(KINDS)
# Of every way in which ranks are together: outputs that are gathered, or averaged, and none; weights that move alone.
FEW = ("byol", "dino", "lfr", "masked", "simclr", "swav", "vicreg")


class Rows:
    """A source over one tensor of rows that are the encoder's input already."""

    modality = "table"

    def __init__(self, rows: Tensor) -> None:
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    def batch(self, index: Tensor) -> Tensor:
        return self.rows[index]

    def to_input(self, rows: Tensor) -> Tensor:
        return rows


class Waves(Rows):
    """A source over series, which are the encoder's input already."""

    modality = "series"


class Jitter:
    """Views that add noise, a function of (seed, pass, view, sample): the least that methods with views need."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __call__(self, dataset: Rows, index: Tensor, *, seed: int, pass_: int) -> MultiView:
        def make() -> list[Tensor]:
            rows = dataset.batch(index)
            keys = [rng.keys(seed, pass_, view, index) for view in range(self.count)]
            noise = [rng.normals(rng.halves(key, rows[0].numel())).to(rows) for key in keys]
            return [dataset.to_input(rows + 0.3 * one.view_as(rows)) for one in noise]

        return MultiView(index, make)


def modality(kind: type[Method] | Method) -> str:
    """Return what the case of a method is made of: tables where it takes them, else series or images."""
    return next(name for name in ("table", "series", "image") if kind.takes(name))


def dataset(dtype: torch.dtype = torch.float64, modality: str = "table") -> Rows:
    """Return the data set of every case: rows on a curved surface, so that there is something to learn."""
    generator = torch.Generator().manual_seed(7)
    if modality == "series":
        return Waves(_waves(generator).to(dtype))
    hidden = torch.randn(ROWS, 2, generator=generator, dtype=torch.float64)
    mixing = torch.randn(2, FEATURES, generator=generator, dtype=torch.float64)
    noise = torch.randn(ROWS, FEATURES, generator=generator, dtype=torch.float64)
    return Rows((torch.tanh(hidden @ mixing) + 0.3 * noise).to(dtype))


def _waves(generator: torch.Generator) -> Tensor:
    """Return noisy oscillations (ROWS, CHANNELS, LENGTH), each row of its own speed and phase."""
    speed, phase = torch.rand(2, ROWS, CHANNELS, 1, generator=generator, dtype=torch.float64)
    noise = torch.randn(ROWS, CHANNELS, LENGTH, generator=generator, dtype=torch.float64)
    return torch.sin((0.2 + speed) * torch.arange(LENGTH) + 6.28 * phase) + 0.3 * noise


def views(kind: type[Method] | Method) -> ViewMaker:
    """Return the view maker of a case: the plain row where one view is enough."""
    return Plain() if kind.min_views == 1 else Jitter(kind.min_views)


def encoder(modality: str = "table") -> nn.Module:
    """Return a tiny encoder with batch norm and without dropout; for series one of the library's own."""
    if modality == "series":
        return DilatedResNet(channels=CHANNELS, width=8, hidden=6, depth=2)
    layers = (nn.Linear(FEATURES, 12, bias=False), nn.BatchNorm1d(12), nn.ReLU(), nn.Linear(12, 8))
    return wrap(nn.Sequential(*layers), width=8)


def make(name: str, seed: int = 0, **options: Any) -> Method:
    """Return the method `name` in float64, small, with weights drawn from `seed`."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return KINDS[name](encoder(modality(KINDS[name])), **(arguments(KINDS[name]) | options)).double()


# Constructor arguments without a default, or that a case must set, by name. A method that needs one nobody has
# seen before adds its line here.
GIVEN: dict[str, Callable[[], Any]] = {
    # Ranks and chunks draw other masks.
    "dropout": lambda: 0.0,
    "num_segments": lambda: 4,
    "make_projector": lambda: lambda width: nn.Sequential(nn.Linear(FEATURES, 16), nn.ReLU(), nn.Linear(16, width)),
    "make_decoder": lambda: lambda width: nn.Sequential(nn.Linear(width, 16), nn.ReLU(), nn.Linear(16, FEATURES)),
    "n_samples": lambda: ROWS,
    "predictor_passes": lambda: 2,
    # SwAV: full after two batches, and wrapping inside the third.
    "queue_size": lambda: 16,
    # W-MSE: batches of 9 rows leave one out, and the last one of 3 is smaller than a sub-batch.
    "projector_width": lambda: 2,
    "sub_batch_size": lambda: 4,
}


def arguments(kind: type[Method]) -> dict[str, Any]:
    """Return constructor arguments by signature: what must be given, and large widths made small."""
    chosen = {}
    for name, parameter in list(inspect.signature(kind).parameters.items())[1:]:
        if name in GIVEN and not isinstance(parameter.default, tuple):
            chosen[name] = GIVEN[name]()
            continue
        needed = parameter.default is inspect.Parameter.empty
        assert not needed, f"{kind.__name__} needs {name!r}: say in tests/laws/cases.py what a tiny case gives"
        chosen[name] = _small(parameter.default)
    return chosen


def _small(default: Any) -> Any:
    if isinstance(default, tuple):
        return tuple(_small(value) for value in default)
    return min(default, 16) if type(default) is int else default


def without_batch_norm(method: nn.Module) -> nn.Module:
    """Replace every batch norm by one over the row itself, of the same width, in place."""
    for name, child in method.named_children():
        if isinstance(child, _BatchNorm):
            flat = isinstance(child, nn.BatchNorm1d)
            norm = (nn.LayerNorm(child.num_features) if flat else nn.GroupNorm(1, child.num_features)).double()
            # A norm without weights keeps none to learn, and a teacher's stays out of training.
            setattr(method, name, norm.requires_grad_(child.weight is not None and child.weight.requires_grad))
        else:
            without_batch_norm(child)
    return method


def train(method: Method, **options: Any) -> Any:
    """Return the generator `fit` over the case's data, by SGD: Adam would blow up rounding where a gradient is 0."""
    options = {"optim": Optim(name="sgd", lr=0.05, warmup=0), "epochs": EPOCHS, "batch_size": BATCH} | options
    data = options.pop("dataset", None) or dataset(modality=modality(method))
    return fit(method, data, views(method), precision=options.pop("precision", "float32"), keep_last=True, **options)


def state(method: Method) -> dict[str, Tensor]:
    """Return a copy of everything that a method holds."""
    return {name: tensor.detach().clone() for name, tensor in method.state_dict().items()}


def distance(a: dict[str, Tensor], b: dict[str, Tensor]) -> float:
    """Return the largest difference between two states, relative to the entry's size (at least 1)."""
    assert a.keys() == b.keys()
    return max(float(((a[k].double() - b[k].double()).abs() / b[k].double().abs().clamp(min=1)).max()) for k in a)


def steps(name: str) -> int:
    """Return how many steps the training of a case has."""
    plan = Plan(
        rows=ROWS, batch_size=BATCH, epochs=EPOCHS, passes_per_epoch=make(name).passes_per_epoch, keep_last=True
    )
    return plan.steps
