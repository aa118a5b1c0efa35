"""The page in Chromium: what it shows when it is hovered, clicked, coloured and searched is what the run holds."""

import json
import re
import zlib
from io import BytesIO

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from isotropy import report
from isotropy.data import PREPROCESS, read
from isotropy.evaluation import evaluate
from isotropy.evaluation.neighbours import most_similar
from isotropy.evaluation.score import number
from report.browser import opened, started, until

NASTY = '</script><img src=x onerror=alert("1")>&amp;\u2028'
ROWS = 240


@pytest.fixture(scope="module")
def browser():
    with started() as running:
        yield running


def write_run(folder, vectors, labels, **files):
    """Write what a run directory of these embeddings holds."""
    folder.mkdir()
    frame = pd.DataFrame({"part": np.where(np.arange(len(vectors)) < 160, "train", "test"), "label": labels})
    wide = pd.DataFrame(vectors.astype(np.float32), columns=[f"z{i}" for i in range(vectors.shape[1])])
    pd.concat([frame, wide], axis=1).to_parquet(folder / "embeddings.parquet")
    (folder / "recipe.toml").write_text('modality = "table"\n[method]\nname = "simclr"\n')
    files = {"model.json": {"made_with": {"torch": NASTY}}} | files
    for name, content in files.items():
        (folder / name).write_text(json.dumps(content))
    return folder


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """A run on a table, with evidence, an audit and clusters, whose texts are markup wherever they can be."""
    rng = np.random.default_rng(0)
    kinds = rng.integers(3, size=ROWS)
    vectors = np.eye(6)[kinds] * 3 + 0.4 * rng.normal(size=(ROWS, 6))
    labels = np.array(["ant" + NASTY, "bee", "cat"])[kinds]
    frame = pd.DataFrame(
        {
            "age": rng.integers(18, 90, ROWS),
            "height" + NASTY: rng.normal(1.7, 0.1, ROWS),
            "city": np.where(np.arange(ROWS) == 77, NASTY, rng.choice(["Bern", "Oslo", "Rome"], ROWS)),
        }
    )
    frame.loc[5, "height" + NASTY] = np.nan
    frame["joined"] = pd.Timestamp("2019-12-30") + pd.to_timedelta(np.arange(ROWS) % 50, unit="D")
    frame.loc[8, "joined"] = pd.NaT
    frame["id"] = [f"p{place}" for place in range(ROWS)]
    ours, raw = "isotropy" + NASTY, vectors[:, :1]
    pairs = {ours: (vectors[:160], vectors[160:]), "raw": (raw[:160], raw[160:])}
    found = evaluate(
        pairs,
        kinds[:160],
        kinds[160:],
        ours=ours,
        label="species" + NASTY,
        evaluators=["linear", "few_labels"],
        draws=3,
        sizes=[1, 5],
    )
    spectrum = {"rows": 160, "trained": [0.5, 0.3, 0.2], "untrained": [0.9, 0.1]}
    trait = {"column": "age", "value": None, "here": 60.0, "elsewhere": 40.5, "difference": 1.25, "lift": None}
    value = {"column": "city", "value": NASTY, "here": 0.5, "elsewhere": 0.25, "difference": 1.0, "lift": 2.0}
    code = {"column": "code 9", "value": "6", "here": 0.8, "elsewhere": 0.1, "difference": 1.6, "lift": 3.0}
    clusters = [
        {
            "cluster": n,
            "rows": int((kinds == n).sum()),
            "exemplars": np.flatnonzero(kinds == n)[:3].tolist(),
            "labels": {"species": [["bee", 0.75]]},
            "traits": [trait, value],
        }
        for n in range(3)
    ]
    folder = write_run(
        tmp_path_factory.mktemp("table") / "run",
        vectors,
        labels,
        **{
            "probes.json": [found],
            "measured.json": {"evaluation_seconds": 75.0, "peak_memory": 1_234_000_000, "spectrum": spectrum},
            "clusters.json": {"clusters": clusters, "codes": {"clusters": [[code], [], [code]]}},
        },
    )
    flagged = np.isin(np.arange(ROWS), [3, 9, 200])
    audit = {"is_outlier_issue": flagged, "outlier_score": np.where(flagged, np.arange(ROWS) / 1000, 0.9)}
    pd.DataFrame(audit).to_parquet(folder / "audit.parquet")
    (folder / "audit.json").write_text(json.dumps({"issues": {"outlier": {"what": f"unlike all others {NASTY}"}}}))
    (folder / "audit").mkdir()
    reasons = {"rank": [1, 2], "row": [3, 9], "reason": [f"far away {NASTY}", "1.5 times as far"]}
    pd.DataFrame(reasons).to_csv(folder / "audit" / "outlier.csv", index=False)
    report.write(folder, read(frame))
    return folder, vectors, labels, frame


