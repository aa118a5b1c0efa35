"""What no method can be made of is refused in one line that names the setting, its bounds and its value."""

import pytest
import torch
from torch import nn

from isotropy.encoders import GRU, SeriesCNN, SeriesMLP, wrap
from isotropy.errors import UserError
from isotropy.methods import DACL, METHODS, TSTCC, Masked, TS2Vec
from isotropy.training import fit
from laws import cases
from methods.fakes import Net, Rows, normal, views_of

ABOVE_0 = "{} must be above 0, not 0"
UNIT, BELOW_1, OPEN = (
    "{}: {} is not between 0 and 1",
    "{} must be at least 0 and below 1, not {}",
    "{} must be above 0 and below 1, not {}",
)
SETTINGS = [
    *[
        (name, {"temperature": 0}, ABOVE_0.format("temperature"))
        for name in (
            "simclr",
            "scarf",
            "dacl",
            "nnclr",
            "moco_v3",
            "cissl",
            "dissl",
            "music",
            "swav",
            "ts_tcc",
            "ts2vec",
        )
    ],
    *[(name, {"momentum": 1.5}, UNIT.format("momentum", 1.5)) for name in ("byol", "moco_v3", "dino")],
    ("barlow_twins", {"loss_scale": 0}, ABOVE_0.format("loss_scale")),
    ("center", {"center_weight": 1.0}, OPEN.format("center_weight", 1.0)),
    ("center", {"center_weight": 0.0}, OPEN.format("center_weight", 0.0)),
    ("center_subtraction", {"center_fraction": 0}, ABOVE_0.format("center_fraction")),
    ("center_subtraction", {"center_fraction": 1.5}, UNIT.format("center_fraction", 1.5)),
    ("center_subtraction", {"momentum": 1.0}, BELOW_1.format("momentum", 1.0)),
    ("dacl", {"alpha": 1}, BELOW_1.format("alpha", 1)),
    ("diet", {"label_smoothing": 1}, BELOW_1.format("label_smoothing", 1)),
    ("diet", {"n_samples": 1}, "n_samples must be a whole number of at least 2, not 1"),
    ("diet", {"n_samples": 100_000_000}, "a row for each of 100,000,000 samples, 8 wide: 3.0 GiB"),
    ("dino", {"center_momentum": 1.0}, BELOW_1.format("center_momentum", 1.0)),
    ("dino", {"warmup_fraction": 1.5}, UNIT.format("warmup_fraction", 1.5)),
    ("dino", {"teacher_temperature": 0}, ABOVE_0.format("teacher_temperature")),
    ("dino", {"teacher_temperature": 0.2}, "teacher_temperature = 0.2 must be at most student_temperature = 0.1"),
    ("dissl", {"num_categories": 1}, "num_categories must be a whole number of at least 2, not 1"),
    ("lejepa", {"gaussian_weight": 1.0}, OPEN.format("gaussian_weight", 1.0)),
    ("lejepa", {"num_knots": 1}, "num_knots must be a whole number of at least 2, not 1"),
    ("lfr", {"num_projectors": 9, "num_candidates": 8}, "choose num_projectors = 9 from num_candidates = 8"),
    ("lfr", {"make_projector": nn.Linear(2, 2)}, "a function from a width to a new untrained network, not Linear"),
    ("masked", {"mask_ratio": 1.0}, OPEN.format("mask_ratio", 1.0)),
    ("music", {"projector": (8, 20), "num_segments": 7}, "7 segments do not divide an output of 20"),
    ("music", {"projector": (8, 20), "num_segments": 10}, "at least 3 units a segment: 20 outputs in 10 segments"),
    ("music", {"diagonal_weight": 0, "off_diagonal_weight": 0, "transform_weight": 0}, "must not all be 0"),
    ("nnclr", {"queue_size": 1}, "queue_size must be a whole number of at least 2, not 1"),
    ("stab", {"drop_rate": 1}, BELOW_1.format("drop_rate", 1)),
    ("swav", {"sinkhorn_epsilon": 0}, ABOVE_0.format("sinkhorn_epsilon")),
    ("swav", {"queue_start": 1}, BELOW_1.format("queue_start", 1)),
    ("ts2vec", {"instance_weight": 2}, UNIT.format("instance_weight", 2)),
    ("ts2vec", {"mask_ratio": 1}, BELOW_1.format("mask_ratio", 1)),
    (
        "ts_tcc",
        {"temporal_weight": 0, "contextual_weight": 0},
        "temporal_weight and contextual_weight must not all be 0",
    ),
    ("ts_tcc", {"dropout": 2.0}, BELOW_1.format("dropout", 2.0)),
    ("ts_tcc", {"context_width": 8, "num_heads": 3}, "3 heads of attention do not divide a width of 8"),
    ("vicreg", {"invariance_weight": 0, "variance_weight": 0, "covariance_weight": 0}, "must not all be 0"),
    # Equal views, or a small last batch, have no full rank: without eps there is no factor.
    ("w_mse", {"eps": 0.0}, ABOVE_0.format("eps")),
    ("w_mse", {"projector_width": 4}, "projector_width = 4 dimensions, which needs sub_batch_size above that, not 4"),
]


