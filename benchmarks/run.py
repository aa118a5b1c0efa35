"""Run every benchmark and show each measured ratio beside what is asked of it: `make bench`.

    python benchmarks/run.py [--busy]

The rule is that of measure.py: the median over pairs must reach the threshold. Exits with 1 where one does not, or
where a benchmark fails.
"""

import json
import subprocess
import sys
from pathlib import Path
from time import perf_counter

import measure
from rich.console import Console
from rich.table import Table

HERE = Path(__file__).parent
BENCHMARKS = (
    "views",
    "step",
    "table",
    "table_pretraining",
    "estimator",
    "embedding",
    "lfr",
    "precision",
    "structured",
    "objectives",
    "methods",
    "diagnostics",
    "random_convolutions",
    "series_encoder",
    "evidence",
    "csv_reading",
    "image_folder",
    "search",
    "company",
    "loading",
    "first_step",
    "ranks",
)


def run(name: str) -> tuple[list[measure.Row], bool]:
    """Run one benchmark and return its rows, and whether it ended well."""
    out = measure.RESULTS / f"{name}.json"
    done = subprocess.run([sys.executable, str(HERE / f"{name}.py"), "--out", str(out), *sys.argv[1:]])
    return [measure.Row(**row) for row in json.loads(out.read_text())["rows"]], done.returncode == 0


def main() -> int:
    table = Table(title="median ratio of times over pairs")
    for heading in ("benchmark", "what is compared", "ratio", "pairs", "asked"):
        table.add_column(heading, justify="right" if heading in ("ratio", "pairs") else "left")
    failed, start = [], perf_counter()
    for name in BENCHMARKS:
        print(f"\n{name}", flush=True)
        rows, well = run(name)
        if not well:
            failed.append(name)
        for row in rows:
            asked = "" if row.threshold is None else f"{'at most' if row.at_most else 'at least'} {row.threshold:g}"
            verdict = asked if row.fine else f"[red]{asked}: missed[/red]"
            table.add_row(name, row.name, f"{row.ratio:.2f}", f"{row.low:.2f} to {row.high:.2f}", verdict)
    Console().print(table)
    print(f"{(perf_counter() - start) / 60:.1f} minutes")
    if failed:
        print(f"missed or failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
