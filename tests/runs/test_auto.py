"""The method `auto`: the same for the command line, Python and the estimator."""

from dataclasses import replace

import numpy as np
import pytest

from isotropy.errors import UserError
from isotropy.estimator import SelfSupervisedEncoder
from isotropy.methods import METHODS
from isotropy.modalities import MODALITIES
from isotropy.runs import auto
from isotropy.runs.recipe import Recipe


@pytest.mark.parametrize("modality", MODALITIES)
def test_what_it_stands_for_takes_the_modality(modality):
    assert METHODS[auto.method_for(modality)].takes(modality)


def test_recipe_and_estimator_take_the_same(monkeypatch, tmp_path):
    monkeypatch.setitem(MODALITIES, "table", replace(MODALITIES["table"], default_method="dacl"))
    rows = np.random.default_rng(0).normal(size=(40, 3))
    chosen = [
        Recipe.default("auto", "table"),
        Recipe.chosen(None, "table", {}),
        Recipe.chosen(None, "table", {"method": "auto"}),
        SelfSupervisedEncoder(epochs=1, random_state=0).fit(rows).recipe_,
        SelfSupervisedEncoder("auto", epochs=1, random_state=0).fit(rows).recipe_,
    ]
    assert [recipe.method for recipe in chosen] == ["dacl"] * 5
    (tmp_path / "recipe.toml").write_text("modality = 'table'\n[train]\nseed = 3\n")
    assert Recipe.chosen(tmp_path / "recipe.toml", "table", {}).method == "dacl"
    (tmp_path / "recipe.toml").write_text("modality = 'table'\n[method]\nname = 'lfr'\n")
    assert Recipe.chosen(tmp_path / "recipe.toml", "table", {}).method == "lfr"
    assert Recipe.chosen(tmp_path / "recipe.toml", "table", {"method": "auto"}).method == "dacl"


def test_a_recipe_that_is_kept_names_the_method_itself():
    assert 'name = "auto"' not in Recipe.default("auto", "series").to_toml()
    with pytest.raises(UserError, match="'auot' is unknown"):
        Recipe.chosen(None, "table", {"method": "auot"})
