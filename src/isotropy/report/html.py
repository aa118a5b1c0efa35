"""A summary as one HTML page that needs nothing else: no request, no script, light and dark, wide and narrow."""

import math
from html import escape
from importlib import resources
from typing import Any

from isotropy.evaluation.score import column, columns, deciding, number, pivot
from isotropy.report.figures import line, scatter, ticks, whisker

OUTCOMES = {
    "beats": ("beats", "Beats its strongest baseline"),
    "loses": ("loses", "Loses to its strongest baseline"),
    "no measurable difference": ("none", "No measurable difference from its strongest baseline"),
    "mixed": ("mixed", "Different for different labels"),
    "collapsed": ("collapsed", "Collapsed"),
    "unproven": ("unproven", "Not proven: no label"),
}
HEALTH = {
    "effective_rank": ("Effective rank", "directions in use; higher is richer"),
    "mean_norm": ("Norm of the mean embedding", "1 is point collapse"),
    "variation": ("Variation", "fraction of the embeddings that is not their mean; 0 is point collapse"),
    "uncentred_rank": ("Rank with the mean", "1 is one direction or one point"),
    "linear_cka": ("Linear CKA with the untrained encoder", "1 is an encoder that has not moved"),
    "views_rank": ("Rank of the views", "directions that the compared vectors use"),
    "centre": ("Centre of the views", "what all samples share; 1 is point collapse, 0 is healthy"),
    "alignment": ("Alignment", "what two views of a sample share"),
    "spread": ("Spread of the views", "0 is point collapse, 1 is even"),
    "information": ("Information of the codes", "what a code says of its sample, in nats; 0 is collapse"),
}


def render(summary: dict[str, Any]) -> str:
    """Return the page for what `summarise` returned; sections that are not there are left out.

    Every string of the run is escaped.

    Example:
        >>> page = render({"name": "<run>", "commands": [], "headline": {"outcome": "unproven", "sentences": ["."]}})
        >>> "<run>" in page, "&lt;run&gt;" in page
        (False, True)
    """
    style = resources.files("isotropy.report").joinpath("style.css").read_text(encoding="utf-8")
    sections = [_head(summary)]
    for name, section in (
        ("evidence", _evidence),
        ("training", _training),
        ("health", _health),
        ("codes", _codes),
        ("map", _map),
    ):
        if summary.get(name):
            sections.append(section(summary[name]))
    sections.append(_use(summary))
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(summary['name'])} \N{MIDDLE DOT} isotropy</title>\n<style>\n{style}</style></head>\n"
        f"<body><main>\n{chr(10).join(sections)}\n</main></body></html>\n"
    )


def _head(summary: dict[str, Any]) -> str:
    outcome, said = OUTCOMES[summary["headline"]["outcome"]]
    facts = []
    recipe, training = summary.get("recipe", {}), summary.get("training", {})
    for what in ("method", "encoder"):
        part = recipe.get(what)
        if name := part.get("name") if isinstance(part, dict) else part:
            facts.append((what.capitalize(), name))
    if "description" in summary.get("data", {}):
        facts.append(("Data", summary["data"]["description"]))
    if training:
        facts.append(("Trained for", f"{training['epochs']:.3g} epochs"))
    if "map" in summary:
        facts.append(("Embeddings", f"{summary['map']['of']:,} \N{MULTIPLICATION SIGN} {summary['map']['width']:,}"))
    sentences = "".join(f"<h1>{escape(said)}</h1>" for said in summary["headline"]["sentences"])
    listed = "".join(f"<div><dt>{escape(what)}</dt><dd>{escape(str(value))}</dd></div>" for what, value in facts)
    if verdict := summary.get("verdict"):
        tries = "".join(f"<li>{escape(text)}</li>" for text in verdict["advice"])
        sentences += f"<p>{escape(verdict['sentence'])}</p>" + (f"<p>To try:</p><ul>{tries}</ul>" if tries else "")
    return (
        f'<header><p class="kicker">isotropy \N{MIDDLE DOT} {escape(summary["name"])}</p>'
        f'<p class="outcome {outcome}">{said}</p>{sentences}'
        f'<dl class="facts">{listed}</dl></header>'
    )


