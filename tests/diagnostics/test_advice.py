"""Advice names settings that the method has, for every failure."""

import inspect
import re
from dataclasses import fields

import pytest

from isotropy.diagnostics.rules import RULES
from isotropy.diagnostics.rules.records import RunFacts
from isotropy.diagnostics.rules.rule import LOWER_RATE
from isotropy.methods import METHODS
from isotropy.runs.recipe import Train
from isotropy.training import Optim
from laws import cases

KNOWN = {"optim": {f.name for f in fields(Optim)}, "train": {f.name for f in fields(Train)}}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("rule", RULES.values(), ids=RULES.keys())
def test_every_method_gets_one_or_two_things_to_try_with_settings_that_it_has(rule, method):
    facts = RunFacts(method, steps=200, batch_size=64, width=64, parts=METHODS[method].parts())
    texts = rule.advise(facts)
    assert 1 <= len(texts) <= 2
    known = KNOWN | {"method": set(inspect.signature(METHODS[method]).parameters)}
    for section, name in re.findall(r"\b(method|optim|train|encoder|views)\.(\w+)", " ".join(texts)):
        assert name in known[section], f"{method} has no {section}.{name}"


def test_advice_is_for_parts_that_some_method_has_and_something_is_for_any():
    known = frozenset.union(*(method.parts() for method in METHODS.values()))
    for rule in RULES.values():
        assert all(one.suits(known) for one in rule.advice), rule.name
        assert rule.advise(RunFacts("theirs:Own", steps=200, batch_size=64, width=64)), rule.name


def test_the_most_special_advice_comes_first_and_a_method_of_ones_own_gets_that_of_its_parts():
    class Own(METHODS["byol"]):
        has_teacher = False

    byol, simsiam, own, lfr = (
        RULES["point collapse"].advise(RunFacts("any", steps=200, batch_size=64, width=64, parts=method.parts()))
        for method in (METHODS["byol"], METHODS["simsiam"], Own, METHODS["lfr"])
    )
    assert byol[0].startswith("raise method.momentum towards 1 (a slower teacher)")
    assert simsiam == own and simsiam[0].startswith("let the predictor keep up")
    assert lfr == (LOWER_RATE.text,)


@pytest.mark.parametrize("method", [name for name in METHODS if METHODS[name].min_views == 1])
def test_a_method_that_compares_no_views_is_told_nothing_about_them(method):
    facts = RunFacts(method, steps=200, batch_size=64, width=64, parts=METHODS[method].parts())
    for rule in RULES.values():
        assert "view" not in " ".join(rule.advise(facts)), rule.name


@pytest.mark.parametrize("name", METHODS)
def test_a_method_says_whether_it_has_a_teacher(name):
    assert METHODS[name].has_teacher == ("teacher" in METHODS[name].parts())
    assert METHODS[name].has_teacher == (cases.make(name).ema_encoder() is not None)
