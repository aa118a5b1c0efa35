"""Is the representation healthy? Arrays in, numbers out."""

from isotropy.diagnostics.encoder import encoder_numbers, linear_cka
from isotropy.diagnostics.ideal import (
    invariance_ratio,
    unseen_mass,
    worst_invariant_task,
)
from isotropy.diagnostics.lidar import lidar
from isotropy.diagnostics.outputs import step_numbers, views_rank
from isotropy.diagnostics.pairs import alignment_distance, uniformity
from isotropy.diagnostics.prototypes import Uses, assignments, divergence, most_even
from isotropy.diagnostics.rank import effective_rank, mean_norm
from isotropy.diagnostics.spectrum import (
    Moments,
    alpha_req,
    effective_dimension,
    eigenvalues,
    entropy_rank,
    participation_ratio,
    rankme,
)
from isotropy.diagnostics.stability import Gap, Sums, followed, predictor_gap, stability

__all__ = [
    "Gap",
    "Moments",
    "Sums",
    "Uses",
    "alignment_distance",
    "alpha_req",
    "assignments",
    "divergence",
    "effective_dimension",
    "effective_rank",
    "eigenvalues",
    "encoder_numbers",
    "entropy_rank",
    "followed",
    "invariance_ratio",
    "linear_cka",
    "lidar",
    "views_rank",
    "mean_norm",
    "most_even",
    "participation_ratio",
    "predictor_gap",
    "rankme",
    "stability",
    "step_numbers",
    "unseen_mass",
    "uniformity",
    "worst_invariant_task",
]
