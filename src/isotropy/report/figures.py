"""Inline SVG: curves, intervals and the map, drawn with the colours of the page's style sheet."""

import math
from collections import Counter
from html import escape
from typing import Any

from isotropy.evaluation.score import number

WIDTH, HEIGHT = 800, 300
LEFT, RIGHT, TOP, BOTTOM = 52, 12, 10, 28
COLOURS = 10
GREY = 7  # of the ten colours: everything that has none of its own


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

    Points are [epoch, value] or [epoch, mean, low, high]; the latter get a band. A reference loss further away than
    the curve's own height is left out, so that it does not flatten the curve.
    """
    width = WIDTH if wide else WIDTH // 2 + 20
    height = HEIGHT if wide else 210
    lows = [point[2] if len(point) > 2 else point[1] for point in points]
    highs = [point[3] if len(point) > 2 else point[1] for point in points]
    low, high = min(lows), max(highs)
    if floor:
        low = min(low, 0.0)
    span = (high - low) or max(abs(high), 1.0) * 0.1
    drawn = {name: value for name, value in reference_losses.items() if low - span <= value <= high + span}
    low, high = min([low, *drawn.values()]), max([high, *drawn.values()])
    margin = 0.06 * ((high - low) or span)
    low, high = (low if floor and low == 0 else low - margin), high + margin
    first, last = points[0][0], points[-1][0] if points[-1][0] > points[0][0] else points[0][0] + 1

    def x(value: float) -> str:
        return f"{LEFT + (value - first) / (last - first) * (width - LEFT - RIGHT):.1f}"

    def y(value: float) -> str:
        return f"{TOP + (high - value) / (high - low) * (height - TOP - BOTTOM):.1f}"

    out = [f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{escape(what)} over epochs">']
    for tick in ticks(low, high):
        out.append(f'<line class="grid" x1="{LEFT}" x2="{width - RIGHT}" y1="{y(tick)}" y2="{y(tick)}"/>')
        out.append(f'<text x="{LEFT - 8}" y="{y(tick)}" dy=".32em" text-anchor="end">{tick:.6g}</text>')
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
        out.append(f'<line class="reference loss" x1="{LEFT}" x2="{width - RIGHT}" y1="{y(value)}" y2="{y(value)}"/>')
        out.append(
            f'<text class="marked" x="{width - RIGHT}" y="{y(value)}" dy="-.4em" text-anchor="end">'
            f"{escape(name)} {value:.4g}</text>"
        )
    return "".join([*out, "</svg>"]), [name for name in reference_losses if name not in drawn]


def whisker(entry: dict[str, float], low: float, high: float) -> str:
    """Return a score as a dot on its interval, on the axis from `low` to `high`."""
    at = {key: 400 * (entry[key] - low) / (high - low) for key in ("value", "low", "high")}
    said = f"{number(entry['value'])}, interval {number(entry['low'])} to {number(entry['high'])}"
    return (
        f'<svg viewBox="0 0 400 20" preserveAspectRatio="none" role="img" aria-label="{said}">'
        '<line class="grid" x1="0" x2="400" y1="10" y2="10" vector-effect="non-scaling-stroke"/>'
        f'<line class="whisker" x1="{at["low"]:.1f}" x2="{at["high"]:.1f}" y1="10" y2="10" '
        'vector-effect="non-scaling-stroke"/>'
        f'<line class="whisker point" x1="{at["value"]:.1f}" x2="{at["value"]:.1f}" y1="2" y2="18" '
        'vector-effect="non-scaling-stroke"/></svg>'
    )


def scatter(found: dict[str, Any]) -> tuple[str, list[tuple[str, str]]]:
    """Return the SVG of the map and its legend as (CSS colour, name); every colour is one path of dots."""
    size = 560
    points, values = found["points"], found.get("values")
    legend: list[tuple[str, str]] = []
    if values is None:
        groups = [0] * len(points)
    elif found["task"] == "classes":
        groups, legend = _classes(values)
    else:
        groups, legend = _shades(values)
    out = [f'<svg viewBox="0 0 {size} {size}" role="img" aria-label="map of {len(points)} embeddings">']
    for group in sorted(set(groups)):
        dots = [p for p, g in zip(points, groups) if g == group]
        path = "".join(f"M{8 + x * (size - 16):.0f} {size - 8 - y * (size - 16):.0f}h0" for x, y in dots)
        colour = f"var(--c{group})" if found.get("task") != "numbers" else _shade(group)
        out.append(f'<path class="points" style="stroke:{colour}" d="{path}"/>')
    return "".join([*out, "</svg>"]), legend


def _classes(values: list[str | None]) -> tuple[list[int], list[tuple[str, str]]]:
    """The commonest classes get a colour each, the rest and the missing ones share the grey."""
    counted = Counter(value for value in values if value is not None)
    palette = [c for c in range(COLOURS) if c != GREY]
    names = sorted(name for name, _ in sorted(counted.items(), key=lambda item: -item[1])[: len(palette)])
    colour = dict(zip(names, palette))
    if len(counted) == COLOURS:  # exactly ten: the grey is a colour too
        colour |= {name: GREY for name in counted if name not in colour}
    legend = [(f"var(--c{c})", name) for name, c in sorted(colour.items())]
    others = len(counted) - len(colour)
    if others or None in values:
        said = [f"{others} other classes"] if others else []
        legend.append((f"var(--c{GREY})", " and ".join([*said, *(["no label"] if None in values else [])])))
    return [colour.get(value, GREY) if value is not None else GREY for value in values], legend


def _shade(step: int) -> str:
    return f"color-mix(in oklab, var(--c0) {step * 25}%, var(--c1))" if step <= 4 else f"var(--c{GREY})"


def _shades(values: list[float | None]) -> tuple[list[int], list[tuple[str, str]]]:
    """Numbers are coloured by fifths of their order, missing ones grey."""
    known = sorted(value for value in values if value is not None)
    edges = [known[len(known) * part // 5] for part in range(1, 5)] if known else []
    groups = [5 if value is None else sum(value >= edge for edge in edges) for value in values]
    spans = [min(known), *edges, max(known)] if known else []
    legend = [(_shade(part), f"{spans[part]:.3g} to {spans[part + 1]:.3g}") for part in range(5) if known]
    return groups, [*legend, *([(_shade(5), "no label")] if None in values else [])]