@pytest.fixture
def page(browser, table):
    with opened(browser, table[0] / "report.html") as shown:
        yield shown


def hover(page, row):
    page.locator("#view").scroll_into_view_if_needed()
    page.mouse.move(*page.evaluate(f"explorer.where({row})"))
    return page.locator("#canvas").get_attribute("data-hovered")


def select(page, row):
    page.locator("#view").scroll_into_view_if_needed()
    page.mouse.click(*page.evaluate(f"explorer.where({row})"))
    return int(page.locator("#canvas").get_attribute("data-selected"))


def values(page, place):
    return dict(
        zip(
            page.locator(f"{place} .values dt").all_text_contents(),
            page.locator(f"{place} .values dd").all_text_contents(),
        )
    )


def exposed(vectors):
    """Return a row that stands alone on the map: nothing else is under the pointer there."""
    return int(most_similar(torch.from_numpy(vectors), torch.from_numpy(vectors), 2)[0][:, 1].argmin())


def test_hover_shows_the_row_as_the_data_have_it(page, table):
    _, vectors, labels, frame = table
    row = int(hover(page, exposed(vectors)))
    assert page.locator("#tip").is_visible() and f"row {row}" in page.locator("#tip").inner_text()
    shown = values(page, "#tip")
    assert shown["species" + NASTY] == labels[row] and shown["city"] == frame["city"][row]
    assert shown["age"] == str(frame["age"][row])
    assert float(shown["height" + NASTY]) == pytest.approx(frame["height" + NASTY][row], rel=1e-5)
    page.mouse.move(2, 2)
    assert not page.locator("#tip").is_visible()


def test_a_click_shows_the_ten_nearest_rows_with_their_cosines(page, table):
    vectors = table[1].astype(np.float32)
    row = select(page, exposed(vectors))
    cosines, places = most_similar(torch.from_numpy(vectors), torch.from_numpy(vectors), 11)
    expected = [(int(p), float(c)) for p, c in zip(places[row], cosines[row]) if p != row][:10]
    thumbs = page.locator("#neighbours .thumb")
    assert thumbs.count() == 10
    assert [int(thumbs.nth(n).get_attribute("data-point")) for n in range(10)] == [place for place, _ in expected]
    said = [float(thumbs.nth(n).locator("small").inner_text().split(",")[0]) for n in range(10)]
    assert said == pytest.approx([cosine for _, cosine in expected], abs=6e-4)
    differing = [thumbs.nth(n).locator("small").inner_text().split(", ", 1)[1] for n in range(10)]
    assert all(any(f"{name} " in one for name in ("age", "height", "city", "joined")) for one in differing)
    assert not any(one.startswith("id ") for one in differing)
    thumbs.nth(0).click()
    assert page.locator("#canvas").get_attribute("data-selected") == str(expected[0][0])
    assert page.locator("#card h3").inner_text() == f"Row {expected[0][0]}"
    page.locator("#card .close").click()
    assert page.locator("#neighbours").count() == 0


# The canvas is copied: to read it itself again and again would make Chromium complain.
READ = """([x, y]) => { const from = document.getElementById('canvas'), box = from.getBoundingClientRect();
    const to = new OffscreenCanvas(1, 1).getContext('2d'), scale = from.width / box.width;
    to.drawImage(from, -Math.round((x - box.left) * scale), -Math.round((y - box.top) * scale));
    return [...to.getImageData(0, 0, 1, 1).data].slice(0, 3) }"""


def near(found, wanted, within=40):
    return max(abs(a - b) for a, b in zip(found, wanted)) <= within


def rgb(text):
    return [int(text[at : at + 2], 16) for at in (1, 3, 5)]


