"""The numbers that a verdict turns on, each with its reason; where they come from is in docs/diagnostics.md."""

from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class Threshold:
    """A number that a verdict turns on, and why it is that number."""

    value: float
    reason: str


THRESHOLDS = MappingProxyType(
    {
        "one point": Threshold(0.98, "c2 / a: views of two samples are as alike as views of one"),
        "near one point": Threshold(0.8, "c2 / a: what any two samples share, of what views of one share"),
        "lost": Threshold(0.45, "1 - c2 / a, of what it was at the first step: what tells samples apart is going"),
        "pull": Threshold(0.15, "eta: a predictor that works pulls the centre back, in SimSiam by about a half"),
        "peak": Threshold(0.5, "c2 / a, of its highest so far: below, the centre has been pulled back"),
        "some centre": Threshold(0.1, "c2 / a, at its highest: less, and there was nothing to pull back"),
        "variation": Threshold(1e-3, "of the untrained encoder's: what is left of the rows' differences"),
        "few codes": Threshold(0.6, "marginal entropy of the codes, of the most that a batch can show"),
        "fewer codes": Threshold(0.9, "the same, beside vectors near one point"),
        "even share": Threshold(0.95, "of ln K: the entropy of a row, from which on codes are called uniform"),
        "at uniform": Threshold(0.975, "of the way from the best loss to that of uniform codes: they say nothing"),
        "regained": Threshold(1.2, "information of the codes, of its least so far: above, they learn to say more"),
        "views rank": Threshold(2.2, "participation ratio: one line has 1, two lines 2; says nothing alone"),
        "one line": Threshold(1.95, "the same, beside a predictor that never had a centre to pull back"),
        "half way": Threshold(0.5, "of the way from the first loss to the best one known: flat views have come far"),
        "met": Threshold(0.9, "of the way from the first loss to the best one known: the loss asks for no more"),
        "given up": Threshold(0.95, "of the way from the best loss to that of point collapse: nothing is told apart"),
        "rank share": Threshold(0.1, "of the untrained encoder's effective rank on the same rows"),
        "poor rank": Threshold(0.15, "the same, while the loss is met: a shortcut"),
        "teacher's way": Threshold(0.001, "how far the teacher has come of its student's way: 0 never moved"),
        "linear_cka": Threshold(0.995, "linear CKA with the untrained encoder: a rotation has 1; says nothing alone"),
        "loss rise": Threshold(0.5, "of the way from the first loss to the best one known, upwards"),
        "loss fall": Threshold(0.03, "of the way from the first loss to the best one known: less is nothing"),
        "nearer": Threshold(0.1, "of the way from the first alignment to 1: views of a sample come together"),
        "records": Threshold(3, "records, of which the median is taken: one batch is an accident"),
        "begun": Threshold(0.15, "share of the training before which slowness, or a low, is no news"),
        "even so far": Threshold(0.2, "the same for even codes: healthy ones may begin so"),
    }
)


def often() -> int:
    """Return of how many records the median is taken."""
    return int(THRESHOLDS["records"].value)
