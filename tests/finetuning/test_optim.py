"""Layer-wise rates follow the order of the layers, and every parameter has one."""

import pytest
import torch
from torch import nn

from isotropy.finetuning.optim import LayerwiseOptim


class Toy(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.Linear(3, 2))
        self.head = nn.Linear(2, 2)


def rates(optimizer):
    return {id(p): (g["lr"], g["weight_decay"]) for g in optimizer.param_groups for p in g["params"]}


def test_rates_fall_geometrically_to_the_first_layer_and_heads_have_the_whole():
    toy = Toy()
    optim = LayerwiseOptim(lr=0.1, first_layer_rate=0.25, weight_decay=0.5, warmup=0.0, final=1.0)
    optimizer = optim.build(toy)
    assert optim.set_rate(optimizer, 0.3) == pytest.approx(0.1)
    found = rates(optimizer)
    assert len(found) == len(list(toy.parameters()))
    assert found[id(toy.encoder[0].weight)] == pytest.approx((0.025, 0.5))
    assert found[id(toy.encoder[1].weight)] == pytest.approx((0.05, 0.0))
    assert found[id(toy.encoder[2].weight)] == found[id(toy.head.weight)] == pytest.approx((0.1, 0.5))


def test_one_layer_has_the_whole_rate_and_frozen_parameters_none():
    toy = Toy()
    toy.encoder = nn.Linear(2, 2)
    toy.head.bias.requires_grad_(False)
    optimizer = LayerwiseOptim(first_layer_rate=0.1).build(toy)
    assert {group["rate"] for group in optimizer.param_groups} == {1.0}
    assert id(toy.head.bias) not in rates(optimizer)
    assert isinstance(optimizer, torch.optim.AdamW)
