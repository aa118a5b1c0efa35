"""Is the verdict on a run right, and which numbers rank runs without labels?"""

import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
from pages import Claim, markdown
from results import Run
from rows import Rows, select
from runner import Paper
from train import plain_recipe

from diagnostics import ranking, verdicts
from isotropy.methods import METHODS


def runs(folder: Path | None, seed: int) -> Iterator[Run]:
    """Return all runs, of seed 0 alone: the seed is part of a case."""
    for case in verdicts.CASES if seed == 0 else ():
        recipe = verdicts.case_recipe(case)
        settings = f"{recipe.to_toml()} {case.get('fault')} {case['steps']}"
        yield Run(
            case["study"], case["data"], case["case"], 0, partial(verdicts.judged_case, case, recipe, folder), settings
        )
    for name, modality in ranking.MODALITY.items() if seed == 0 else ():
        for method in ranking.RANKED:
            compares = METHODS[method].min_views > 1
            base = ranking.ENCODERS[modality] | {"train.precision": "float32", "train.epochs": ranking.EPOCHS[name]}
            base |= {"views.flip": 0.0} if compares and name == "digits" else {}
            for setting, changes in ranking.settings_of(method, modality).items():
                recipe = plain_recipe(method, modality).changed(base | changes)
                make = partial(ranking.checkpoints, recipe, name, folder)
                yield Run("ranking", name, f"{method}, {setting}", 0, make, recipe.to_toml())


STUDIES = [f"{round_} round, {half}" for round_ in ("first", "second", "third") for half in ("tuned", "held out")]
RANKINGS = {"settings": "the settings of a method", "checkpoints": "the checkpoints of a run", "across": "methods"}
CLAIMS = [
    *(Claim("the verdict on a run is right", study, study, partial(verdicts.right, study)) for study in STUDIES),
    *(Claim(f"a number without labels ranks {what}", "ours", "ranking", partial(ranking.best_number, kind))
      for kind, what in RANKINGS.items()),
]  # fmt: skip


def _pages(rows: Rows) -> list[str]:
    """Return what was held out, and the correlations."""
    held_out = [
        [row["study"].split(" ")[0], row["variant"], row["data"], " or ".join(row["expected"]), row["verdict"],
         "" if row["done"] is None else f"{row['done']:.2f}"]
        for row in rows if row["study"].endswith("held out") and (row["expected"] != ["healthy"] or not row["right"])
    ]  # fmt: skip
    table = markdown(["round", "run", "data", "right", "verdict", "since"], held_out)
    parts = [f"**Held out: faults, and false alarms**\n\n{table}"]
    for kind in RANKINGS:
        methods = () if kind == "across" else ranking.RANKED
        lines = [
            [number, ranking.shown_interval(ranking.spread(by, tuple(ranking.EPOCHS))),
             *(f"{np.mean(list(by[m].values())):+.2f}" if m in by else "" for m in methods)]
            for number, by in ranking.correlations(select(rows, study="ranking"), kind).items()
        ]  # fmt: skip
        table = markdown(["number", "mean [95%]", *methods], lines)
        parts.append(f"**Correlation with the linear probe: {kind}**\n\n{table}")
    return parts


PAPER = Paper(__file__, __doc__, runs, CLAIMS, [], seeds=1, back=_pages)

if __name__ == "__main__":
    PAPER.main()
