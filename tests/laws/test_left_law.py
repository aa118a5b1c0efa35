"""A training that the caller breaks off leaves a method that can be used and trained on."""

import pytest
import torch
from torch import nn

from isotropy.encoders import wrap
from isotropy.methods import METHODS, SimCLR
from isotropy.training import fit
from isotropy.views.multiview import MultiView
from laws import cases


@pytest.mark.parametrize("name", sorted(METHODS))
def test_breaking_off_leaves_nothing_frozen(name):
    method = cases.make(name)
    trainable = {key: p.requires_grad for key, p in method.named_parameters()}
    # Inside the second pass: LFR's encoder sits it out.
    for step in cases.train(method, epochs=2):
        if step.pass_ == 1:
            break
    assert {key: p.requires_grad for key, p in method.named_parameters()} == trainable
    assert not any(module.training for module in method.modules())
    assert next(iter(cases.train(method, epochs=1))).number == 1


class Volumes(nn.Module):
    """Has a parameter of five dimensions."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv3d(1, 4, 3)

    def forward(self, x):
        return self.conv(x).flatten(1)


def test_networks_over_volumes_train():
    rows = cases.Rows(torch.randn(16, 1, 4, 4, 4))
    encoder = wrap(Volumes(), example=rows.rows[:2])

    def pairs(dataset, index, *, seed, pass_):
        return MultiView(index, lambda: [dataset.batch(index), dataset.batch(index) * 1.1])

    pairs.count = 2
    steps = list(fit(SimCLR(encoder, projector=(8, 4)), rows, pairs, epochs=1, batch_size=8))
    assert len(steps) == 2
