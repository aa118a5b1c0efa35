"""LFR beside other methods, where an augmentation destroys the label, on five encoders, and on any data."""

import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).parents[1]))
import data_sets as sets
from figures import Dots
from pages import OPEN, Claim, Table, reproduced
from results import Run
from rows import Row, Rows, mean, paired, select
from runner import Paper
from scores import measured
from train import plain_recipe

from isotropy.encoders import Encoder
from isotropy.runs.recipe import Recipe
from lfr import destroyed, peers

ENCODERS = ("series_cnn", "dilated_resnet", "gru", "series_transformer", "series_mlp")


# A recipe, and so the digest of its rows, names it by this script.
class OwnNetwork(Encoder):
    """A user's network: two strided convolutions, and the mean and the largest of what they give."""

    modality, width = "series", 128

    def __init__(self, *, channels: int, length: int) -> None:
        super().__init__(channels=channels, length=length)
        self.layers = nn.Sequential(nn.Conv1d(channels, 32, 5, 2), nn.GELU(), nn.Conv1d(32, 64, 5, 2), nn.GELU())

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, 128) for series (B, channels, length)."""
        maps = self.layers(x)
        return torch.cat([maps.mean(dim=2), maps.amax(dim=2)], dim=1)


# Data, its modality, and the encoder where it is not the modality's.
ANY: dict[str, tuple[Any, str, Any]] = {
    "table (income)": (partial(peers.authors_rows, "income"), "table", None),
    "series (har)": (partial(peers.authors_rows, "har"), "series", None),
    "images (fashion)": (sets.fashion, "image", None),
    "spoken digits": (sets.spoken_digits, "series", None),
    "text (sst2)": (sets.sentences, "table", None),
    "own network (har)": (partial(peers.authors_rows, "har"), "series", OwnNetwork),
}


def _any(recipe: Recipe, name: str, folder: Path | None, quick: bool) -> Row:
    return measured(recipe, ANY[name][0](folder), quick=quick)


def _on_har(recipe: Recipe, folder: Path | None, quick: bool) -> Row:
    return measured(recipe, sets.whole("har", folder), 40.0, quick=quick)


def runs(folder: Path | None, seed: int) -> Iterator[Run]:
    """Return all runs of a seed."""
    for name, methods in peers.PEERS.items():
        for method in (*([peers.RAW] if seed == 0 else []), peers.RANDOM, *methods):
            recipe = peers.peer_recipe("lfr" if method in (peers.RANDOM, peers.RAW) else method, name, seed)
            yield Run(
                "peers", name, method, seed, partial(peers.at_budget, recipe, method, name, folder), recipe.to_toml()
            )
    for task, (_, modality, seconds, shared, views, view) in destroyed.TASKS.items():
        if seed == 0:
            yield Run("destroyed label", task, "raw values", 0, partial(destroyed.raw_values, task, folder))
        for name in (destroyed.WITH, destroyed.WITHOUT, destroyed.LFR):
            settings = shared | {"train.seed": seed}
            settings |= {} if name == destroyed.LFR else views | {view: 0.5 if name == destroyed.WITH else 0.0}
            recipe = plain_recipe("lfr" if name == destroyed.LFR else "simclr", modality).changed(settings)
            make = partial(destroyed.arm, recipe, task, seconds, folder)
            yield Run("destroyed label", task, name, seed, make, recipe.to_toml())
    for encoder in ENCODERS:
        recipe = Recipe.default("lfr", "series").changed({"encoder": encoder, "train.seed": seed})
        yield Run("encoders", "har", encoder, seed, partial(_on_har, recipe, folder), recipe.to_toml())
    for name, methods in peers.LONGER.items():
        for method in (*methods, *((peers.PUBLISHED_WIDTH,) if name == "har" and seed == 0 else ())):
            recipe = peers.longer_recipe(method, name, seed)
            yield Run("longer", name, method, seed, partial(peers.longer, recipe, name, folder), recipe.to_toml())
    for name, (_, modality, network) in ANY.items():
        recipe = Recipe.default("lfr", modality).changed({"encoder": network} if network else {})
        recipe = recipe.changed({"embedding": "learned", "train.epochs": 20.0, "train.seed": seed})
        yield Run("any data", name, "lfr", seed, partial(_any, recipe, name, folder), recipe.to_toml())


def _on_any_data(rows: Rows) -> tuple[str, str]:
    gains: dict[str, Any] = {}
    for name in ANY:
        of = select(rows, data=name)
        pairs = [paired(of, "lfr", "lfr", kind, f"untrained_{kind}") for kind in ("linear", "knn")]
        gains |= {name: pairs} if of else {}
    said = ", ".join(f"{name} {linear} / {knn}" for name, (linear, knn) in gains.items())
    if len(gains) < len(ANY) or any(gap is None or gap.pairs < 3 for pair in gains.values() for gap in pair):
        return f"linear / k-NN minus untrained: {said}", OPEN
    clear = [name for name, (linear, _) in gains.items() if linear is not None and linear.low > 0]
    return f"linear / k-NN minus untrained: {said}", f"{reproduced(len(clear) == len(ANY))}: {len(clear)} of {len(ANY)}"


def _on_every_encoder(rows: Rows) -> tuple[str, str]:
    said, gained = [], []
    for encoder in ENCODERS:
        of = select(rows, variant=encoder)
        values = [mean(of, kind) - mean(of, f"untrained_{kind}") for kind in ("linear", "knn")]
        said.append(f"{encoder} {values[0]:+.3f} / {values[1]:+.3f}")
        gained += [encoder] if min(values) > 0.01 else []
    verdict = f"holds; a clear benefit in both probes for {', '.join(gained)}"
    return "linear / k-NN minus untrained: " + ", ".join(said), verdict


CLAIMS = [
    *(Claim(f"{name}: LFR reaches {score:.3f}", "table 1", "peers", partial(peers.reaches, name))
      for name, score in peers.PUBLISHED.items()),
    *(Claim(f"{name}: LFR is the best", "table 1", "peers", partial(peers.best, name)) for name in peers.PUBLISHED),
    # "gains", a failed first set-up, was broken off: it has rows and no runs.
    *(Claim(f"{task}: SimCLR loses the label, LFR does not", "introduction", "destroyed label",
            partial(destroyed.keeps_the_label, 5 if task.startswith("amplitude") else 3), task)
      for task in (*destroyed.TASKS, "gains")),
    Claim("it runs on every kind of encoder", "section 3", "encoders", _on_every_encoder),
    *(Claim(f"{name}, longer: LFR reaches {peers.PUBLISHED[name]:.3f}", "table 1", "longer",
            partial(peers.reaches_longer, name))
      for name in peers.LONGER),
    *(Claim(f"{name}, longer: LFR is the best{said}", "table 1", "longer", partial(peers.best_longer, name, column))
      for name in peers.LONGER for said, column in (("", "linear"), (" with ten labels a class", "few"))),
    Claim("one recipe gains on any data and network", "abstract", "any data", _on_any_data),
]  # fmt: skip
SCORES = {"linear": "linear", "untrained": "untrained_linear", "k-NN": "knn", "untrained k-NN": "untrained_knn"}
TABLES = [
    Table("Beside its peers", "peers", {
        "CPU seconds": "cpu_seconds", "epochs": "epochs", "of the authors'": "fraction",
        "linear": "linear", "k-NN": "knn"}),
    Table("Where a view destroys the label", "destroyed label", SCORES),
    Table("On five encoders (HAR, 40 CPU seconds)", "encoders", {"width": "width", "epochs": "epochs"} | SCORES),
    Table("Longer", "longer", {
        "CPU seconds": "cpu_seconds", "epochs": "epochs", "linear": "linear", "k-NN": "knn",
        "ten labels a class": "few"}),
    Table("On any data", "any data", {"width": "width", "epochs": "epochs"} | SCORES),
]  # fmt: skip


def panels(rows: Rows) -> list[Dots]:
    """Return LFR beside its peers on each data set, at the greatest length that all have, and the published score."""
    made = []
    for name, score in peers.PUBLISHED.items():
        longer = select(rows, study="longer", data=name)
        complete = all(len(select(longer, variant=method)) >= 3 for method in peers.LONGER[name])
        chosen = longer if complete else select(rows, study="peers", data=name)
        # Raw features are in the tables: at .7 and .8 they would leave no room for what differs by .01.
        methods = peers.LONGER[name] if complete else (*peers.PEERS[name], peers.RANDOM)
        title = f"{name}, {f'{peers.LENGTH[name]:g} epochs' if complete else f'{peers.BUDGET:g} CPU seconds'}"
        marks = [("LFR, published", score)]
        names = {method: method for method in methods}
        made.append(Dots.of(title, "accuracy of a linear probe", chosen, "linear", names, ["lfr"], marks=marks))
    return made


PAPER = Paper(__file__, __doc__, runs, CLAIMS, TABLES, panels=panels)

if __name__ == "__main__":
    PAPER.main()
