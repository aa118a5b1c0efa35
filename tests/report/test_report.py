import json
import re
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

from isotropy import report
from isotropy.errors import UserError
from isotropy.evaluation import evaluate
from isotropy.report.figures import line, scatter
from isotropy.report.html import render
from isotropy.report.map import embedding_map, layout
from isotropy.report.summarise import curve, headline, summarise

NASTY = '<script>alert("1")</script>&\'x'


@pytest.fixture
def run(tmp_path):
    rng = np.random.default_rng(0)
    labels = rng.integers(3, size=240)
    x = (np.eye(6)[labels] + 0.3 * rng.normal(size=(240, 6))).astype(np.float32)
    pairs = {NASTY: (x[:160], x[160:]), "raw <b>": (x[:160, :1], x[160:, :1])}
    found = evaluate(pairs, labels[:160], labels[160:], ours=NASTY, label="kind" + NASTY)
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
    for section in ("Evidence", "Training", "Health", "Map", "Use it", "The recipe"):
        assert section in page
    assert not re.search(r"<script|<link|<img|https?://|url\(|@import", page)
    assert NASTY not in page and "&lt;script&gt;" in page
    assert len(page) < 500_000
    # As XML: every tag closes and every attribute is quoted, so nothing that a user wrote broke out of its place.
    body = page[page.index("<body>") : page.index("</html>")]
    ElementTree.fromstring(body)
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
        ("embeddings.parquet", "map"),
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
    assert summarise(tmp_path)["headline"]["outcome"] == "unproven"


def test_a_line_cut_short_is_left_out_and_a_broken_one_is_named(run):
    metrics = run / "metrics.jsonl"
    whole = metrics.read_text()
    metrics.write_text(whole + '{"step": 50, "ep')
    assert summarise(run)["training"]["steps"] == 49
    metrics.write_text("{broken\n" + whole)
    with pytest.raises(UserError, match="line 1 is not JSON"):
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


def test_one_point_and_a_constant_curve_can_be_drawn():
    for points in ([[0.0, 1.0]], [[0, 0.0], [1, 0.0]]):
        ElementTree.fromstring(line(points, {}, what="x")[0])


def test_the_map_spaces_its_rows_and_names_its_layout(run):
    found = embedding_map(run / "embeddings.parquet", labels={"kind" + NASTY: None}, rows=120)
    assert (found["rows"], found["of"], found["width"], found["how"]) == (120, 240, 6, "t-SNE")
    points = np.array(found["points"])
    assert points.min() >= 0 and points.max() <= 1
    labels = np.array(found["values"])
    nearest = ((points[:, None] - points[None]) ** 2).sum(2) + 9 * np.eye(120)
    assert (labels[nearest.argmin(1)] == labels).mean() > 0.8


def test_collapsed_embeddings_are_one_dot_and_lines_are_lines():
    points, how = layout(np.ones((150, 8), dtype=np.float32))
    assert how == "PCA" and np.ptp(points) == 0
    points, how = layout(np.outer(np.arange(150.0), [1.0, 2.0, 3.0]))
    assert how == "PCA" and np.ptp(points[:, 1]) < 1e-9 and np.ptp(points[:, 0]) == pytest.approx(1)


def test_map_colours_for_many_classes_missing_ones_and_numbers():
    points = [[0.1, 0.2]] * 24
    found = {"points": points, "task": "classes", "values": [str(n % 12) for n in range(23)] + [None]}
    _, legend = scatter(found)
    assert len(legend) == 10 and legend[-1][1] == "3 other classes and no label"
    _, legend = scatter({"points": points, "task": "numbers", "values": [float(n) for n in range(23)] + [None]})
    assert legend[0][1].startswith("0 to") and legend[-1][1] == "no label"


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
