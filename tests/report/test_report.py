import json
import re
import sys
from base64 import b64decode
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

from isotropy import report
from isotropy.data import read
from isotropy.errors import UserError
from isotropy.evaluation import evaluate
from isotropy.report.answers import answers, headline
from isotropy.report.figures import COLOURS, line, lines, typeset
from isotropy.report.html import render
from isotropy.report.map import Layout, layouts, nearest, sample
from isotropy.report.points import read_points
from isotropy.report.summarise import curve, summarise
from isotropy.runs.directory import Run

NASTY = '<script>alert("1")</script>&\'x'


@pytest.fixture(scope="module")
def probed():
    rng = np.random.default_rng(0)
    labels = rng.integers(3, size=240)
    x = (np.eye(6)[labels] + 0.3 * rng.normal(size=(240, 6))).astype(np.float32)
    pairs = {NASTY: (x[:160], x[160:]), "raw <b>": (x[:160, :1], x[160:, :1])}
    return x, labels, evaluate(pairs, labels[:160], labels[160:], ours=NASTY, label="kind" + NASTY)


@pytest.fixture
def run(tmp_path, probed):
    x, labels, found = probed
    (tmp_path / "probes.json").write_text(json.dumps([found]))
    frame = pd.DataFrame(x, columns=[f"e{i}" for i in range(6)])
    frame["kind" + NASTY] = [NASTY + str(label) for label in labels]
    frame.to_parquet(tmp_path / "embeddings.parquet")
    lines = [
        {
            "step": s,
            "epoch": s / 10,
            "pass": s // 10,
            "loss": 2 / (s + 1),
            "terms": {NASTY: 1 / (s + 1), "b": 1 / (s + 1)},
        }
        for s in range(50)
    ]
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(entry) + "\n" for entry in lines))
    lines = [
        {"step": s, "epoch": s / 10, "effective_rank": 3.5, "mean_norm": 0.2, NASTY: 1.0} for s in range(0, 50, 10)
    ]
    (tmp_path / "diagnostics.jsonl").write_text("".join(json.dumps(entry) + "\n" for entry in lines))
    (tmp_path / "recipe.toml").write_text(f"seed = 1\n[method]\nname = '''{NASTY}'''\n")
    (tmp_path / "model.json").write_text(json.dumps({"made_with": {"torch": NASTY}}))
    data = {"said": NASTY, "reference_losses": {"point " + NASTY: 1.5, "far": 1e9}}
    (tmp_path / "data.json").write_text(json.dumps(data))
    return tmp_path


def test_the_page_is_whole_well_formed_and_needs_nothing_else(run):
    page = report.write(run).read_text(encoding="utf-8")
    for section in ("Evidence", "Training", "Health", "Map", "What was run", "Use it", "The recipe"):
        assert section in page
    assert not re.search(r"<link|<img|@import|url\(\w", page) and page.count("<script") == 2
    assert set(re.findall(r"https?://[^\"]+", page)) == {"http://www.w3.org/2000/svg"}, "a name, which nothing requests"
    assert NASTY not in page and "&lt;script&gt;" in page
    assert len(page) < 500_000
    # As XML: every tag closes and every attribute is quoted, so nothing that a user wrote broke out of its place.
    body = page[page.index("<body>") : page.index("</html>")]
    ElementTree.fromstring(re.sub(r"<script.*?</script>", "", body, flags=re.DOTALL))
    assert [p.name for p in run.iterdir() if p.name.startswith(".report")] == []


def test_a_summary_is_plain_json(run):
    summary = summarise(run)
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary
    assert summary["headline"]["outcome"] == "beats"
    assert summary["training"]["steps"] == 49 and set(summary["training"]["curves"]) == {"loss", NASTY, "b"}


@pytest.mark.parametrize(
    ("file", "section"),
    [
        ("probes.json", "evidence"),
        ("embeddings.parquet", "embeddings"),
        ("diagnostics.jsonl", "health"),
        ("metrics.jsonl", "training"),
        ("recipe.toml", "recipe"),
        ("model.json", "model"),
    ],
)
def test_a_missing_file_leaves_its_section_out(run, file, section):
    (run / file).unlink()
    summary = summarise(run)
    assert section not in summary and {"headline", "name", "commands"} <= set(summary)
    assert "</html>" in render(summary)


