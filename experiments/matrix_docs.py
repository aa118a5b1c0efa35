"""Write what the matrix holds into the pages that show it.

    python experiments/matrix_docs.py            rewrite docs/methods/README.md and the pages of the methods
    python experiments/matrix_docs.py --check    exit with 1 where a page is not what the results say

What stands between the marks below is made from docs/results/matrix-*.json, the rest of a page is written by hand.
"""

import argparse
import json
from pathlib import Path
from typing import Any

from matrix_data import EQUIVARIANT
from matrix_table import KINDS, equivariant, finished, mark, shown, table, verdicts

from isotropy.methods import METHODS
from isotropy.modalities import MODALITIES

ROOT = Path(__file__).parents[1]
BEGIN, END = "<!-- made by experiments/matrix_docs.py -->", "<!-- end of what is made -->"
HEADS = {"table": "Tables", "series": "Series", "image": "Images"}
STAGES = {"full": "", "longer": ", four times as long"}


def contents() -> list[dict[str, Any]]:
    """Return what the files of results hold, one for each modality."""
    return [json.loads((ROOT / f"docs/results/matrix-{kind}.json").read_text()) for kind in MODALITIES]


def gains(seeds: list[dict[str, Any]], kind: str) -> str:
    """Return the score before training, and the mean gain with its mark.

    Example:
        >>> seed = {"knn": {"score": 0.75}, "gain": {"knn": {"score": 0.05, "low": 0.01, "high": 0.09}}}
        >>> gains([seed], "knn")
        '.700 | +.050 +'
    """
    gain = sum(entry["gain"][kind]["score"] for entry in seeds) / len(seeds)
    after = sum(entry[kind]["score"] for entry in seeds) / len(seeds)
    return f"{shown([after - gain])} | {gain:+.3f} {mark(seeds, kind)}".replace("0.", ".")


def free(content: dict[str, Any], data: str) -> str:
    """Return the best scores that need no training, each with its name."""
    known = content["baselines"][data]["free"]
    best = {kind: max(known, key=lambda name, kind=kind: known[name][kind]["score"]) for kind in KINDS}
    return " | ".join(f"{shown([known[best[kind]][kind]['score']])} ({best[kind].split(' (')[0]})" for kind in KINDS)


def page(made: list[dict[str, Any]], method: str) -> str:
    """Return a method's rows of the matrix, with the best that needs no training beside them, as Markdown."""
    head = "data | seeds, epochs | linear, untrained | gain | k-NN, untrained | gain | free, linear | free, k-NN"
    lines = [f"| {head} |", f"|{'---|' * 8}"]
    for content in made:
        for stage, said in STAGES.items():
            for data in content[stage]:
                if data in EQUIVARIANT or not (seeds := finished(content, stage, data, method)):
                    continue
                scores = " | ".join(gains(seeds, kind) for kind in KINDS)
                run = f"{len(seeds)}, {seeds[0]['epochs']:g}"
                lines.append(f"| {data}{said} | {run} | {scores} | {free(content, data)} |")
    return "\n".join(lines)


def overview(made: list[dict[str, Any]]) -> str:
    """Return the tables of all modalities, and where which method beats the random encoder."""
    parts = [f"### {HEADS[each['modality']]}\n\n{table(each, 'full')}" for each in made]
    parts.append(f"### Where a method beats the random encoder\n\n{verdicts(made, 'full')}")
    longer = [
        f"### {HEADS[each['modality']]}{STAGES['longer']}\n\n{table(each, 'longer')}" for each in made if each["longer"]
    ]
    moved = f"### Views in feature space beside the same moves of the input\n\n{equivariant(made, 'full')}"
    return "\n\n".join([*parts, *longer, moved])


def pages(made: list[dict[str, Any]]) -> dict[Path, str]:
    """Return the text of every page with the results of today between its marks."""
    folder = ROOT / "docs/methods"
    blocks = {folder / "README.md": overview(made)} | {folder / f"{name}.md": page(made, name) for name in METHODS}
    written = {}
    for path, block in blocks.items():
        text = path.read_text()
        before, rest = text.split(BEGIN, 1)
        written[path] = f"{before}{BEGIN}\n\n{block}\n\n{END}{rest.split(END, 1)[1]}"
    return written


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing")
    options = parser.parse_args()
    stale = {path: text for path, text in pages(contents()).items() if path.read_text() != text}
    for path, text in stale.items():
        if not options.check:
            path.write_text(text)
        print(path.relative_to(ROOT))
    if options.check and stale:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
