"""The section of the map, and the lists of rows that belong to it."""

from collections.abc import Sequence
from html import escape

from isotropy.errors import counted
from isotropy.report.lists import RowList
from isotropy.report.packed import script_json
from isotropy.report.points import Points
from isotropy.report.sections import bullets, section

_TOOLS = """
<div class="tools"><label>Colour by <select id="colour"></select></label>
<label>Layout <select id="layout"></select></label>
<label class="wide">Search <input id="search" type="search" autocomplete="off" placeholder="text, row, column:value"/>
</label><output id="found"></output><span class="zoom"><button type="button" id="closer" aria-label="zoom in">+</button>
<button type="button" id="further" aria-label="zoom out">&#8722;</button>
<button type="button" id="whole">whole map</button></span></div>
<div id="results" class="thumbs"></div>
<div class="explorer"><div><div id="view"><canvas id="canvas" tabindex="0" role="img" aria-label="map"></canvas>
<canvas id="overlay" aria-hidden="true"></canvas><div id="tip" hidden="hidden"></div></div>
<div id="legend"></div><p class="note" id="layout-note"></p></div><aside id="card" aria-live="polite"></aside></div>
<noscript><p>The map needs JavaScript, which is part of this page; nothing is loaded.</p></noscript>
"""


def explore(points: Points, audit: Sequence[RowList] = (), clusters: Sequence[RowList] = ()) -> str:
    """Return the HTML of the map, of the lists, and the points as the script reads them."""
    lists = [one.on_map(points.rows) for one in (*audit, *clusters)]
    content = points.to_json()
    content["lists"] = [{"name": one.name, "rows": one.rows, "said": one.said} for one in lists]
    which = f"{len(points):,} of {points.of:,} rows" if len(points) < points.of else f"All {points.of:,} rows"
    said = [f"{which}, {points.width:,} numbers each."]
    if points.note:
        shown = "Rows are shown as the run keeps them" if points.kept else "The rows themselves are not shown"
        said.append(f"{shown}: {points.note}.")
    if points.left_out:
        said.append(f"To keep the page small, {len(points.left_out)} columns are left out: {_few(points.left_out)}.")
    parts = [section("Map", f'<p class="note">{escape(" ".join(said))}</p>', _TOOLS, name="map")]
    if audit:
        parts.append(section("Audit", *(_list(one) for one in audit), name="audit"))
    if clusters:
        parts.append(section("Clusters", *(_list(one, "exemplars below") for one in clusters), name="clusters"))
    return "".join([*parts, f'<script type="application/json" id="points">{script_json(content)}</script>'])


def _list(one: RowList, which: str = "the worst below") -> str:
    shown = f", {which}" if len(one.rows) < one.of else ""
    notes = bullets(one.notes, ' class="note"') if one.notes else ""
    return (
        f"<h3>{escape(one.title)} <span>{counted(one.of, 'row')}{shown}</span></h3>{notes}"
        f'<div class="thumbs" data-list="{escape(one.name)}"></div>'
    )


def _few(names: list[str], most: int = 8) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
