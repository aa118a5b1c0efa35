"""Things by name: registered, of a module, or of an installed package."""

import importlib
import sys
from importlib.metadata import EntryPoint

import pytest

from isotropy import registry
from isotropy.errors import UserError
from isotropy.methods import SimCLR, find_method, method_name
from isotropy.runs.recipe import Recipe


class Own(SimCLR):
    pass


def test_a_recipe_with_a_class_is_text_and_comes_back(tmp_path):
    recipe = Recipe(modality="table", method=Own, method_options={"temperature": 0.3})
    assert recipe.method == f"{__name__}:Own" and find_method(recipe.method) is Own
    (tmp_path / "recipe.toml").write_text(recipe.to_toml())
    assert Recipe.from_toml(tmp_path / "recipe.toml") == recipe
    assert Recipe(modality="table", method=SimCLR).method == "simclr" == method_name(SimCLR)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("simcrl", "method 'simcrl' is unknown .did you mean 'simclr'"),
        ("no_such_module:Own", "cannot be imported: No module named 'no_such_module'"),
        ("collections:Own", "cannot be imported: .* has no attribute 'Own'"),
        ("collections:OrderedDict", "is no subclass of isotropy.methods.Method"),
        (".os:system", "method '.os:system' is unknown"),
        ("os..path:join", "method 'os..path:join' is unknown"),
    ],
)
def test_what_is_not_there_is_said_in_a_line(name, message):
    with pytest.raises(UserError, match=message):
        Recipe(modality="table", method=name)


MARKED = "open('executed', 'w').close()\nfrom isotropy.methods import SimCLR as Theirs\n"


@pytest.mark.parametrize(
    "recipe",
    [
        "modality = 'table'\n[method]\nname = 'a_strangers:Theirs'\n",
        "modality = 'table'\n[encoder]\nname = 'a_strangers:Theirs'\n",
    ],
)
def test_reading_a_recipe_executes_nothing(recipe, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "a_strangers.py").write_text(MARKED)
    (tmp_path / "recipe.toml").write_text(recipe)
    with pytest.raises(
        UserError, match="recipe.toml: .*'a_strangers:Theirs' is code of the module 'a_strangers'"
    ) as said:
        Recipe.from_toml(tmp_path / "recipe.toml")
    assert "isotropy --import a_strangers" in str(said.value) and "\n" not in str(said.value)
    assert not (tmp_path / "executed").exists()
    importlib.import_module("a_strangers")
    if "method" in recipe:
        assert Recipe.from_toml(tmp_path / "recipe.toml").method == "a_strangers:Theirs"
    del sys.modules["a_strangers"]


def test_a_class_that_no_other_process_could_import_is_refused():
    class Inner(SimCLR):
        pass

    with pytest.raises(UserError, match="define it at the top of a module"):
        Recipe(modality="table", method=Inner)


def test_an_installed_package_offers_what_it_names(monkeypatch):
    points = [EntryPoint("counted", "collections:Counter", "isotropy.things")]
    monkeypatch.setattr(registry, "entry_points", lambda group, name: [p for p in points if p.name == name])
    known: dict[str, type] = {}
    kind = registry.find(known, "counted", "thing")
    assert kind is not None and kind.__name__ == "Counter"
    assert "counted" in known
