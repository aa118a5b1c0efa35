"""Sections of the page below the map: the training, its health, codes, and what was run."""

from collections.abc import Iterable
from html import escape
from itertools import accumulate
from typing import Any

from isotropy.errors import counted
from isotropy.evaluation.score import number
from isotropy.report.figures import line, lines

DOT = " \N{MIDDLE DOT} "
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


def training(found: dict[str, Any]) -> str:
    """Return the loss with its reference losses, and its terms."""
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
        drawn = [figure(escape(name), line(points, {}, what=name, wide=False)[0]) for name, points in curves.items()]
        parts.append(f'<h3>Its terms</h3><div class="pair">{"".join(drawn)}</div>')
    return section("Training", *parts)


def health(found: dict[str, Any]) -> str:
    """Return every number that the monitor recorded, as a curve."""
    figures = []
    for name, points in found["curves"].items():
        title, meaning = HEALTH.get(name, (name.replace("_", " "), ""))
        last = found["last"][name]
        value = "undefined at the end" if last is None else f"{last:.4g} at the end"
        said = escape(f"{value}; {meaning}" if meaning else value)
        drawing, _ = line(points, {}, what=title, floor=True, wide=False)
        figures.append(figure(f"{escape(title)}<br/><span>{said}</span>", drawing))
    return section("Health", f'<div class="pair">{"".join(figures)}</div>')


def codes(found: dict[str, Any]) -> str:
    """Return how the codes are used, of a method that has some."""
    used, entropy = found["bins_used"], found["usage"]
    listed = {
        "Units used": f"{sum(used) / len(used):.3g} of {found['units']} on average, {min(used)} in the poorest segment",
        "Entropy of their use": f"{sum(entropy) / len(entropy):.3g} on average; 1 where all are used alike",
    }
    if pairs := found.get("mutual_information"):
        listed["Shared by two segments"] = (
            f"{pairs['mean']:.3g} of their information on average, {pairs['highest']:.3g} at most "
            f"(segments {' and '.join(map(str, pairs['segments']))}); 0 is independent, 1 the same clustering"
        )
    if (pure := found.get("purity")) and "chance" in found:
        listed["Purity of a segment"] = (
            f"{number(min(pure))} to {number(max(pure))}: how often the majority label of a code is right "
            f"(one code for all: {number(found['chance'])})"
        )
    return section(
        "Codes",
        f"<p>Every row has one of {found['units']} codes in each of {found['segments']} segments. Measured on "
        f"{found['rows']:,} rows.</p>{facts(listed)}",
    )


def spectrum(found: dict[str, Any]) -> str:
    """Return how much of the embeddings so many directions hold, beside the untrained encoder."""
    curves = {name: list(accumulate(found[name])) for name in ("trained", "untrained") if found[name]}
    if not curves:
        return section("Spectrum", "<p>The embeddings are one point: they have no directions.</p>")
    points = {name: [[place + 1, y, y, y] for place, y in enumerate(values)] for name, values in curves.items()}
    half = {name: 1 + sum(y < 0.5 for y in values) for name, values in curves.items()}
    said = "; ".join(f"{name}: half of it lies in {count} of {len(curves[name])}" for name, count in half.items())
    drawing = lines(points, what="fraction of the spectrum over number of directions", axis="directions")
    return section(
        "Spectrum",
        f'<figure class="wide"><figcaption>Fraction of the singular values in the first directions <span>{said}</span>'
        f'</figcaption>{drawing}</figure><p class="note">Of the encoder\'s vectors of '
        f"{found['rows']} training rows, centred. A curve that rises at once is a collapse to few directions.</p>",
    )


def was_run(summary: dict[str, Any]) -> str:
    """Return the command, the data, times, memory, versions and the recipe of a run."""
    about, spent, parts = summary.get("data", {}), summary.get("spent", {}), []
    listed = {}
    if "description" in about:
        listed["Data"] = about["description"]
    if windows := about.get("windows"):
        listed["Windows"] = _windows(windows)
    if found := summary.get("training"):
        many = f"{found['epochs']:.3g} epoch{'' if found['epochs'] == 1 else 's'}"
        listed["Trained for"] = f"{many}, {counted(found['steps'], 'step')}"
    if "training_seconds" in spent:
        listed["Training took"] = duration(spent["training_seconds"])
    if "evaluation_seconds" in spent:
        listed["Embedding and evidence"] = duration(spent["evaluation_seconds"])
    if "peak_memory" in spent:
        listed["Memory at most"] = f"{spent['peak_memory'] / 1e9:.2f} GB"
    versions = summary.get("model", {}).get("made_with", {})
    if isinstance(versions, dict) and versions:
        listed["Made with"] = DOT.join(f"{name} {version}" for name, version in versions.items())
    if listed:
        parts.append(facts(listed))
    if "command" in summary:
        parts.append(f'<p class="note">The command that repeats it</p><pre>{escape(summary["command"])}</pre>')
    if "recipe_text" in summary:
        parts.append(f"<details><summary>The recipe</summary><pre>{escape(summary['recipe_text'])}</pre></details>")
    return section("What was run", *parts) if parts else ""


def use(summary: dict[str, Any]) -> str:
    """Return what can be done with the run, as commands."""
    parts = [f'<p class="note">{escape(what)}</p><pre>{escape(code)}</pre>' for what, code in summary["commands"]]
    return section("Use it", *parts) if parts else ""


def duration(seconds: float) -> str:
    """Return a time as people say it.

    Example:
        >>> duration(9.44), duration(150.2), duration(7500)
        ('9.4 s', '2 min 30 s', '2 h 5 min')
    """
    if seconds < 59.5:
        return f"{seconds:.2g} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min" + (f" {whole % 60} s" if whole % 60 else "")
    return f"{whole // 3600} h" + (f" {whole % 3600 // 60} min" if whole % 3600 // 60 else "")


def section(title: str, *parts: str, name: str = "") -> str:
    """Return a section with a title; both parts and title are HTML."""
    return f"<section{f' id={chr(34)}{name}{chr(34)}' if name else ''}><h2>{title}</h2>{''.join(parts)}</section>"


def figure(caption: str, drawing: str) -> str:
    """Return a drawing with its caption, both HTML."""
    return f"<figure><figcaption>{caption}</figcaption>{drawing}</figure>"


def facts(listed: dict[str, str]) -> str:
    """Return names with their values as HTML."""
    shown = "".join(f"<div><dt>{escape(what)}</dt><dd>{escape(value)}</dd></div>" for what, value in listed.items())
    return f'<dl class="facts">{shown}</dl>'


def bullets(texts: Iterable[str], attributes: str = "") -> str:
    """Return texts as a list."""
    return f"<ul{attributes}>{''.join(f'<li>{escape(text)}</li>' for text in texts)}</ul>"


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
