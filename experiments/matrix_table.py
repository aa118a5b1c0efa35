"""The matrix in Markdown: scores beside the baselines, and which method beats the random encoder where."""

from typing import Any

from matrix_data import DATA, EQUIVARIANT, HOSTS

from isotropy.methods import METHODS
from isotropy.modalities import MODALITIES

KINDS = ("linear", "knn")


def mark(seeds: list[dict[str, Any]], kind: str) -> str:
    """Return + where every seed's interval of the gain lies above 0, - where all lie below, else =.

    Example:
        >>> up, down, none = ({"gain": {"knn": {"low": low, "high": low + 2}}} for low in (1, -3, -1))
        >>> mark([up, up], "knn"), mark([up, none], "knn"), mark([down], "knn")
        ('+', '=', '-')
    """
    gains = [entry["gain"][kind] for entry in seeds]
    if all(gain["low"] > 0 for gain in gains):
        return "+"
    return "-" if all(gain["high"] < 0 for gain in gains) else "="


def shown(scores: list[float]) -> str:
    """Return the mean of scores, with their range where there are several.

    Example:
        >>> shown([0.5]), shown([0.5, 0.7])
        ('.500', '.600 (.500 to .700)')
    """
    mean, low, high = (f"{x:.3f}".removeprefix("0") for x in (sum(scores) / len(scores), min(scores), max(scores)))
    return mean if len(scores) == 1 else f"{mean} ({low} to {high})"


def finished(content: dict[str, Any], stage: str, data: str, method: str) -> list[dict[str, Any]]:
    """Return the entries of a cell that did not fail."""
    cell = content[stage].get(data, {}).get(method, {"seeds": {}})
    return [entry for entry in cell["seeds"].values() if "failed" not in entry]


def table(content: dict[str, Any], stage: str) -> str:
    """Return the matrix of a modality in Markdown: linear and k-NN accuracy of the baselines and methods."""
    sets = [name for name in DATA if name in content[stage] and name not in EQUIVARIANT]
    heads = [f"{name}, {kind}" for name in sets for kind in ("linear", "k-NN")]
    rows: dict[str, list[str]] = {}

    def add(title: str, cells: list[str]) -> None:
        rows.setdefault(title, []).extend(cells)

    for name in sets:
        known = content["baselines"][name]
        free = {title.split(" (")[0]: [each] for title, each in known["free"].items()}
        before: dict[str, list[dict[str, Any]]] = {"random encoder": []}
        for each in known["untrained"].values():
            own = each["encoder"]
            title = "random encoder" if own == MODALITIES[content["modality"]].default_encoder else f"random `{own}`"
            before.setdefault(title, []).append(each)
        for title, each in {**free, **before}.items():
            add(title, [shown([found[kind]["score"] for found in each]) for kind in ("linear", "knn")])
        for method in METHODS:
            found = finished(content, stage, name, method)
            cells = [f"{shown([e[k]['score'] for e in found])} {mark(found, k)}" for k in ("linear", "knn") if found]
            add(f"`{method}`", cells or ["", ""])
    lines = [f"| {title} | {' | '.join(cells)} |" for title, cells in rows.items() if any(cells)]
    return "\n".join([f"| | {' | '.join(heads)} |", f"|---|{'---|' * len(heads)}", *lines])


def verdicts(contents: list[dict[str, Any]], stage: str) -> str:
    """Return per method where it beats the random encoder, as Markdown: in one probe at least, and loses in neither."""
    lines = ["| method | beats the random encoder on | mixed | loses on | neither |", f"|{'---|' * 5}"]
    for method in METHODS:
        places: dict[str, list[str]] = {said: [] for said in ("+", "+-", "-", "")}
        for content in contents:
            for name in content[stage]:
                if name not in EQUIVARIANT and (found := finished(content, stage, name, method)):
                    marks = {mark(found, kind) for kind in KINDS}
                    places["".join(sorted(marks & {"+", "-"}))].append(name)
        if any(places.values()):
            cells = [f"{len(names)}: {', '.join(names)}" if names else "" for names in places.values()]
            lines.append(f"| `{method}` | {' | '.join(cells)} |")
    return "\n".join(lines)


def equivariant(contents: list[dict[str, Any]], stage: str) -> str:
    """Return the linear accuracy of views in feature space beside the same moves of the input, as Markdown.

    One row for each network and host; epochs are those of the equal budget.
    """
    lines = [
        "| data and network | method | structured | epochs | moved inputs | epochs | untrained |",
        f"|{'---|' * 7}",
    ]
    for name in EQUIVARIANT:
        base, kind = name.rsplit("/", 1)
        if kind != "structured":
            continue
        for content, host in ((c, h) for c in contents for h in HOSTS):
            both = [finished(content, stage, f"{base}/{views}", host) for views in ("structured", "moved")]
            if not any(both):
                continue
            cells = []
            for found in both:
                scores = [entry["linear"]["score"] for entry in found]
                cells.append(f"{shown(scores)} {mark(found, 'linear')}" if found else "")
                cells.append(f"{found[0]['epochs']:g}" if found else "")
            before = [e["linear"]["score"] for e in content["baselines"][name]["untrained"].values()]
            lines.append(f"| {base} | `{host}` | {' | '.join(cells)} | {shown(before)} |")
    return "\n".join(lines)
