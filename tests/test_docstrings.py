"""Every example in a docstring runs and shows what it says."""

import doctest
from importlib import import_module
from pathlib import Path

import pytest
import torch

SRC = Path(__file__).parents[1] / "src"
MODULES = [
    ".".join(path.relative_to(SRC).with_suffix("").parts).removesuffix(".__init__")
    for path in sorted(SRC.rglob("*.py"))
    if path.name != "__main__.py"
]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    module = import_module(name)
    torch.manual_seed(0)
    failed, _ = doctest.testmod(module, optionflags=doctest.REPORT_ONLY_FIRST_FAILURE)
    assert not failed
