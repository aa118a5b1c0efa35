"""The cases of the collapse bench: which failures and which healthy runs, on which data, in which round."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Case:
    """One run of the bench.

    Attributes:
        name: what is planted, or which method is healthy. base: the method that it is of.
        data: a name that `rows_of` knows. expected: the verdicts that are right.
        method: the planted class, where it is not the base. settings: on top of the base's defaults.
        same_row: whether every look shows one row.
    """

    name: str
    base: str
    data: str
    expected: tuple[str, ...]
    method: str = ""
    settings: dict[str, Any] = field(default_factory=dict)
    same_row: bool = False


BATCH = 128
HEALTHY = ("healthy",)
NARROW = ("point collapse", "dimensional collapse")
CODES = ("uniform codes", "one code")


def healthy(data: str, *bases: str, **settings: Any) -> list[Case]:
    """Return the healthy runs of methods on a data set."""
    return [Case(f"{base} as it is", base, data, HEALTHY, settings=settings) for base in bases]


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
TUNED = [*FIRST_TUNED, *FIRST_HELD_OUT, *SECOND_TUNED]
# Other data, other networks and other methods or settings than any above; chosen before any of them was run.
CIFAR = {"encoder.width": 128, "encoder.stem": 4}
RESNET = {"encoder": "table_resnet", "encoder.width": 64}
GRU = {"encoder": "gru", "encoder.width": 64}
MLP = {"encoder": "series_mlp", "encoder.width": 64, "encoder.hidden": 64}
DILATED = {"encoder": "dilation_cnn"}
SOFT = {"method.prototypes": 128, "method.temperature": 0.2}
WHITE = {"method.w_size": BATCH}
HELD_OUT: Sequence[Case] = [
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
