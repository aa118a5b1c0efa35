"""The simplified objective -a + lambda c2 on clusters, and four groups in the plane that it cannot tell from two."""

import torch
from measures import entropy_rank
from pages import reproduced
from rows import Row, Rows, mean, select, short
from torch import Tensor, nn

from isotropy.diagnostics import stability
from isotropy.evaluation import knn_probe
from isotropy.objectives import center
from stability.hypotheses import judged
from stability.variants import INSIDE

LAMBDAS = (0, 0.1, 0.5, 0.9, 1, 2, 5)
KINDS = tuple((batch, views) for batch in ("mini", "full") for views in ("centred", "shifted"))


def clusters(weight: float, batch: str, kind: str, seed: int, quick: bool) -> Row:
    """Train -a + lambda c2 on clusters."""
    draw, rows = torch.Generator().manual_seed(seed), 1000
    centres, labels = 0.6 * torch.randn(10, 32, generator=draw), torch.arange(2 * rows) % 10
    x = centres[labels] + torch.randn(2 * rows, 32, generator=draw)
    shift = 3 * nn.functional.normalize(torch.randn(32, generator=draw), dim=0) * (kind == "shifted")
    torch.manual_seed(seed)
    net = nn.Sequential(nn.Linear(32, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 8))
    optimiser = torch.optim.Adam(net.parameters(), lr=1e-3)

    def views(rows: Tensor) -> list[Tensor]:
        return [net(rows + shift + 0.5 * torch.randn(rows.shape, generator=draw)) for _ in range(2)]

    for _ in range(5 if quick else 400):
        chosen = x[torch.randperm(rows, generator=draw)[:128]] if batch == "mini" else x[:rows]
        terms = center(*views(chosen), lambd=0.5)
        optimiser.zero_grad()
        (terms["alignment"] + 2 * weight * terms["centre"]).backward()  # `center` refuses lambda outside (0, 1)
        optimiser.step()
    with torch.no_grad():
        z, found = net(x), stability(views(x[:rows]))
    unit = nn.functional.normalize(z[:rows], dim=1)
    parts = [x.numpy() for x in (z[:rows], labels[:rows], z[rows:], labels[rows:])]
    knn = knn_probe(*parts, k=5, metric="accuracy").score
    numbers = {"centre": found["centre"], "alignment": found["alignment"], "rank": entropy_rank(unit), "knn": knn}
    return {name: short(value) for name, value in numbers.items()}


# The counter-example in the plane: four groups at the corners of a square, and points on a circle to send them to.
CORNERS = torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])
PLANE = ("two points", "four points", "trained, lambda 0.5", "trained, lambda 5")


def plane(variant: str, seed: int, quick: bool) -> Row:
    """Return a and c2 of two views, how well five neighbours tell the groups, and the angles of 40 rows by group.

    -a + lambda c2 is least where a = 1 and c2 = 0, for every lambda above 0: by four directions, and as well by two
    opposite ones, which send two groups to one point.
    """
    draw, labels = torch.Generator().manual_seed(seed), torch.arange(400) % 4
    torch.manual_seed(seed)
    net = nn.Sequential(nn.Linear(2, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 2))
    given = {"two points": lambda x: x[:, :1].sign() * torch.tensor([[1.0, 0.0]]), "four points": lambda x: x.sign()}
    sent = given.get(variant, net)

    def views() -> list[Tensor]:
        return [sent(CORNERS[labels] + 0.15 * torch.randn(400, 2, generator=draw)) for _ in range(2)]

    if variant not in given:
        optimiser, weight = torch.optim.Adam(net.parameters(), lr=3e-3), float(variant.rsplit(" ", 1)[1])
        for _ in range(5 if quick else 400):
            terms = center(*views(), lambd=0.5)
            optimiser.zero_grad()
            (terms["alignment"] + 2 * weight * terms["centre"]).backward()
            optimiser.step()
    with torch.no_grad():
        z, other = views()
        numbers = stability([z, other])
    knn = knn_probe(z[:200].numpy(), labels[:200], z[200:].numpy(), labels[200:], k=5, metric="accuracy").score
    angles = torch.atan2(z[:, 1], z[:, 0])
    return {
        "alignment": short(numbers["alignment"]),
        "centre": short(numbers["centre"]),
        "knn": short(knn),
        "angles": [[round(float(angle), 2) for angle in angles[labels == group][:10]] for group in range(4)],
    }


def alike_in_the_plane(rows: Rows) -> tuple[str, str]:
    """Judge whether a and c2 tell a map that keeps four groups from one that keeps two."""
    found = {variant: select(rows, variant=variant) for variant in PLANE}
    if not all(found.values()):
        return "", "open: runs are missing"
    said = "; ".join(
        f"{variant}: a {mean(of, 'alignment'):.3f}, c2 {mean(of, 'centre'):+.3f}, k-NN {mean(of, 'knn'):.3f}"
        for variant, of in found.items()
    )
    two, four = ({name: mean(found[v], name) for name in ("alignment", "centre", "knn")} for v in PLANE[:2])
    same = abs(two["alignment"] - four["alignment"]) < 0.01 and abs(two["centre"] - four["centre"]) < 0.01
    return said, reproduced(not (same and four["knn"] > two["knn"] + 0.4))


def simplified(rows: Rows) -> tuple[str, str]:
    """Judge where the simplified objective collapses, and which lambda is best."""
    point, shape = [], []
    for batch, kind in KINDS:
        group = {w: select(rows, variant=f"{batch}-batch, {kind}, lambda {w:g}") for w in LAMBDAS}
        inside = [row["centre"] for w in INSIDE for row in group[w]]
        point.append(min(row["centre"] for row in group[0]) > 0.9 and max(inside) < 0.1)
        knn = {w: round(mean(mine, "knn"), 3) for w, mine in group.items()}
        shape.append(max(knn[w] for w in INSIDE) > max(knn[w] for w in (0, 2, 5)) + 0.01)
    said = f"collapse as said in {sum(point)} of 4 settings, the U in {sum(shape)}"
    return said, f"point collapse: {judged(point)}; U-shape: {judged(shape)}"
