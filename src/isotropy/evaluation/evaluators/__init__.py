"""The evaluators by name: another one is a function in a file here and a line below, or an entry that you add."""

from isotropy.evaluation.evaluators.few_labels import few_labels
from isotropy.evaluation.evaluators.knn import knn
from isotropy.evaluation.evaluators.linear import linear
from isotropy.evaluation.evaluators.mlp import mlp
from isotropy.evaluation.score import Evaluator

EVALUATORS: dict[str, Evaluator] = {"linear": linear, "knn": knn, "few_labels": few_labels, "mlp": mlp}
DEFAULT = ("linear", "knn")

__all__ = ["DEFAULT", "EVALUATORS"]
