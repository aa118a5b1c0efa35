"""`isotropy cluster`: clusters of a run's rows, and what distinguishes them."""

from pathlib import Path
from typing import Any

from rich.table import Table

from isotropy.cli.report import page_anew
from isotropy.cli.show import OUT, note, say, waiting
from isotropy.clusters import RunClusters, Trait, cluster_run
from isotropy.clusters.describe import told_apart
from isotropy.io.visible import in_line
from isotropy.io.written import written

_MOST_SHOWN = 30  # clusters; all of them are in clusters.json
_TRAITS = 3


def cluster(folder: Path, k: str, *, method: str, seed: int) -> dict[str, Any]:
    """Run `isotropy cluster RUN [-k NUMBER] [--method NAME]`; return what clusters.json holds."""
    with waiting("reading the run") as now:
        found = cluster_run(folder, k, method=method, seed=seed, progress=now)
    for text in found.notes:
        note(text)
    OUT.print(_table(found))
    if len(found.clusters.sizes) > _MOST_SHOWN:
        say(f"and {len(found.clusters.sizes) - _MOST_SHOWN} smaller clusters", "dim")
    if found.codes is not None:
        best = ", ".join(f"{name} {value:.2f}" for name, value in found.codes["agreement"].items())
        say(f"codes: {found.codes['distinct']:,} different ones; agreement with the clusters (NMI): {best}")
    say(found.sentence, "bold")
    say(f"written     {folder}/clusters.json, and the column cluster of {folder}/embeddings.parquet")
    page_anew(folder)
    return found.to_json()


def in_brief(trait: Trait) -> str:
    r"""Return what distinguishes a cluster in a few words.

    Example:
        >>> in_brief(Trait("age", None, 60.0, 30.0, 1.8))
        'age 60 (others 30)'
        >>> in_brief(Trait("job", "cook\nor baker", 0.8, 0.1, 1.5, 3.2))
        'job = cook\\nor baker 80% (3.2 x)'
    """
    if trait.lift is None:
        here, others = told_apart(trait.here, trait.elsewhere), told_apart(trait.elsewhere, trait.here)
        return f"{in_line(trait.column)} {here} (others {others})"
    how = f"{trait.lift:.1f} x" if trait.lift else "never"
    return f"{in_line(trait.column)} = {in_line(trait.value)} {float(trait.here):.0%} ({how})"


def _table(found: RunClusters) -> Table:
    """Return a line for each cluster: rows, how surely it is found again, labels, traits and exemplars."""
    clusters = found.clusters
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    refound = clusters.stability is not None
    heads = ["cluster", "rows", *(["found again"] if refound else []), *found.labels, *found.means]
    for place, head in enumerate(heads):
        table.add_column(head, justify="right" if place < 2 + refound else "left", no_wrap=place < 2 + refound)
    table.add_column("what distinguishes it", ratio=1, overflow="fold")
    table.add_column("typical rows")
    for number, size in enumerate(clusters.sizes[:_MOST_SHOWN]):
        cells = [str(number), f"{size:,}"]
        if clusters.stability is not None:
            cells.append(f"{clusters.stability[number]:.2f}")
        cells += [_labels(values[number]) for values in found.labels.values()]
        known = [means[number] for means in found.means.values()]
        cells += ["" if mean is None else f"mean {written(mean)}" for mean in known]
        traits = found.traits[number][:_TRAITS] if found.traits else []
        cells.append("\n".join(map(in_brief, traits)) or "nothing beyond chance")
        cells.append(" ".join(map(str, clusters.exemplars[number][:3])))
        table.add_row(*cells)
    if clusters.unassigned:
        table.add_row("none", f"{clusters.unassigned:,}")
    return table


def _labels(values: list[tuple[str, float]]) -> str:
    return ", ".join(f"{in_line(value)} {fraction:.0%}" for value, fraction in values[:2])