def refused(line: str):
    return pytest.raises(UserError, match=line.replace("(", r"\(").replace(")", r"\)"))


@pytest.mark.parametrize(("name", "options", "line"), SETTINGS)
def test_a_setting_out_of_its_range_is_refused_with_its_value(name, options, line):
    with refused(line) as error:
        cases.make(name, **options)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", [name for name in METHODS if cases.modality(METHODS[name]) == "table"])
def test_an_encoder_without_a_width_is_refused(name):
    kind = METHODS[name]
    with refused("Linear does not say its width: give isotropy.encoders.wrap"):
        kind(nn.Linear(2, 2), **cases.arguments(kind))


@pytest.mark.parametrize(
    ("kind", "encoder", "line"),
    [
        (TS2Vec, SeriesCNN(channels=2, length=24), "SeriesCNN takes one length: take dilated_resnet"),
        (TS2Vec, SeriesMLP(channels=2, length=24), "SeriesMLP has no features along time"),
        (TSTCC, SeriesMLP(channels=2, length=12), "the encoder SeriesMLP has no features along time: take"),
        (TSTCC, wrap(nn.Flatten(), width=24), "the encoder Wrapped has no features along time"),
    ],
)
def test_an_encoder_that_the_method_cannot_use_is_refused(kind, encoder, line):
    with refused(line):
        kind(encoder)


def test_rows_that_the_method_cannot_use_are_refused():
    method = DACL(Net())
    method.before_pass(Rows(normal(4, 5)), 0)
    with refused("mixes a view (3,) with rows (5,): no crops here"):
        method(views_of(normal(4, 3)))
    with refused("a row (1, 8, 8) is one patch of 8: take a smaller method.patch_size"):
        Masked(Net(), make_decoder=lambda width: nn.Linear(width, 64), patch_size=8)(views_of(normal(2, 1, 8, 8)))
    with refused("frames for"):
        TS2Vec(GRU(channels=2, width=6)).double()(views_of(normal(3, 2, 24)))
    with refused("timesteps = 6 frames after at least one, and the encoder gives 3"):
        TSTCC(GRU(channels=2, width=6, stride=8), timesteps=6).double()(views_of(normal(3, 2, 24), normal(3, 2, 24)))
    with refused("sub_batch_size = 8 rows together and a batch has 6: raise train.batch_size"):
        kind = METHODS["w_mse"](Net(), projector_hidden=8, projector_width=2, sub_batch_size=8)
        next(iter(fit(kind, Rows(torch.randn(40, 5)), cases.Jitter(2), batch_size=6)))
