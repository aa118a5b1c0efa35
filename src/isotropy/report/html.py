"""A summary as one HTML page that needs nothing else: no request, no script, light and dark, wide and narrow."""

from collections.abc import Callable, Iterable
from html import escape
from importlib import resources
from typing import Any

from isotropy.evaluation.score import number
from isotropy.report import evidence
from isotropy.report.figures import line, scatter

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
    "held_out_loss": ("Held-out loss", "on rows that nothing is learnt from; once it falls no more, stop"),
    "fixed_loss": ("Loss on fixed rows", "on some training rows with the same random numbers each time"),
    "linear_cka": ("Linear CKA with the untrained encoder", "1 is an encoder that has not moved"),
    "views_rank": ("Rank of the views", "directions that the compared vectors use"),
    "centre": ("Centre of the views", "what all samples share; 1 is point collapse, 0 is healthy"),
    "alignment": ("Alignment", "what two views of a sample share"),
    "spread": ("Spread of the views", "0 is point collapse, 1 is even"),
    "information": ("Information of the codes", "what a code says of its sample, in nats; 0 is collapse"),
}
LAYOUTS = {
    "t-SNE": "t-SNE keeps neighbours together; distances between groups and their sizes mean nothing.",
    "PCA": "The two principal axes.",
}
DOT = " \N{MIDDLE DOT} "


def render(summary: dict[str, Any]) -> str:
    """Return the page for what `summarise` returned; sections that are not there are left out.

    Every string of the run is escaped.

    Example:
        >>> page = render({"name": "<run>", "commands": [], "headline": {"outcome": "unproven", "sentences": ["."]}})
        >>> "<run>" in page, "&lt;run&gt;" in page
        (False, True)
    """
    sections: dict[str, Callable[[Any], str]] = dict(
        evidence=_evidence, training=_training, health=_health, codes=_codes, map=_map
    )
    found = [section(summary[name]) for name, section in sections.items() if summary.get(name)]
    body = "\n".join([_head(summary), *found, _use(summary)])
    return page(summary["name"], body)


def page(title: str, body: str) -> str:
    """Return a whole page; the title is escaped, the body is HTML."""
    style = resources.files("isotropy.report").joinpath("style.css").read_text(encoding="utf-8")
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}{DOT}isotropy</title>\n<style>\n{style}</style></head>\n"
        f"<body><main>\n{body}\n</main></body></html>\n"
    )


def _windows(windows: dict[str, Any]) -> str:
    """Return how many windows the files and groups have, and how much of a window its label is of."""
    said = []
    for name in ("files", "groups"):
        if counts := list(windows.get(name, {}).values()):
            said.append(f"{len(counts):,} {name} of {min(counts):,} to {max(counts):,} windows")
    for label, fraction in windows.get("shares", {}).items():
        said.append(
            f"{label} is of {fraction['mean']:.0%} of a window's steps on average, at least {fraction['least']:.0%}"
        )
    return "; ".join([*said, "each one's file, start and end are in embeddings.parquet"])


def _head(summary: dict[str, Any]) -> str:
    outcome, said = OUTCOMES[summary["headline"]["outcome"]]
    recipe = summary.get("recipe", {})
    named = {part: recipe[part] for part in ("method", "encoder") if isinstance(recipe.get(part), dict)}
    facts = {part.capitalize(): str(settings["name"]) for part, settings in named.items() if "name" in settings}
    if "description" in summary.get("data", {}):
        facts["Data"] = summary["data"]["description"]
    if windows := summary.get("data", {}).get("windows"):
        facts["Windows"] = _windows(windows)
    if training := summary.get("training"):
        facts["Trained for"] = f"{training['epochs']:.3g} epochs"
    if "map" in summary:
        facts["Embeddings"] = f"{summary['map']['of']:,} \N{MULTIPLICATION SIGN} {summary['map']['width']:,}"
    sentences = "".join(f"<h1>{escape(sentence)}</h1>" for sentence in summary["headline"]["sentences"])
    if verdict := summary.get("verdict"):
        sentences += f"<p>{escape(verdict['sentence'])}</p>"
        sentences += _listed([f"{one['question']}? {one['answer']}: {one['because']}" for one in verdict["answers"]])
        sentences += f"<p>To try:</p>{_listed(verdict['advice'])}" if verdict["advice"] else ""
    return (
        f'<header><p class="kicker">isotropy{DOT}{escape(summary["name"])}</p>'
        f'<p class="outcome {outcome}">{said}</p>{sentences}{_facts(facts)}</header>'
    )


def _evidence(entries: list[dict[str, Any]]) -> str:
    return f"<section><h2>Evidence</h2>{''.join(evidence.render(entry) for entry in entries)}</section>"