def test_only_a_recipe_is_a_run_and_an_empty_folder_is_not(tmp_path):
    with pytest.raises(UserError, match="is not a run"):
        summarise(tmp_path)
    (tmp_path / "recipe.toml").write_text("seed = 1\n")
    assert summarise(tmp_path)["headline"]["outcome"] == "unfinished"


def test_a_line_cut_short_is_left_out_and_a_broken_one_is_named(run):
    metrics = run / "metrics.jsonl"
    whole = metrics.read_text()
    metrics.write_text(whole + '{"step": 50, "ep')
    assert summarise(run)["training"]["steps"] == 49
    metrics.write_text("{broken\n" + whole)
    with pytest.raises(UserError, match="line 1: damaged"):
        summarise(run)
    metrics.write_text(whole)
    (run / "embeddings.parquet").write_bytes(b"no")
    with pytest.raises(UserError, match="Parquet"):
        summarise(run)


def test_a_failed_write_leaves_the_earlier_report(run, monkeypatch):
    (run / "report.html").write_text("earlier")

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        report.write(run)
    assert (run / "report.html").read_text() == "earlier"
    assert not list(run.glob(".report*"))


def test_collapse_is_the_headline_whatever_the_probe_says():
    evidence_ = [{"outcome": "beats", "sentence": "Probed."}]
    for rank in (None, 1.0):
        found = headline({"evidence": evidence_, "health": {"last": {"effective_rank": rank, "mean_norm": 1.0}}})
        assert found["outcome"] == "collapsed" and found["sentences"][1] == "Probed."


def test_a_large_common_mean_alone_is_no_collapse():
    evidence_ = [{"outcome": "beats", "sentence": "."}]
    healthy = {"last": {"effective_rank": 97.0, "mean_norm": 0.9957}}
    assert headline({"evidence": evidence_, "health": healthy})["outcome"] == "beats"
    assert headline({"evidence": evidence_, "health": {"last": {"mean_norm": 0.3}}})["outcome"] == "beats"
    assert headline({"evidence": [*evidence_, {"outcome": "loses", "sentence": ""}]})["outcome"] == "mixed"


def test_a_collapsed_run_without_numbers_has_a_page(run):
    (run / "diagnostics.jsonl").write_text('{"step": 0, "epoch": 0.0, "effective_rank": NaN, "mean_norm": 1.0}\n')
    (run / "metrics.jsonl").write_text('{"step": 0, "epoch": 0.0, "pass": 0, "loss": NaN, "terms": {"a": NaN}}\n')
    page = report.write(run).read_text()
    assert "Collapsed" in page and not re.search(r"[>\s]nan[<\s]", page, re.IGNORECASE)


def test_curves_are_shortened_to_means_and_extremes():
    points = curve([(n, float(n % 2)) for n in range(1000)], limit=100)
    assert len(points) == 100 and points[0] == [4.5, 0.5, 0.0, 1.0]
    assert curve([(0, float("nan")), (1, 2.0)]) == [[1.0, 2.0, 2.0, 2.0]]


def test_reference_losses_far_away_do_not_flatten_the_curve():
    drawing, far = line([[0, 1.0], [1, 2.0]], {"near": 2.5, "far": 100.0}, what="loss")
    assert far == ["far"] and "near 2.5" in drawing and "far" not in drawing


def test_every_kind_of_line_has_a_style(run):
    page = report.write(run).read_text(encoding="utf-8")
    style, body = page.split("</style>")
    kinds = set(re.findall(r'<line class="(\w+)', body)) | set(re.findall(r'<poly\w+ class="(\w+)', body))
    assert kinds == {"grid", "reference", "whisker", "curve", "band"}
    assert all(re.search(rf"\.{kind} \{{[^}}]*(stroke|fill):", style) for kind in kinds)


def test_numbers_below_a_curve_do_not_run_into_each_other_on_a_phone():
    places = [1, 2, 3, 5, 7, 10, 14, 19, 26, 36, 49, 67, 91, 123, 167, 226]
    drawn = lines({"a": [[place, 0.1, 0.0, 0.2] for place in places]}, what="made up")
    found = re.findall(r'<text x="([\d.]+)" y="292" text-anchor="middle">([\d,]+)</text>', drawn)
    ends = [(float(x) - 6.5 * len(said), float(x) + 6.5 * len(said)) for x, said in found]
    assert len(found) > 5 and all(one[1] + 6 < other[0] for one, other in pairwise(ends))


