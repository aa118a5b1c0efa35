"""The published loop of LFR, which the benchmark times, is the same mathematics as ours."""

import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.mark.parametrize("recipe", ["INCOME", "HAR"])
def test_losses_over_two_cycles_are_those_of_the_published_loop(recipe):
    """In a process of its own: the scripts stand beside each other under names that the tests have too."""
    code = f"import lfr; print(lfr.difference(lfr.{recipe}))"
    done = subprocess.run([sys.executable, "-c", code], cwd=BENCHMARKS, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 1e-12
