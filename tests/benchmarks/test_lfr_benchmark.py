"""The published loop of LFR, which the benchmark times, is the same mathematics as ours."""

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))
import lfr


@pytest.mark.parametrize("recipe", [lfr.INCOME, lfr.HAR], ids=["table", "series"])
def test_losses_over_two_cycles_are_those_of_the_published_loop(recipe):
    assert lfr.difference(recipe) < 1e-12
