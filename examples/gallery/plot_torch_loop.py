"""
A loss in a loop of my own
==========================

Objectives are functions of tensors. This is SimCLR's in twenty lines of plain torch, with views made by hand.
"""

import matplotlib.pyplot as plt
import torch
from sklearn.datasets import load_wine
from sklearn.preprocessing import StandardScaler
from torch import nn

from isotropy.diagnostics import rankme
from isotropy.objectives import nt_xent

torch.manual_seed(0)
x = torch.from_numpy(StandardScaler().fit_transform(load_wine().data)).float()
encoder = nn.Sequential(nn.Linear(13, 64), nn.ReLU(), nn.Linear(64, 32))
projector = nn.Sequential(nn.ReLU(), nn.Linear(32, 16))
optimiser = torch.optim.AdamW([*encoder.parameters(), *projector.parameters()], lr=3e-3)
losses, ranks = [], []
for _ in range(150):
    rows = x[torch.randperm(len(x))[:128]]
    views = [torch.where(torch.rand_like(rows) < 0.3, x[torch.randperm(len(x))[:128]], rows) for _ in range(2)]
    loss = nt_xent(*(projector(encoder(view)) for view in views), temperature=0.5)
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    losses.append(loss.item())
    ranks.append(float(rankme(encoder(x).detach())))
print(f"loss {losses[0]:.2f} to {losses[-1]:.2f}, effective rank {ranks[0]:.1f} to {ranks[-1]:.1f} of 32")

# %%
# A loss that falls while the rank goes to 1 would be a collapse.

figure, axes = plt.subplots(2, 1, sharex=True)
for place, name, curve in zip(axes, ("loss", "effective rank"), (losses, ranks), strict=True):
    place.plot(curve)
    place.set_ylabel(name)
plt.show()
