"""The figure of a paper, drawn from its rows: a dot a seed, a bar for their mean, a line for what is compared with.

Two kinds of panels: `Dots` compares variants, `Circle` shows where an encoder in the plane sends its rows.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure
from rows import Rows, by_seed

# Okabe and Ito's colours, which the colour-blind tell apart.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")
_INK, _FAINT, _LINES = "#222222", "#666666", "#999999"
KEY = "a dot: one seed; a bar: the mean over seeds; orange: what the claim is about; on a circle: a colour a group"
# Text stays text, and the same rows give the same file.
_STYLE: dict[Any, Any] = {"svg.fonttype": "none", "svg.hashsalt": "isotropy", "font.size": 9, "axes.titlesize": 9.5}
_LINE, _WIDTH = 0.24, 3.8


@dataclass(frozen=True)
class Dots:
    """Numbers of variants from top to bottom, one for each seed.

    Attributes:
        axis: what is measured. lines: the variant and its numbers. marks: numbers to compare with, by name.
        strong: the variants that the claim is about.
    """

    title: str
    axis: str
    lines: Sequence[tuple[str, Sequence[float]]]
    marks: Sequence[tuple[str, float]] = ()
    strong: Sequence[str] = ()

    @classmethod
    def of(
        cls,
        title: str,
        axis: str,
        rows: Rows,
        column: str,
        variants: dict[str, str],
        strong: Iterable[str] = (),
        **more: Any,
    ) -> "Dots":
        """Return a panel with a number of variants, each under its name; those without rows are left out."""
        found = [(name, sorted(by_seed(rows, column, variant=variant).values())) for variant, name in variants.items()]
        return cls(title, axis, [line for line in found if line[1]], strong=tuple(strong), **more)

    @property
    def height(self) -> float:
        """Lines that the panel is high."""
        return len(self.lines) + 3.0

    def draw(self, axes: Any) -> None:
        """Draw the panel."""
        for place, (name, numbers) in enumerate(self.lines):
            colour = COLOURS[1] if name in self.strong else COLOURS[0]
            axes.plot([np.mean(numbers)], [place], "|", color=colour, markersize=13, markeredgewidth=2.5)
            axes.plot(numbers, [place] * len(numbers), "o", color=colour, markersize=4, alpha=0.6, markeredgewidth=0)
        for name, number in self.marks:
            # Up to its name: a line through the letters hides them.
            axes.plot([number] * 2, [len(self.lines) - 0.4, -0.6], color=_LINES, linewidth=1, linestyle="--")
            axes.text(number, -0.7, name, color=_FAINT, ha="center", va="bottom", fontsize=8)
        axes.set_yticks(range(len(self.lines)), [name for name, _ in self.lines])
        axes.set_ylim(len(self.lines) - 0.4, -1.3 if self.marks else -0.6)
        axes.set_xlabel(self.axis)
        axes.grid(axis="x", color="#e5e5e5", linewidth=0.6)
        axes.set_axisbelow(True)


@dataclass(frozen=True)
class Circle:
    """Angles of rows by group, on a circle each, and what is said below it."""

    title: str
    groups: Sequence[Sequence[float]]
    below: str

    height = 9.0

    def draw(self, axes: Any) -> None:
        """Draw the panel."""
        around = np.linspace(0, 2 * np.pi, 200)
        axes.plot(np.cos(around), np.sin(around), color="#dddddd", linewidth=1)
        for place, angles in enumerate(self.groups):
            # A group a ring: those that share a direction would hide each other.
            radius = 1 - 0.12 * place
            found = np.asarray(angles)
            axes.plot(
                radius * np.cos(found), radius * np.sin(found), "o", color=COLOURS[place % 4], markersize=4, alpha=0.6
            )
        axes.set(xlim=(-1.25, 1.25), ylim=(-1.25, 1.25), xticks=[], yticks=[], xlabel=self.below)
        axes.set_aspect("equal")


Panel = Dots | Circle


def digest(panels: Iterable[Panel]) -> str:
    """Return what tells whether a file shows these panels."""
    return hashlib.sha256(repr([KEY, *panels]).encode()).hexdigest()[:16]


def shows(path: Path, panels: Sequence[Panel]) -> bool:
    """Return whether a file was drawn from these panels."""
    return path.is_file() and digest(panels) in path.read_text("utf-8")


def laid_out(panels: Sequence[Panel], columns: int) -> Figure:
    """Return a figure of panels in rows of `columns`, with the key below."""
    lines = [panels[start : start + columns] for start in range(0, len(panels), columns)]
    heights = [max(panel.height for panel in line) for line in lines]
    with rc_context(_STYLE):
        figure = Figure(figsize=(_WIDTH * columns, _LINE * (sum(heights) + 1)), layout="constrained")
        figure.supxlabel(KEY, x=0.01, ha="left", fontsize=8, color=_FAINT)
        grid = figure.add_gridspec(len(lines), columns, height_ratios=heights)
        for row, line in enumerate(lines):
            for column, panel in enumerate(line):
                axes = figure.add_subplot(grid[row, column])
                axes.set_title(panel.title, loc="left", color=_INK)
                axes.tick_params(length=0)
                for side in axes.spines.values():
                    side.set_visible(False)
                panel.draw(axes)
    return figure


def drawn(panels: Sequence[Panel], columns: int) -> bytes:
    """Return panels as SVG, in rows of `columns`; its description holds their digest."""
    made, about = BytesIO(), {"Date": None, "Creator": None, "Description": digest(panels)}
    with rc_context(_STYLE):
        laid_out(panels, columns).savefig(made, format="svg", metadata=about)
    return made.getvalue()
