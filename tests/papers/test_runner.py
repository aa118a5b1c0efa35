"""The runner of papers/: it resumes, knows stale rows by their recipe, and judges by the paired interval."""

import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from isotropy.data import read
from isotropy.runs.recipe import Recipe

PAPERS = Path(__file__).parents[2] / "papers"
SCRIPTS = sorted(path for path in PAPERS.glob("*/*.py"))


@pytest.fixture
def load(monkeypatch):
    """Load a script of papers/ as a module, with those that it imports; nothing of it stays."""
    monkeypatch.syspath_prepend(PAPERS)

    def load(path):
        for name in ("runner", "data_sets", "figures", "measures", "progress"):
            monkeypatch.delitem(sys.modules, name, raising=False)
        spec = importlib.util.spec_from_file_location(path.stem, path)
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, path.stem, module)
        spec.loader.exec_module(module)
        return module

    path = list(sys.path)
    yield load
    sys.path[:] = path
    for name in ("runner", "data_sets", "figures", "measures", "progress"):
        sys.modules.pop(name, None)


@pytest.fixture
def runner(load):
    return load(PAPERS / "runner.py")


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


def test_a_finished_row_is_not_made_again_and_a_stale_one_is(runner, tmp_path):
    made = []

    def runs(**changes):
        for seed in range(2):
            recipe = small(seed, **changes)

            def make(quick, recipe=recipe):
                made.append(recipe.train.seed)
                return runner.measured(recipe, rows(), quick=quick)

            yield runner.Run("study", "blobs", "simclr", seed, make, recipe.to_toml())

    path = tmp_path / "results.jsonl"
    runner.fill(path, runs())
    first = path.read_text()
    runner.fill(path, runs())
    assert made == [0, 1] and path.read_text() == first
    assert {"linear", "knn", "untrained_linear", "cpu_seconds", "steps"} <= set(json.loads(first.splitlines()[0]))
    assert not any("right" in name for name in json.loads(first.splitlines()[0]))

    path.write_text("\n".join(first.splitlines()[:1]) + "\n")
    runner.fill(path, runs())
    assert made == [0, 1, 1], "what is missing is made"
    runner.fill(path, runs(**{"optim.lr": 5e-4}))
    assert made == [0, 1, 1, 0, 1], "rows of another recipe are stale"
    assert len(runner.read_rows(path)) == 2


def test_a_row_without_a_digest_counts_and_is_named_in_one_line(runner, tmp_path, capsys):
    made = []
    run = runner.Run("s", "d", "v", 0, lambda quick: made.append(quick) or {}, "settings")
    row = {"study": "s", "data": "d", "variant": "v", "seed": 0}
    path = tmp_path / "results.jsonl"
    path.write_text(json.dumps(row) + "\n")
    runner.fill(path, [run])
    said = capsys.readouterr().out.splitlines()
    assert made == [] and len(said) == 1 and str(run.key) in said[0] and "no digest" in said[0]
    assert runner.read_rows(path) == [row]
    path.write_text(json.dumps(row | {"digest": "another"}) + "\n")
    runner.fill(path, [run])
    assert made == [False] and runner.read_rows(path) == [row | {"digest": runner.digest("settings")}]


def test_the_digest_is_of_the_recipe_without_its_seed(runner):
    digests = {runner.digest(recipe.to_toml()) for recipe in (small(0), small(1))}
    assert len(digests) == 1
    assert runner.digest(small(0, **{"method.temperature": 0.3}).to_toml()) not in digests


def test_paired_differences_have_the_t_interval_of_their_common_seeds(runner):
    gap = runner.differences({0: 0.5, 1: 0.7, 2: 0.9, 3: 9.0}, {0: 0.4, 1: 0.5, 2: 0.6})
    assert (gap.mean, gap.pairs) == (pytest.approx(0.2), 3)
    # The 97.5% quantile of Student's t with two degrees of freedom is 4.3027; the differences are .1, .2 and .3.
    assert gap.high - gap.mean == pytest.approx(4.302653 * 0.1 / 3**0.5, rel=1e-6)
    assert gap.mean - gap.low == pytest.approx(gap.high - gap.mean)
    assert runner.differences({0: 0.5}, {0: 0.4}).low == -np.inf
    assert runner.differences({0: 0.5}, {1: 0.4}) is None


