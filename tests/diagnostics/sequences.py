"""Synthetic runs whose metrics lie on both sides of every threshold of the rules: `case(n)` is a function of n."""

from math import log
from random import Random
from typing import Any

CASES = 800
BEST, POINT, CATEGORIES = 1.0, 6.0, 64
# What each fault makes of the metrics at the end of a run: (lowest, highest), across the thresholds of its rule.
FAULTS: dict[str, dict[str, tuple[float, float]]] = {
    "none": {},
    "loss rises": {"loss": (6.5, 12.0)},
    "one point": {"ratio": (0.75, 1.0), "first ratio": (0.3, 1.0), "eta": (0.0, 0.3), "marginal": (0.8, 1.0)},
    "centre pulled back": {"ratio": (0.3, 1.0), "first ratio": (0.8, 1.0), "eta": (0.0, 0.3), "views_rank": (1.5, 2.5)},
    "constant embeddings": {"variation": (0.0, 0.0006)},
    "few directions": {"views_rank": (1.0, 3.0), "loss": (1.0, 6.0), "ratio": (0.0, 0.2), "eta": (0.0, 0.3)},
    "a line": {"views_rank": (1.7, 2.4), "ratio": (0.0, 0.16), "eta": (0.0, 0.25), "loss": (2.0, 5.0)},
    "low rank": {"effective_rank": (3.0, 9.0), "loss": (1.0, 1.6)},
    "even codes": {"even": (0.94, 1.0), "loss": (4.0, 4.4), "information": (0.05, 0.3)},
    "few codes": {"marginal": (0.4, 0.8), "even": (0.01, 0.3)},
    "slow": {"loss": (5.2, 5.9), "alignment": (0.4, 0.5), "linear_cka": (0.98, 1.0), "teacher_way": (0.0, 0.005)},
    "frozen": {"loss": (5.3, 5.7), "alignment": (0.4, 0.46), "linear_cka": (0.993, 1.0)},
}
METHODS = ("simclr", "byol", "swav", "dino", "vicreg", "lfr")


def case(number: int) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return the records of a run, and what its `RunFacts` are made of."""
    random = Random(number)
    fault = [*FAULTS][number % len(FAULTS)]
    count = (2 if random.random() < 0.03 else 5) + int(random.random() * 12)
    ends = {name: random.uniform(*bounds) for name, bounds in FAULTS[fault].items()}
    sharp, noise = random.choice([2, 6, 15]), random.choice([0.0, 0.0, 0.003, 0.03])

    def path(name: str, start: float, end: float) -> list[float]:
        """Return a metric's way from the first record to its end, with noise and now and then one bad batch."""
        end = ends.get(name, end)
        values = [end + (start - end) * (1 - n / max(count - 1, 1)) ** sharp for n in range(count)]
        values = [value * (1 + noise * (2 * random.random() - 1)) for value in values]
        if random.random() < 0.15:
            values[int(random.random() * count)] *= random.choice([0.2, 1.5])
        return values

    codes = fault.endswith("codes") or random.random() < 0.25
    predictor = random.random() < (0.7 if "eta" in ends else 0.3)
    columns = {"loss": path("loss", 5.5, random.uniform(1.0, 5.0)), "views_rank": path("views_rank", 20.0, 15.0)}
    if random.random() < 0.95:
        columns["alignment"] = path("alignment", 0.4, 0.9)
        ratio = path("ratio", ends.get("first ratio", 0.3), 0.1)
        columns["centre"] = [r * a for r, a in zip(ratio, columns["alignment"])]
    if predictor:
        columns["eta"] = path("eta", 1.0, 0.4)
        columns["teacher_way"] = path("teacher_way", 0.0, 0.5)
    if codes:
        marginal = [min(x, 1.0) * log(CATEGORIES) for x in path("marginal", 0.95, 0.97)]
        even = [min(x, 1.0) * log(CATEGORIES) for x in path("even", 0.9, 0.4)]
        columns |= {"entropy": even, "marginal_entropy": [max(m, e) for m, e in zip(marginal, even)]}
        columns["information"] = path("information", 0.3, 1.0)
        columns["categories"] = [float(CATEGORIES)] * count
        columns["most_even"] = [log(CATEGORIES)] * count
    encoder = {
        "effective_rank": path("effective_rank", 50.0, 45.0),
        "variation": path("variation", 0.3, 0.4),
        "linear_cka": [min(x, 1.0) for x in path("linear_cka", 1.0, 0.5)],
    }
    steps = [1, *range(10, 10 * count, 10)]
    records = [{"step": step, **{name: column[n] for name, column in columns.items()}} for n, step in enumerate(steps)]
    for n, record in enumerate(records):
        # Metrics of the encoder are rarer, and some records lack one or hold a number that is not finite.
        if n % 2 == 0:
            record |= {name: column[n] for name, column in encoder.items()}
        if random.random() < 0.03:
            record[[*record][1 + int(random.random() * (len(record) - 1))]] = random.choice([None, float("nan")])
    if random.random() < 0.9:
        records.insert(0, {"step": 0, "effective_rank": 50.0, "variation": 0.3, "linear_cka": 1.0})
    if random.random() < 0.01:
        records.append({"step": steps[-1], "diverged": "the loss became nan"})
    losses = {"perfection": BEST, "point collapse": POINT, "uniform codes": log(CATEGORIES)}
    return records, {
        "method": METHODS[int(random.random() * len(METHODS))],
        "steps": 90 if random.random() < 0.02 else max(100, int(10 * count * random.choice([1, 2, 4, 6]))),
        "batch_size": 16 if random.random() < 0.02 else 128,
        "width": 64,
        "reference_losses": {name: value for name, value in losses.items() if random.random() < 0.9},
    }
