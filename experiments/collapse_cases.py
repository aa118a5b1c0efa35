"""The cases of the collapse bench: which failures and which healthy runs, on which data, in which round."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any


@dataclass(frozen=True)
class Case:
    """One run of the bench.

    Attributes:
        name: what is planted, or which method is healthy. base: the method that it is of.
        data: a name that `rows_of` knows. expected: the verdicts that are right.
        method: the planted class, where it is not the base. settings: on top of the base's defaults.
        same_row: whether every view shows one row. steps: how long it trains.
    """

    name: str
    base: str
    data: str
    expected: tuple[str, ...]
    method: str = ""
    settings: dict[str, Any] = field(default_factory=dict)
    same_row: bool = False
    steps: int = 200


BATCH = 128
HEALTHY = ("healthy",)
NARROW = ("point collapse", "dimensional collapse")
CODES = ("uniform codes", "one code")


def healthy(data: str, *bases: str, **settings: Any) -> list[Case]:
    """Return the healthy runs of methods on a data set."""
    return [Case(f"{base} as it is", base, data, HEALTHY, settings=settings) for base in bases]


def longer(data: str, network: str, *bases: str, **settings: Any) -> list[Case]:
    """Return the healthy runs of the third round, which are twice as long."""
    return [
        replace(one, name=f"{one.name}, {network}", steps=400, settings=SMALLER.get(network, {}) | one.settings)
        for one in healthy(data, *bases, **settings)
    ]


def planted(what: str, base: str, data: str, network: str, **settings: Any) -> Case:
    """Return a planted failure of the third round: `what` of `FAILURES`, in a method."""
    expected, method, planting = FAILURES[what]
    settings = SMALLER.get(network, {}) | planting | settings
    return Case(f"{base} {what}, {network}", base, data, expected, method, settings, what == "of one row", steps=400)


LAMBDA, MOMENTUM = {"method.lambda_": 0.0}, {"method.momentum": 1.0}
BLUNT = {"method.teacher_temperature": 0.1, "method.warmup_temperature": 0.1}
TRANSFORM = {"method.diagonal": 0.0, "method.off_diagonal": 0.0}
RANDOM = ("no better than the random encoder",)

# The first round: thresholds were tuned on the first of these halves, and frozen before the second was run.
FIRST_TUNED: Sequence[Case] = [
    Case("SimSiam without stop-gradient", "simsiam", "digits", NARROW, "simsiam_with_gradient"),
    Case("SimSiam without predictor", "simsiam", "digits", NARROW, "simsiam_without_predictor"),
    Case("SwAV without Sinkhorn", "swav", "digits", (*CODES, *NARROW), "swav_without_sinkhorn"),
    Case("VICReg without variance", "vicreg", "epilepsy", NARROW, settings={"method.variance": 0.0}),
    Case("SimCLR, the same row for every sample", "simclr", "epilepsy", ("point collapse",), same_row=True),
    Case("DINO without centring", "dino", "cancer", (*CODES, *NARROW), "dino_without_centring"),
    Case(
        "SimCLR, a rate that diverges",
        "simclr",
        "cancer",
        ("divergence",),
        settings={"optim.name": "sgd", "optim.lr": 1e6, "optim.warmup": 0.0},
    ),
    *healthy("digits", "simsiam", "swav", "simclr"),
    *healthy("epilepsy", "vicreg", "simclr"),
    *healthy("cancer", "dino", "simclr"),
]
FIRST_HELD_OUT: Sequence[Case] = [
    Case("BYOL without predictor", "byol", "fashion", NARROW, "byol_without_predictor"),
    Case("BYOL at momentum 1", "byol", "har", RANDOM, settings=MOMENTUM),
    Case("DINO without sharpening", "dino", "fashion", ("uniform codes",), settings=BLUNT),
    Case("Barlow Twins without the off-diagonal", "barlow_twins", "dry_bean", NARROW, settings=LAMBDA),
    Case("MUSIC, the transform term alone", "music", "har", ("one code",), settings=TRANSFORM),
    Case("DISSL below its threshold", "dissl", "dry_bean", ("one code",), settings={"method.lambd": 0.0}),
    Case("MoCo v3, the same row for every sample", "moco_v3", "fashion", ("point collapse",), same_row=True),
    *healthy("fashion", "byol", "dino", "moco_v3"),
    *healthy("har", "byol", "music"),
    *healthy("dry_bean", "barlow_twins", "dissl"),
]
# The second round is tuned on both, and on more of the same methods.
SECOND_TUNED: Sequence[Case] = [
    Case("BYOL without predictor", "byol", "cancer", NARROW, "byol_without_predictor"),
    Case("BYOL at momentum 1", "byol", "dry_bean", RANDOM, settings=MOMENTUM),
    Case("DINO without sharpening", "dino", "cancer", ("uniform codes",), settings=BLUNT),
    Case("SwAV without Sinkhorn", "swav", "dry_bean", (*CODES, *NARROW), "swav_without_sinkhorn"),
    Case("SimSiam without predictor", "simsiam", "dry_bean", NARROW, "simsiam_without_predictor"),
    Case("Barlow Twins without the off-diagonal", "barlow_twins", "digits", NARROW, settings=LAMBDA),
    Case("MUSIC, the transform term alone", "music", "digits", ("one code",), settings=TRANSFORM),
    Case("DISSL below its threshold", "dissl", "digits", ("one code",), settings={"method.lambd": 0.0}),
    Case("VICReg without variance", "vicreg", "cancer", NARROW, settings={"method.variance": 0.0}),
    Case("SimCLR that hardly moves", "simclr", "cancer", (*RANDOM, "not yet learning"), settings={"optim.lr": 1e-7}),
    *healthy("cancer", "byol", "simsiam", "swav", "vicreg"),
    *healthy("dry_bean", "byol", "simsiam", "swav", "moco_v3", "lfr", "autoencoder", "simclr"),
    *healthy("digits", "byol", "barlow_twins", "vicreg", "dissl", "music", "dino", "moco_v3"),
]
SECOND_ALL = [*FIRST_TUNED, *FIRST_HELD_OUT, *SECOND_TUNED]
# The held-out half of the second round: other data, other networks and other methods or settings than any above.
CIFAR = {"encoder.width": 128, "encoder.stem": 4}
RESNET = {"encoder": "table_resnet", "encoder.width": 64}
GRU = {"encoder": "gru", "encoder.width": 64}
MLP = {"encoder": "series_mlp", "encoder.width": 64, "encoder.hidden": 64}
DILATED = {"encoder": "dilation_cnn"}
SOFT = {"method.prototypes": 128, "method.temperature": 0.2}
WHITE = {"method.w_size": BATCH}
SECOND_HELD_OUT: Sequence[Case] = [
    Case("NNCLR, the same row for every sample", "nnclr", "cifar", ("point collapse",), settings=CIFAR, same_row=True),
    Case("VICReg without variance", "vicreg", "cifar", NARROW, settings=CIFAR | {"method.variance": 0.0}),
    Case("DINO without centring", "dino", "cifar", (*CODES, *NARROW), "dino_without_centring", CIFAR),
    Case("BYOL without predictor", "byol", "adult", NARROW, "byol_without_predictor", RESNET),
    Case("W-MSE without whitening", "w_mse", "adult", NARROW, "w_mse_without_whitening", RESNET | WHITE),
    Case("Center subtraction without centre", "center_subtraction", "adult", NARROW, "center_subtraction_no_centre"),
    Case("DINO without sharpening", "dino", "adult", ("uniform codes",), settings=BLUNT | {"method.prototypes": 256}),
    Case("MUSIC, the transform term alone", "music", "adult", ("one code",), settings=TRANSFORM | RESNET),
    Case("MoCo v3 at momentum 1", "moco_v3", "italy", RANDOM, settings=MOMENTUM | MLP),
    Case("SimSiam without stop-gradient", "simsiam", "italy", NARROW, "simsiam_with_gradient", GRU),
    Case("Barlow Twins without the off-diagonal", "barlow_twins", "italy", NARROW, settings=LAMBDA | MLP),
    Case("SwAV without Sinkhorn", "swav", "fsdd", (*CODES, *NARROW), "swav_without_sinkhorn", GRU | SOFT),
    Case("DISSL below its threshold", "dissl", "fsdd", ("one code",), settings={"method.lambd": 0.5, **MLP}),
    Case(
        "BYOL, a rate that diverges",
        "byol",
        "fsdd",
        ("divergence",),
        settings={"optim.name": "sgd", "optim.lr": 1e6, "optim.warmup": 0.0, **GRU},
    ),
    *healthy("cifar", "nnclr", "lejepa", "dino", "vicreg", **CIFAR),
    *healthy("adult", "byol", "music", **RESNET),
    *healthy("adult", "w_mse", **RESNET | WHITE),
    *healthy("adult", "center_subtraction", "lejepa", "scarf"),
    *healthy("italy", "moco_v3", "cissl", "barlow_twins", **MLP),
    *healthy("italy", "simsiam", **GRU),
    *healthy("fsdd", "swav", **GRU | SOFT),
    *healthy("fsdd", "dissl", "simclr", **MLP),
    *healthy("fsdd", "byol", **DILATED),
]

# The third round: twice as long, over more data, networks, widths, batches and seeds.
SMALLER: dict[str, dict[str, Any]] = {
    "GRU": GRU,
    "MLP": MLP,
    "residual": RESNET,
    "dilated": {"encoder": "dilated_resnet", "encoder.width": 64, "encoder.hidden": 16, "encoder.depth": 4},
    "transformer": {"encoder": "series_transformer", "encoder.width": 64, "encoder.depth": 2},
    "narrow": {"encoder": "table_mlp", "encoder.width": 16, "encoder.hidden": 32, "encoder.depth": 2},
    "wide": {"encoder": "table_mlp", "encoder.width": 256, "encoder.hidden": 256, "encoder.depth": 4},
    "slim": {"encoder.width": 32, "encoder.stem": 4},
    "small batch": {"train.batch_size": 64},
}
# Of few rows: batches of 32, two in a pass or five.
FEW = {"train.batch_size": 32}
FAST = {"optim.name": "sgd", "optim.lr": 1e6, "optim.warmup": 0.0}
# What is planted -> the verdicts that are right, the class, and settings.
FAILURES: dict[str, tuple[tuple[str, ...], str, dict[str, Any]]] = {
    "(SimSiam) without stop-gradient": (NARROW, "simsiam_with_gradient", {}),
    "(SimSiam) without predictor": (NARROW, "simsiam_without_predictor", {}),
    "(BYOL) without predictor": (NARROW, "byol_without_predictor", {}),
    "without Sinkhorn": ((*CODES, *NARROW), "swav_without_sinkhorn", {}),
    "without centring": ((*CODES, *NARROW), "dino_without_centring", {}),
    "without whitening": (NARROW, "w_mse_without_whitening", {}),
    "at momentum 1": (RANDOM, "", MOMENTUM),
    "without sharpening": (("uniform codes",), "", BLUNT),
    "without variance": (NARROW, "", {"method.variance": 0.0}),
    "without the off-diagonal": (NARROW, "", LAMBDA),
    "the transform term alone": (("one code",), "", TRANSFORM),
    "below its threshold": (("one code",), "", {"method.lambd": 0.0}),
    "that diverges": (("divergence",), "", FAST),
    "of one row": (("point collapse",), "", {}),
    "that hardly moves": ((*RANDOM, "not yet learning"), "", {"optim.lr": 1e-7}),
}
THIRD_TUNED: Sequence[Case] = [
    planted("(SimSiam) without stop-gradient", "simsiam", "adult", "MLP of tables"),
    planted("(SimSiam) without stop-gradient", "simsiam", "italy", "GRU"),
    planted("(SimSiam) without stop-gradient", "simsiam", "fsdd", "transformer"),
    planted("(SimSiam) without predictor", "simsiam", "cancer", "narrow"),
    planted("(SimSiam) without predictor", "simsiam", "fsdd", "GRU"),
    planted("(BYOL) without predictor", "byol", "italy", "transformer"),
    planted("(BYOL) without predictor", "byol", "digits", "slim"),
    planted("at momentum 1", "byol", "adult", "narrow"),
    planted("at momentum 1", "moco_v3", "digits", "slim"),
    planted("without Sinkhorn", "swav", "adult", "residual"),
    planted("without Sinkhorn", "swav", "italy", "GRU"),
    planted("without centring", "dino", "dry_bean", "residual"),
    planted("without centring", "dino", "fsdd", "MLP"),
    planted("without sharpening", "dino", "dry_bean", "narrow"),
    planted("without sharpening", "dino", "adult", "MLP of tables", **{"method.prototypes": 256}),
    planted("without sharpening", "dino", "italy", "transformer"),
    planted("without variance", "vicreg", "adult", "wide"),
    planted("without variance", "vicreg", "italy", "GRU"),
    planted("without the off-diagonal", "barlow_twins", "fsdd", "dilated"),
    planted("without the off-diagonal", "barlow_twins", "adult", "small batch"),
    planted("the transform term alone", "music", "fsdd", "transformer"),
    planted("below its threshold", "dissl", "adult", "residual"),
    planted("without whitening", "w_mse", "italy", "MLP", **WHITE),
    planted("of one row", "swav", "digits", "slim"),
    planted("of one row", "barlow_twins", "dry_bean", "residual"),
    planted("that diverges", "vicreg", "italy", "MLP"),
    planted("that hardly moves", "dino", "dry_bean", "residual"),
    planted("that hardly moves", "swav", "fsdd", "GRU"),
    planted("that hardly moves", "byol", "italy", "MLP"),
    planted("(SimSiam) without predictor", "simsiam", "italy_few", "MLP", **FEW),
    planted("without centring", "dino", "wine", "residual", **FEW),
    planted("without variance", "vicreg", "wine", "narrow", **FEW),
    planted("below its threshold", "dissl", "italy_few", "transformer", **FEW),
    planted("the transform term alone", "music", "wine", "residual", **FEW),
    *longer("italy", "GRU", "swav", "simsiam", "byol", "simclr", "vicreg", "dino"),
    *longer("adult", "MLP of tables", "simsiam", "dino", "swav", "diet"),
    *longer("dry_bean", "residual", "byol", "dino", "dissl", "nnclr", "masked"),
    *longer("cancer", "narrow", "byol", "simsiam", "music", "vicreg"),
    *longer("italy", "transformer", "byol", "dino", "swav", "lejepa", "dissl"),
    *longer("adult", "wide", "stab", "dacl", "moco_v3", "barlow_twins", "cissl"),
    *longer("fsdd", "transformer", "simsiam", "byol"),
    *longer("italy_few", "MLP", "byol", "simsiam", "dino", "swav", "vicreg", "music", "dissl", "simclr", **FEW),
    *longer("wine", "residual", "byol", "simsiam", "dino", "swav", "barlow_twins", "music", "dissl", **FEW),
    *longer("italy_few", "transformer", "simsiam", "barlow_twins", "moco_v3", **FEW),
    *longer("digits", "slim", "lejepa", "dino", "swav", "byol", "simsiam"),
    *longer("dry_bean", "narrow", "swav", "byol", "simsiam", "dino", "vicreg", **{"train.seed": 2}),
    *longer("dry_bean", "small batch", "simsiam", "swav", "dissl", "dino", "scarf"),
]
# No controls: a short centre asks for no more than two points, and as they are these two methods fall into few.
THIRD_ASIDE: Sequence[Case] = [
    *longer("cancer", "narrow", "center_subtraction"),
    *longer("italy_few", "transformer", "center_subtraction", **FEW),
    *longer("adult", "MLP of tables", "center_subtraction"),
    *longer("adult", "MLP of tables", "center"),
    *longer("dry_bean", "residual", "center_subtraction", "center"),
]
# The held-out half of the third round, chosen before any of it was run: five data sets that are in no run above.
SHORT, SHORTER = {"train.batch_size": 64, "train.seed": 3}, {"train.batch_size": 32, "train.seed": 3}
WORDS, TINY = {"train.seed": 3}, {"train.seed": 3}
THIRD_HELD_OUT: Sequence[Case] = [
    planted("(SimSiam) without stop-gradient", "simsiam", "sst2", "residual", **WORDS),
    planted("(BYOL) without predictor", "byol", "sst2", "wide", **WORDS),
    planted("without sharpening", "dino", "sst2", "wide", **WORDS),
    planted("without the off-diagonal", "barlow_twins", "sst2", "residual", **WORDS),
    planted("below its threshold", "dissl", "sst2", "wide", **WORDS),
    planted("of one row", "lejepa", "sst2", "residual", **WORDS),
    planted("at momentum 1", "byol", "gunpoint", "MLP", **SHORT),
    planted("without centring", "dino", "gunpoint", "transformer", **SHORT),
    planted("without whitening", "w_mse", "gunpoint", "MLP", **SHORT, **{"method.w_size": 64, "method.emb": 32}),
    planted("without Sinkhorn", "swav", "arrowhead", "transformer", **SHORT),
    planted("without variance", "vicreg", "arrowhead", "MLP", **SHORT),
    planted("that diverges", "lejepa", "arrowhead", "MLP", **SHORT),
    planted("(SimSiam) without predictor", "simsiam", "motions", "transformer", **SHORTER),
    planted("the transform term alone", "music", "motions", "GRU", **SHORTER),
    planted("(SimSiam) without predictor", "simsiam", "tiny", "slim", **TINY),
    planted("without variance", "vicreg", "tiny", "slim", **TINY),
    planted("the transform term alone", "music", "tiny", "slim", **TINY),
    *longer("sst2", "wide", "byol", "dino", "scarf", "dissl", **WORDS),
    *longer("sst2", "residual", "simsiam", "barlow_twins", "lejepa", "swav", "stab", **WORDS),
    *longer("gunpoint", "MLP", "byol", "vicreg", "nnclr", "masked", **SHORT),
    *longer("gunpoint", "transformer", "dino", "simclr", **SHORT),
    *longer("arrowhead", "transformer", "swav", "simsiam", "ts_tcc", **SHORT),
    *longer("arrowhead", "MLP", "cissl", "dissl", **SHORT),
    *longer("motions", "transformer", "simsiam", "moco_v3", "dissl", **SHORTER),
    *longer("motions", "GRU", "music", "byol", "barlow_twins", **SHORTER),
    *longer("tiny", "slim", "simsiam", "moco_v3", "vicreg", "music", **TINY),
]
HALVES = {
    "second_tuned": SECOND_ALL,
    "second_held_out": SECOND_HELD_OUT,
    "third_tuned": THIRD_TUNED,
    "third_aside": THIRD_ASIDE,
    "third_held_out": THIRD_HELD_OUT,
}
