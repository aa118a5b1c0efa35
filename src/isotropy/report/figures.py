"""Inline SVG: curves and intervals, drawn with the colours of the page's style sheet."""

import math
from collections.abc import Sequence
from html import escape

from isotropy.evaluation.score import number, signed

WIDTH, HEIGHT = 800, 300
LEFT, RIGHT, TOP, BOTTOM = 52, 12, 10, 28
_DIGIT = 13  # wide on a phone, where texts are larger
# Of curves, the run's first: the colour-blind tell them apart on either paper, and they differ by more than colour.
COLOURS = ["var(--ours)", *(f"var(--c{n})" for n in range(1, 6))]
_DASHES = ["none", "9 3", "3 3", "12 3 3 3", "6 2 2 2 2 2", "1 4"]
_MARKERS = [
    "M-4,0a4,4 0 1,0 8,0a4,4 0 1,0 -8,0z", "M-3.6,-3.6h7.2v7.2h-7.2z", "M0,-4.8l4.8,8.4h-9.6z", "M0,-5l5,5l-5,5l-5,-5z",
    "M-5,-1.4h3.6v-3.6h2.8v3.6h3.6v2.8h-3.6v3.6h-2.8v-3.6h-3.6z", "M0,4.8l4.8,-8.4h-9.6z",
]  # fmt: skip
_MARKED = 12  # points of a curve with markers, at most


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
    last = points[-1][0] if points[-1][0] > first else first + max(abs(first), 1.0)

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
    out.append(f'<text x="{LEFT - 16}" y="{height - 8}" class="axis" text-anchor="end">epoch</text>')
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


def lines(series: dict[str, list[list[float]]], *, what: str, axis: str = "labels") -> str:
    """Return the SVG of curves over a logarithmic axis with bands, the first one on top, and its legend.

    Args:
        series: by name, as many as there are COLOURS at most, points of [x, value, low, high].
    """
    every = [point for points in series.values() for point in points]
    low, high = min(point[2] for point in every), max(point[3] for point in every)
    margin = 0.05 * ((high - low) or max(abs(high), 0.1))
    low, high = low - margin, high + margin
    places = sorted({point[0] for point in every})
    first, last = math.log(places[0]), math.log(places[-1])
    last = last if last > first else first + 1

    def x(value: float) -> str:
        return f"{LEFT + (math.log(value) - first) / (last - first) * (WIDTH - LEFT - RIGHT):.1f}"

    def y(value: float) -> str:
        return f"{TOP + (high - value) / (high - low) * (HEIGHT - TOP - BOTTOM):.1f}"

    out = [f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(what)}">']
    for tick in ticks(low, high):
        level = f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(tick)}" y2="{y(tick)}"/>'
        out += [level, f'<text x="{LEFT - 8}" y="{y(tick)}" dy=".32em" text-anchor="end">{tick:.6g}</text>']
    shown, before = -math.inf, 0
    for place in places:
        said = f"{place:,.0f}"
        if float(x(place)) - shown >= max(40, _DIGIT * (len(said) + before + 1) / 2):
            shown, before = float(x(place)), len(said)
            out.append(f'<text x="{x(place)}" y="{HEIGHT - 8}" text-anchor="middle">{said}</text>')
    out.append(f'<text x="{LEFT - 16}" y="{HEIGHT - 8}" class="axis" text-anchor="end">{axis}</text>')
    for place, points in reversed(list(enumerate(series.values()))):
        edge = [f"{x(p[0])},{y(p[3])}" for p in points] + [f"{x(p[0])},{y(p[2])}" for p in reversed(points)]
        kind = "band beside" if place else "band"
        out.append(f'<polygon class="{kind}" style="fill:{COLOURS[place]}" points="{" ".join(edge)}"/>')
        out.append(_curve(place, [(x(p[0]), y(p[1])) for p in points]))
    swatch = '<svg viewBox="0 0 36 12" role="presentation">{}</svg>'.format
    marked = all(len(points) <= _MARKED for points in series.values())
    listed = [
        f"<li>{swatch(_curve(place, [('1', '6'), ('18', '6'), ('35', '6')], [1] if marked else []))}{escape(name)}</li>"
        for place, name in enumerate(series)
    ]
    return "".join([*out, "</svg>", f'<ul class="legend">{"".join(listed)}</ul>'])


def _curve(place: int, points: list[tuple[str, str]], marked: Sequence[int] | None = None) -> str:
    """Return a curve with markers, where there are few of them, in the colour, dashes and markers of its place."""
    colour, dashes, kind = COLOURS[place], _DASHES[place], "curve" if place else "curve first"
    path = " ".join(map(",".join, points))
    drawn = f'<polyline class="{kind}" style="stroke:{colour};stroke-dasharray:{dashes}" points="{path}"/>'
    if marked is None:
        marked = range(len(points)) if len(points) <= _MARKED else ()
    shape = f'class="marker" style="fill:{colour}" d="{_MARKERS[place]}"'
    return drawn + "".join(f'<path {shape} transform="translate({",".join(points[at])})"/>' for at in marked)


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


def typeset(value: float) -> str:
    """Return a difference as it is set on a page: a true minus, and a dash where it is not finite.

    Example:
        >>> typeset(0.0123), typeset(float("nan"))
        ('+.012', '\N{EN DASH}')
    """
    if not math.isfinite(value):
        return "\N{EN DASH}"
    return signed(value).replace("-", "\N{MINUS SIGN}")
