"""Every method has a page that says what it is, from where, what is different here, and how it collapses."""

import re
import tomllib
from pathlib import Path

import pytest

from isotropy.methods import METHODS
from laws.cases import make

ROOT = Path(__file__).parents[1]
PAGES = ROOT / "docs" / "methods"
RECIPES = [tomllib.loads(path.read_text()) for path in (ROOT / "recipes").glob("*.toml")]
# A block between dollars or backticks, or four spaces in.
EQUATION = r"^\$\$.+?\$\$|^```.+?^```|^    \S"
# A year, and a number of arXiv or a venue.
YEAR, PLACE = (
    r"\b(19|20)\d\d\b",
    r"arXiv\W+\d{4}\.\d{4,5}|NeurIPS|ICML|ICLR|CVPR|ICCV|ECCV|AAAI|IJCAI|AISTATS|UAI|TMLR|JMLR",
)


def sections(text: str) -> dict[str, str]:
    """Return the text under each heading, written as "## Name" or "**Name**" at the start of a line."""
    parts = re.split(r"^(?:##+ |\*\*)(\w[^\n*:.]*)[:.]?(?:\*\*)?[:.]?", text, flags=re.MULTILINE)
    return {name.strip(): body for name, body in zip(parts[1::2], parts[2::2])}


def test_sections_are_found_in_either_form():
    text = "# T\n\n## Departures\n\n- one\n- **bold** two\n\n**Collapse.** three\n"
    assert sections(text) == {"Departures": "\n\n- one\n- **bold** two\n\n", "Collapse": " three\n"}


@pytest.mark.parametrize("name", METHODS)
def test_every_method_has_a_page_and_a_recipe(name):
    path = PAGES / f"{name}.md"
    assert path.exists(), f"{path.relative_to(ROOT)} is missing"
    text = path.read_text()
    assert re.match(r"# \S", text), "a title comes first"
    assert re.search(EQUATION, text, re.MULTILINE | re.DOTALL), "the equation stands in a block of its own"
    assert re.search(YEAR, text) and re.search(PLACE, text), "a citation names the year and arXiv or the venue"
    found = sections(text)
    assert found.get("Departures", "").strip(), "every departure from the paper is said, or that there is none"
    assert found.get("Collapse", "").strip(), "the page says what the loss is worth at a collapse"
    missing = [key for key in make(name).reference_losses(8) if key not in found["Collapse"]]
    assert missing == [], "the reference losses are explained under Collapse"
    assert name in {recipe["method"]["name"] for recipe in RECIPES}, "a recipe of the paper"


def test_no_page_is_of_a_method_that_is_not_there():
    assert sorted(path.stem for path in PAGES.glob("*.md") if path.stem != "README" and path.stem not in METHODS) == []


def test_the_index_lists_every_method_once_with_its_page():
    listed = re.findall(r"\]\((\w+)\.md\)", (PAGES / "README.md").read_text())
    assert sorted(listed) == sorted(METHODS)
