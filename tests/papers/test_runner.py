"""The runner of papers/: it resumes, knows stale rows by their recipe, and judges by the paired interval."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from isotropy.data import read
from isotropy.runs.recipe import Recipe

PAPERS = Path(__file__).parents[2] / "papers"
NAMES = sorted(folder.name for folder in PAPERS.iterdir() if (folder / f"{folder.name}.py").exists())


@pytest.fixture
def paper(load):
    """Return the `Paper` of a name."""
    return lambda name: load(f"{name}.{name}").PAPER


@pytest.fixture
def shared(load):
    """Return what all papers share: its modules by their names."""
    return SimpleNamespace(
        **{name: load(name) for name in ("figures", "pages", "progress", "results", "rows", "scores", "train")}
    )


def small(seed=0, **changes):
    settings = {
        "encoder.width": 8,
        "encoder.hidden": 8,
        "encoder.depth": 2,
        "train.batch_size": 16,
        "train.epochs": 1.0,
    }
    recipe = Recipe.default("simclr", "table").changed(settings | {"method.projector": [8, 8]} | changes)
    return recipe.changed({"train.seed": seed})


def rows():
    draw = np.random.default_rng(0)
    labels = np.arange(80) % 2
    return read(draw.normal(size=(80, 3)) + 3 * labels[:, None], label=labels)


def test_a_finished_row_is_not_made_again_and_a_stale_one_is(shared, tmp_path):
    made = []

    def runs(**changes):
        for seed in range(2):
            recipe = small(seed, **changes)

            def make(quick, recipe=recipe):
                made.append(recipe.train.seed)
                return shared.scores.measured(recipe, rows(), quick=quick)

            yield shared.results.Run("study", "blobs", "simclr", seed, make, recipe.to_toml())

    path = tmp_path / "results.jsonl"
    shared.results.fill(path, runs())
    first = path.read_text()
    shared.results.fill(path, runs())
    assert made == [0, 1] and path.read_text() == first
    assert {"linear", "knn", "untrained_linear", "cpu_seconds", "steps"} <= set(json.loads(first.splitlines()[0]))
    assert not any("right" in name for name in json.loads(first.splitlines()[0]))

    path.write_text("\n".join(first.splitlines()[:1]) + "\n")
    shared.results.fill(path, runs())
    assert made == [0, 1, 1], "what is missing is made"
    shared.results.fill(path, runs(**{"optim.lr": 5e-4}))
    assert made == [0, 1, 1, 0, 1], "rows of another recipe are stale"
    assert len(shared.rows.read_rows(path)) == 2


def test_a_row_without_a_digest_counts_and_is_named_in_one_line(shared, tmp_path, capsys):
    made = []
    run = shared.results.Run("s", "d", "v", 0, lambda quick: made.append(quick) or {}, "settings")
    row = {"study": "s", "data": "d", "variant": "v", "seed": 0}
    path = tmp_path / "results.jsonl"
    path.write_text(json.dumps(row) + "\n")
    shared.results.fill(path, [run])
    said = capsys.readouterr().out.splitlines()
    assert made == [] and len(said) == 1 and str(run.key) in said[0] and "no digest" in said[0]
    assert shared.rows.read_rows(path) == [row]
    path.write_text(json.dumps(row | {"digest": "another"}) + "\n")
    shared.results.fill(path, [run])
    assert made == [False] and shared.rows.read_rows(path) == [row | {"digest": shared.results.digest("settings")}]


def test_the_digest_is_of_the_recipe_without_its_seed(shared):
    digests = {shared.results.digest(recipe.to_toml()) for recipe in (small(0), small(1))}
    assert len(digests) == 1
    assert shared.results.digest(small(0, **{"method.temperature": 0.3}).to_toml()) not in digests


def test_paired_differences_have_the_t_interval_of_their_common_seeds(shared):
    gap = shared.rows.differences({0: 0.5, 1: 0.7, 2: 0.9, 3: 9.0}, {0: 0.4, 1: 0.5, 2: 0.6})
    assert (gap.mean, gap.pairs) == (pytest.approx(0.2), 3)
    # The 97.5% quantile of Student's t with two degrees of freedom is 4.3027; the differences are .1, .2 and .3.
    assert gap.high - gap.mean == pytest.approx(4.302653 * 0.1 / 3**0.5, rel=1e-6)
    assert gap.mean - gap.low == pytest.approx(gap.high - gap.mean)
    assert shared.rows.differences({0: 0.5}, {0: 0.4}).low == -np.inf
    assert shared.rows.differences({0: 0.5}, {1: 0.4}) is None


def test_tables_and_verdicts_are_made_from_rows_and_marked(shared):
    found = [
        {"study": "s", "data": "d", "variant": variant, "seed": seed, "linear": 0.5 + seed / 10 + add}
        | ({"seed_reached": False} if variant == "lfr" else {})
        for variant, add in (("lfr", 0.1), ("simclr", 0.0))
        for seed in range(3)
    ]

    def better(rows):
        gap = shared.rows.paired(rows, "lfr", "simclr")
        return str(gap), shared.pages.reproduced(gap.low > 0)

    claims = [
        shared.pages.Claim("better", "table 1", "s", better),
        shared.pages.Claim("open", "table 2", "none", better),
    ]
    text = shared.pages.verdicts(found, claims)
    text += shared.pages.table(found, shared.pages.Table("Scores", "s", {"linear": "linear"}, ("variant",)))
    assert "| better | table 1 | +0.100 [+0.100, +0.100] | reproduced † |" in text
    assert "| open | table 2 |  | open: no runs |" in text
    assert "| lfr † | 3 | 0.700 (0.600 to 0.800) |" in text and "| simclr | 3 |" in text
    assert text.count(shared.pages.DAGGER) == 2
    page = shared.pages.between_marks(f"# A\n\n{shared.pages.BEGIN}\nold\n{shared.pages.END}\n", "new")
    assert page == f"# A\n\n{shared.pages.BEGIN}\n\nnew\n\n{shared.pages.END}\n"


def test_a_budget_becomes_epochs_of_all_rows(shared, monkeypatch):
    """With a clock that ticks once a step, an epoch of 64 training rows in batches of 16 costs four ticks."""
    ticks = iter(range(10**6))
    monkeypatch.setattr(shared.train, "process_time", lambda: float(next(ticks)))
    assert shared.train.epochs_within(small(), rows(), 10.0) == 2.5


def test_a_watch_sees_the_start_and_every_step_and_a_constant_rate_is_cut_off(shared, monkeypatch):
    """With a clock that ticks whenever it is read, a step takes one tick: a budget of three ends with the fourth."""
    ticks = iter(range(10**6))
    monkeypatch.setattr(shared.train, "process_time", lambda: float(next(ticks)))
    seen = []
    recipe = small(**{"optim.final": 1.0, "train.epochs": 9.0})
    made = shared.train.train_once(recipe, rows(), cpu_seconds=3.0, watch=lambda prepared, step: seen.append(step))
    assert seen[0] is None and [step.number for step in seen[1:]] == [1, 2, 3, 4]
    assert made.row["steps"] == 4 and made.row["epochs"] == 1.0 and not made.prepared.method.encoder.training


def test_views_of_images_stay_as_large_as_when_the_runs_began_unless_asked(shared):
    images = read(np.random.default_rng(0).integers(256, size=(20, 1, 32, 28), dtype=np.uint8))
    recipe = Recipe.default("simclr", "image").changed({"train.batch_size": 10})
    sizes = [
        shared.train.train_once(recipe, images, quick=True, default_views=default).prepared.views.settings[0].size
        for default in (False, True)
    ]
    assert sizes == [(32, 28), (20, 18)]
    for same in (Recipe.default("masked", "image"), Recipe.default("simclr", "image").changed({"views.size": 24})):
        assert shared.train.with_large_views(same, images) == same


@pytest.mark.parametrize("name", NAMES)
def test_the_pages_of_a_paper_are_up_to_date(paper, name):
    for path, text in paper(name).pages().items():
        assert path.read_text() == text, f"python papers/{name}/{name}.py --table writes it anew"


@pytest.mark.parametrize("name", NAMES)
def test_the_figure_of_a_paper_is_up_to_date_and_on_its_page(paper, shared, name):
    about = paper(name)
    panels = about.panels(shared.rows.read_rows(about.path("results.jsonl")))
    figure, page = about.path("figure.svg"), about.path("README.md").read_text()
    assert figure.is_file() == bool(panels) == ("](figure.svg)" in page)
    if panels:
        assert shared.figures.shows(figure, panels)
        assert not shared.figures.shows(figure, panels[1:])


@pytest.mark.parametrize("name", NAMES)
def test_no_word_of_a_figure_is_cut_off(paper, shared, name):
    about = paper(name)
    if panels := about.panels(shared.rows.read_rows(about.path("results.jsonl"))):
        figure = shared.figures.laid_out(panels, about.columns)
        figure.draw_without_rendering()
        inside, (width, height) = figure.get_tightbbox(), figure.get_size_inches()
        assert min(inside.x0, inside.y0, width - inside.x1, height - inside.y1) >= 0


def test_a_figure_has_its_panels_names_and_is_the_same_every_time(shared):
    figures = shared.figures
    rows = [{"variant": "ours", "seed": seed, "linear": 0.8 + seed / 10} for seed in range(2)]
    panel = shared.figures.Dots.of(
        "a title", "accuracy", rows, "linear", {"ours": "Ours", "other": "without rows"}, ["Ours"]
    )
    assert panel.lines == [("Ours", [0.8, 0.9])]
    panels = [panel, figures.Circle("plane", [[0.0, 0.1], [3.0]], "said below")]
    drawn = figures.drawn(panels, columns=2)
    assert drawn == figures.drawn(panels, columns=2)
    text = drawn.decode()
    assert all(said in text for said in ("a title", "Ours", "accuracy", "plane", "said below", figures.digest(panels)))
    assert "without rows" not in text


@pytest.mark.parametrize("name", NAMES)
def test_every_run_of_a_paper_has_a_valid_recipe_and_a_name_of_its_own(paper, name):
    first, second = ([run.key for run in paper(name).runs(None, seed)] for seed in range(2))
    assert first and len({*first, *second}) == len(first) + len(second)
    # What `--only` may name is what the first seed has.
    assert {word for key in second for word in key[:3]} <= {word for key in first for word in key[:3]}


def test_only_what_there_is_can_be_asked_for(paper, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["stability.py", "--quick", "--only", "plane", "longr"])
    with pytest.raises(SystemExit) as ended:
        paper("stability").main()
    printed = capsys.readouterr()
    assert ended.value.code == 2 and not printed.out
    assert "--only: no study, data set or variant 'longr'" in printed.err and "'longer'" in printed.err


class Killed(Exception):
    """What stops a run in the middle."""


def watched(shared, taken, kill_at=None):
    """Return a run whose watch counts the steps, and may kill it before its second measurement."""

    def make(quick):
        def numbers(prepared):
            return {"weight": float(next(prepared.method.encoder.parameters()).detach().double().sum())}

        class Watch(shared.progress.Checkpoints):
            def __call__(self, prepared, step):
                taken.append(step and step.number)
                if step is not None and step.number == kill_at:
                    raise Killed
                super().__call__(prepared, step)

        seen = Watch((0.0, 0.3, 0.6, 1.0), numbers)
        made = shared.train.train_once(small(**{"train.epochs": 3.0}), rows(), quick=quick, watch=seen)
        return made.row | seen.columns(".12g") | shared.scores.beside_untrained(made.prepared)

    return shared.results.Run("study", "blobs", "simclr", 0, make, "settings")


def test_a_killed_run_goes_on_from_its_last_checkpoint_and_ends_in_the_same_row(shared, tmp_path, monkeypatch):
    monkeypatch.setattr("isotropy.runs.recorder._SECONDS_BETWEEN_CHECKPOINTS", -1.0)
    whole, taken = tmp_path / "whole" / "results.jsonl", []
    whole.parent.mkdir()
    shared.results.fill(whole, [watched(shared, [])])
    path = tmp_path / "killed" / "results.jsonl"
    path.parent.mkdir()
    with pytest.raises(Killed):
        shared.results.fill(path, [watched(shared, taken, kill_at=7)])
    assert list(path.parent.glob("unfinished/*/*/checkpoints/*.safetensors")) and not shared.rows.read_rows(path)
    # Step 7 was broken off inside its measurement, so that its checkpoint does not count.
    shared.results.fill(path, [watched(shared, taken)])
    assert taken == [None, *range(1, 8), *range(7, 13)]
    assert not list(path.parent.glob("unfinished/*"))
    one, other = (shared.rows.read_rows(file)[0] for file in (whole, path))
    assert one.pop("cpu_seconds") >= 0 <= other.pop("cpu_seconds") and one == other and len(one["weight"]) == 4


def test_a_run_that_another_process_makes_is_left_to_it(shared, tmp_path, capsys):
    path, made = tmp_path / "results.jsonl", []
    inner = shared.results.Run("s", "d", "v", 0, lambda quick: made.append("inner") or {}, "settings")

    def make(quick):
        made.append("outer")
        shared.results.fill(path, [inner])
        return {}

    shared.results.fill(path, [shared.results.Run("s", "d", "v", 0, make, "settings")])
    assert made == ["outer"] and "another process" in capsys.readouterr().out


def test_a_row_whose_seed_did_not_reach_the_method_is_made_again(shared, tmp_path):
    path, run = tmp_path / "results.jsonl", None
    row = {"study": "s", "data": "d", "variant": "v", "seed": 0, "seed_reached": False, "linear": 0.1}
    path.write_text(json.dumps(row) + "\n")
    run = shared.results.Run("s", "d", "v", 0, lambda quick: {"linear": 0.2}, "settings")
    shared.results.fill(path, [run])
    assert [(row["linear"], row.get("seed_reached")) for row in shared.rows.read_rows(path)] == [(0.2, None)]


def test_gains_have_an_interval_for_new_seeds_and_new_rows(load):
    ladder, draw = load("issl.ladder"), np.random.default_rng(0)

    def rows_of(right):
        return [
            {"data": "d", "variant": variant, "seed": seed, "rows": ladder.packed(right[v, seed][:, None])}
            for v, variant in enumerate("ab")
            for seed in range(right.shape[1])
        ]

    # Independent cells: the variance is that of a cell over their number; Student's t of 4 is 2.7764.
    variances, cells = [], draw.integers(2, size=(200, 2, 5, 80)).astype(float)
    assert np.array_equal(ladder.unpacked(ladder.packed(cells[0, 0, 0][:, None])), cells[0, 0, 0])
    for right in cells:
        gain, each = ladder.paired_rows(rows_of(right), "a", "b", "d"), right[0] - right[1]
        assert gain.mean == pytest.approx(each.mean()) and gain.pairs == 5
        variances.append(((gain.high - gain.mean) / 2.7764) ** 2)
    assert 0.5 / 400 < np.mean(variances) < 1.5 * 0.5 / 400
    # The same rows in every seed: five seeds are one, and the rows alone are drawn.
    gain = ladder.paired_rows(rows_of(np.repeat(right[:, :1], 5, axis=1)), "a", "b", "d")
    assert gain.high - gain.mean == pytest.approx(2.7764 * each[0].std(ddof=1) / 80**0.5, rel=1e-3)
