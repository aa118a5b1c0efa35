"""Evidence: frozen features evaluated beside honest baselines, on the same rows, with intervals."""

from isotropy.evaluation.evaluate import chosen_rows, evaluate
from isotropy.evaluation.evaluators import EVALUATORS
from isotropy.evaluation.features import Features
from isotropy.evaluation.probe import Probe, knn_probe, linear_probe, mlp_probe
from isotropy.evaluation.problem import Problem
from isotropy.evaluation.score import Evaluator, Measurement, Score
from isotropy.evaluation.splits import split

__all__ = [
    "EVALUATORS",
    "Evaluator",
    "Features",
    "Measurement",
    "Probe",
    "Problem",
    "Score",
    "chosen_rows",
    "evaluate",
    "knn_probe",
    "linear_probe",
    "mlp_probe",
    "split",
]