def test_every_row_has_the_colour_of_its_class_and_the_legend_counts_them(page, table):
    _, vectors, labels, _ = table
    page.wait_for_timeout(100)
    own, names = page.evaluate("explorer.colours.classes"), sorted(set(labels))
    # A pixel is a colour over what is below: rows that stand alone are of their own colour.
    alone = most_similar(torch.from_numpy(vectors), torch.from_numpy(vectors), 2)[0][:, 1].argsort()[:6].tolist()
    for row in alone:
        seen = page.evaluate(READ, page.evaluate(f"explorer.where({row})"))
        assert near(seen, rgb(own[names.index(labels[row])]), within=60)
    counts = [int(text) for text in page.locator("#legend button small").all_text_contents()]
    assert counts == [int((labels == name).sum()) for name in names]
    assert page.locator("#legend button").first.text_content() == f"{names[0]}{counts[0]}"


def test_the_names_of_classes_stand_on_rows_of_theirs(page, table):
    labels = table[2]
    named, places = page.evaluate("[explorer.map.labels, Array.from(explorer.map.layout.places)]")
    places = np.asarray(places).reshape(-1, 2)
    assert len(named) == 3
    for one, name in zip(named, sorted(set(labels))):
        own = places[labels == name]
        assert one["name"][:8] == name[:8] and one["at"] in own.tolist()
        far = np.abs(own - np.median(own, axis=0)).sum(1)
        assert np.abs(one["at"] - np.median(own, axis=0)).sum() < np.quantile(far, 0.1)


@pytest.mark.parametrize("at", [[0.5, 0.5], [0.5, 0.02], [0.98, 0.98]])
def test_names_of_classes_whose_rows_lie_among_each_other_stand_apart(page, at):
    drawn = page.evaluate(
        """(at) => {
          const { map } = explorer, above = map.overlay.getContext("2d"), drawn = [], write = above.fillText;
          above.fillText = (name, x, y) => drawn.push([name, x / map.ratio, y / map.ratio]);
          map.labels = ["left", "right", "other"].map((name) => ({ name, at }));
          map.drawAbove();
          above.fillText = write;
          explorer.recolour();
          return [drawn, map.canvas.height / map.ratio];
        }""",
        at,
    )
    (names, high) = drawn
    assert [name for name, _, _ in names] == ["left", "right", "other"]
    ys = sorted(y for _, _, y in names)
    assert np.diff(ys).min() >= 15 and ys[0] > 0 and ys[-1] < high


def test_colours_by_a_number_name_its_range_and_a_class_can_be_looked_at_alone(page, table):
    _, vectors, labels, frame = table
    page.locator("#colour").select_option(label="age")
    assert f"{frame['age'].min()} to {frame['age'].max()}" in page.locator("#legend").inner_text()
    page.locator("#colour").select_option(label="height" + NASTY)
    assert "1 without a value" in page.locator("#legend").inner_text()
    page.locator("#colour").select_option(label="density on the map")
    assert page.locator("#legend").inner_text().endswith("to 1")
    page.locator("#colour").select_option(label="joined")
    assert page.locator("#legend").inner_text().endswith("2019-12-30 to 2020-02-17, 1 without a value")
    page.locator("#colour").select_option(label="species" + NASTY)
    button = page.locator("#legend button").nth(1)
    button.click()
    assert page.locator("#legend button").nth(1).get_attribute("aria-pressed") == "true"
    assert page.evaluate("explorer.map.shown.reduce((a, b) => a + b)") == (labels == "bee").sum()
    page.locator("#layout").select_option(label="PCA")
    assert "principal axes" in page.locator("#layout-note").inner_text()
    assert "by PCA, coloured by species" in page.locator("#canvas").get_attribute("aria-label")


@pytest.mark.parametrize(
    ("query", "matches"),
    [
        ("oslo", lambda frame, labels: frame["city"] == "Oslo"),
        ("#77", lambda frame, labels: frame.index == 77),
        ("city:rom", lambda frame, labels: frame["city"] == "Rome"),
        ("age:40", lambda frame, labels: frame["age"] == 40),
        ("joined:2020-01", lambda frame, labels: frame["joined"].dt.month == 1),
        ("2019-12-3", lambda frame, labels: frame["joined"].dt.year == 2019),
        ("onerror", lambda frame, labels: (frame["city"] == NASTY) | (labels == "ant" + NASTY)),
        ("nowhere", lambda frame, labels: np.zeros(ROWS, dtype=bool)),
    ],
)
def test_search_finds_the_rows_that_hold_the_text(page, table, query, matches):
    _, _, labels, frame = table
    found = np.flatnonzero(matches(frame, labels))
    page.locator("#search").fill(query)
    assert page.locator("#found").inner_text() == f"{len(found)} of {ROWS} rows"
    shown = page.locator("#results .thumb")
    assert [int(shown.nth(n).get_attribute("data-point")) for n in range(shown.count())] == found[:12].tolist()
    if len(found):
        page.locator("#search").press("Enter")
        assert page.locator("#canvas").get_attribute("data-selected") == str(found[0])
    page.locator("#search").press("Escape")
    assert page.locator("#found").inner_text() == "" and page.evaluate("explorer.map.shown") is None