def _evidence(entries: list[dict[str, Any]]) -> str:
    parts = [
        "<section><h2>Evidence</h2><p>Each representation is frozen, and each evaluator reads the label from it "
        "on the same rows. Bars are 95% bootstrap intervals; the last column is the trained encoder minus the "
        "baseline by the first evaluator, paired.</p>"
    ]
    return "".join([*parts, *(_scores(entry) for entry in entries), "</section>"])


def _scores(entry: dict[str, Any]) -> str:
    decisive, titles = deciding(entry), columns(entry)
    first = column(decisive[entry["ours"]])
    low, high = min(s["low"] for s in decisive.values()), max(s["high"] for s in decisive.values())
    margin = max(0.04 * (high - low), 0.005)
    low, high = low - margin, high + margin
    others = [key for key in titles if key != first]
    heads = "".join(f'<th class="n">{escape(titles[key])}</th>' for key in others)
    out = [
        f"<h3>{escape(entry['label'])}</h3>",
        f'<p class="note">{_about(entry)}</p><table class="scores"><thead><tr><th>Representation</th>'
        f'<th class="n">{escape(titles[first])} {escape(decisive[entry["ours"]]["metric"])}</th><th></th>{heads}'
        '<th class="n">Trained minus baseline</th></tr></thead><tbody>',
    ]
    for name, scores in sorted(pivot(entry).items(), key=lambda row: -decisive[row[0]]["value"]):
        ours, decider = name == entry["ours"], decisive[name]
        gap = decider["difference"]
        difference = (
            f'{_signed(gap["value"])} <span class="range">{_signed(gap["low"])} to {_signed(gap["high"])}</span>'
            if gap
            else ""
        )
        cells = "".join(
            f'<td class="n extra" data-name="{escape(titles[key])}">'
            f"{number(scores[key]['value']) if key in scores else ''}</td>"
            for key in others
        )
        out.append(
            f'<tr class="{"ours" if ours else "base"}"><td>{escape(name)} '
            f'<span class="range">{decider["width"]:,} wide</span></td>'
            f'<td class="n">{number(decider["value"])}</td>'
            f'<td class="bar">{whisker(decider, low, high)}</td>{cells}'
            f'<td class="n extra" data-name="{"" if ours else "trained minus this:"}">{difference}</td></tr>'
        )
    axis = "".join(
        f'<span style="left:{100 * (tick - low) / (high - low):.1f}%">{_tick(tick)}</span>'
        for tick in ticks(low, high, 3)
    )
    out.append(
        f'<tr class="axis" aria-hidden="true"><td></td><td></td><td class="bar"><div>{axis}</div></td>'
        f"{'<td></td>' * (len(others) + 1)}</tr></tbody></table>"
    )
    if entry.get("notes"):
        out.append(f'<ul class="note">{"".join(f"<li>{escape(note)}</li>" for note in entry["notes"])}</ul>')
    return "".join(out)


def _about(entry: dict[str, Any]) -> str:
    rows = entry["rows"]
    said = f"{rows['train']:,} training rows, {rows['test']:,} test rows"
    if entry["task"] == "classes":
        return (
            f"{entry['classes']} classes, {said}. Always giving the commonest class scores {number(entry['chance'])}."
        )
    return f"A number, {said}. Always giving the mean scores 0."


def _training(found: dict[str, Any]) -> str:
    out = ["<section><h2>Training</h2>"]
    curves = {name: points for name, points in found["curves"].items() if points}
    if "loss" in curves:
        drawing, far = line(curves["loss"], found["reference_losses"], what="loss")
        last = f" <span>ends at {found['loss']:.5g}</span>" if found["loss"] is not None else ""
        out.append(f'<figure class="wide"><figcaption>Loss{last}</figcaption>{drawing}</figure>')
        outside = ", ".join(f"{name} at {found['reference_losses'][name]:.4g}" for name in far)
        marks = " Dashed lines are what the loss is worth in known states." if found["reference_losses"] else ""
        beyond = f" Out of the drawn range: {outside}." if far else ""
        out.append(
            f'<p class="note">Over epochs; the line is the mean and the band the lowest and highest step of each '
            f"stretch.{marks}{escape(beyond)}</p>"
        )
    small = [
        f"<figure><figcaption>{escape(name)}</figcaption>{line(points, {}, what=name, wide=False)[0]}</figure>"
        for name, points in curves.items()
        if name != "loss"
    ]
    if small:
        out.append(f'<h3>Its terms</h3><div class="pair">{"".join(small)}</div>')
    return "".join([*out, "</section>"])


