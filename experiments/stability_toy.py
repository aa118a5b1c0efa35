"""The simplified objective -a + lambda c2 on ten Gaussian clusters, over lambda, batches and views.

Ten clusters in 32 dimensions (centres 0.6 and rows 1.0 times a standard normal), 1000 rows and as many for the test; a
view adds 0.5 times a standard normal and, where views are shifted, one fixed vector of length 3; MLP 32-128-128-8,
ReLU, no batch norm, Adam at 1e-3, 400 steps on batches of 128 or on all rows. Everything is measured on two new views
of the same kind, the 5-nearest-neighbour accuracy on rows without a view.
"""

from typing import Any

import torch
from torch import Tensor, nn

from isotropy.diagnostics import entropy_rank, stability
from isotropy.evaluation import knn_probe
from isotropy.objectives import center

LAMBDAS = (0.0, 0.1, 0.5, 0.9, 1.0, 2.0, 5.0)
KINDS = tuple((batch, views) for batch in ("mini", "full") for views in ("centred", "shifted"))
ROWS, INPUTS, STEPS = 1000, 32, 400
SEEN = (0, 5, 20, 50, 100, 200, 400)


def toy(lambd: float, batch: str, num_views: str, seed: int) -> dict[str, Any]:
    """Train once and return the way of a and c2, and what came of it."""
    draw = torch.Generator().manual_seed(seed)
    centres = 0.6 * torch.randn(10, INPUTS, generator=draw)
    labels = torch.arange(2 * ROWS) % 10
    x = centres[labels] + torch.randn(2 * ROWS, INPUTS, generator=draw)
    shift = 3 * nn.functional.normalize(torch.randn(INPUTS, generator=draw), dim=0) * (num_views == "shifted")
    torch.manual_seed(seed)
    net = nn.Sequential(nn.Linear(INPUTS, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 8))
    optimiser = torch.optim.Adam(net.parameters(), lr=1e-3)

    def pair(rows: Tensor) -> list[Tensor]:
        return [net(rows + shift + 0.5 * torch.randn(rows.shape, generator=draw)) for _ in range(2)]

    way: dict[str, list[float]] = {"step": [], "centre": [], "alignment": []}
    for step in range(STEPS + 1):
        if step in SEEN:
            with torch.no_grad():
                found = stability(pair(x[:ROWS]))
            for key, value in (("step", step), ("centre", found["centre"]), ("alignment", found["alignment"])):
                way[key].append(round(value, 4))
        if step == STEPS:
            break
        rows = x[torch.randperm(ROWS, generator=draw)[:128]] if batch == "mini" else x[:ROWS]
        terms = center(*pair(rows), lambd=0.5)
        loss = terms["alignment"] + 2 * lambd * terms["centre"]  # the objective itself refuses lambda outside (0, 1)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    with torch.no_grad():
        z, found = net(x).numpy(), stability(pair(x[:ROWS]))
    unit = nn.functional.normalize(torch.from_numpy(z[:ROWS]), dim=1)
    return {
        "lambda": lambd,
        "batch": batch,
        "views": num_views,
        "seed": seed,
        "centre": round(found["centre"], 4),
        "alignment": round(found["alignment"], 4),
        "rank": round(entropy_rank(unit), 3),
        "rank_uncentred": round(entropy_rank(unit, centred=False), 3),
        "knn": round(knn_probe(z[:ROWS], labels[:ROWS].numpy(), z[ROWS:], labels[ROWS:].numpy(), k=5).score, 4),
        "way": way,
    }
