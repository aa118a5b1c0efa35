"""The method `auto`: one rule for the command line, Python and the estimator."""

import numpy as np
import pytest

from isotropy.errors import UserError
from isotropy.estimator import SelfSupervisedEncoder
from isotropy.methods import METHODS
from isotropy.modalities import MODALITIES
from isotropy.runs import auto
from isotropy.runs.recipe import Recipe

EVERY = [(modality, method) for modality in MODALITIES for method in auto.methods_of(modality)]
SIZES = (4, 500, 1_000, 10_000, 10_000_000, None)


@pytest.mark.parametrize(("modality", "method"), EVERY)
def test_what_it_stands_for_takes_the_modality(modality, method):
    assert METHODS[method].takes(modality)


@pytest.mark.parametrize("modality", MODALITIES)
def test_every_number_of_rows_has_one_of_its_methods(modality):
    assert {auto.method_for(modality, rows) for rows in SIZES} <= set(auto.methods_of(modality))
    thresholds = [least for least, _ in auto.RULES.get(modality, ())]
    assert thresholds == sorted(thresholds, reverse=True), "a rule behind one for fewer rows is never reached"


def test_a_rule_goes_by_the_number_of_rows(monkeypatch):
    monkeypatch.setitem(auto.RULES, "table", ((1000, "scarf"), (0, "masked")))
    assert [auto.method_for("table", rows) for rows in (10, 999, 1000, None)] == ["masked", "masked", "scarf", "scarf"]


def test_recipe_and_estimator_take_the_same(monkeypatch, tmp_path):
    monkeypatch.setitem(auto.RULES, "table", ((100, "scarf"), (0, "masked")))
    rows = np.random.default_rng(0).normal(size=(40, 3))
    chosen = [
        Recipe.default("auto", "table", 40),
        Recipe.chosen(None, "table", {}, 40),
        Recipe.chosen(None, "table", {"method": "auto"}, 40),
        SelfSupervisedEncoder(epochs=1, random_state=0).fit(rows).recipe_,
        SelfSupervisedEncoder("auto", epochs=1, random_state=0).fit(rows).recipe_,
    ]
    assert [recipe.method for recipe in chosen] == ["masked"] * 5
    assert Recipe.chosen(None, "table", {}, 100).method == "scarf"
    (tmp_path / "recipe.toml").write_text("modality = 'table'\n[train]\nseed = 3\n")
    assert Recipe.chosen(tmp_path / "recipe.toml", "table", {}, 40).method == "masked"
    (tmp_path / "recipe.toml").write_text("modality = 'table'\n[method]\nname = 'lfr'\n")
    assert Recipe.chosen(tmp_path / "recipe.toml", "table", {}, 40).method == "lfr"
    assert Recipe.chosen(tmp_path / "recipe.toml", "table", {"method": "auto"}, 40).method == "masked"


def test_a_recipe_that_is_kept_names_the_method_itself():
    assert 'name = "auto"' not in Recipe.default("auto", "series").to_toml()
    with pytest.raises(UserError, match="'auot' is unknown"):
        Recipe.chosen(None, "table", {"method": "auot"}, 40)
