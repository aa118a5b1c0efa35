"""The page of a comparison in Chromium: no table runs off it, on a phone, a small and a large window, and on paper."""

import json

import pytest

from isotropy import report
from isotropy.runs.comparison_folder import ABOUT, LEADERBOARD
from report.browser import opened, started

SIZES = [f"{size} a class" for size in (1, 2, 5, 10, 50, 200)] + ["1 %", "10 %"]
SCORE = {"value": 0.9712, "low": 0.9513, "high": 0.9899}
GAP = {"value": -0.0151, "low": -0.0562, "high": 0.0181}


def board():
    """Return a leaderboard with everything that there can be in a column."""
    line = {"labels": 30, "ours": 0.9, "best": "random convolutions", "value": 0.9721, "difference": GAP}
    line |= {"label_factor": {"value": None, "measured_to": 123.0, "low": None, "high": None}}
    method = {
        "kind": "method", "all": {**SCORE, "evaluator": "linear", "best": "raw features", "difference": GAP},
        "few": {**SCORE, "size": "10 a class"}, "search": SCORE, "training_seconds": 725.0, "embedding_seconds": 0.071,
        "width": 12_692, "verdict": "no better than the random encoder", "runs": ["a-0"],
        "few_labels": [line | {"size": size} for size in SIZES],
    }  # fmt: skip
    free = {"kind": "free", "name": "random convolutions", "all": {**SCORE, "evaluator": "linear"}, "width": 9996}
    return {
        "label": "kind", "metric": "balanced accuracy", "rows_used": {"train": 10_000, "test": 20_000}, "spent": 610.0,
        "budget": 600.0, "share": 60.0, "test_rows": 2000, "notes": [], "description": "a table of 13 columns",
        "majority": 0.25, "search_by_chance": 0.84, "task": "classes",
        "rows": [*(method | {"name": name} for name in ("center_subtraction", "lfr", "vicreg", "scarf", "byol")), free],
        "recommendation": {
            "outcome": "do not train", "sentence": "Do not train an encoder for kind. With all labels use PCA: .972.",
        },
    }  # fmt: skip


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("compared")
    (folder / ABOUT).write_text("{}")
    (folder / LEADERBOARD).write_text(json.dumps(board()))
    return report.write(folder)


@pytest.fixture(scope="module")
def browser():
    with started() as running:
        yield running


WIDEST = "Math.max(...[...document.querySelectorAll('td, th, p, h1')].map(one => one.getBoundingClientRect().right))"


@pytest.mark.parametrize("width", [390, 800, 1000, 1200])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_runs_past_the_right_edge(browser, page, width, scheme):
    with opened(browser, page, viewport={"width": width, "height": 900}, color_scheme=scheme) as shown:
        assert shown.evaluate("document.documentElement.scrollWidth") <= width
        assert shown.evaluate(WIDEST) <= width
        assert shown.evaluate("document.querySelector('table.wide').getBoundingClientRect().left") >= 0
        assert shown.locator("h1").text_content() == "Do not train an encoder for kind."


def test_on_paper_all_columns_stand_beside_each_other(browser, page):
    with opened(browser, page, viewport={"width": 720, "height": 1000}) as shown:  # A4 within its margins
        shown.emulate_media(media="print")
        assert shown.evaluate(WIDEST) <= 720
        assert shown.locator("thead").first.is_visible()


def test_what_is_not_known_is_no_line_of_a_card(browser, page):
    with opened(browser, page, viewport={"width": 390, "height": 900}) as shown:
        free = shown.locator("tr.base", has_text="random convolutions").first
        seen = [cell for cell in free.locator("td.extra").all() if cell.is_visible()]
        assert [cell.get_attribute("data-name") for cell in seen] == ["width:"]
