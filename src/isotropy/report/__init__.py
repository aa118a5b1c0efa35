"""One page about a run: what was read from its directory, then how it is shown."""

from pathlib import Path

from isotropy.data import Data
from isotropy.io.atomic import write_atomically
from isotropy.report.html import render
from isotropy.report.leaderboard import is_comparison, render_comparison
from isotropy.report.lists import audit_lists, cluster_lists, read_audit
from isotropy.report.points import read_points
from isotropy.report.summarise import summarise
from isotropy.runs.directory import Run

__all__ = ["render", "summarise", "write"]


def write(run_dir: str | Path, data: Data | None = None, *, umap: bool = False) -> Path:
    """Write `report.html` into a run directory or the folder of a comparison, whole or not at all; return its path.

    Args:
        run_dir: the folder. data: what the run began with, where it is at hand; else it is read again where it can be.
        umap: whether the first map of a run is by UMAP (extra `map`).

    Raises:
        UserError: where the directory is not a run, one of its files cannot be read, or UMAP is not installed.
        OSError: where the disk refuses; an earlier report then stays as it was.
    """
    target = Path(run_dir) / "report.html"
    page = render_comparison(target.parent) if is_comparison(target.parent) else _page(target.parent, data, umap=umap)
    write_atomically(target, page.encode())
    return target


def _page(folder: Path, data: Data | None, *, umap: bool) -> str:
    summary, run = summarise(folder), Run(folder)
    if "embeddings" not in summary:
        return render(summary)
    scored = read_audit(run)
    audit, clusters = audit_lists(scored, run), cluster_lists(run)
    wanted = [row for one in (*audit, *clusters) for row in one.rows]
    labels = {entry["label"]: entry.get("task") for entry in summary.get("evidence", [])}
    points = read_points(run, labels=labels, audit=scored, wanted=wanted, data=data, umap=umap)
    return render(summary, points, audit=audit, clusters=clusters)
