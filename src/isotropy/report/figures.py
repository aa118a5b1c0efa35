"""Inline SVG: curves, intervals and the map, drawn with the colours of the page's style sheet."""

import math
from bisect import bisect
from collections import Counter, defaultdict
from html import escape
from itertools import pairwise
from typing import Any

from isotropy.evaluation.score import number

WIDTH, HEIGHT = 800, 300
LEFT, RIGHT, TOP, BOTTOM = 52, 12, 10, 28
MAP_SIZE = 560
# Ten colours; grey is for everything that has none of its own.
COLOURS = [f"var(--c{n})" for n in range(10)]
GREY = COLOURS[7]
SHADES = [f"color-mix(in oklab, var(--c0) {25 * fifth}%, var(--c1))" for fifth in range(5)]
Legend = list[tuple[str, str]]


def ticks(low: float, high: float, count: int = 4) -> list[float]:
    """Return round numbers in [low, high], about `count` of them.

    Example:
        >>> ticks(0.0, 1.0)
        [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    """
    span = high - low
    if not span > 0:
        return [low]
    rough = span / count
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= 0.79 * rough)
    first = math.ceil(low / step - 1e-9)
    return [round(n * step, 12) for n in range(first, math.floor(high / step + 1e-9) + 1)]


def line(
    points: list[list[float]], reference_losses: dict[str, float], *, what: str, floor: bool = False, wide: bool = True
) -> tuple[str, list[str]]:
    """Return the SVG of a curve over epochs, with reference losses as labelled lines, and the names of those not drawn.

    Points are [epoch, value] or, with a band, [epoch, mean, low, high]. A reference loss further away than the curve's
    own height is not drawn, so that it does not flatten the curve.
    """
    width, height = (WIDTH, HEIGHT) if wide else (WIDTH // 2 + 20, 210)
    ranges = [point[2:] or point[1:] for point in points]
    low, high = min(map(min, ranges)), max(map(max, ranges))
    low = min(low, 0.0) if floor else low
    span = (high - low) or max(abs(high), 1.0) * 0.1
    drawn = {name: value for name, value in reference_losses.items() if low - span <= value <= high + span}
    low, high = min([low, *drawn.values()]), max([high, *drawn.values()])
    margin = 0.06 * ((high - low) or span)
    low, high = (low if floor and low == 0 else low - margin), high + margin
    first = points[0][0]
    last = points[-1][0] if points[-1][0] > first else first + 1

    def x(value: float) -> str:
        return f"{LEFT + (value - first) / (last - first) * (width - LEFT - RIGHT):.1f}"

    def y(value: float) -> str:
        return f"{TOP + (high - value) / (high - low) * (height - TOP - BOTTOM):.1f}"

    def level(kind: str, value: float) -> str:
        return f'<line class="{kind}" x1="{LEFT}" x2="{width - RIGHT}" y1="{y(value)}" y2="{y(value)}"/>'

    out = [f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{escape(what)} over epochs">']
    for tick in ticks(low, high):
        label = f'<text x="{LEFT - 8}" y="{y(tick)}" dy=".32em" text-anchor="end">{tick:.6g}</text>'
        out += [level("grid", tick), label]
    out.append(f'<text x="{LEFT - 16}" y="{height - 8}" text-anchor="end">epoch</text>')
    for tick in ticks(first, last, 5 if wide else 3):
        out.append(f'<text x="{x(tick)}" y="{height - 8}" text-anchor="middle">{tick:g}</text>')
    if len(points[0]) > 2:
        edge = [f"{x(p[0])},{y(p[3])}" for p in points] + [f"{x(p[0])},{y(p[2])}" for p in reversed(points)]
        out.append(f'<polygon class="band" points="{" ".join(edge)}"/>')
    path = " ".join(f"{x(p[0])},{y(p[1])}" for p in points)
    out.append(f'<polyline class="curve" points="{path}"/>')
    if len(points) == 1:
        out.append(f'<circle class="ours dot" cx="{x(first)}" cy="{y(points[0][1])}" r="3"/>')
    for name, value in drawn.items():
        place = f'class="marked" x="{width - RIGHT}" y="{y(value)}" dy="-.4em" text-anchor="end"'
        out += [level("reference", value), f"<text {place}>{escape(name)} {value:.4g}</text>"]
    return "".join([*out, "</svg>"]), [name for name in reference_losses if name not in drawn]


def lines(series: dict[str, list[list[float]]], colours: dict[str, str], *, what: str) -> str:
    """Return the SVG of curves of [x, value, low, high] with bands over a logarithmic axis, the first one on top."""
    every = [point for points in series.values() for point in points]
    low, high = min(point[2] for point in every), max(point[3] for point in every)
    margin = 0.05 * ((high - low) or 0.1)
    low, high = low - margin, high + margin
    places = sorted({point[0] for point in every})
    first, last = math.log(places[0]), math.log(places[-1]) if len(places) > 1 else math.log(places[0]) + 1

    def x(value: float) -> str:
        return f"{LEFT + (math.log(value) - first) / (last - first) * (WIDTH - LEFT - RIGHT):.1f}"

    def y(value: float) -> str:
        return f"{TOP + (high - value) / (high - low) * (HEIGHT - TOP - BOTTOM):.1f}"

    out = [f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(what)}">']
    for tick in ticks(low, high):
        level = f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(tick)}" y2="{y(tick)}"/>'
        out += [level, f'<text x="{LEFT - 8}" y="{y(tick)}" dy=".32em" text-anchor="end">{tick:.6g}</text>']
    shown = -math.inf
    for place in places:
        if float(x(place)) - shown >= 40:
            shown = float(x(place))
            out.append(f'<text x="{x(place)}" y="{HEIGHT - 8}" text-anchor="middle">{place:,.0f}</text>')
    out.append(f'<text x="{LEFT - 16}" y="{HEIGHT - 8}" text-anchor="end">labels</text>')
    for name, points in reversed(series.items()):
        edge = [f"{x(p[0])},{y(p[3])}" for p in points] + [f"{x(p[0])},{y(p[2])}" for p in reversed(points)]
        out.append(f'<polygon class="band" style="fill:{colours[name]}" points="{" ".join(edge)}"/>')
        path = " ".join(f"{x(p[0])},{y(p[1])}" for p in points)
        out.append(f'<polyline class="curve" style="stroke:{colours[name]}" points="{path}"/>')
    return "".join([*out, "</svg>"])


def whisker(entry: dict[str, float], low: float, high: float) -> str:
    """Return a score as a mark on its interval, on the axis from `low` to `high`."""
    stroke = '<line class="{}" x1="{:.1f}" x2="{:.1f}" y1="{}" y2="{}" vector-effect="non-scaling-stroke"/>'.format
    value, start, end = (400 * (entry[key] - low) / (high - low) for key in ("value", "low", "high"))
    said = f"{number(entry['value'])}, interval {number(entry['low'])} to {number(entry['high'])}"
    return (
        f'<svg viewBox="0 0 400 20" preserveAspectRatio="none" role="img" aria-label="{said}">'
        f"{stroke('grid', 0, 400, 10, 10)}{stroke('whisker', start, end, 10, 10)}"
        f"{stroke('whisker point', value, value, 2, 18)}</svg>"
    )


def scatter(found: dict[str, Any]) -> tuple[str, Legend]:
    """Return the SVG of the map and its legend as (CSS colour, name); every colour is one path of dots."""
    points, values = found["points"], found.get("values")
    colours, legend = COLOURS[:1] * len(points), Legend()
    if values is not None:
        colours, legend = _shades(values) if found["task"] == "numbers" else _classes(values)
    dots = defaultdict(list)
    for (x, y), colour in zip(points, colours):
        dots[colour].append(f"M{8 + x * (MAP_SIZE - 16):.0f} {MAP_SIZE - 8 - y * (MAP_SIZE - 16):.0f}h0")
    paths = [f'<path class="points" style="stroke:{c}" d="{"".join(path)}"/>' for c, path in sorted(dots.items())]
    opening = f'<svg viewBox="0 0 {MAP_SIZE} {MAP_SIZE}" role="img" aria-label="map of {len(points)} embeddings">'
    return "".join([opening, *paths, "</svg>"]), legend


def _classes(values: list[str | None]) -> tuple[list[str], Legend]:
    """The commonest classes get a colour each, the rest and the missing ones share the grey."""
    counted = Counter(value for value in values if value is not None)
    palette = [colour for colour in COLOURS if colour != GREY]
    colours = dict(zip(sorted(name for name, _ in counted.most_common(len(palette))), palette))
    if len(counted) == len(COLOURS):  # grey is a colour, too
        colours |= {name: GREY for name in counted if name not in colours}
    legend = [(colour, name) for name, colour in sorted(colours.items())]
    grey = [f"{others} other classes"] if (others := len(counted) - len(colours)) else []
    grey += ["no label"] if None in values else []
    if grey:
        legend.append((GREY, " and ".join(grey)))
    return [GREY if value is None else colours.get(value, GREY) for value in values], legend


def _shades(values: list[float | None]) -> tuple[list[str], Legend]:
    """Numbers are coloured by fifths of their order, missing ones grey."""
    known = sorted(value for value in values if value is not None)
    edges = [known[len(known) * fifth // 5] for fifth in range(1, 5)] if known else []
    spans = pairwise([*known[:1], *edges, *known[-1:]])
    legend = [(shade, f"{low:.3g} to {high:.3g}") for shade, (low, high) in zip(SHADES, spans)]
    legend += [(GREY, "no label")] if None in values else []
    return [GREY if value is None else SHADES[bisect(edges, value)] for value in values], legend