# Machado, Oliveira and Fernandes 2009, at full severity: what protanopes, deuteranopes and tritanopes see.
_SEEN = {
    "all": np.eye(3),
    "protanopia": [[0.1523, 1.0526, -0.2049], [0.1145, 0.7863, 0.0992], [-0.0039, -0.0481, 1.0520]],
    "deuteranopia": [[0.3673, 0.8606, -0.2280], [0.2801, 0.6725, 0.0474], [-0.0118, 0.0429, 0.9689]],
    "tritanopia": [[1.2555, -0.0767, -0.1788], [-0.0784, 0.9308, 0.1476], [0.0047, 0.6914, 0.3039]],
}


def linear(colour):
    rgb = np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)]) / 255
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def oklab(rgb):
    """Return the coordinates of Ottosson's Oklab (2020), in which distances are what one sees."""
    cones = rgb @ np.array([[0.4122, 0.5363, 0.0514], [0.2119, 0.6807, 0.1074], [0.0883, 0.2817, 0.6300]]).T
    to_lab = [[0.2105, 0.7936, -0.0041], [1.9780, -2.4286, 0.4506], [0.0259, 0.7828, -0.8087]]
    return np.cbrt(np.clip(cones, 0, None)) @ np.array(to_lab).T


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_curves_are_told_apart_by_the_colour_blind_too_and_stand_out_from_the_paper(run, scheme):
    style = report.write(run).read_text(encoding="utf-8").split("</style>")[0]
    part = style.split("@media screen and (prefers-color-scheme: dark)")[scheme == "dark"]
    value = dict(re.findall(r"--(\w+): (#\w{6})", part.split("}")[0]))
    names = ["ours", *(name.removeprefix("var(--").removesuffix(")") for name in COLOURS[1:])]
    rgb, paper = np.stack([linear(value[name]) for name in names]), linear(value["paper"])
    for seen in _SEEN.values():
        lab = oklab(np.clip(rgb @ np.transpose(seen), 0, 1))
        apart = np.linalg.norm(lab[:, None] - lab, axis=2) + np.eye(len(lab))
        assert apart.min() > 0.15
    light = [colour @ [0.2126, 0.7152, 0.0722] + 0.05 for colour in (*rgb, paper)]
    assert all(max(one, light[-1]) / min(one, light[-1]) >= 2.9 for one in light[:-1])  # WCAG asks for 3


def test_curves_differ_by_dashes_and_markers_too_and_the_legend_shows_them():
    points = [[1, 0.1, 0.0, 0.2], [10, 0.5, 0.4, 0.6]]
    drawn = lines({f"curve {place}": points for place in range(len(COLOURS))}, what="made up")
    for found in (re.findall(r"stroke-dasharray:([^\"]*)", drawn), re.findall(r' d="([^"]*)"', drawn)):
        assert len(set(found)) == len(COLOURS)
    assert drawn.split('<ul class="legend">')[1].count("<polyline") == len(COLOURS)


def test_one_point_and_a_constant_curve_can_be_drawn():
    for points in ([[0.0, 1.0]], [[0, 0.0], [1, 0.0]]):
        ElementTree.fromstring(line(points, {}, what="x")[0])


def test_the_map_is_of_a_sample_and_names_its_layouts(run):
    found = read_points(Run(run), labels={"kind" + NASTY: None}, rows=120, wanted=[3])
    assert (len(found), found.of, found.width) == (120 + (3 not in sample(240, 120)), 240, 6)
    assert 3 in found.rows
    assert [one.name for one in found.layouts] == ["t-SNE", "PCA"]
    for one in found.layouts:
        assert one.places.min() >= 0 and one.places.max() <= 1
    label = next(one for one in found.columns if one.source == "label")
    points = found.layouts[0].places
    near = ((points[:, None] - points[None]) ** 2).sum(2) + 9 * np.eye(len(found))
    assert label.name == "kind" + NASTY and (label.values[near.argmin(1)] == label.values).mean() > 0.8


def test_where_there_is_room_every_row_has_its_picture(run):
    images = read(np.arange(240, dtype=np.uint8)[:, None, None, None] + np.zeros((1, 8, 8), np.uint8), modality="image")
    drawn = read_points(Run(run), labels={}, data=images, wanted=[3, 10, 200]).pictures
    assert np.frombuffer(b64decode(drawn["place"]["data"]), "<u4").tolist() == list(range(240))


