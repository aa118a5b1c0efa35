"""One training step of every method, beside forward and backward of the bare encoder that it needs.

    python benchmarks/methods.py [--busy] [--full] [--resume] [--only NAME] [--out benchmarks/results/methods.json]

ResNet-18 (3x3 stem) at 32 px, float32, batches of 64, with --full of 256; every method as its constructor has it
(W-MSE with sub-batches of 64 and 32 outputs at that size). What takes no images runs on the default encoder of its own
data, in batches of 128: a table MLP on 100 columns, a convolutional network (TS-TCC) or a dilated one (TS2Vec) on
series of 9 x 128; nothing is asked of these. The record is written after every method; --resume keeps what is in it.

- step: `isotropy.training.fit` with AdamW on views that are ready tensors, so that no augmentation is in it.
- bare: the encoder alone, in train mode and channels-last, on the same number of views in one run, and backward from
  a ready gradient; with the forward pass of a second encoder on all views where the method has a teacher. No head, no
  loss, no optimiser, no data. TS2Vec's crops are shorter than the two whole series that its bare side takes.

What a step takes beside that is told apart with an encoder that hands out ready features, in fractions of the bare
side: "heads" is forward and backward of everything between features and outputs (projectors, predictors,
prototypes, decoders, targets), "loss" all else of the loop (loss, optimiser of the heads, buffers, teachers of the
heads), "optimiser" the AdamW step of the encoder, "teacher" the move of the teacher's encoder. The first is the
method's own mathematics and not overhead of the library; the threshold is asked of all together all the same.

LFR is timed by cycles, of a pass that moves the encoder and five that move the predictors: its bare side is forward
and backward for the first, and the encoder's forward pass, once over the data, for the others; its "heads" and
"loss" are those of one step.
"""

import inspect
import json
import sys
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from typing import Any

import measure
import torch
from torch import Tensor, nn

from isotropy.encoders import DilatedResNet, SeriesCNN, TableMLP, Timm
from isotropy.methods import LFR, METHODS, Method
from isotropy.methods.lfr.projectors import image_projector
from isotropy.nn.decoders import image_decoder
from isotropy.nn.ema import Teacher
from isotropy.training import Optim, Step, fit
from isotropy.views.multiview import MultiView

SIZE, BATCHES, MOST, OTHERS = 32, 2, 1.15, 128
SHAPE = {"channels": 3, "size": (SIZE, SIZE)}
ROWS = {"image": (3, SIZE, SIZE), "series": (9, 128), "table": (100,)}


class Ready:
    """The data, and views of it: `count` views that are the same ready tensors in every step."""

    def __init__(self, count: int, batch: int, modality: str = "image") -> None:
        self.count, self.modality = count, modality
        self.tensors = [*torch.randn(count, batch, *ROWS[modality], generator=torch.Generator().manual_seed(0))]
        if modality == "image":
            self.tensors = [view.to(memory_format=torch.channels_last) for view in self.tensors]
        self.rows, self.batch_size = torch.cat([self.tensors[0]] * BATCHES), batch

    def __len__(self) -> int:
        return BATCHES * self.batch_size

    def batch(self, index: Tensor) -> Tensor:
        """Return rows by their places."""
        return self.rows.index_select(0, index)

    def to_input(self, rows: Tensor) -> Tensor:
        """Return rows as they are."""
        return rows

    def __call__(self, dataset: object, index: Tensor, *, seed: int, pass_: int) -> MultiView:
        """Return the ready views."""
        return MultiView(index, lambda: [view[: len(index)] for view in self.tensors])


class Given(nn.Module):
    """An encoder that hands out ready features, which take a gradient."""

    width = 512

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Parameter(torch.randn(1024, self.width))

    def forward(self, x: Tensor) -> Tensor:
        """Return one row for each of x."""
        return self.features[: len(x)]


def resnet() -> nn.Module:
    torch.manual_seed(0)
    return Timm(model="resnet18", **SHAPE)


def own(name: str) -> nn.Module:
    """Return the encoder that the method is timed on."""
    if METHODS[name].takes("image"):
        return resnet()
    torch.manual_seed(0)
    if METHODS[name].takes("table"):
        return TableMLP(numeric=ROWS["table"][0])
    channels, length = ROWS["series"]
    return DilatedResNet(channels=channels) if name == "ts2vec" else SeriesCNN(channels=channels, length=length)


def made(name: str, encoder: nn.Module, ready: Ready) -> Method:
    """Return the method with its own defaults."""
    torch.manual_seed(0)
    given: dict[str, Any] = {
        "make_decoder": partial(image_decoder, SHAPE),
        "make_projector": partial(image_projector, SHAPE),
        "n_samples": len(ready),
    }
    if name == "w_mse":
        # Its sub-batches are no larger than a batch, and twice as large as its output is wide.
        given["sub_batch_size"] = min(128, ready.batch_size)
        given["projector_width"] = given["sub_batch_size"] // 2
    if name == "lfr":
        given["num_candidates"] = 6  # choosing is done once and not part of a step
    takes = inspect.signature(METHODS[name]).parameters
    return METHODS[name](encoder, **{key: value for key, value in given.items() if key in takes})


def training(name: str, encoder: nn.Module, ready: Ready) -> Iterator[Step]:
    """Return the library's loop, before its first step."""
    method = made(name, encoder, ready)
    return fit(method, ready, ready, optim=Optim(), epochs=1e4, batch_size=ready.batch_size, precision="float32")


