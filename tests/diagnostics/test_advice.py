"""Advice names settings that the method has, for every verdict that calls for some."""

import inspect
import re
from dataclasses import fields

import pytest

from isotropy.diagnostics.advice import ADVICE, MECHANISMS, advice_on
from isotropy.diagnostics.verdict import VERDICTS
from isotropy.methods import METHODS
from isotropy.runs.recipe import Train
from isotropy.training import Optim

KNOWN = {"optim": {f.name for f in fields(Optim)}, "train": {f.name for f in fields(Train)}}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("verdict", [name for name in VERDICTS if name != "healthy"])
def test_every_method_gets_one_or_two_things_to_try_with_settings_that_it_has(verdict, method):
    texts = advice_on(verdict, method)
    assert 1 <= len(texts) <= 2
    known = KNOWN | {"method": set(inspect.signature(METHODS[method]).parameters)}
    for section, name in re.findall(r"\b(method|optim|train|encoder|views)\.(\w+)", " ".join(texts)):
        assert name in known[section], f"{method} has no {section}.{name}"


def test_a_healthy_training_needs_none():
    assert [advice_on("healthy", method) for method in METHODS] == [()] * len(METHODS)


def test_the_table_is_of_what_there_is():
    assert {verdict for verdict, _ in ADVICE} <= set(VERDICTS)
    assert {kind for _, kind in ADVICE} <= {"", *METHODS, *MECHANISMS.values()}
    assert set(MECHANISMS) <= set(METHODS)
