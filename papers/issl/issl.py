"""CISSL, DISSL and the theory of ideal representations: toys of the theorems, and the ladder of table 1."""

import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).parents[1]))
from figures import Dots
from pages import Claim, Table
from results import Run
from rows import Rows, select
from runner import Paper

from isotropy.encoders import SmallResNet
from issl import ladder, theorems, toys


# Here and not beside the ladder: a recipe, and so the digest of its rows, names it by this script.
class _Expanded(SmallResNet):
    """A small residual network whose feature maps a bottleneck block widens before they are pooled.

    The block is 1x1, 3x3 (both as wide as the network) and 1x1 to `width`, with batch norm each and ReLU between; the
    maps, tiled along the channels, are added to its output before a last ReLU.
    """

    def __init__(self, *, channels: int, size: tuple[int, int], width: int = ladder.WIDE, stem: int = 8) -> None:
        super().__init__(channels=channels, size=size, width=ladder.WIDTH, stem=stem)
        first = nn.Conv2d(ladder.WIDTH, ladder.WIDTH, 1, bias=False)
        nn.init.normal_(first.weight, std=ladder.WIDTH**-0.5)
        second, third = (
            nn.Conv2d(ladder.WIDTH, ladder.WIDTH, 3, padding=1, bias=False),
            nn.Conv2d(ladder.WIDTH, width, 1, bias=False),
        )
        norms = [nn.BatchNorm2d(size) for size in (ladder.WIDTH, ladder.WIDTH, width)]
        self.block = nn.Sequential(first, norms[0], nn.ReLU(), second, norms[1], nn.ReLU(), third, norms[2])
        self.width = width

    def forward(self, x: Tensor) -> Tensor:
        maps = self.layers(x)
        return torch.relu(self.block(maps) + maps.repeat(1, self.width // ladder.WIDTH, 1, 1)).mean(dim=(2, 3))


def runs(folder: Path | None, seed: int) -> Iterator[Run]:
    """Return all runs of a seed."""
    for width in (4, 8):
        for name in ("simclr", "cissl", "dissl"):
            yield Run("heads", "flips", f"{name}, d = {width}", seed, partial(theorems.heads, name, width, seed))
    for width in range(1, 8):
        yield Run("labellings", "theory", f"d = {width}", seed, partial(theorems.labellings, width, seed))
    for study, weights, sizes in (
        ("categories", (2.3, 1.5, 0.9, 0.0), (20, 20, 128, 800)),
        ("softness", (2.3, 1.5), (200, 256, 32, 1200)),
    ):
        for weight in weights:
            yield Run(study, "flips", f"lambda = {weight}", seed, partial(theorems.categories, weight, *sizes, seed))
    for orbits, samples in ((10, 5), (10, 20), (50, 50)):
        make = partial(theorems.unseen, orbits, samples, seed)
        yield Run("labels", "theory", f"K = {orbits}, n = {samples}", seed, make)
    for data, kind in (("flips", toys.Flips), ("turns", toys.Turns)):
        for name in ("untrained", "given", "simclr", "cissl", "dissl", "byol"):
            for width in (4, 9, 16):
                make = partial(theorems.conditions, kind, name, width, seed)
                yield Run("conditions", data, f"{name}, d = {width}", seed, make)
    for family in ladder.FAMILIES:
        for rung in (*ladder.RUNGS, "mlp"):
            recipe = ladder.rung_recipe(family, rung, seed, _Expanded)
            make = partial(ladder.on_fashion, recipe, rung, folder)
            yield Run("ladder", "fashion", f"{family}, {rung}", seed, make, recipe.to_toml())
    for weight in theorems.THRESHOLD:
        yield Run("threshold", "flips", f"lambda = {weight}", seed, partial(theorems.threshold, weight, seed))
    for family in ladder.FAMILIES:
        for rung in (*ladder.RUNGS, "mlp"):
            recipe = ladder.long_recipe(family, rung, seed, _Expanded)
            make = partial(ladder.on_cifar, recipe, folder)
            yield Run("longer", "cifar10", f"{family}, {rung}", seed, make, recipe.to_toml())
    for variant in ladder.BUDGET_PEERS:
        recipe = ladder.peer_recipe(variant, seed)
        yield Run("budget", "cifar10", variant, seed, partial(ladder.on_cifar, recipe, folder), recipe.to_toml())


CLAIMS = [
    Claim("SimCLR hides classes from a linear probe (gap to an MLP above .4), CISSL does not (below .02)", "section 4",
          "heads", theorems.readable),
    Claim("a linear probe realises every labelling of K classes if and only if the features span K - 1 dimensions",
          "theorem 1", "labellings", theorems.covers),
    Claim("DISSL uses all categories where lambda > 1 + beta, fewer below", "section 5", "categories",
          theorems.uses_all),
    Claim("above the threshold a sample spreads over about C / B categories", "derived here", "softness",
          theorems.spreads),
    Claim("the worst risk after n labels is (1 - 1/K)^n", "proposition 2", "labels", theorems.follows_the_law),
    Claim("an encoder that meets all three conditions is good on all tasks", "theorem 1", "conditions",
          partial(theorems.without_exception, lambda r: not theorems.unmet(r), lambda r: not theorems.good(r))),
    Claim("one that misses a condition is not good on all tasks", "theorem 1", "conditions",
          partial(theorems.without_exception, theorems.unmet, theorems.good)),
    Claim("where all conditions are met, the error follows (1 - 1/K)^n", "proposition 2", "conditions",
          partial(theorems.without_exception, lambda r: not theorems.unmet(r),
                  lambda r: abs(theorems.excess(r)) > 0.03)),
    Claim("where one is missed, the error is above it", "proposition 2", "conditions",
          partial(theorems.without_exception, theorems.unmet, lambda r: theorems.excess(r) <= 0.03)),
    *(Claim(f"one that misses {name} alone is not good on all tasks", "theorem 1", "conditions",
            partial(theorems.without_exception, partial(theorems.misses_alone, name), theorems.good))
      for name in ("predictability", "invariance", "dimension")),
    *(Claim(f"{family}: {rung} gains over {before}", "table 2" if rung == "mlp" else "table 1", "ladder",
            partial(ladder.rung_gains, family, rung))
      for family in ladder.FAMILIES for rung, before in ladder.BEFORE.items()),
    Claim("below 1 + beta an imbalance of DISSL's categories grows, above it shrinks", "section 5, derived beforehand",
          "threshold", theorems.imbalance),
    *(Claim(f"longer, {family}: {rung} gains over {before}", "table 2" if rung == "mlp" else "table 1", "longer",
            partial(ladder.longer_gains, family, rung))
      for family in ladder.FAMILIES for rung, before in ladder.BEFORE.items()),
    *(Claim(f"equal steps: {one} is above {other}", "table 1", "budget", partial(ladder.within_budget, one, other))
      for one, other in (("cissl", "simclr"), ("dissl", "dino"), ("dissl, crops", "swav, crops"))),
]  # fmt: skip
TABLES = [
    Table("Heads on sign flips", "heads", {"linear": "linear", "MLP": "mlp", "gap": "gap", "invariance": "invariance",
          "rank": "rank"}, ("variant",)),
    Table("Categories that DISSL uses (20 orbits)", "categories",
          {"used": "used", "H[M]": "marginal", "H[M given X]": "given"},
          ("variant",)),
    Table("The three conditions", "conditions", {"linear": "linear", "gap": "gap", "invariance": "invariance",
          "dimension": "dimension", "worst task": "worst", "mean task": "mean"}),
    Table("Either side of the threshold", "threshold",
          {"imbalance at the start": "start", f"after {theorems.EARLY} steps": "early", "used": "used"}, ("variant",)),
    Table("The ladder on CIFAR-10", "longer", {"width": "width", "CPU seconds": "cpu_seconds", "linear": "linear",
          "untrained": "untrained_linear", "k-NN": "knn"}, ("variant",)),
    Table("Peers at equal steps", "budget", {"CPU seconds": "cpu_seconds", "linear": "linear",
          "untrained": "untrained_linear", "k-NN": "knn"}, ("variant",)),
    Table("The ladder on Fashion-MNIST", "ladder", {"width": "width", "CPU seconds": "cpu_seconds", "linear": "linear",
          "untrained": "untrained_linear", "k-NN": "knn", "MLP probe": "mlp"}, ("variant",)),
]  # fmt: skip


def panels(rows: Rows) -> list[Dots]:
    """Return what a linear probe reads, the categories that are used, and the ladder at the greatest length."""
    heads = {f"{name}, d = {d}": f"{name}, d = {d}" for d in (4, 8) for name in ("simclr", "cissl", "dissl")}
    strong = [name for name in heads if not name.startswith("simclr")]
    used = {row["variant"]: row["variant"] for row in select(rows, study="categories")}
    made = [
        Dots.of("sign flips", "accuracy of a linear probe", select(rows, study="heads"), "linear", heads, strong),
        Dots.of(
            "DISSL, threshold at lambda 1.8", "categories used, of 20", select(rows, study="categories"), "used", used
        ),
    ]
    longer = select(rows, study="longer")
    longer = longer if len({row["seed"] for row in longer}) >= 3 else []
    for family in ladder.FAMILIES:
        rungs = {f"{family}, {rung}": rung for rung in ("base", *ladder.BEFORE)}
        title = f"the ladder, {family}, {'CIFAR-10' if longer else 'Fashion-MNIST'}"
        made.append(
            Dots.of(title, "accuracy of a linear probe", longer or select(rows, study="ladder"), "linear", rungs)
        )
    return made


PAPER = Paper(__file__, __doc__, runs, CLAIMS, TABLES, panels=panels, columns=2)

if __name__ == "__main__":
    PAPER.main()
