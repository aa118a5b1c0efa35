"""Build the pages of the methods, docs/methods/NAME.md, and their index from docstrings, recipes and results.

    python docs/build_methods.py            write the pages
    python docs/build_methods.py --check    exit with 1 if a page is stale

Everything from the section "## Departures from the paper" on is written by hand and kept.
"""

import importlib.util
import inspect
import re
import sys
import tomllib
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from made_pages import ROOT, write_or_check

from isotropy import objectives
from isotropy.data import read
from isotropy.methods import METHODS
from isotropy.runs.prepare import prepare
from isotropy.runs.recipe import Recipe

PAGES, BY_HAND = ROOT / "docs" / "methods", "## Departures from the paper"
NOTE = "<!-- made by docs/build_methods.py; written by hand from Departures on -->"
# Small rows of each modality, to build a method with its defaults.
ROWS = {"table": (512, 3), "series": (512, 1, 32), "image": (512, 8, 8)}


def script(name: str) -> ModuleType:
    """Return papers/NAME/NAME.py, which makes tables."""
    spec = importlib.util.spec_from_file_location(name, ROOT / f"papers/{name}/{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def idea(name: str) -> str:
    """Return a method in one line, the first of its docstring."""
    return (METHODS[name].__doc__ or "").partition("\n")[0].rstrip(".")


def described(name: str) -> str:
    """Return the class docstring as Markdown: the text, and the arguments as a table."""
    text = inspect.cleandoc(METHODS[name].__doc__ or "")
    body, _, rest = text.partition("\nArgs:\n")
    arguments = re.split(r"\n\n?(?:Raises|Example|Returns|Attributes):", "\n" + rest)[0]
    entries = re.findall(r"^    (\w+(?:, \w+)*): (.*(?:\n {5,}.*)*)", arguments, re.MULTILINE)
    defaults = inspect.signature(METHODS[name]).parameters
    lines = ["| argument | default | meaning |", "|---|---|---|"]
    for names, meaning in entries:
        values = [defaults[one].default for one in names.split(", ") if one in defaults]
        shown = ", ".join(f"`{value}`" for value in values if value is not inspect.Parameter.empty)
        lines.append(f"| {names} | {shown} | {' '.join(meaning.split())} |".replace("|x|", "\\|x\\|"))
    text = re.split(r"\n(?:Raises|Example):\n", body)[0].strip()
    return text + ("\n\n" + "\n".join(lines) if entries else "")


def losses(name: str) -> str:
    """Return what the objectives say of themselves that a method's docstring names."""
    named = re.findall(r"`objectives\.(\w+)`", METHODS[name].__doc__ or "")
    docs = {one: inspect.getdoc(getattr(objectives, one)) or "" for one in named}
    texts = {one: re.split(r"\n(?:Args|Returns|Raises|Example):\n", text)[0].strip() for one, text in docs.items()}
    return "\n\n".join(f"`objectives.{one}`: {text.removeprefix('Return ')}" for one, text in texts.items())


def reference_losses(name: str) -> str:
    """Return the losses in known situations with the default settings."""
    kind: Any = METHODS[name]
    modality = next(name for name in ROWS if kind.takes(name))
    data = read(np.random.default_rng(0).integers(256, size=ROWS[modality]).astype(np.uint8), modality=modality)
    prepared = prepare(Recipe.default(name, modality), data)
    batch = prepared.recipe.train.batch_size
    said = " ".join(inspect.cleandoc(kind.reference_losses.__doc__ or "").split("\n\n")[0].split())
    values = [f"- {situation}: {value:.4g}" for situation, value in prepared.method.reference_losses(batch).items()]
    if not values:
        return "None: they have no closed form, or depend on more than the batch size."
    said = said.removeprefix("Return ")
    return f"{said[:1].upper()}{said[1:]} With the defaults and a batch of {batch}:\n\n" + "\n".join(values)


def recipes(name: str) -> str:
    """Return the recipes of a method with their scores and settings."""
    lines = []
    for path in sorted((ROOT / "recipes").glob("*.toml")):
        content = tomllib.loads(path.read_text())
        if content["method"]["name"] == name:
            record, settings = content["record"], {k: v for k, v in content["method"].items() if k != "name"}
            score = f"published {record['published']}; " if "published" in record else ""
            shown = ", ".join(f"{key} = {value}" for key, value in settings.items()) or "the defaults"
            lines.append(f"- [{path.name}](../../recipes/{path.name}): {score}{record['status']}; {shown}")
    return "\n".join(lines)


def page(name: str, rows: list[dict[str, Any]], tables: ModuleType, old: str) -> str:
    """Return a method's page; the part that is written by hand is that of `old`."""
    parts = [f"# {METHODS[name].__name__}", NOTE, described(name)]
    if said := losses(name):
        parts += ["## Loss", said]
    parts += ["## Reference losses", reference_losses(name)]
    if found := recipes(name):
        parts += ["## Recipes", found]
    parts += ["## Results"]
    if any(row["study"] == "matrix" and row["variant"] == name for row in rows):
        table = tables.method_table(rows, name)
        dagger = (
            " † The seed did not reach the method's own random draws (CHANGELOG, Numerics)." if "†" in table else ""
        )
        parts += [
            "The gain is the trained minus the untrained encoder after 40 CPU seconds, mean of the seeds; + or - where "
            "the 95% interval of every seed excludes zero, = otherwise. The baselines need no training. "
            f"[All methods](../../papers/matrix/README.md).{dagger}",
            table,
        ]
    else:
        parts += ["Not measured yet."]
    by_hand = old[old.index(BY_HAND) :].rstrip() if BY_HAND in old else ""
    return "\n\n".join([*parts, by_hand] if by_hand else parts) + "\n"


def index(rows: list[dict[str, Any]], tables: ModuleType, at_a_budget: str, every: str) -> str:
    """Return the index of all methods."""
    lines = ["| method | in one line | data |", "|---|---|---|"]
    for name, kind in METHODS.items():
        lines.append(f"| [{kind.__name__}]({name}.md) | {idea(name)} | {', '.join(filter(kind.takes, ROWS))} |")
    return "\n\n".join([
        "# Methods", NOTE, "`isotropy methods` lists the names; `--method NAME` takes one.", "\n".join(lines),
        "## Beside everything free, at a user's budget",
        "The default candidates, trained for at most 180 CPU seconds. After a score: + or - where the paired 95% "
        "interval against the best free baseline excludes zero, = otherwise; in brackets the difference with its "
        "interval and that baseline. Search is precision at 10; the label factor says how many times as many labels "
        "the best free baseline needs. [Protocol](../../papers/defaults/README.md).",
        at_a_budget,
        "## Every method beside everything free",
        "All methods by their defaults, trained for at most 40 CPU seconds (epochs were counted on a machine with bf16 "
        "units), marks and brackets as above, against the best free baseline of the column, label propagation among "
        "them. Nothing is fine-tuned; ten labels a class were read as before "
        "[decision 0061](../decisions/0061-few-labels-are-averaged.md). "
        "[What it says](../../papers/defaults/README.md).",
        every,
        "## Where a method beats its untrained encoder",
        "All methods have the same budget: 40 CPU seconds, three seeds. A method beats its untrained encoder on a "
        "data set if it gains in at least one probe (linear, k-NN) and loses in neither. Mixed: it gains in one and "
        'loses in the other. Neither: no measurable difference.\n\n'
        "All scores and baselines: [the matrix](../../papers/matrix/README.md). The papers' claims: "
        "[claims](../claims.md).",
        tables.where(rows),
    ]) + "\n"  # fmt: skip


def pages() -> dict[Path, str]:
    """Return the text of every page."""
    tables, defaults = script("matrix"), script("defaults")
    shared = {name: sys.modules[name] for name in ("pages", "rows")}  # which the scripts have loaded from papers/
    rows, others = (shared["rows"].read_rows(ROOT / f"papers/{name}/results.jsonl") for name in ("matrix", "defaults"))
    readme = (ROOT / "README.md").read_text()
    made = {
        PAGES / "README.md": index(rows, tables, "\n\n".join(defaults.tables(others)), defaults.every_method(others)),
        ROOT / "README.md": shared["pages"].between_marks(readme, defaults.first_table(others)),
    }
    for name in METHODS:
        path = PAGES / f"{name}.md"
        made[path] = page(name, rows, tables, path.read_text() if path.exists() else "")
    return made


if __name__ == "__main__":
    write_or_check(pages, __doc__)