def test_collapsed_embeddings_are_one_dot_and_lines_are_lines():
    (found,) = layouts(np.ones((150, 8), dtype=np.float32))
    assert found.name == "PCA" and np.ptp(found.places) == 0
    (found,) = layouts(np.outer(np.arange(150.0), [1.0, 2.0, 3.0]))
    assert found.name == "PCA" and np.ptp(found.places[:, 1]) < 1e-6
    assert np.ptp(found.places[:, 0]) == pytest.approx(1)


def test_rows_beyond_those_that_are_arranged_stand_with_their_own(monkeypatch):
    monkeypatch.setattr("isotropy.report.map.REFERENCES", 150)
    labels = np.arange(900) % 3
    x = np.eye(6)[labels] * 5 + np.random.default_rng(0).normal(size=(900, 6))
    tsne = layouts(x)[0]
    assert "arranges 150 rows" in tsne.note
    near = ((tsne.places[:, None] - tsne.places[None]) ** 2).sum(2) + 9 * np.eye(900)
    assert (labels[near.argmin(1)] == labels).mean() > 0.97


def test_neighbours_of_many_wide_rows_are_those_of_all_pairs():
    rng = np.random.default_rng(0)
    x = (rng.normal(size=(4200, 20)) @ rng.normal(size=(20, 150)) + 0.3 * rng.normal(size=(4200, 150))).astype("f4")
    places, cosines = nearest(x)
    some = np.arange(0, 4200, 60)
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    exact = unit[some] @ unit.T
    exact[np.arange(len(some)), some] = -2
    order = np.argsort(-exact, axis=1)[:, :10]
    shared = [len(set(one) & set(other)) for one, other in zip(places[some], order)]
    assert np.mean(shared) > 9.9
    assert np.allclose(cosines[some], np.take_along_axis(exact, places[some], 1), atol=1e-5)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_few_rows_have_as_many_neighbours_as_there_are(count):
    places, _ = nearest(np.eye(count))
    assert places.shape == (count, count - 1)


def test_the_page_of_many_rows_and_columns_stays_below_five_megabytes(run, monkeypatch):
    rng, rows = np.random.default_rng(0), 20_000
    monkeypatch.setattr("isotropy.report.points.layouts", lambda x: [_square(rng, len(x))] * 2)
    near = rng.integers(rows, size=(rows, 10)), rng.random((rows, 10))
    monkeypatch.setattr("isotropy.report.points.nearest", lambda x: near)
    frame = pd.DataFrame(rng.normal(size=(rows, 8)).astype(np.float32), columns=[f"z{i}" for i in range(8)])
    for number in range(40):
        frame.insert(0, f"number {number}", rng.normal(size=rows))
    frame["text"] = [f"{NASTY} {number}" for number in range(rows)]
    frame["series"] = "x"
    frame.to_parquet(run / "embeddings.parquet")
    data = read(np.cumsum(rng.normal(size=(rows, 3, 64)), axis=2), modality="series")
    page = report.write(run, data).read_text()
    assert 3e6 < len(page.encode()) < 5e6
    assert "columns are left out: number" in page


def _square(rng, count):
    return Layout("t-SNE", "", rng.random((count, 2)))


def test_a_failed_run_leads_with_that_and_no_run_is_unfinished_in_silence(run):
    verdict = {"name": "divergence", "alarm": True, "sentence": "The loss is not finite.", "advice": [], "answers": []}
    summary = summarise(run) | {"verdict": verdict}
    summary["headline"] = headline(summary)
    assert summary["headline"] == {
        "outcome": "failed",
        "sentences": [verdict["sentence"], *[e["sentence"] for e in summary["evidence"]]],
    }
    page = render(summary | {"answers": answers(summary)})
    assert page.index("<h2>Training") < page.index("<h2>Evidence") and answers(summary)[0]["kind"] == "bad"
    (run / "model.json").unlink()
    (run / "probes.json").unlink()
    (run / "diagnostics.jsonl").unlink()
    summary = summarise(run)
    assert summary["headline"]["outcome"] == "unfinished"
    assert "isotropy fit --resume" in summary["answers"][3]["because"]


