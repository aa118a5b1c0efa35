"""Recipes as data: there and back through TOML, checked against the constructors, the same weights from a seed."""

import tomllib
from pathlib import Path

import numpy as np
import pytest
import torch

from isotropy.data import ArrayDataset, TablePreprocess
from isotropy.errors import UserError
from isotropy.methods import METHODS
from isotropy.modalities import MODALITIES
from isotropy.runs.building import build
from isotropy.runs.recipe import DEFAULTS, Recipe, Train
from isotropy.runs.settings import parse_setting

ALL = [(method, modality) for method, kind in METHODS.items() for modality in MODALITIES if kind.takes(modality)]


@pytest.mark.parametrize(("method", "modality"), ALL)
def test_every_default_goes_to_toml_and_back(method, modality, tmp_path):
    recipe = Recipe.default(method, modality).changed(
        {"train.epochs": 3, "optim.betas": [0.8, 0.9], "views.num_views": 2}
    )
    recipe = Recipe(**{**recipe.__dict__, "data": {"path": "x.csv", "na": ["?"], "label": None}})
    (tmp_path / "r.toml").write_text(recipe.to_toml())
    again = Recipe.from_toml(tmp_path / "r.toml")
    assert again == Recipe(**{**recipe.__dict__, "data": {"path": "x.csv", "na": ["?"]}})
    assert again.to_toml() == recipe.to_toml()


def test_what_a_file_leaves_out_is_the_default_of_its_method(tmp_path):
    path = tmp_path / "r.toml"
    path.write_text("[method]\nname = 'lfr'\nnum_projectors = 3\n[train]\nseed = 4\n[record]\naccuracy = 0.9\n")
    recipe = Recipe.from_toml(path, "table")
    expected = Recipe.default("lfr", "table").changed({"method.num_projectors": 3, "train.seed": 4})
    assert recipe == expected.changed({"embedding": "learned"}), "as files before the joined embedding meant it"
    assert recipe.optim.name == DEFAULTS["lfr", "table"]["optim.name"]
    with pytest.raises(UserError, match="names no modality"):
        Recipe.from_toml(path)


def test_simclr_on_images_alone_has_settings_for_minutes():
    images, series = (Recipe.default("simclr", modality) for modality in ("image", "series"))
    assert (images.method_options, images.optim.lr, images.train.batch_size) == ({"temperature": 0.1}, 3e-3, 128)
    assert (series.method_options, series.optim.lr, series.train.batch_size) == ({}, 1e-3, 256)


def test_another_method_or_encoder_forgets_the_options_of_the_old_one():
    recipe = Recipe.default("simclr", "table").changed({"method.temperature": 0.2, "encoder.width": 8})
    assert recipe.changed({"method": "byol"}).method_options == {}
    assert recipe.changed({"encoder": "table_resnet"}).encoder_options == {}
    assert recipe.changed({"encoder.name": "table_resnet"}).encoder == "table_resnet"
    assert recipe.method_options == {"temperature": 0.2}, "a recipe is never changed in place"


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({"method": "simcrl"}, "method 'simcrl' is unknown (did you mean 'simclr'?)"),
        ({"optm.lr": 1}, "setting 'optm.lr' has no known section (did you mean 'optim.lr'?)"),
        ({"lr": 1}, "setting 'lr' has no known section: write it as method.lr or optim.lr (sections: encoder, init, "),
        ({"train.epoch": 1}, "train has no setting 'epoch' (did you mean 'epochs'?)"),
        ({"method.tmperature": 1}, "method has no option 'tmperature' (did you mean 'temperature'?)"),
        ({"method.encoder": 1}, "method has no option 'encoder'"),
        ({"views.values": 1}, "views has no option 'values'"),
        ({"method.temperature": "x"}, "method.temperature = 'x' must be a number"),
        ({"method.temperature": True}, "method.temperature = True must be a number"),
        ({"method.projector": [8, 2.5]}, "method.projector = [8, 2.5] must be a list of whole numbers"),
        ({"views.corrupt": "x"}, "views.corrupt = 'x' must be a number or a list of numbers"),
        ({"train.batch_size": 32.0}, "train.batch_size = 32.0 must be a whole number"),
        ({"train.compile": 1}, "train.compile = 1 must be true or false"),
        ({"train.epochs": 0}, "train.epochs = 0 must be a number above 0"),
        ({"train.epochs": float("nan")}, "train.epochs = nan must be a number above 0"),
        ({"train.seed": -1}, "train.seed = -1 must be a whole number of at least 0"),
        ({"train.seed": 1 << 32}, "below 2^32"),
        ({"train.precision": "fp16"}, "train.precision = 'fp16' is unknown (did you mean 'bf16'?)"),
        ({"optim.betas": 0.9}, "optim.betas = 0.9 must be a list of numbers"),
        ({"optim.betas": [0.9]}, "optim.betas = [0.9] must be two numbers in [0, 1)"),
        ({"optim.momentum": float("inf")}, "optim.momentum = inf must be a number of at least 0"),
    ],
)
def test_what_does_not_fit_is_named(settings, line):
    with pytest.raises(UserError) as error:
        Recipe.default("simclr", "table").changed(settings)
    assert line in str(error.value)


