"""What the methods that are tried by default are worth at a user's budget, beside everything that is free."""

import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from results import Run
from runner import Paper

from defaults.criteria import CLAIMS
from defaults.halves import HALVES, sets_of
from defaults.measured import baseline, one
from defaults.tables import every_method as every_method
from defaults.tables import first_table as first_table
from defaults.tables import tables
from isotropy.finetuning.average import AVERAGE
from isotropy.finetuning.mixture import MIXTURE
from isotropy.finetuning.settings import FineTuning
from isotropy.methods import METHODS
from isotropy.runs.defaults import COMPARED
from isotropy.runs.recipe import Recipe

FREE = (
    "raw features",
    "PCA",
    "summary features",
    "random convolutions",
    "boosted trees",
    "patches",
    "label propagation",
    "untrained encoder",
)
OUTCOMES = (AVERAGE, MIXTURE)  # what fine-tuning ends in, of few labels and of many: rows of others are other rows
# Every method, for as long as in the matrix.
EVERY, SECONDS = {"adult": "table", "har": "series", "fashion": "image"}, 40.0
ONLY = {"patches": "image", "summary features": "series", "random convolutions": "series", "boosted trees": "table"}


def runs(folder: Path | None, seed: int) -> Iterator[Run]:
    """Return all runs of a seed: set by set, what is free with the first."""
    for half in HALVES:
        for name, modality in sets_of(half):
            for method in COMPARED[modality]:
                recipe = Recipe.default(method, modality).changed({"train.seed": seed})
                settings = f"{recipe.to_toml()}{FineTuning()}{OUTCOMES}"
                yield Run(half, name, method, seed, partial(one, recipe, name, folder), settings)
            if seed == 0:
                encoder = Recipe.default(COMPARED[modality][0], modality).encoder
                for which in FREE:
                    if ONLY.get(which, modality) == modality:
                        yield Run(f"free, {half}", name, which, 0, partial(baseline, name, which, encoder, folder))
    for name, modality in EVERY.items():
        for method, kind in METHODS.items():
            if kind.takes(modality):
                recipe = Recipe.default(method, modality).changed({"train.seed": seed})
                make = partial(one, recipe, name, folder, seconds=SECONDS, tune=False)
                yield Run("every method", name, method, seed, make, recipe.to_toml())


PAPER = Paper(__file__, __doc__, runs, CLAIMS, [], seeds=1, back=tables)

if __name__ == "__main__":
    PAPER.main()
