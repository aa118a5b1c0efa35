"""Is the representation healthy? Arrays in, numbers out."""

from isotropy.diagnostics.encoder import encoder_numbers, linear_cka
from isotropy.diagnostics.ideal import (
    etf_distance,
    invariance_ratio,
    orbit_nc1,
    unseen_mass,
    worst_invariant_task,
)
from isotropy.diagnostics.lidar import lidar
from isotropy.diagnostics.outputs import step_numbers, views_rank
from isotropy.diagnostics.pairs import alignment_distance, even_uniformity, self_cluster, uniformity
from isotropy.diagnostics.prototypes import Uses, assignments, divergence, most_even
from isotropy.diagnostics.rank import effective_rank, mean_norm
from isotropy.diagnostics.spectrum import (
    Moments,
    alpha_req,
    effective_dimension,
    eigenvalues,
    entropy_rank,
    off_diagonal_energy,
    participation_ratio,
    rankme,
    stable_rank,
)
from isotropy.diagnostics.stability import Gap, Sums, class_centres, followed, lag, predictor_gap, stability

__all__ = [
    "Gap",
    "Moments",
    "Sums",
    "Uses",
    "alignment_distance",
    "alpha_req",
    "assignments",
    "class_centres",
    "divergence",
    "effective_dimension",
    "effective_rank",
    "eigenvalues",
    "encoder_numbers",
    "entropy_rank",
    "etf_distance",
    "even_uniformity",
    "followed",
    "invariance_ratio",
    "linear_cka",
    "lag",
    "lidar",
    "views_rank",
    "mean_norm",
    "most_even",
    "off_diagonal_energy",
    "orbit_nc1",
    "participation_ratio",
    "predictor_gap",
    "rankme",
    "self_cluster",
    "stability",
    "stable_rank",
    "step_numbers",
    "unseen_mass",
    "uniformity",
    "worst_invariant_task",
]
