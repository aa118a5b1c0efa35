"""The least that methods need: an encoder with a width, a source, and fixed views."""

import torch
from torch import nn

from isotropy.views.multiview import MultiView


class Net(nn.Module):
    """A small encoder with batch norm and dropout; counts the rows that went through it."""

    def __init__(self, inputs=5, width=8, dropout=0.0):
        super().__init__()
        self.width, self.rows = width, 0
        self.layers = nn.Sequential(
            nn.Linear(inputs, 12, bias=False),
            nn.BatchNorm1d(12),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(12, width),
        )

    def forward(self, x):
        self.rows += len(x)
        return self.layers(x.flatten(1)[:, : self.layers[0].in_features])


class Rows:
    """A source over a tensor, as the data helper's: rows by index, prepared as they are."""

    def __init__(self, x, modality="table"):
        self.x, self.modality = x, modality

    def __len__(self):
        return len(self.x)

    def batch(self, index):
        return self.x[index]

    def to_input(self, rows):
        return rows


def normal(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def views_of(*tensors):
    return MultiView(torch.arange(len(tensors[0])), lambda: list(tensors))


def copy_of(module):
    return {name: value.clone() for name, value in module.state_dict().items()}


def unmoved(module, before):
    return all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
