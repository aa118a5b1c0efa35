"""Evidence: frozen features evaluated beside honest baselines, on the same rows, with intervals."""

from isotropy.evaluation.evaluate import chosen_rows, evaluate
from isotropy.evaluation.evaluators import EVALUATORS
from isotropy.evaluation.evaluators.knn import knn_probe
from isotropy.evaluation.evaluators.linear import linear_probe
from isotropy.evaluation.evaluators.mlp import mlp_probe
from isotropy.evaluation.probe import Probe
from isotropy.evaluation.score import Evaluator, Measurement, Score
from isotropy.evaluation.splits import split

__all__ = [
    "EVALUATORS",
    "Evaluator",
    "Measurement",
    "Probe",
    "Score",
    "chosen_rows",
    "evaluate",
    "knn_probe",
    "linear_probe",
    "mlp_probe",
    "split",
]