def test_a_method_is_refused_on_data_that_it_does_not_take(monkeypatch):
    monkeypatch.setattr(METHODS["byol"], "modalities", ("series", "image"))
    with pytest.raises(UserError) as error:
        Recipe.default("byol", "table")
    line = "method 'byol' takes series and image data, and this is table data: use another (lfr, "
    assert str(error.value).startswith(line) and "byol" not in str(error.value).split("another")[1]
    with pytest.raises(UserError, match="'byol' takes series and image data"):
        Recipe.default("simclr", "table").changed({"method": "byol"})
    assert Recipe.default("byol", "series").modality == "series"


def test_numbers_and_lists_that_fit_are_taken():
    recipe = Recipe.default("simclr", "table").changed(
        {"train.epochs": 2, "optim.lr": 1, "method.temperature": 1, "views.corrupt": 0.5, "method.projector": [8, 4]}
    )
    recipe = recipe.changed({"train.epochs": 2.5, "views.corrupt": [0.0, 0.5], "train.micro_batch": 4})
    assert (recipe.train.epochs, recipe.views["corrupt"]) == (2.5, [0.0, 0.5])
    assert Train(micro_batch=4).arguments()["micro_batch"] == 4
    assert Train().arguments()["micro_batch"] is None
    with pytest.raises(UserError, match="modality = 'tabel' is unknown"):
        Recipe.default("simclr", "tabel")


def test_settings_are_read_as_toml_or_else_as_text():
    read = [parse_setting(text) for text in ("a.b=1", "a.b = [1, 2]", "a.b=true", "a.b=lars", "a.b=x=y", "a.b=")]
    assert [value for _, value in read] == [1, [1, 2], True, "lars", "x=y", ""]
    with pytest.raises(UserError, match="--set a: a setting is written section.key=value"):
        parse_setting("a")


def test_a_seed_draws_the_same_weights_and_leaves_the_callers_numbers_alone():
    values = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
    table = TablePreprocess.learn(values)
    dataset = ArrayDataset(table.transform(values), table)

    def weights(seed, method):
        recipe = Recipe.default(method, "table").changed({"train.seed": seed, "encoder.width": 8})
        return build(recipe, table, dataset)[0].state_dict()

    for method in (name for name, kind in METHODS.items() if kind.takes("table")):
        torch.manual_seed(5)
        state = torch.random.get_rng_state()
        one, again, other = weights(0, method), weights(0, method), weights(1, method)
        assert torch.equal(torch.random.get_rng_state(), state)
        assert all(torch.equal(one[name], again[name]) for name in one)
        assert any(not torch.equal(one[name], other[name]) for name in one if "encoder" in name)
    with pytest.raises(UserError, match="simclr compares at least 2 views of a sample: views.num_views = 1"):
        build(Recipe.default("simclr", "table").changed({"views.num_views": 1}), table, dataset)
    with pytest.raises(UserError, match=r"lfr uses at most 1 view of a sample: views.num_views = 2"):
        build(Recipe.default("lfr", "table").changed({"views.num_views": 2}), table, dataset)
    # A view that is changed and not counted is the one view.
    assert build(Recipe.default("lfr", "table").changed({"views.corrupt": 0.3}), table, dataset)[1].count == 1


@pytest.mark.parametrize("index", [None, torch.arange(3, 40)])
def test_the_views_of_a_table_share_the_memory_of_its_source(index):
    values = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
    table = TablePreprocess.learn(values)
    rows = table.transform(values)
    dataset = ArrayDataset(rows, table, index=index)
    views = build(Recipe.default("simclr", "table").changed({"encoder.width": 8}), table, dataset)[1]
    assert views.values.data_ptr() == rows.data_ptr()
    assert index is None or torch.equal(views.index, index)


@pytest.mark.parametrize("path", sorted((Path(__file__).parents[2] / "recipes").glob("*.toml")), ids=lambda p: p.stem)
def test_every_recipe_of_the_repository_is_a_recipe(path):
    recipe = Recipe.from_toml(path)
    record = tomllib.loads(path.read_text())["record"]
    assert recipe.method in path.stem and path.stem.startswith(recipe.method)
    assert record["status"] and record.get("published", 100) > 40


def test_the_embedding_is_a_setting_and_a_file_without_it_means_the_encoder_alone(tmp_path):
    assert {Recipe.default("simclr", name).embedding for name in ("table", "series", "image")} == {"joined"}
    recipe = Recipe.default("simclr", "table").changed({"embedding": "joined"})
    assert recipe.embedding == "joined" == recipe.changed({"method": "scarf"}).embedding
    path = tmp_path / "recipe.toml"
    path.write_text(recipe.to_toml())
    assert Recipe.from_toml(path) == recipe
    path.write_text('modality = "series"\n[method]\nname = "simclr"\n')
    assert Recipe.from_toml(path).embedding == "learned"
    path.write_text('modality = "table"\nembedding = "joint"\n')
    with pytest.raises(UserError, match=r"embedding = 'joint' is unknown.*joined"):
        Recipe.from_toml(path)


@pytest.mark.parametrize("value", ["[" * 3000 + "]" * 3000, "9" * 5000, '"\\ud800"'])
def test_toml_that_python_cannot_take_is_one_line(tmp_path, value):
    (tmp_path / "r.toml").write_text(f'modality = "table"\n[method]\nname = {value}\n')
    with pytest.raises(UserError, match="r.toml: not a TOML file: "):
        Recipe.from_toml(tmp_path / "r.toml")
