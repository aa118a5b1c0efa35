"""A fourth modality, counts, made outside of the library.

What it needed: a preprocessing (1), an encoder (2) and its line in ENCODERS (3), example rows (4), views (5), the
record (6), its registration (7), and a method that takes it, here a subclass of one line (8). No file of the library
names it.
"""

import numpy as np
import pytest
import torch
from torch import nn

from isotropy import SelfSupervisedEncoder, load, read
from isotropy.data import PREPROCESS, ArrayDataset, Preprocess
from isotropy.encoders import ENCODERS, Encoder
from isotropy.errors import UserError
from isotropy.methods import Autoencoder, SimCLR
from isotropy.modalities import MODALITIES, Modality, register
from isotropy.representation import Representation
from isotropy.runs.building import build
from isotropy.runs.recipe import Recipe
from isotropy.training import fit
from isotropy.views.multiview import MultiView


class CountsPreprocess(Preprocess):
    modality = "counts"
    noun = "counts"

    def __init__(self, columns, mean):
        self.columns, self.mean = columns, mean

    @classmethod
    def arrange(cls, array, scale=None):
        return array, f"counts of {array.shape[1]} kinds"

    @classmethod
    def learn(cls, values, rows=None, *, any_length=False):
        logs = np.log1p(values if rows is None else values[rows])
        return cls(logs.shape[1], float(logs.mean()))

    @property
    def shape(self):
        return {"columns": self.columns}

    def transform(self, values):
        return torch.from_numpy(np.asarray(values, dtype=np.int32))

    def to_input(self, rows):
        return rows.float().log1p() - self.mean

    def to_json(self):
        return {"modality": "counts", "columns": self.columns, "mean": self.mean}

    @classmethod
    def from_json(cls, data):
        return cls(data["columns"], data["mean"])


class CountsMLP(Encoder):
    modality = "counts"

    def __init__(self, *, columns: int, width: int = 16):
        super().__init__()
        self.arguments = {"columns": columns, "width": width}
        self.width = width
        self.layers = nn.Sequential(nn.Linear(columns, 32), nn.ReLU(), nn.Linear(32, width))

    def forward(self, x):
        return self.layers(x)


class Thinned:
    """Views of the counted things: each view keeps another half of the kinds."""

    def __init__(self, *, num_views: int = 2):
        self.count = num_views

    def __call__(self, dataset, index, *, seed, pass_):
        def make():
            x = dataset.to_input(dataset.batch(index))
            place = torch.arange(x.shape[1])
            return [x * ((place + view) % 2) for view in range(self.count)]

        return MultiView(index, make)


def example_rows(shape, count):
    return torch.randint(9, (count, shape["columns"]), generator=torch.Generator().manual_seed(0), dtype=torch.int32)


class CountsSimCLR(SimCLR):
    """A method of a user's own: it takes every registered modality, as most do."""


class CountsAutoencoder(Autoencoder):
    modalities = ("counts",)


COUNTS = Modality(
    preprocess=CountsPreprocess,
    views=Thinned,
    default_encoder="counts_mlp",
    default_method="simclr",
    example_rows=example_rows,
)
VALUES = np.random.default_rng(0).poisson(3.0, (80, 6))


@pytest.fixture(autouse=True)
def registered():
    before = dict(MODALITIES), dict(PREPROCESS), dict(ENCODERS)
    register(COUNTS)
    ENCODERS["counts_mlp"] = CountsMLP
    yield
    for registry, content in zip((MODALITIES, PREPROCESS, ENCODERS), before, strict=True):
        registry.clear()
        registry.update(content)


def test_it_trains_embeds_and_is_saved_and_loaded(tmp_path):
    data = read(VALUES, modality="counts")
    assert data.description == "the array: counts of 6 kinds, 80 rows (int64)"
    preprocess = MODALITIES["counts"].preprocess.learn(data.values)
    dataset = ArrayDataset(preprocess.transform(data.values), preprocess)
    recipe = Recipe.default(CountsSimCLR, "counts").changed({"method.projector": [16, 8], "train.batch_size": 40})
    assert (recipe.encoder, recipe.method) == ("counts_mlp", f"{__name__}:CountsSimCLR")
    method, views = build(recipe, preprocess, dataset)
    arguments = recipe.train.arguments() | {"epochs": 20}
    losses = [step.loss for step in fit(method, dataset, views, optim=recipe.optim, **arguments)]
    assert np.mean(losses[-4:]) < np.mean(losses[:4])
    trained = Representation(method.encoder, preprocess, method="simclr")
    trained.save(tmp_path)
    assert np.array_equal(load(tmp_path).transform(VALUES), trained.transform(VALUES))


def test_the_estimator_takes_it_and_its_method_and_encoder_as_classes():
    model = SelfSupervisedEncoder(
        method=CountsSimCLR, encoder=CountsMLP, modality="counts", epochs=1, batch_size=40, random_state=0
    )
    assert model.fit(VALUES).transform(VALUES).shape == (80, 16)


def test_a_method_takes_it_unless_it_names_other_modalities():
    assert Recipe.default("vicreg", "counts").encoder == "counts_mlp"
    with pytest.raises(UserError, match="'ts2vec' takes series data, and this is counts data"):
        Recipe.default("ts2vec", "counts")


def test_a_method_that_needs_a_decoder_is_told_that_there_is_none():
    preprocess = CountsPreprocess.learn(VALUES)
    dataset = ArrayDataset(preprocess.transform(VALUES), preprocess)
    with pytest.raises(UserError, match="needs what counts data has not .make_decoder"):
        build(Recipe.default(CountsAutoencoder, "counts"), preprocess, dataset)
