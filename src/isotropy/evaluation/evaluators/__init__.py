"""The evaluators by name: another one is a function in a file here and a line below, or an entry that you add."""

from isotropy.evaluation.evaluators.clusters import clusters
from isotropy.evaluation.evaluators.few_labels import few_labels
from isotropy.evaluation.evaluators.knn import knn
from isotropy.evaluation.evaluators.linear import linear
from isotropy.evaluation.evaluators.mlp import mlp
from isotropy.evaluation.evaluators.search import search
from isotropy.evaluation.evaluators.trees import trees
from isotropy.evaluation.score import Evaluator

EVALUATORS: dict[str, Evaluator] = {
    "linear": linear,
    "knn": knn,
    "trees": trees,
    "few_labels": few_labels,
    "search": search,
    "clusters": clusters,
    "mlp": mlp,
}
DEFAULT = ("linear", "knn", "trees", "few_labels", "search", "clusters")
# Those that learn from all labels, and among which a representation is read by the one that suits it best.
ALL_LABELS = ("linear", "knn", "trees", "mlp")
# Those that ask which class a row has, which makes no sense where it has several labels.
ONE_CLASS_A_ROW = ("few_labels", "search", "clusters")

__all__ = ["ALL_LABELS", "DEFAULT", "EVALUATORS", "ONE_CLASS_A_ROW"]
