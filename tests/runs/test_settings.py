"""Settings that had another name in version 0.1: read, with one line that says the new name."""

import inspect

import pytest

from isotropy.methods import METHODS
from isotropy.runs.recipe import Recipe
from isotropy.runs.settings import RENAMED, current_name


@pytest.mark.parametrize(("old", "new"), [(old, new) for old, new in RENAMED.items() if "/" in old])
def test_an_old_setting_of_a_method_names_one_that_it_has_now(old, new):
    method, name = old.split("/")
    options = inspect.signature(METHODS[method]).parameters
    assert new.removeprefix("method.") in options and name.removeprefix("method.") not in options
    with pytest.warns(UserWarning, match=f"^{name} is called {new} now; the old name goes in the next minor version$"):
        assert current_name(name, method) == new


def test_an_old_recipe_is_read_under_the_new_names(tmp_path):
    path = tmp_path / "old.toml"
    path.write_text('modality = "table"\n[method]\nname = "lfr"\noffdiagonal = 0.5\n[train]\nchunk = 4\n')
    with pytest.warns(UserWarning, match="is called"):
        recipe = Recipe.from_toml(path)
    assert recipe.method_options["off_diagonal_weight"] == 0.5 and recipe.train.micro_batch == 4


def test_a_name_of_today_is_left_in_peace():
    assert current_name("method.hidden", "simclr") == "method.hidden"