def test_tables_and_verdicts_are_made_from_rows_and_marked(runner):
    found = [
        {"study": "s", "data": "d", "variant": variant, "seed": seed, "linear": 0.5 + seed / 10 + add}
        | ({"seed_reached": False} if variant == "lfr" else {})
        for variant, add in (("lfr", 0.1), ("simclr", 0.0))
        for seed in range(3)
    ]

    def better(rows):
        gap = runner.paired(rows, "lfr", "simclr")
        return str(gap), runner.reproduced(gap.low > 0)

    claims = [runner.Claim("better", "table 1", "s", better), runner.Claim("open", "table 2", "none", better)]
    text = runner.verdicts(found, claims)
    text += runner.table(found, runner.Table("Scores", "s", {"linear": "linear"}, ("variant",)))
    assert "| better | table 1 | +0.100 [+0.100, +0.100] | reproduced † |" in text
    assert "| open | table 2 |  | open: no runs |" in text
    assert "| lfr † | 3 | 0.700 (0.600 to 0.800) |" in text and "| simclr | 3 |" in text
    assert text.count(runner.DAGGER) == 2
    page = runner.between_marks(f"# A\n\n{runner.BEGIN}\nold\n{runner.END}\n", "new")
    assert page == f"# A\n\n{runner.BEGIN}\n\nnew\n\n{runner.END}\n"


def test_a_budget_becomes_epochs_of_all_rows(runner, monkeypatch):
    """With a clock that ticks once a step, an epoch of 64 training rows in batches of 16 costs four ticks."""
    ticks = iter(range(10**6))
    monkeypatch.setattr(runner, "process_time", lambda: float(next(ticks)))
    assert runner.epochs_within(small(), rows(), 10.0) == 2.5


def test_a_watch_sees_the_start_and_every_step_and_a_constant_rate_is_cut_off(runner, monkeypatch):
    """With a clock that ticks whenever it is read, a step takes one tick: a budget of three ends with the fourth."""
    ticks = iter(range(10**6))
    monkeypatch.setattr(runner, "process_time", lambda: float(next(ticks)))
    seen = []
    recipe = small(**{"optim.final": 1.0, "train.epochs": 9.0})
    made = runner.train_once(recipe, rows(), cpu_seconds=3.0, watch=lambda prepared, step: seen.append(step))
    assert seen[0] is None and [step.number for step in seen[1:]] == [1, 2, 3, 4]
    assert made.row["steps"] == 4 and made.row["epochs"] == 1.0 and not made.prepared.method.encoder.training


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_the_pages_of_a_paper_are_up_to_date(load, script):
    for path, text in load(script).PAPER.pages().items():
        assert path.read_text() == text, f"python {script.relative_to(PAPERS.parent)} --table writes it anew"


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_the_figure_of_a_paper_is_up_to_date_and_on_its_page(load, runner, script):
    paper = load(script).PAPER
    panels = paper.panels(runner.read_rows(paper.path("results.jsonl")))
    figure, page = paper.path("figure.svg"), paper.path("README.md").read_text()
    assert figure.is_file() == bool(panels) == ("](figure.svg)" in page)
    if panels:
        assert sys.modules["figures"].shows(figure, panels)
        assert not sys.modules["figures"].shows(figure, panels[1:])


def test_a_figure_has_its_panels_names_and_is_the_same_every_time(runner):
    figures = sys.modules["figures"]
    rows = [{"variant": "ours", "seed": seed, "linear": 0.8 + seed / 10} for seed in range(2)]
    panel = runner.dots("a title", "accuracy", rows, "linear", {"ours": "Ours", "other": "without rows"}, ["Ours"])
    assert panel.lines == [("Ours", [0.8, 0.9])]
    panels = [panel, figures.Circle("plane", [[0.0, 0.1], [3.0]], "said below")]
    drawn = figures.drawn(panels, columns=2)
    assert drawn == figures.drawn(panels, columns=2)
    text = drawn.decode()
    assert all(said in text for said in ("a title", "Ours", "accuracy", "plane", "said below", figures.digest(panels)))
    assert "without rows" not in text


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_every_run_of_a_paper_has_a_valid_recipe_and_a_name_of_its_own(load, script):
    names = [run.key for seed in range(2) for run in load(script).runs(None, seed)]
    assert names and len(names) == len(set(names))


class Killed(Exception):
    """What stops a run in the middle."""