def test_by_how_much_a_run_is_above_what_is_free_and_itself_untrained(probed):
    x, labels, _ = probed
    untrained = x[:, :2]
    pairs = {
        "run": (x[:160], x[160:]),
        "raw": (x[:160, :1], x[160:, :1]),
        "untrained encoder": (untrained[:160], untrained[160:]),
    }
    found = evaluate(pairs, labels[:160], labels[160:], ours="run", label="kind", evaluators=["knn", "search"])
    verdict = {"name": "healthy", "answers": [{"question": "better than free", "answer": "yes", "because": ""}]}
    _, better, *_ = answers(
        {"headline": {"outcome": "beats"}, "evidence": [found], "verdict": verdict | {"sentence": ""}, "name": "r"}
    )
    gaps = {one["representation"]: one["difference"]["value"] for one in found["ranking"] if one["difference"]}
    assert better["because"].startswith(f"Minus the best free: {typeset(gaps['raw'])} with all labels, ")
    assert f"Minus itself untrained: {typeset(gaps['untrained encoder'])} with all labels, " in better["because"]
    assert better["because"].endswith(" in search.")


@pytest.mark.parametrize(
    ("said", "answer", "kind"),
    [
        (["yes", "yes"], "yes", "good"),
        (["no", "no"], "no", "bad"),
        (["yes", "no"], "kind: yes; other: no", "open"),
    ],
)
def test_what_is_said_of_several_labels_stands_once_or_behind_their_names(probed, said, answer, kind):
    x, labels, _ = probed
    pairs = {"run": (x[:160], x[160:]), "raw": (x[:160, :1], x[160:, :1])}
    found = evaluate(pairs, labels[:160], labels[160:], ours="run", label="kind", evaluators=["knn"])
    few = [{"size": "10 a class", "best": "raw", "difference": {"value": 0.2, "low": 0.1, "high": 0.3}}]
    verdict = {"name": "healthy", "sentence": ""}
    verdict |= {"answers": [{"question": "better than free", "answer": one, "because": ""} for one in said]}
    entries = [found | {"few_labels": few}, found | {"label": "other", "few_labels": few}]
    _, better, sizes, _ = answers(
        {"headline": {"outcome": "beats"}, "evidence": entries, "verdict": verdict, "name": "r"}
    )
    assert (better["answer"], better["kind"]) == (answer, kind)
    assert sizes["answer"] == "ahead with 10 a class"


@pytest.mark.parametrize(("ours", "answer"), [("one column", "take what is free"), ("PCA (6)", "use it")])
def test_what_is_free_is_to_be_taken_where_nothing_is_ahead_of_it(probed, ours, answer):
    x, labels, _ = probed
    pairs = {"one column": (x[:160, :1], x[160:, :1]), "PCA (6)": (x[:160], x[160:])}
    found = evaluate(pairs, labels[:160], labels[160:], ours=ours, label="kind", evaluators=["knn"])
    *_, following = answers({"name": "runs/r", "headline": {"outcome": found["outcome"]}, "evidence": [found]})
    assert following["answer"] == answer
    if answer == "use it":
        assert following["because"].startswith("For kind take the embedding with all labels. isotropy embed ")
    if answer != "use it":
        said = "For kind take PCA (6) with all labels. Nothing that was measured of the run is ahead of what is free"
        assert following["because"].startswith(said) and "isotropy compare DATA --label kind." in following["because"]


def test_what_makes_a_run_longer_is_longer_than_it_was(probed):
    x, labels, _ = probed
    pairs = {"r": (x[:160], x[160:]), "one column": (x[:160, :1], x[160:, :1])}
    found = evaluate(pairs, labels[:160], labels[160:], ours="r", label="kind", evaluators=["knn"])
    verdict = {"name": "healthy", "sentence": "", "answers": [{"question": "still learning", "answer": "yes"}]}
    summary = {"name": "runs/r", "headline": {"outcome": "beats"}, "evidence": [found], "verdict": verdict}
    *_, following = answers(summary | {"recipe": {"train": {"epochs": 90.0}}})
    assert following["because"] == (
        "It still learns: isotropy fit --resume runs/r --epochs 270. For kind take the embedding with all labels."
    )


def test_an_untrained_encoder_that_is_better_is_not_free_and_takes_nothing_away(probed):
    x, labels, _ = probed
    widths = {"run": 2, "one column": 1, "untrained encoder": 6}
    pairs = {name: (x[:160, :width], x[160:, :width]) for name, width in widths.items()}
    gap = {"value": 0.1, "low": 0.05, "high": 0.2}
    found = evaluate(pairs, labels[:160], labels[160:], ours="run", label="kind", evaluators=["knn"])
    for one in found["ranking"]:
        if one["difference"] is not None:
            behind = one["representation"] == "untrained encoder"
            one["difference"] = {"value": -0.1, "low": -0.2, "high": -0.05} if behind else gap
    *_, following = answers({"name": "runs/r", "headline": {"outcome": found["outcome"]}, "evidence": [found]})
    assert following["answer"] == "use it"


