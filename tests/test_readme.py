"""What the README shows runs."""

import re
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

from isotropy.cli import main

README = (Path(__file__).parents[1] / "README.md").read_text()


def test_every_block_of_python_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("runs").mkdir()
    digits = load_digits()
    np.savez("runs/digits.npz", X=digits.images[:200].astype(np.uint8), digit=digits.target[:200])
    small = ["--epochs", "0.2", "--set", "encoder.width=16", "--set", "method.num_candidates=6"]
    main(["fit", "runs/digits.npz", "--label-key", "digit", "--method", "lfr", "--out", "runs/demo", *small])
    blocks = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert blocks
    for block in blocks:
        exec(compile(block, "README.md", "exec"), {})
    assert "contrast" in capsys.readouterr().out


def test_every_command_that_a_page_shows_exists_with_its_options():
    from typer.main import get_command

    from isotropy.cli.app import app

    verbs = get_command(app).commands
    root = Path(__file__).parents[1]
    pages = [root / "README.md", root / "CONTRIBUTING.md", *root.glob("docs/**/*.md")]
    for page in pages:
        if page.name == "log.md":  # a history: its commands are those of their day
            continue
        for verb, rest in re.findall(r"(?:^ {4}|^\$ |`)isotropy ([a-z]+)([^`\n]*)", page.read_text(), re.MULTILINE):
            known = {name for parameter in verbs[verb].params for name in parameter.opts} | {"--help"}
            assert set(re.findall(r"--[a-z-]+", rest)) <= known, f"{page}: {verb}"


def test_the_numbers_of_the_papers_stand_on_their_pages():
    section = README.partition("## The papers, measured again")[2].partition("\n## ")[0]
    rows = [line.split(" | ") for line in section.splitlines() if line.startswith("| [")]
    assert len(rows) == 5
    for row in rows:
        page = Path(__file__).parents[1] / re.search(r"\((papers/[a-z]+/README.md)\)", row[0]).group(1)
        text, numbers = page.read_text(), re.findall(r"[+-]?\d*\.\d+", row[2])
        assert numbers
        for number in numbers:
            assert re.search(
                rf"(?<!\d){re.escape(number.replace('.', '0.') if re.match(r'[+-]?[.]', number) else number)}", text
            )
        assert row[3].split(" at ")[0] in text


def test_nothing_is_left_to_fill_in_and_every_link_leads_somewhere():
    root = Path(__file__).parents[1]
    for page in [root / "README.md", root / "CHANGELOG.md", root / "CONTRIBUTING.md", *root.glob("docs/**/*.md")]:
        text = page.read_text()
        # Of a diff the places of its parts.
        assert "@@" not in re.sub(r"^@@ -\S+ \+\S+ @@$", "", text, flags=re.MULTILINE), page
        for link in re.findall(r"\]\((?!https?:)([^)#]+)\)", text):
            # Made by `make docs`, which checks the links to it.
            made = link.startswith(("auto_examples/", "reference/"))
            assert made or (page.parent / link).exists(), f"{page}: {link}"