def test_enter_takes_the_first_row_that_was_found_and_shows_it_on_a_phone_too(browser, table):
    top, bottom = (f"document.querySelector('#card h3').getBoundingClientRect().{end}" for end in ("top", "bottom"))
    for width in (390, 1280):
        size = {"width": width, "height": 800}
        with opened(browser, table[0] / "report.html", viewport=size, reduced_motion="reduce") as page:
            page.locator("#search").fill("30")  # of many ages, too; the row of that number is meant
            assert page.evaluate("explorer.results.length") > 1
            page.locator("#search").press("Enter")
            assert page.locator("#canvas").get_attribute("data-selected") == "30"
            until(page, f"{top} >= 0 && {bottom} <= innerHeight")


def test_a_row_that_is_chosen_in_sight_moves_nothing_and_one_out_of_sight_moves_the_map_no_further_than_needed(page):
    box = page.locator("#canvas").bounding_box()
    places = {row: page.evaluate(f"explorer.where({row})") for row in range(ROWS)}
    lowest = max(places, key=lambda row: places[row][1])
    page.evaluate(f"explorer.select({lowest})")
    moved = [b - a for a, b in zip(places[lowest], page.evaluate(f"explorer.where({lowest})"))]
    assert max(map(abs, moved)) < 0.03 * box["height"]
    page.evaluate("explorer.map.moveBy(0, 500)")
    page.evaluate(f"explorer.select({lowest})")
    left, top = page.evaluate(f"explorer.where({lowest})")
    assert box["y"] + 0.9 * box["height"] < top < box["y"] + box["height"]


def test_the_keyboard_moves_zooms_and_chooses(page):
    canvas = page.locator("#canvas")
    page.locator("#whole").focus()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "canvas"
    before = page.evaluate("[explorer.map.x, explorer.map.zoom]")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("+")
    after = page.evaluate("[explorer.map.x, explorer.map.zoom]")
    assert after[0] > before[0] and after[1] == pytest.approx(1.4 * before[1])
    page.keyboard.press("0")
    page.keyboard.press("Enter")
    assert canvas.get_attribute("data-selected") != "" and page.locator("#neighbours .thumb").count() == 10
    page.keyboard.press("Escape")
    assert canvas.get_attribute("data-selected") == ""


def test_dragging_moves_the_map_and_the_wheel_zooms_under_the_pointer(page):
    page.locator("#view").scroll_into_view_if_needed()
    box = page.locator("#canvas").bounding_box()
    x, y = box["x"] + 200, box["y"] + 150
    before = page.evaluate("explorer.where(0)")
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 60, y + 30)
    page.mouse.up()
    after = page.evaluate("explorer.where(0)")
    assert [b - a for a, b in zip(before, after)] == pytest.approx([60, 30], abs=0.01)
    page.locator("#canvas").focus()
    page.mouse.wheel(0, -200)
    until(page, "explorer.map.zoom > 1")
    zoomed, factor = page.evaluate("explorer.where(0)"), page.evaluate("explorer.map.zoom") / 0.94
    fixed = (x + 60, y + 30)
    assert [z - f for z, f in zip(zoomed, fixed)] == pytest.approx(
        [factor * (a - f) for a, f in zip(after, fixed)],
        abs=1,  # the place of a wheel event is whole pixels
    )


def test_lists_of_the_audit_and_clusters_lead_to_their_rows(page, table):
    thumbs = page.locator('[data-list="audit-outlier"] .thumb')
    assert [thumbs.nth(n).get_attribute("data-point") for n in range(3)] == ["3", "9", "200"]
    assert thumbs.locator("small").all_text_contents() == [f"far away {NASTY}", "1.5 times as far", "score 0.2"]
    assert page.locator("#audit h3").text_content() == f"unlike all others {NASTY} 3 rows"
    assert page.locator("#clusters h3").count() == 3
    assert page.locator("#clusters ul").first.locator("li").all_text_contents() == [
        "species: bee 75%",
        "age is 60 on average, elsewhere 40.5 (+1.2 deviations)",
        f"city is {NASTY} in 50% of its rows, elsewhere in 25%, 2 times as often as in all rows",
        "code 9 is 6 in 80% of its rows, elsewhere in 10%, 3 times as often as in all rows",
    ]
    assert page.locator("#clusters ul").nth(1).locator("li").count() == 3
    page.locator('[data-list="cluster-1"] .thumb').first.click()
    assert int(page.locator("#canvas").get_attribute("data-selected")) == np.flatnonzero(table[2] == "bee")[0]


