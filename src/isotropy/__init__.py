"""Self-supervised representations for any data, with the evidence that they are good.

    import isotropy

    encoder = isotropy.SelfSupervisedEncoder().fit(X)          # a scikit-learn transformer
    for event in isotropy.train("table.csv", label="kind"):    # what `isotropy fit` does, event by event
        ...
    isotropy.load("runs/mine").transform(new_rows)             # what `isotropy fit` left behind

The parts stand alone: `isotropy.objectives`, `isotropy.views`, `isotropy.methods`, `isotropy.encoders`,
`isotropy.training`, `isotropy.evaluation`, `isotropy.diagnostics`.
"""

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from isotropy.data import read
    from isotropy.errors import UserError
    from isotropy.estimator import SelfSupervisedClassifier, SelfSupervisedEncoder, SelfSupervisedRegressor
    from isotropy.finetuning import FineTuned
    from isotropy.finetuning import load as load_finetuned
    from isotropy.methods import METHODS
    from isotropy.representation import Representation, load
    from isotropy.runs.compare import compare
    from isotropy.runs.compare_methods import Leaderboard, compare_methods
    from isotropy.runs.diagnose import diagnose
    from isotropy.runs.events import Evaluated, Finished, Planned, Recorded, Stepped, Stopped, Trained
    from isotropy.runs.recipe import Recipe
    from isotropy.runs.session import train
    from isotropy.training import fit

# OpenMP's threads spin while they wait for each other; where other programs hold a core, that was measured to make a
# step a hundred times slower. A short spin costs nothing on free cores. Read when torch is loaded: without effect where
# it was loaded before.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")

__all__ = [
    "METHODS",
    "Evaluated",
    "FineTuned",
    "Finished",
    "Leaderboard",
    "Planned",
    "Recipe",
    "Recorded",
    "Representation",
    "SelfSupervisedClassifier",
    "SelfSupervisedEncoder",
    "SelfSupervisedRegressor",
    "Stepped",
    "Stopped",
    "Trained",
    "UserError",
    "compare",
    "compare_methods",
    "diagnose",
    "fit",
    "load",
    "load_finetuned",
    "read",
    "train",
]

# Where each public name lives; imported when first asked for, so that `isotropy --help` does not wait for torch.
_HOMES = {
    "Evaluated": "isotropy.runs.events",
    "Finished": "isotropy.runs.events",
    "Leaderboard": "isotropy.runs.compare_methods",
    "Planned": "isotropy.runs.events",
    "Recorded": "isotropy.runs.events",
    "Stepped": "isotropy.runs.events",
    "Stopped": "isotropy.runs.events",
    "Trained": "isotropy.runs.events",
    "METHODS": "isotropy.methods",
    "Recipe": "isotropy.runs.recipe",
    "Representation": "isotropy.representation",
    "FineTuned": "isotropy.finetuning",
    "SelfSupervisedClassifier": "isotropy.estimator",
    "SelfSupervisedEncoder": "isotropy.estimator",
    "SelfSupervisedRegressor": "isotropy.estimator",
    "UserError": "isotropy.errors",
    "compare": "isotropy.runs.compare",
    "compare_methods": "isotropy.runs.compare_methods",
    "diagnose": "isotropy.runs.diagnose",
    "fit": "isotropy.training",
    "load": "isotropy.representation",
    "load_finetuned": "isotropy.finetuning",
    "read": "isotropy.data",
    "train": "isotropy.runs.session",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        # Reading the metadata of an installed package takes longer than starting an interpreter.
        return import_module("importlib.metadata").version("isotropy")
    if name not in _HOMES:
        raise AttributeError(f"module 'isotropy' has no attribute {name!r}")
    # Two artefacts are loaded, each by the `load` of its own room.
    return getattr(import_module(_HOMES[name]), "load" if name == "load_finetuned" else name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
