"""Every number that a method's constructor takes is refused where nothing could come of it."""

import inspect
from math import inf, nan

import pytest

from isotropy.errors import UserError
from isotropy.methods import METHODS
from laws.cases import arguments, encoder, modality


def numbers(name):
    """Return the constructor arguments that are numbers, or may be one, and those that are several."""
    parameters = [*inspect.signature(METHODS[name]).parameters.values()][1:]
    kinds = {parameter.name: str(parameter.annotation) for parameter in parameters}
    single = [
        key for key, kind in kinds.items() if kind.startswith(("<class 'int'", "<class 'float'", "int |", "float |"))
    ]
    several = [key for key, kind in kinds.items() if "Sequence[int]" in kind]
    others = set(kinds) - {*single, *several}
    assert all("Callable" in kinds[key] or "bool" in kinds[key] for key in others), f"neither number nor not: {others}"
    return single, several


def made(name, **given):
    kind = METHODS[name]
    return kind(encoder(modality(kind)), **(arguments(kind) | given))


SINGLE = [(name, key) for name in METHODS for key in numbers(name)[0]]
SEVERAL = [(name, key) for name in METHODS for key in numbers(name)[1]]


@pytest.mark.parametrize(("name", "key"), SINGLE)
@pytest.mark.parametrize("bad", [nan, inf, -inf, -1, -0.5])
def test_a_number_that_is_none_or_negative_is_refused_by_its_name(name, key, bad):
    with pytest.raises(UserError) as refused:
        made(name, **{key: bad})
    line = str(refused.value)
    assert "\n" not in line and key.rstrip("_") in line and str(bad) in line, line


@pytest.mark.parametrize(("name", "key"), SEVERAL)
@pytest.mark.parametrize("bad", [nan, inf, 0, -1, 2.5])
def test_a_width_that_is_no_whole_number_is_refused(name, key, bad):
    for place in range(max(1, len(arguments(METHODS[name])[key]))):
        widths = [*arguments(METHODS[name])[key]] or [8]
        widths[place] = bad
        with pytest.raises(UserError) as refused:
            made(name, **{key: widths})
        assert "\n" not in str(refused.value) and str(bad) in str(refused.value)