def test_numbers_on_the_page_are_those_of_the_run(page, table):
    entry = json.loads((table[0] / "probes.json").read_text())[0]
    text = page.locator("body").inner_text()
    rows = page.locator("table.scores").last.locator("tbody tr:not(.axis)")
    assert [rows.nth(n).locator("td.n").first.inner_text() for n in range(rows.count())] == [
        *(number(line["value"]) for line in entry["ranking"]),
        number(entry["majority"]),
    ]
    assert rows.last.locator("td").first.inner_text() == "guessing"
    drawn = page.locator("td.bar svg").evaluate_all("all => all.map(one => one.getAttribute('aria-label'))")
    assert drawn == [
        f"{number(line['value'])}, interval {number(line['low'])} to {number(line['high'])}"
        for line in entry["ranking"]
    ]
    assert entry["sentence"].split(". ")[0].split(NASTY)[0] in text
    assert "1.23 GB" in text and "1 min 15 s" in text
    assert "trained: half of it lies in 1 of 3; untrained: half of it lies in 1 of 2" in text


def test_markup_in_names_values_and_labels_is_text(page):
    assert page.locator("img").count() == 0 and page.locator("script").count() == 2
    page.locator("#search").fill("#77")
    page.locator("#search").press("Enter")
    assert values(page, "#card")["city"] == NASTY


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_shows_all_of_it_in_one_column_in_both_schemes(browser, table, scheme):
    size = {"width": 390, "height": 800}
    with opened(browser, table[0] / "report.html", viewport=size, color_scheme=scheme, has_touch=True) as page:
        page.wait_for_timeout(100)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        paper = page.evaluate("explorer.colours.paper")
        assert (sum(rgb(paper)) < 120) == (scheme == "dark")
        box = page.locator("#canvas").bounding_box()
        assert near(page.evaluate(READ, [box["x"] + 2, box["y"] + 2]), rgb(paper), 1)
        page.locator("#view").scroll_into_view_if_needed()
        page.touchscreen.tap(*page.evaluate("explorer.where(20)"))
        assert page.locator("#neighbours .thumb").count() == 10


def pixels_of_pdf(data):
    """Return the pixels (N, 3) of the picture in a PDF: the map is the only one."""
    head = re.search(rb"/Subtype\s*/Image\s*/Width (\d+)\s*/Height (\d+).*?stream\r?\n", data, re.DOTALL)
    raw = zlib.decompress(data[head.end() : data.index(b"endstream", head.end())])
    return np.frombuffer(raw, dtype=np.uint8).reshape(int(head[1]) * int(head[2]), 3)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_print_shows_the_map_on_white_and_no_controls(browser, table, scheme):
    with opened(browser, table[0] / "report.html", color_scheme=scheme) as page:
        screen = page.evaluate("explorer.colours.paper")
        # Most of the map is paper.
        pixels = pixels_of_pdf(page.pdf(print_background=True))
        assert np.median(pixels, axis=0).tolist() == [255, 255, 255]
        assert page.evaluate("explorer.colours.paper") == screen
        page.emulate_media(media="print")
        page.evaluate("explorer.recolour()")
        assert page.evaluate("explorer.colours.paper") == "#ffffff"
        assert not page.locator(".tools").is_visible() and page.locator("#canvas").is_visible()
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        assert page.pdf()[:5] == b"%PDF-"


def test_a_value_turns_no_text_around_it(browser, tmp_path):
    turned = "pay \u202e\u2067raise"
    rng = np.random.default_rng(0)
    labels = np.where(np.arange(ROWS) % 2 == 0, turned, "other")
    folder = write_run(tmp_path / f"run {turned}", rng.normal(size=(ROWS, 4)), labels)
    frame = pd.DataFrame({turned: rng.normal(size=ROWS), "job": labels})
    report.write(folder, read(frame))
    with opened(browser, folder / "report.html") as page:
        select(page, 20)
        seen = r"pay \u202e\u2067raise"
        assert seen in page.locator("h1, .kicker").all_inner_texts()[0] + page.title()
        assert page.locator("#legend button").all_inner_texts()[1].startswith(seen)
        assert page.locator("#card dt").all_inner_texts().count(seen) == 1
        assert seen in page.locator("#card dd").all_inner_texts()
        whole = page.evaluate("document.documentElement.outerHTML + JSON.stringify(explorer.points.columns)")
        assert not set(whole) & set("\u202e\u2067")