def cycle(ready: Ready) -> Callable[[], None]:
    """Return a call of what LFR needs of an encoder for a cycle of passes."""
    once, encoder = bare(ready, resnet(), teacher=False), resnet().to(memory_format=torch.channels_last).eval()

    def run() -> None:
        for _ in range(BATCHES):
            once()
            with torch.no_grad():
                encoder(ready.tensors[0])

    return run


def bare(ready: Ready, encoder: nn.Module, teacher: bool) -> Callable[[], None]:
    """Return a call of forward and backward of the encoder, and of a teacher's forward."""
    through: Any = encoder.train()
    if ready.modality == "image":
        encoder.to(memory_format=torch.channels_last)
    if ready.modality == "series":
        through = encoder.frames
    second = Teacher(encoder).train() if teacher else None
    gradient = torch.randn_like(torch.cat(MultiView(torch.arange(1), lambda: ready.tensors).through(through)))

    def run() -> None:
        views = MultiView(torch.arange(ready.batch_size), lambda: ready.tensors)
        if second is not None:
            views.through(second)
        torch.cat(views.through(through)).backward(gradient)
        encoder.zero_grad(set_to_none=True)

    return run


def heads(name: str, ready: Ready) -> Callable[[], None]:
    """Return a call of forward and backward of all that lies between features and outputs."""
    method = made(name, Given(), ready).train()
    with torch.no_grad():
        method.before_pass(ready, 0)

    def run() -> None:
        outputs = method(MultiView(torch.arange(ready.batch_size), lambda: ready.tensors))
        flat = [x for value in outputs.values() for x in (value if isinstance(value, list) else [value])]
        learnt = [x for x in flat if x.requires_grad]
        torch.autograd.backward(learnt, [torch.ones_like(x) for x in learnt])
        method.zero_grad(set_to_none=True)

    return run


def seconds(run: Callable[[], object]) -> float:
    """Return the median seconds of a short call."""
    run()
    return measure.median([measure.timed(run) for _ in range(5)])


def parts(name: str, ready: Ready, teacher: bool, whole: float) -> dict[str, float]:
    """Return what a step takes beside the bare encoder's `whole` seconds, in fractions of these."""
    encoder = resnet().to(memory_format=torch.channels_last)
    for parameter in encoder.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer = Optim().build(encoder)  # type: ignore[arg-type]
    loop, own = training(name, Given(), ready), seconds(heads(name, ready))
    found = {
        "heads": own,
        "loss": seconds(partial(next, loop)) - own,
        "optimiser": seconds(optimizer.step),
    }
    if teacher:
        copy = Teacher(encoder)
        found["teacher"] = seconds(lambda: copy.update(encoder, 0.99))
    return {part: round(taken / whole, 4) for part, taken in found.items()}


def measured(name: str, batch: int, pairs: int) -> tuple[measure.Row, dict[str, float] | None]:
    """Return the row of a method, and for images what a step takes beside the bare encoder, in fractions of that."""
    method = METHODS[name]
    image = method.takes("image")
    # STab and DACL make two views of their one, TS2Vec two crops.
    views = 2 if name in ("stab", "dacl", "ts2vec") else method.min_views
    ready = Ready(views, batch if image else OTHERS, next(filter(method.takes, ("image", "table", "series"))))
    steps = training(name, own(name), ready)
    if method is LFR:
        sides = {"step": lambda: list(islice(steps, 6 * BATCHES)), "bare": cycle(ready)}
        teacher = False
    else:
        teacher = image and hasattr(made(name, Given(), Ready(views, 2)), "teacher_encoder")
        once = bare(ready, own(name), teacher)
        # What takes milliseconds is repeated.
        repeats = 1 if image or name == "ts2vec" else 20
        sides = {
            "step": lambda: list(islice(steps, repeats)),
            "bare": lambda: [once() for _ in range(repeats)],  # type: ignore[func-returns-value]
        }
    times = measure.in_turns(sides, pairs)
    what = "cycle" if method is LFR else "step"
    where = "" if image else f" ({type(own(name)).__name__})"
    row = measure.row(
        f"{name}: {what} / bare encoder{where}", times["step"], times["bare"], MOST if image else None, at_most=True
    )
    whole = measure.median(times["bare"]) / (BATCHES if method is LFR else 1)
    return row, parts(name, ready, teacher, whole) if image else None


def main() -> int:
    parser = measure.parser("methods", __doc__.splitlines()[0])
    parser.add_argument("--full", action="store_true", help="batches of 256")
    parser.add_argument("--resume", action="store_true", help="keep the methods that the record holds")
    parser.add_argument("--only", default="", help="only methods whose name holds this; measured anew with --resume")
    parser.add_argument("--pairs", type=int, default=3)
    arguments = measure.start(parser)
    rows: dict[str, measure.Row] = {}
    shares: dict[str, dict[str, float]] = {}
    if arguments.resume and arguments.out.exists():
        record = json.loads(arguments.out.read_text())
        shares = record["shares_of_bare"]
        rows = {row["name"].split(":")[0]: measure.Row(**row) for row in record["rows"]}
    for name in METHODS:
        if arguments.only not in name or (name in rows and not arguments.only):
            continue
        rows[name], share = measured(name, 256 if arguments.full else 64, arguments.pairs)
        if share is not None:
            shares[name] = share
        print(rows[name].name, rows[name].ratio, rows[name].seconds, share, flush=True)
        measure.write("methods", [*rows.values()], arguments.out, shares_of_bare=shares, pairs=arguments.pairs)
    return measure.finish("methods", [*rows.values()], arguments.out, shares_of_bare=shares, pairs=arguments.pairs)


if __name__ == "__main__":
    sys.exit(main())
