"""The clusters of a run: found, described in the user's own columns, and kept with the run."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isotropy.clusters.cluster import AUTO, Clusters, cluster
from isotropy.clusters.describe import MOST, Trait, describe
from isotropy.clusters.known import codes_among, kept_of, labels_of, summaries
from isotropy.data import Data
from isotropy.errors import UserError
from isotropy.io.atomic import replacing
from isotropy.runs import columns
from isotropy.runs.columns import add_columns
from isotropy.runs.embedded import FILE, Embedded

FORMAT = 2
_LABELS = 3  # commonest values of a label that are told of a cluster
_SEGMENTS = 5  # of codes that agree most with the clusters


@dataclass(frozen=True)
class RunClusters:
    """The clusters of a run and what is known of them.

    Attributes:
        clusters: of all rows. labels: for each label of classes and cluster its commonest values, [[value, fraction],
            ...]. means: for each label that is a number and cluster its mean, None where no row has one.
        traits: of each cluster. codes: how the codes of the run's method agree with the clusters, None without codes.
        notes: what could not be said, and why.
    """

    clusters: Clusters
    labels: dict[str, list[list[tuple[str, float]]]] = field(default_factory=dict)
    means: dict[str, list[float | None]] = field(default_factory=dict)
    traits: list[list[Trait]] = field(default_factory=list)
    codes: dict[str, Any] | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def sentence(self) -> str:
        """How many clusters there are, and how much that number is worth."""
        found = self.clusters
        many = f"{found.count} cluster{'' if found.count == 1 else 's'}"
        if found.method == "hdbscan":
            alone = found.unassigned / len(found.labels)
            return f"{many} that are denser than their surroundings; {alone:.0%} of the rows are in none."
        if found.clear is None:
            return f"{many}, as given."
        chosen = next(one for one in found.agreement if one.clusters == found.count)
        said = f"(agreement {chosen.mean:.2f}, without structure {chosen.reference:.2f})"
        if found.clear:
            return f"{many}: the number that halves of the rows agree on best {said}."
        return f"{many}, but no number is clearly stable {said}: read them as a division of a continuum, not as groups."

    def to_json(self) -> dict[str, Any]:
        """Return what clusters.json holds."""
        found = self.clusters
        rows = len(found.labels)
        each = [
            {
                "cluster": number,
                "rows": size,
                "fraction": round(size / rows, 4),
                "stability": None if found.stability is None else found.stability[number],
                "exemplars": found.exemplars[number],
                "labels": {name: [list(one) for one in values[number]] for name, values in self.labels.items()},
                "means": {name: means[number] for name, means in self.means.items()},
                "traits": [one.to_json() for one in self.traits[number]] if self.traits else [],
            }
            for number, size in enumerate(found.sizes)
        ]
        return {
            "format": FORMAT,
            "method": found.method,
            "rows": rows,
            "count": found.count,
            "unassigned": found.unassigned,
            "clear": found.clear,
            "sentence": self.sentence,
            "agreement": [one.to_json() for one in found.agreement],
            "clusters": each,
            "codes": self.codes,
            "notes": self.notes,
        }


def cluster_run(
    folder: Path | str,
    k: int | str = AUTO,
    *,
    method: str = "kmeans",
    seed: int = 0,
    progress: Callable[[str], None] = lambda what: None,
) -> RunClusters:
    """Return the clusters of a finished run, and write clusters.json and the column `cluster` of embeddings.parquet.

    Where the data cannot be read again, a note says so, and clusters are described by what the run keeps beside
    its embeddings.

    Args:
        folder: a run directory. k, method, seed: see `cluster`. progress: is told what is done next.

    Raises:
        UserError: no finished run, what `cluster` refuses, or a disk that does not take a file.
    """
    found = Embedded.opened(folder)
    progress("finding clusters")
    clusters = cluster(found.vectors, k, method=method, seed=seed)
    progress("describing clusters")
    made = _described(found, clusters)
    progress("writing")
    path = found.run.folder / FILE
    added = {columns.name_for(columns.CLUSTER, path): columns.Column(clusters.labels, columns.CLUSTER)}
    try:
        # Both are written before either takes the place of an older one.
        with replacing(found.run.folder / columns.CLUSTERS) as said:
            said.write_text(json.dumps(made.to_json(), indent=1, allow_nan=False))
            add_columns(path, added)
    except OSError as error:
        raise UserError(f"{found.run.folder}: cannot be written ({error.strerror or error})") from error
    return made


def _described(found: Embedded, clusters: Clusters) -> RunClusters:
    notes: list[str] = []
    known = kept_of(found)
    coder = found.representation.coder
    data: Data | None = None
    rows: Any = None
    # What the run keeps of a table is enough, where that is all of it.
    kept = sum(role == columns.COLUMN for role in found.roles.values())
    unknown = not 0 < kept < columns.MOST_COLUMNS
    if coder is not None or unknown:
        try:
            data, rows = found.read_data()
        except UserError as error:
            notes.append(f"not described by the data itself: {error}")
    if data is not None and unknown:
        known |= summaries(data)
    labels = labels_of(found)
    traits = describe(
        clusters.labels,
        {name: x for name, x in known.items() if name not in labels},
        categories=codes_among(found),
        most=MOST,
    )
    said = {name: _commonest(clusters, values) for name, values in labels.items() if values.dtype.kind != "f"}
    means = {name: _averages(clusters, values) for name, values in labels.items() if values.dtype.kind == "f"}
    codes = None if coder is None or rows is None else _codes(found, rows, clusters)
    return RunClusters(clusters, said, means, traits, codes, notes)


def _commonest(clusters: Clusters, values: NDArray[Any]) -> list[list[tuple[str, float]]]:
    """Return for each cluster the commonest values of a label of classes among its labelled rows."""
    found = []
    for number in range(clusters.count):
        mine = values[clusters.labels == number]
        texts = np.array([str(one) for one in mine if isinstance(one, str)], dtype=object)
        names, counts = np.unique(texts.astype(str), return_counts=True)
        order = np.argsort(-counts, kind="stable")[:_LABELS].tolist()
        found.append([(str(names[at]), round(float(counts[at] / len(texts)), 4)) for at in order])
    return found


def _averages(clusters: Clusters, values: NDArray[Any]) -> list[float | None]:
    """Return for each cluster the mean of a label that is a number, of the rows that have one."""
    parts = [values[clusters.labels == number] for number in range(clusters.count)]
    known = [mine[~np.isnan(mine)] for mine in parts]
    return [float(f"{there.mean():.4g}") if len(there) else None for there in known]


def _codes(found: Embedded, rows: Any, clusters: Clusters) -> dict[str, Any]:
    """Return how the codes of a method with segments agree with the clusters, and the codes of each cluster."""
    from sklearn.metrics import normalized_mutual_info_score

    codes = found.representation.codes_stored(rows)
    inside = clusters.labels >= 0
    agreement = [float(normalized_mutual_info_score(clusters.labels[inside], column[inside])) for column in codes.T]
    best = np.argsort(-np.array(agreement), kind="stable")[:_SEGMENTS]
    columns_ = {f"code {at}": codes[:, at] for at in best.tolist()}
    traits = describe(clusters.labels, columns_, categories=tuple(columns_), most=3)
    return {
        "segments": codes.shape[1],
        "distinct": len(np.unique(codes, axis=0)),
        "agreement": {f"code {at}": round(agreement[at], 4) for at in best.tolist()},
        "clusters": [[one.to_json() for one in mine] for mine in traits],
    }
