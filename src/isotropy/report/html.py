"""A summary as one HTML page that needs nothing else: no request, offline, light and dark, wide and narrow."""

from collections.abc import Callable, Sequence
from html import escape
from importlib import resources
from typing import Any

from isotropy.report import evidence, sections
from isotropy.report.answers import first_sentence
from isotropy.report.explore import explore
from isotropy.report.lists import RowList
from isotropy.report.packed import unturned
from isotropy.report.points import Points
from isotropy.report.sections import DOT, section

OUTCOMES = {
    "beats": ("beats", "Beats its strongest baseline"),
    "loses": ("loses", "Loses to its strongest baseline"),
    "no measurable difference": ("none", "No measurable difference from its strongest baseline"),
    "mixed": ("mixed", "Different for different labels"),
    "collapsed": ("collapsed", "Collapsed"),
    "failed": ("collapsed", "Failed"),
    "unfinished": ("unproven", "Not finished"),
    "unproven": ("unproven", "Not proven: no label"),
}
# What the page is allowed to do, said to the browser: nothing is requested, whatever a run holds.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:"
SCRIPTS = ("points.js", "colours.js", "map.js", "rows.js", "page.js")


def render(
    summary: dict[str, Any],
    points: Points | None = None,
    *,
    audit: Sequence[RowList] = (),
    clusters: Sequence[RowList] = (),
) -> str:
    """Return the page for what `summarise` returned and for the rows on its map; what is not there is left out.

    Every string of the run is escaped.

    Example:
        >>> page = render({"name": "<run>", "commands": [], "headline": {"outcome": "unproven", "sentences": ["."]}})
        >>> "<run>" in page, "&lt;run&gt;" in page
        (False, True)
    """
    parts: dict[str, Callable[[Any], str]] = {
        "training": sections.training,
        "health": sections.health,
        "spectrum": sections.spectrum,
        "codes": sections.codes,
    }
    found = [part(summary[name]) for name, part in parts.items() if summary.get(name)]
    explored = "" if points is None else explore(points, audit, clusters)
    shown = [_evidence(summary["evidence"])] if summary.get("evidence") else []
    # Where training failed, why stands before what it made.
    broken = summary["headline"]["outcome"] in ("collapsed", "failed", "unfinished")
    middle = [*found, *shown, explored] if broken else [*shown, explored, *found]
    body = "\n".join([_head(summary), *middle, sections.was_run(summary), sections.use(summary)])
    return page(summary["name"], body, script=bool(explored))


def page(title: str, body: str, *, script: bool = False) -> str:
    """Return a whole page, with the map's script or without; the title is escaped, the body is HTML."""
    code = "\n".join(_asset(name) for name in SCRIPTS) if script else ""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(unturned(title))}{DOT}isotropy</title>\n<style>\n{_asset('style.css')}</style></head>\n"
        f"<body><main>\n{unturned(body)}\n</main>"
        + (f'<script>\n"use strict";\n(() => {{\n{code}}})();\n</script>' if code else "")
        + "</body></html>\n"
    )


def _asset(name: str) -> str:
    return resources.files("isotropy.report").joinpath("assets", name).read_text(encoding="utf-8")


def _head(summary: dict[str, Any]) -> str:
    outcome, said = OUTCOMES[summary["headline"]["outcome"]]
    sentences = "".join(sentence(text) for text in summary["headline"]["sentences"])
    if verdict := summary.get("verdict"):
        listed = [f"{one['question']}? {one['answer']}: {one['because']}" for one in verdict["answers"]]
        more = f"<p>{escape(verdict['sentence'])}</p>{sections.bullets(listed)}"
        more += f"<p>To try:</p>{sections.bullets(verdict['advice'])}" if verdict["advice"] else ""
        more = f"<details><summary>The verdict in full</summary>{more}</details>"
    else:
        more = ""
    return (
        f'<header><p class="kicker">isotropy{DOT}{escape(summary["name"])}{_kicker(summary)}</p>'
        f'<p class="outcome {outcome}">{said}</p>{sentences}{_answers(summary.get("answers", []))}{more}</header>'
    )


def _kicker(summary: dict[str, Any]) -> str:
    recipe, parts = summary.get("recipe", {}), []
    for part in ("method", "encoder"):
        if isinstance(recipe.get(part), dict) and "name" in recipe[part]:
            parts.append(str(recipe[part]["name"]))
    if sizes := summary.get("embeddings"):
        parts.append(f"{sizes['rows']:,} \N{MULTIPLICATION SIGN} {sizes['width']:,} embeddings")
    return "".join(DOT + escape(part) for part in parts)


def sentence(text: str) -> str:
    """Return what a page leads with: its first sentence as the title, the others below it."""
    first, rest = first_sentence(text)
    return f"<h1>{escape(first)}</h1>" + (f'<p class="lead">{escape(rest)}</p>' if rest else "")


def _answers(found: list[dict[str, str]]) -> str:
    listed = "".join(
        f'<div class="{one["kind"]}"><dt>{escape(one["question"])}</dt><dd><b>{escape(one["answer"])}</b>'
        f"<small>{escape(one['because'])}</small></dd></div>"
        for one in found
    )
    return f'<dl class="answers">{listed}</dl>' if listed else ""


def _evidence(entries: list[dict[str, Any]]) -> str:
    return section("Evidence", "".join(evidence.render(entry) for entry in entries))
