"""The evidence of one label on the page: the ranking with all labels and what stands beside it, the few-label curve."""

from html import escape
from typing import Any

from isotropy.evaluation.score import curves, evaluator_title, extras, guessed, lookup, number
from isotropy.report.figures import COLOURS, lines, ticks, typeset, whisker

_COMMONEST = {"accuracy": "Always giving the commonest class scores", "AUROC": "Guessing scores"}


def render(entry: dict[str, Any]) -> str:
    """Return the HTML of one comparison in format 3."""
    out = [f"<h3>{escape(entry['label'])}</h3>", f'<p class="note">{_about(entry)}</p>']
    if curves(entry):
        out.append(_few_labels(entry))
    if entry["ranking"]:
        out.append(_ranking(entry))
    if notes := entry.get("notes"):
        out.append(f'<ul class="note">{"".join(f"<li>{escape(note)}</li>" for note in notes)}</ul>')
    return "".join(out)


def _about(entry: dict[str, Any]) -> str:
    rows = entry["rows"]
    said = f"{rows['train']:,} training rows, {rows['test']:,} test rows, the same for all. Bars are 95% intervals."
    if entry["task"] == "numbers":
        return f"A number: {escape(entry['metric'])}. {said} Always giving the mean scores 0."
    if entry["task"] == "labels":
        what = f"{entry['classes']} labels, any number of them a row"
        return f"{what}: {escape(entry['metric'])}. {said} Guessing scores about {number(entry['majority'])}."
    lowest = _COMMONEST.get(entry["metric"], "Guessing scores")
    majority = "" if entry["majority"] is None else f" {lowest} {number(entry['majority'])}."
    return f"{entry['classes']} classes: {escape(entry['metric'])}. {said}{majority}"


def _ranking(entry: dict[str, Any]) -> str:
    ranking, beside = entry["ranking"], extras(entry)
    low, high = min(line["low"] for line in ranking), max(line["high"] for line in ranking)
    margin = max(0.04 * (high - low), 0.005)
    low, high = low - margin, high + margin
    heads = "".join(f'<th class="n">{escape(metric)}</th>' for _, metric in beside)
    out = [
        '<table class="scores"><thead><tr><th>All labels</th><th class="n">Score</th><th></th>'
        f'{heads}<th class="n">Trained minus this</th></tr></thead><tbody>'
    ]
    for line in ranking:
        name, gap = line["representation"], line["difference"]
        others = ((metric, lookup(entry, name, evaluator, metric)) for evaluator, metric in beside)
        cells = "".join(
            f'<td class="n extra" data-name="{escape(metric)}">{"" if score is None else _with_range(score)}</td>'
            for metric, score in others
        )
        out.append(
            f'<tr class="{"ours" if name == entry["ours"] else "base"}"><td>{escape(name)} '
            f'<span class="range">{escape(evaluator_title(line["evaluator"]))}</span></td>'
            f'<td class="n">{number(line["value"])}</td><td class="bar">{whisker(line, low, high)}</td>{cells}'
            f'<td class="n extra" data-name="{"trained minus this:" if gap else ""}">{_difference(gap)}</td></tr>'
        )
    guess = guessed(entry)
    if entry["metric"] in guess:
        cells = "".join(
            f'<td class="n extra" data-name="{escape(metric)}">{number(guess[metric]) if metric in guess else ""}</td>'
            for _, metric in beside
        )
        score = number(guess[entry["metric"]])
        out.append(
            f'<tr class="base"><td>guessing</td><td class="n">{score}</td><td class="bar"></td>{cells}'
            '<td class="n extra" data-name=""></td></tr>'
        )
    axis = "".join(
        f'<span style="left:{100 * (tick - low) / (high - low):.1f}%">{_tick(tick)}</span>'
        for tick in ticks(low, high, 3)
    )
    axis = f'<td></td><td></td><td class="bar"><div>{axis}</div></td>{"<td></td>" * (len(beside) + 1)}'
    return "".join([*out, f'<tr class="axis" aria-hidden="true">{axis}</tr></tbody></table>'])


def _few_labels(entry: dict[str, Any]) -> str:
    drawn, ours = curves(entry), entry["ours"]
    sizes = list(next(iter(drawn.values())))
    names = sorted(drawn, key=lambda name: (name != ours, -_mean(drawn[name])))
    points = {
        name: [[score["labels"], score["value"], score["low"], score["high"]] for score in drawn[name].values()]
        for name in names[: len(COLOURS)]  # the table has all
    }
    draws = max(score["detail"].get("draws", 1) for curve in drawn.values() for score in curve.values())
    heads = "".join(f'<th class="n">{escape(size)}</th>' for size in sizes)
    rows = "".join(
        f'<tr class="{"ours" if name == ours else "base"}"><td>{escape(name)}</td>'
        f"{_cells({size: _with_range(score) for size, score in drawn[name].items()}, sizes)}</tr>"
        for name in names
    )
    if (guess := guessed(entry).get(entry["metric"])) is not None:
        rows += f'<tr class="base"><td>guessing</td>{_cells({size: number(guess) for size in sizes}, sizes)}</tr>'
    said = (
        f"mean {escape(entry['metric'])} of {draws} draws of the labels, the same for all; the band is a 95% interval"
    )
    return (
        f'<figure class="wide"><figcaption>Few labels <span>{said} over draws and test rows</span></figcaption>'
        f"{lines(points, what='score over number of labels')}</figure>"
        '<details><summary>Numbers, and how many labels the free baselines need</summary><table class="scores"><thead>'
        f"<tr><th>Few labels</th>{heads}</tr></thead><tbody>{rows}{_factors(entry, sizes)}</tbody></table></details>"
    )


def _cells(texts: dict[str, str], sizes: list[str]) -> str:
    """Return one cell per size, empty where there is nothing."""
    cell = '<td class="n extra" data-name="{}:">{}</td>'.format
    return "".join(cell(escape(size), texts.get(size, "")) for size in sizes)


def _factors(entry: dict[str, Any], sizes: list[str]) -> str:
    """Return the row with how many times as many labels the best free baseline needs to reach our score."""
    found = {line["size"]: line["label_factor"] for line in entry["few_labels"]}
    if not found:
        return ""
    cells = _cells({size: _factor(factor) for size, factor in found.items()}, sizes)
    return f"<tr><td>labels that the best free baseline needs</td>{cells}</tr>"


def _factor(factor: dict[str, float | None]) -> str:
    if factor["value"] is None:
        return f"over {factor['measured_to']:.2g}\N{MULTIPLICATION SIGN}"
    return f"{factor['value']:.2g}\N{MULTIPLICATION SIGN}"


def _mean(curve: dict[str, dict[str, Any]]) -> float:
    return sum(float(score["value"]) for score in curve.values()) / len(curve)


def _with_range(score: dict[str, float]) -> str:
    half = number((score["high"] - score["low"]) / 2)
    return f'{number(score["value"])} <span class="range">\N{PLUS-MINUS SIGN}{half}</span>'


def _difference(gap: dict[str, float] | None) -> str:
    if not gap:
        return ""
    return f'{typeset(gap["value"])} <span class="range">{typeset(gap["low"])} to {typeset(gap["high"])}</span>'


def _tick(value: float) -> str:
    return f"{value:.3g}".replace("0.", ".", 1) if 0 < abs(value) < 1 else f"{value:.3g}"
