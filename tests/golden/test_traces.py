"""Every method's first twenty losses are those that were kept: a refactor changes none of them.

`python -m golden.recording | cmp - tests/golden/traces.json` asks for equal bits, which one machine gives.
"""

import json
from collections.abc import Iterator

import pytest
import torch

from golden.recording import KEPT, STEPS, cases, trace

TRACES = json.loads(KEPT.read_text())


@pytest.fixture(autouse=True)
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_every_method_has_a_trace_on_every_modality():
    assert set(TRACES) == set(cases())


@pytest.mark.parametrize("name", cases())
def test_the_losses_are_those_that_were_kept(name):
    losses = trace(*cases()[name])
    assert len(losses) == STEPS
    # Another processor sums in another order, and twenty steps carry the last digits on.
    assert losses == pytest.approx(TRACES[name], rel=1e-7, abs=1e-9)
