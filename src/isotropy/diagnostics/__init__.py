"""Is the representation healthy? Arrays in, numbers out."""

from isotropy.diagnostics.encoder import encoder_numbers, linear_cka
from isotropy.diagnostics.outputs import step_numbers, views_rank
from isotropy.diagnostics.prototypes import Uses, assignments, most_even
from isotropy.diagnostics.rank import effective_rank, mean_norm, rankme, spectrum
from isotropy.diagnostics.spectrum import Moments, participation_ratio
from isotropy.diagnostics.stability import Gap, Sums, followed, predictor_gap, stability

__all__ = [
    "Gap",
    "Moments",
    "Sums",
    "Uses",
    "assignments",
    "effective_rank",
    "encoder_numbers",
    "followed",
    "linear_cka",
    "mean_norm",
    "most_even",
    "participation_ratio",
    "predictor_gap",
    "rankme",
    "spectrum",
    "stability",
    "step_numbers",
    "views_rank",
]