def _health(found: dict[str, Any]) -> str:
    out = []
    for name, points in found["curves"].items():
        if points:
            title, meaning = HEALTH.get(name, (name.replace("_", " "), ""))
            drawing, _ = line(points, {}, what=title, floor=True, wide=False)
            last = found["last"].get(name)
            value = "undefined at the end" if last is None else f"{last:.4g} at the end"
            said = f"{value}; {meaning}" if meaning else value
            out.append(
                f"<figure><figcaption>{escape(title)}<br/><span>{escape(said)}</span></figcaption>{drawing}</figure>"
            )
    return f'<section><h2>Health</h2><div class="pair">{"".join(out)}</div></section>'


def _codes(found: dict[str, Any]) -> str:
    used, entropy = found["bins_used"], found["usage"]
    facts = [
        (
            "Units used",
            f"{sum(used) / len(used):.3g} of {found['units']} on average, {min(used)} in the poorest segment",
        ),
        ("Entropy of their use", f"{sum(entropy) / len(entropy):.3g} on average; 1 where all are used alike"),
    ]
    if pairs := found.get("mutual_information"):
        where = " and ".join(str(place) for place in pairs["segments"])
        facts.append(
            (
                "Two segments share",
                f"{pairs['mean']:.3g} of their information on average, {pairs['highest']:.3g} at most "
                f"(segments {where}); 0 is independent, 1 the same clustering",
            )
        )
    if pure := found.get("purity"):
        facts.append(
            (
                "Purity of a segment",
                f"{number(min(pure))} to {number(max(pure))}: how often the majority label of a code is right "
                f"(one code for all: {number(found['chance'])})",
            )
        )
    listed = "".join(f"<div><dt>{escape(what)}</dt><dd>{escape(value)}</dd></div>" for what, value in facts)
    return (
        f"<section><h2>Codes</h2><p>Every row has one of {found['units']} codes in each of {found['segments']} "
        f'segments. Measured on {found["rows"]:,} rows.</p><dl class="facts">{listed}</dl></section>'
    )


def _map(found: dict[str, Any]) -> str:
    drawing, legend = scatter(found)
    listed = "".join(f'<li><i style="background:{colour}"></i>{escape(name)}</li>' for colour, name in legend)
    which = f"{found['rows']:,} of {found['of']:,} embeddings" if found["rows"] < found["of"] else "All embeddings"
    coloured = f", coloured by {found['label']}" if found.get("label") else ""
    meaning = (
        "t-SNE keeps neighbours together; distances between groups and their sizes mean nothing."
        if found["how"] == "t-SNE"
        else "The two principal axes."
    )
    return (
        f"<section><h2>Map</h2><p>{which}{escape(coloured)}. {meaning}</p>"
        f'<ul class="legend">{listed}</ul><figure class="map">{drawing}</figure></section>'
    )


def _use(summary: dict[str, Any]) -> str:
    out = ["<section><h2>Use it</h2>"]
    for what, command in summary["commands"]:
        out.append(f'<p class="note">{escape(what)}</p><pre>{escape(command)}</pre>')
    if "recipe_text" in summary:
        out.append(f"<details><summary>The recipe</summary><pre>{escape(summary['recipe_text'])}</pre></details>")
    versions = summary.get("model", {}).get("made_with", {})
    if isinstance(versions, dict) and versions:
        said = " \N{MIDDLE DOT} ".join(f"{name} {version}" for name, version in versions.items())
        out.append(f'<footer class="note">{escape(said)}</footer>')
    return "".join([*out, "</section>"])


def _signed(value: float) -> str:
    if not math.isfinite(value):
        return "\N{EN DASH}"
    return ("+" if value >= 0 else "\N{MINUS SIGN}") + number(abs(value))


def _tick(value: float) -> str:
    return f"{value:.3g}".replace("0.", ".", 1) if 0 < abs(value) < 1 else f"{value:.3g}"