def watched(runner, taken, kill_at=None):
    """Return a run whose watch counts the steps, and may kill it before its second measurement."""

    def make(quick):
        def numbers(prepared):
            return {"weight": float(next(prepared.method.encoder.parameters()).detach().double().sum())}

        class Watch(runner.Checkpoints):
            def __call__(self, prepared, step):
                taken.append(step and step.number)
                if step is not None and step.number == kill_at:
                    raise Killed
                super().__call__(prepared, step)

        seen = Watch((0.0, 0.3, 0.6, 1.0), numbers)
        made = runner.train_once(small(**{"train.epochs": 3.0}), rows(), quick=quick, watch=seen)
        return made.row | seen.columns(".12g") | runner.beside_untrained(made.prepared)

    return runner.Run("study", "blobs", "simclr", 0, make, "settings")


def test_a_killed_run_goes_on_from_its_last_checkpoint_and_ends_in_the_same_row(runner, tmp_path, monkeypatch):
    monkeypatch.setattr("isotropy.runs.recorder._SECONDS_BETWEEN_CHECKPOINTS", -1.0)
    whole, taken = tmp_path / "whole" / "results.jsonl", []
    whole.parent.mkdir()
    runner.fill(whole, [watched(runner, [])])
    path = tmp_path / "killed" / "results.jsonl"
    path.parent.mkdir()
    with pytest.raises(Killed):
        runner.fill(path, [watched(runner, taken, kill_at=7)])
    assert list(path.parent.glob("unfinished/*/*/checkpoints/*.safetensors")) and not runner.read_rows(path)
    # Step 7 was broken off inside its measurement, so that its checkpoint does not count.
    runner.fill(path, [watched(runner, taken)])
    assert taken == [None, *range(1, 8), *range(7, 13)]
    assert not list(path.parent.glob("unfinished/*"))
    one, other = (runner.read_rows(file)[0] for file in (whole, path))
    assert one.pop("cpu_seconds") >= 0 <= other.pop("cpu_seconds") and one == other and len(one["weight"]) == 4


def test_a_run_that_another_process_makes_is_left_to_it(runner, tmp_path, capsys):
    path, made = tmp_path / "results.jsonl", []
    inner = runner.Run("s", "d", "v", 0, lambda quick: made.append("inner") or {}, "settings")

    def make(quick):
        made.append("outer")
        runner.fill(path, [inner])
        return {}

    runner.fill(path, [runner.Run("s", "d", "v", 0, make, "settings")])
    assert made == ["outer"] and "another process" in capsys.readouterr().out


def test_a_row_whose_seed_did_not_reach_the_method_is_made_again(runner, tmp_path):
    path, run = tmp_path / "results.jsonl", None
    row = {"study": "s", "data": "d", "variant": "v", "seed": 0, "seed_reached": False, "linear": 0.1}
    path.write_text(json.dumps(row) + "\n")
    run = runner.Run("s", "d", "v", 0, lambda quick: {"linear": 0.2}, "settings")
    runner.fill(path, [run])
    assert [(row["linear"], row.get("seed_reached")) for row in runner.read_rows(path)] == [(0.2, None)]


def test_gains_have_an_interval_for_new_seeds_and_new_rows(load):
    issl, draw = load(PAPERS / "issl" / "issl.py"), np.random.default_rng(0)

    def rows_of(right):
        return [
            {"data": "d", "variant": variant, "seed": seed, "rows": issl.packed(right[v, seed][:, None])}
            for v, variant in enumerate("ab")
            for seed in range(right.shape[1])
        ]

    # Independent cells: the variance is that of a cell over their number; Student's t of 4 is 2.7764.
    variances, cells = [], draw.integers(2, size=(200, 2, 5, 80)).astype(float)
    assert np.array_equal(issl.unpacked(issl.packed(cells[0, 0, 0][:, None])), cells[0, 0, 0])
    for right in cells:
        gain, each = issl._paired_rows(rows_of(right), "a", "b", "d"), right[0] - right[1]
        assert gain.mean == pytest.approx(each.mean()) and gain.pairs == 5
        variances.append(((gain.high - gain.mean) / 2.7764) ** 2)
    assert 0.5 / 400 < np.mean(variances) < 1.5 * 0.5 / 400
    # The same rows in every seed: five seeds are one, and the rows alone are drawn.
    gain = issl._paired_rows(rows_of(np.repeat(right[:, :1], 5, axis=1)), "a", "b", "d")
    assert gain.high - gain.mean == pytest.approx(2.7764 * each[0].std(ddof=1) / 80**0.5, rel=1e-3)
