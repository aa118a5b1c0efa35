"""Evidence: probes of frozen features beside honest baselines, on the same rows, with intervals."""

from isotropy.evaluation.compare import chosen_rows, evidence
from isotropy.evaluation.knn import knn_probe
from isotropy.evaluation.probe import Probe, linear_probe
from isotropy.evaluation.splits import split

__all__ = ["Probe", "chosen_rows", "evidence", "knn_probe", "linear_probe", "split"]