# The names alone, with the row of the longest in a corner of the map: the pixels of the first and the last column and
# line that are drawn on, how wide the name is, and the size of the canvas.
NAME_IN_CORNER = """([right, low]) => {
  const { map } = explorer, long = map.labels.reduce((a, b) => (b.name.length > a.name.length ? b : a));
  const scale = map.side * map.zoom, { width, height } = map.overlay;
  map.labels = [long];
  map.x = long.at[0] - (right ? 1 : -1) * (width / 2 - 5) / scale;
  map.y = long.at[1] + (low ? 1 : -1) * (height / 2 - 5) / scale;
  map.drawAbove();
  const seen = map.above.getImageData(0, 0, width, height).data, at = { x: [], y: [] };
  for (let pixel = 0; pixel < width * height; pixel++) {
    if (seen[4 * pixel + 3]) { at.x.push(pixel % width); at.y.push(Math.floor(pixel / width)); }
  }
  const ends = (list) => list.reduce(([low, high], one) => [Math.min(low, one), Math.max(high, one)], [1e9, -1]);
  return [...ends(at.x), ...ends(at.y), map.above.measureText(long.name).width, width, height];
}"""


@pytest.mark.parametrize("corner", [(0, 0), (1, 0), (0, 1), (1, 1)])
def test_the_name_of_a_class_is_whole_where_its_row_is_at_the_edge(browser, table, corner):
    with opened(browser, table[0] / "report.html", viewport={"width": 390, "height": 800}) as page:
        left, right, top, bottom, wide, width, height = page.evaluate(NAME_IN_CORNER, list(corner))
        assert left > 0 and top > 0 and right < width - 1 and bottom < height - 1
        assert right - left > 0.95 * wide > 50
        # As near to the row as it can be.
        assert (width - right if corner[0] else left) < 8 and (height - bottom if corner[1] else top) < 12


def test_what_is_drawn_has_a_text(page):
    select(page, 20)
    without = "all => all.filter(one => !one.getAttribute('aria-label')).length"
    assert page.locator("[role=img]").count() >= 5 and page.locator("[role=img]").evaluate_all(without) == 0
    assert page.locator("svg:not([role])").count() == 0
    unnamed = "all => all.filter(one => !one.innerText.trim() && !one.getAttribute('aria-label')).length"
    assert page.locator("button").evaluate_all(unnamed) == 0


@pytest.mark.parametrize("kind", ["images", "series"])
def test_pictures_are_those_of_the_rows(browser, tmp_path, kind):
    rng = np.random.default_rng(1)
    vectors = rng.normal(size=(120, 5))
    if kind == "images":
        array = np.zeros((120, 8, 8), dtype=np.uint8)
        array[np.arange(120), np.arange(120) % 8, :] = 255  # row n is white in its line n % 8
    else:
        array = np.linspace(0, 1, 50)[None, None] * np.arange(120)[:, None, None] + np.zeros((1, 2, 1))
    data = read(array, modality=kind.removesuffix("s") if kind == "images" else "series")
    run = write_run(tmp_path / "run", vectors, np.arange(120) % 3)
    learnt = PREPROCESS[data.modality].learn(data.values, np.arange(120), any_length=False)
    (run / "data.json").write_text(json.dumps({"preprocess": learnt.to_json(), "rows": 120}))
    report.write(run, data)
    with opened(browser, run / "report.html") as page:
        for row in (13, 100):
            page.locator("#search").fill(f"#{row}")
            page.locator("#search").press("Enter")
            if kind == "images":
                shown = page.locator("#card .picture").first
                assert shown.get_attribute("aria-label") == f"picture of row {row}, label {row % 3}"
                seen = np.asarray(Image.open(BytesIO(shown.screenshot())).convert("L").resize((8, 8), Image.BOX))
                assert seen.mean(axis=1).argmax() == row % 8 and seen.mean(axis=1).max() > 150
            else:
                said = page.locator("#card .about").inner_text()
                assert said == f"50 steps. channel 1 0 to {row}. channel 2 0 to {row}."
                assert page.locator("#card > svg.series path").count() == 2