def _training(found: dict[str, Any]) -> str:
    curves, references, parts = dict(found["curves"]), found["reference_losses"], []
    if loss := curves.pop("loss", None):
        drawing, far = line(loss, references, what="loss")
        note = "Over epochs; the line is the mean and the band the lowest and highest step of each stretch."
        note += " Dashed lines are what the loss is worth in known states." if references else ""
        outside = ", ".join(f"{name} at {references[name]:.4g}" for name in far)
        note += f" Out of the drawn range: {outside}." if far else ""
        caption = f"<figcaption>Loss <span>ends at {found['loss']:.5g}</span></figcaption>"
        parts.append(f'<figure class="wide">{caption}{drawing}</figure><p class="note">{escape(note)}</p>')
    if curves:
        drawn = [_figure(escape(name), line(points, {}, what=name, wide=False)[0]) for name, points in curves.items()]
        parts.append(f'<h3>Its terms</h3><div class="pair">{"".join(drawn)}</div>')
    return _section("Training", *parts)


def _health(found: dict[str, Any]) -> str:
    figures = []
    for name, points in found["curves"].items():
        title, meaning = HEALTH.get(name, (name.replace("_", " "), ""))
        last = found["last"][name]
        value = "undefined at the end" if last is None else f"{last:.4g} at the end"
        said = escape(f"{value}; {meaning}" if meaning else value)
        drawing, _ = line(points, {}, what=title, floor=True, wide=False)
        figures.append(_figure(f"{escape(title)}<br/><span>{said}</span>", drawing))
    return _section("Health", f'<div class="pair">{"".join(figures)}</div>')


def _codes(found: dict[str, Any]) -> str:
    used, entropy = found["bins_used"], found["usage"]
    facts = {
        "Units used": f"{sum(used) / len(used):.3g} of {found['units']} on average, {min(used)} in the poorest segment",
        "Entropy of their use": f"{sum(entropy) / len(entropy):.3g} on average; 1 where all are used alike",
    }
    if pairs := found.get("mutual_information"):
        facts["Shared by two segments"] = (
            f"{pairs['mean']:.3g} of their information on average, {pairs['highest']:.3g} at most "
            f"(segments {' and '.join(map(str, pairs['segments']))}); 0 is independent, 1 the same clustering"
        )
    if pure := found.get("purity"):
        facts["Purity of a segment"] = (
            f"{number(min(pure))} to {number(max(pure))}: how often the majority label of a code is right "
            f"(one code for all: {number(found['chance'])})"
        )
    return _section(
        "Codes",
        f"<p>Every row has one of {found['units']} codes in each of {found['segments']} segments. Measured on "
        f"{found['rows']:,} rows.</p>{_facts(facts)}",
    )


def _map(found: dict[str, Any]) -> str:
    drawing, legend = scatter(found)
    listed = "".join(f'<li><i style="background:{colour}"></i>{escape(name)}</li>' for colour, name in legend)
    which = f"{found['rows']:,} of {found['of']:,} embeddings" if found["rows"] < found["of"] else "All embeddings"
    coloured = f", coloured by {found['label']}" if found.get("label") else ""
    about = f"<p>{which}{escape(coloured)}. {LAYOUTS[found['how']]}</p>"
    return _section("Map", about, f'<ul class="legend">{listed}</ul><figure class="map">{drawing}</figure>')


def _use(summary: dict[str, Any]) -> str:
    parts = [f'<p class="note">{escape(what)}</p><pre>{escape(code)}</pre>' for what, code in summary["commands"]]
    if "recipe_text" in summary:
        parts.append(f"<details><summary>The recipe</summary><pre>{escape(summary['recipe_text'])}</pre></details>")
    versions = summary.get("model", {}).get("made_with", {})
    if isinstance(versions, dict) and versions:
        said = DOT.join(f"{name} {version}" for name, version in versions.items())
        parts.append(f'<footer class="note">{escape(said)}</footer>')
    return _section("Use it", *parts)


def _section(title: str, *parts: str) -> str:
    return f"<section><h2>{title}</h2>{''.join(parts)}</section>"


def _figure(caption: str, drawing: str) -> str:
    return f"<figure><figcaption>{caption}</figcaption>{drawing}</figure>"


def _facts(facts: dict[str, str]) -> str:
    listed = "".join(f"<div><dt>{escape(what)}</dt><dd>{escape(value)}</dd></div>" for what, value in facts.items())
    return f'<dl class="facts">{listed}</dl>'


def _listed(texts: Iterable[str], attributes: str = "") -> str:
    return f"<ul{attributes}>{''.join(f'<li>{escape(text)}</li>' for text in texts)}</ul>"
