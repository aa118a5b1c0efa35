"""Advice names settings that the method has, for every failure."""

import inspect
import re
from dataclasses import fields

import pytest

from isotropy.diagnostics.rules import RULES
from isotropy.diagnostics.rules.records import RunFacts
from isotropy.methods import METHODS
from isotropy.runs.recipe import Train
from isotropy.training import Optim

KNOWN = {"optim": {f.name for f in fields(Optim)}, "train": {f.name for f in fields(Train)}}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("rule", RULES.values(), ids=RULES.keys())
def test_every_method_gets_one_or_two_things_to_try_with_settings_that_it_has(rule, method):
    facts = RunFacts(method, steps=200, batch_size=64, width=64, mechanism=METHODS[method].mechanism)
    texts = rule.advise(facts)
    assert 1 <= len(texts) <= 2
    known = KNOWN | {"method": set(inspect.signature(METHODS[method]).parameters)}
    for section, name in re.findall(r"\b(method|optim|train|encoder|views)\.(\w+)", " ".join(texts)):
        assert name in known[section], f"{method} has no {section}.{name}"


def test_advice_is_for_methods_and_mechanisms_that_exist_and_for_any():
    known = {"", *METHODS, *(method.mechanism for method in METHODS.values())}
    for rule in RULES.values():
        assert "" in rule.advice and set(rule.advice) <= known, rule.name


def test_the_most_special_advice_is_taken():
    rule = RULES["point collapse"]
    byol, simsiam, lfr = (
        rule.advise(RunFacts(name, steps=200, batch_size=64, width=64, mechanism=METHODS[name].mechanism))
        for name in ("byol", "simsiam", "lfr")
    )
    assert byol == rule.advice["byol"] and simsiam == rule.advice["predictor"] and lfr == rule.advice[""]