def test_the_command_reads_the_data_as_the_run_did(run):
    text = '[data]\npath = "a b.csv"\nlabel = ["x", "y"]\nlabel_key = "k"\nsize = [48, 96]\nkinds = ["zip=category"]\n'
    (run / "recipe.toml").write_text(text)
    assert summarise(run)["command"] == (
        f"isotropy fit 'a b.csv' --recipe {run}/recipe.toml --label x --label y --label-key k --size 48x96 "
        "--kind zip=category"
    )


# Severe deuteranopia, protanopia and tritanopia in linear RGB: Machado, Oliveira and Fernandes (2009), table 1.
BLIND = {
    "none": np.eye(3),
    "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
}


@pytest.mark.parametrize("blind", BLIND)
@pytest.mark.parametrize("scheme", [0, 1])
def test_colours_of_classes_differ_for_the_colour_blind(blind, scheme):
    style = (Path(report.__file__).parent / "assets" / "style.css").read_text()
    found = re.findall(r"--p\d: #(\w{6})", style)[10 * scheme : 10 * scheme + 10]
    rgb = np.array([[int(one[at : at + 2], 16) / 255 for at in (0, 2, 4)] for one in found])
    linear = np.where(rgb > 0.04045, ((rgb + 0.055) / 1.055) ** 2.4, rgb / 12.92)
    seen = np.clip(linear @ np.array(BLIND[blind]).T, 0, 1)
    # OKLab (Ottosson 2020), in which 0.02 is about what is just seen.
    lms = np.cbrt(seen @ np.array([[0.4122, 0.5363, 0.0514], [0.2119, 0.6807, 0.1074], [0.0883, 0.2817, 0.6300]]).T)
    lab = lms @ np.array([[0.2105, 0.7936, -0.0041], [1.9780, -2.4286, 0.4506], [0.0259, 0.7828, -0.8087]]).T
    apart = np.linalg.norm(lab[:, None] - lab[None], axis=2) + 9 * np.eye(10)
    assert len(found) == 10 and apart.min() > 0.05


@pytest.mark.parametrize("known", [True, False])
def test_codes_are_summarised_where_a_method_gives_them(run, known):
    about = {"segments": 2, "units": 4, "rows": 1234, "bins_used": [3, 4], "usage": [0.5, 1.0]}
    pairs = {"mean": 0.25, "highest": 0.25, "segments": [0, 1]}
    more = {"purity": [0.5, 0.75], "chance": 0.5} if known else {}
    (run / "codes.json").write_text(json.dumps({**about, **more, "mutual_information": pairs if known else None}))
    summary = summarise(run)
    page = render(summary)
    assert summary["codes"]["bins_used"] == [3, 4]
    for said in (
        "4 codes in each of 2 segments",
        "1,234 rows",
        "3.5 of 4 on average, 3 in the poorest",
        "0.75 on average",
    ):
        assert said in page
    assert ("segments 0 and 1" in page) == (".500 to .750" in page) == known
    assert any("--codes" in command for _, command in summary["commands"])
    (run / "codes.json").unlink()
    assert "<h2>Codes" not in render(summarise(run))


def test_umap_is_asked_for_and_is_one_line_where_it_is_not_installed(monkeypatch):
    from types import SimpleNamespace

    from isotropy.clusters import explorer
    from isotropy.report import map as maps

    monkeypatch.setattr(maps, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"needs the package umap-learn: pip install 'isotropy\[map\]'"):
        maps.umap_layout(np.eye(20))
    heard = {}

    class UMAP:
        def __init__(self, **settings):
            heard.update(settings)

        def fit_transform(self, x):
            return x[:, 1:3]

    monkeypatch.setattr(maps, "find_spec", lambda name: True)
    monkeypatch.setattr(explorer, "find_spec", lambda name: True)
    monkeypatch.setitem(sys.modules, "umap", SimpleNamespace(UMAP=UMAP))
    found = maps.umap_layout(np.random.default_rng(0).normal(size=(40, 6)))
    assert found.name == "UMAP" and heard["random_state"] == 0
    assert found.places.shape == (40, 2) and found.places.min() >= 0 and found.places.max() <= 1
