"""The site: its generated pages are fresh, what its pages and its gallery show runs, the diff applies."""

import importlib.util
import os
import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from given import GIVEN
from isotropy.evaluation import EVALUATORS

ROOT = Path(__file__).parents[1]
# What runs elsewhere: the example of scale.md takes a cluster, which tests/scale/test_ray.py starts.
ELSEWHERE = {"scale"}
PAGES = sorted(
    path.stem
    for path in (ROOT / "docs").glob("*.md")
    if "```python\n" in path.read_text() and path.stem not in ELSEWHERE
)
EXAMPLES = sorted(path.stem for path in (ROOT / "examples/gallery").glob("plot_*.py"))


def test_what_is_said_of_all_methods_and_encoders_is_up_to_date(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "docs")
    spec = importlib.util.spec_from_file_location("build_capabilities", ROOT / "docs/build_capabilities.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    stale = [page.name for page, text in module.pages().items() if page.read_text() != text]
    assert stale == [], "python docs/build_capabilities.py writes them anew"


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("page", PAGES)
def test_every_block_of_a_page_runs(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / f"docs/{page}.md").read_text(), re.DOTALL)
    assert blocks
    names = {"__name__": page} | GIVEN.get(page, dict)()
    registered = dict(EVALUATORS)
    try:
        for block in blocks:
            exec(compile(block, f"{page}.md", "exec"), names)
    finally:
        EVALUATORS.clear()
        EVALUATORS.update(registered)


def test_every_page_is_in_the_contents():
    """A page that no contents name is found by search alone; `make docs` would end with a warning."""
    named = set()
    for path in (ROOT / "docs").rglob("*.md"):
        for block in re.findall(r"```\{toctree\}\n(.*?)```", path.read_text(), re.DOTALL):
            lines = [line.strip() for line in block.splitlines() if line.strip() and not line.startswith(":")]
            for line in lines:
                target = re.sub(r".*<(.*)>", r"\1", line)
                named |= {found.resolve() for found in path.parent.glob(f"{target}.md")}
    pages = {path.resolve() for path in (ROOT / "docs").rglob("*.md")} - {(ROOT / "docs/index.md").resolve()}
    assert {str(page) for page in pages - named if "site" not in page.parts} == set()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_of_the_gallery_runs_and_draws(example, monkeypatch):
    plot = pytest.importorskip("matplotlib.pyplot")
    plot.switch_backend("agg")
    drawn = []
    monkeypatch.setattr(plot, "show", lambda: drawn.append(plot.get_fignums()))
    runpy.run_path(str(ROOT / f"examples/gallery/{example}.py"))
    plot.close("all")
    assert drawn and all(drawn)


def test_there_are_at_least_twelve_examples():
    assert len(EXAMPLES) >= 12


def test_the_diff_that_adds_a_method_applies_and_the_method_trains(tmp_path):
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    diff = re.search(r"```diff\n(.*?)```", (ROOT / "docs/add_method.md").read_text(), re.DOTALL).group(1)
    (tmp_path / "a.diff").write_text(diff)
    # Git looks for a repository above, and would then skip what is ignored there.
    quiet = os.environ | {"GIT_CEILING_DIRECTORIES": str(tmp_path.parent)}
    subprocess.run(["git", "apply", "--unidiff-zero", "a.diff"], cwd=tmp_path, check=True, env=quiet)
    code = (
        "import numpy as np, isotropy; x = np.random.default_rng(0).normal(size=(64, 3));"
        "made = isotropy.SelfSupervisedEncoder('alignment', epochs=2, random_state=0).fit(x);"
        "print(made.representation_.method, made.history_[-1]['loss'] < made.history_[0]['loss'])"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], env=quiet | {"PYTHONPATH": str(tmp_path / "src")}, capture_output=True, text=True
    )
    assert found.stdout.split() == ["alignment", "True"], found.stderr
