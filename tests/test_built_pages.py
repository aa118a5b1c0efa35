"""Pages say what the code says: the methods' pages by a script, the verdicts' sentences by hand."""

import importlib.util
import sys
from pathlib import Path

from isotropy.diagnostics.verdict import VERDICTS
from isotropy.methods import METHODS

ROOT = Path(__file__).parents[1]


def test_the_pages_of_the_methods_are_up_to_date(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "docs")
    spec = importlib.util.spec_from_file_location("build_methods", ROOT / "docs/build_methods.py")
    module = importlib.util.module_from_spec(spec)
    path = list(sys.path)
    try:
        spec.loader.exec_module(module)
        pages = module.pages()
    finally:
        sys.path[:] = path
    assert (
        {page.stem for page in pages} == {"README", *METHODS} == {p.stem for p in (ROOT / "docs/methods").glob("*.md")}
    )
    stale = [page.stem for page, text in pages.items() if page.read_text() != text]
    assert stale == [], "python docs/build_methods.py writes them anew"


def test_the_page_of_the_verdicts_has_their_sentences():
    rows = {f"| {name} | {sentence} |" for name, sentence in VERDICTS.items()}
    assert rows <= set((ROOT / "docs/diagnostics.md").read_text().splitlines())
