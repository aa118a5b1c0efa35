"""The field's terms (docs/glossary.md) are used, and the words they replaced are not."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# Pattern, and the term to use. Case does not matter.
FORBIDDEN = {
    r"\b(two|three|many|several|few|more|all|both|other|num|min|max|of|the) looks\b": "views",
    r"\ba look\b(?! at)": "view",
    r"\b(cheap|dear) looks?\b": "cheap or expensive diagnostics",
    r"\bkinship\b": "linear CKA",
    r"\blandmarks?\b": "reference losses",
    r"\bplant(s|ed|ing)?\b": "inject a fault, fault injection",
    r"\bprocessor[- ]seconds?\b": "CPU seconds",
    r"\bmend(s|ed|ing)?\b": "fix",
    r"\b(false|verdict's) words?\b": "false alarm, label",
    r"\bshares? of\b": "fraction of",
    r"\bstruck out\b": "dropped (DropConnect)",
    r"\bsurprises?\b": "cross entropy",
    r"\bstands? still\b": "is fixed, has no gradient",
    r"\bin words\b": "(leave it out)",
    r"\btrainings\b": "runs",
    r"\bas asked\b": "(name the setting)",
}

# Only in pages: comments and docstrings may need the plain meaning of some of these.
FORBIDDEN_IN_PAGES = {
    r"\b(cannot|not to|hardly) be told\b|\bnot to be told\b": "no measurable difference",
    r"\ba rate of\b": "a learning rate of",
    r"\bby the clock\b": "wall time",
    r"\bwhoever\b": "if you",
    r"\blike with like\b": "comparable",
    r"\bin the mean\b": "on average",
    r"\bbut for\b": "except for",
    r"\bnext to zero\b": "near zero",
    r"\blearnt by heart\b": "memorised",
    r"\ba test says\b": "tested",
    r"\basked of\b": "required, threshold",
    r"\b(a|the whole) training\b(?! (row|part|split|set|step|run))": "a run",
    r"\bin silence\b|\bwithout a word\b": "silently",
}

# What is covered, and what names the words of version 0.1 in order to read its files. docs/log.md is a history.
COVERED = [
    "README.md",
    "CONTRIBUTING.md",
    "docs/glossary.md",
    "docs/speed.md",
    "docs/structured.md",
    "docs/index.md",
    "docs/loops.md",
    "docs/install.md",
    "docs/start_table.md",
    "docs/start_images.md",
    "docs/start_recordings.md",
    "docs/few_labels.md",
    "docs/healthy.md",
    "docs/which_method.md",
    "docs/add_method.md",
    "docs/export.md",
    "docs/clusters.md",
    "docs/diagnostics.md",
    "docs/finetuning.md",
    "docs/comparing.md",
    "docs/runs.md",
    "docs/stability.md",
    "docs/recordings.md",
    "docs/decisions/*.md",
    "docs/methods/*.md",
    "src/isotropy/**/*.py",
    "recipes/*.toml",
    "papers/**/*.py",
    "papers/**/README.md",
    "benchmarks/*.py",
    "docs/claims.md",
]
READS_OLD_NAMES = {"directory.py", "settings.py", "0018-rooms.md"}
PATHS = sorted(p for pattern in COVERED for p in ROOT.glob(pattern) if p.name not in READS_OLD_NAMES)
PAGES = [p for p in PATHS if p.suffix == ".md" and "papers" not in p.parts]
PAGES += [ROOT / "docs/decisions/0018-rooms.md", ROOT / "CHANGELOG.md"]


def prose(path: Path) -> str:
    """Return what a reader reads: strings and comments of code, a page without what programs print."""
    text = path.read_text()
    if path.suffix == ".md":
        return re.sub(r"```\n\$.*?```", "", text, flags=re.DOTALL)
    if path.suffix == ".py":
        strings = [
            n.value for n in ast.walk(ast.parse(text)) if isinstance(n, ast.Constant) and isinstance(n.value, str)
        ]
        return "\n".join(strings + re.findall(r"#.*", text))
    return text


def forbidden(text: str, words: dict[str, str] = FORBIDDEN) -> list[str]:
    """Return a line for every forbidden word of the text, with the term that belongs there."""
    text = re.sub(r"\s+", " ", text)
    hits = [(m.group(), use) for word, use in words.items() for m in re.finditer(word, text, re.IGNORECASE)]
    return [f"{hit!r}: say {use}" for hit, use in hits]


@pytest.mark.parametrize("path", PATHS, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_fields_terms_are_used(path):
    assert not forbidden(prose(path))


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_pages_are_in_plain_english(path):
    assert not forbidden(prose(path), FORBIDDEN_IN_PAGES)


def test_a_forbidden_word_is_found_and_an_innocent_one_is_not():
    assert forbidden("40 processor\nseconds") == ["'processor seconds': say CPU seconds"]
    assert forbidden("Landmarks, kinship") and forbidden("the share of rows")
    assert forbidden("half of a training; no loss", FORBIDDEN_IN_PAGES) == ["'a training': say a run"]
    assert not forbidden("a training step; a learning rate of 1e-3; near zero", FORBIDDEN_IN_PAGES)
    assert not forbidden("it looks alike; recommended amendments; they share weights; have a look at it")


def test_every_pattern_covers_a_file():
    assert all(any(ROOT.glob(pattern)) for pattern in COVERED)
