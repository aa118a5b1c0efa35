"""What needs no torch is answered without loading it, which takes seconds."""

import json
import os
import subprocess
import sys

import pytest

from isotropy.cli import main
from isotropy.methods import METHODS


def answer(*arguments: str, **environment: str) -> tuple[int, str, str, bool]:
    """Return the exit code, both outputs, and whether torch was loaded."""
    code = (
        "import sys; from isotropy.cli import main\n"
        f"try: main({list(arguments)!r})\n"
        "except SystemExit as end: print('code', end.code)\n"
        "finally: print('torch' in sys.modules)"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=os.environ | environment, check=True
    )
    *lines, loaded = found.stdout.splitlines()
    ended = int(lines[-1].split()[1]) if lines and lines[-1].startswith("code ") else 0
    return ended, "\n".join(lines), found.stderr, loaded == "True"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--version"], 0, "isotropy 0."),
        (["methods"], 0, "simclr"),
        (["methods", "--modality", "table"], 0, "masked (default)"),
        (["fit", "nowhere.csv"], 2, "nowhere.csv does not exist"),
        (["compare", "nowhere.csv", "--label", "y"], 2, "nowhere.csv does not exist"),
        (["search", "nowhere"], 2, "nowhere: no such run directory"),
        (["export", "nowhere", "--to", "onnx"], 2, "nowhere: no such run directory"),
        (["predict", "nowhere", "new.csv", "--out", "p.csv"], 2, "nowhere: no such run directory"),
        (["methods", "--modality", "tables"], 2, "did you mean 'table'"),
    ],
)
def test_torch_is_not_loaded(arguments, code, said):
    ended, out, err, loaded = answer(*arguments)
    assert ended == code and said in out + err and not loaded


def test_methods_of_a_modality_are_ranked_by_what_was_measured(capsys):
    main(["methods", "--modality", "table", "--json"])
    found = json.loads(capsys.readouterr().out)
    gains = [one["measured"]["table"]["adult"][1] for one in found if "table" in one["measured"]]
    assert gains == sorted(gains, reverse=True) and len(gains) > 10
    assert {one["name"] for one in found} == {name for name, kind in METHODS.items() if kind.takes("table")}
    main(["methods", "--modality", "table"])
    shown = capsys.readouterr().out
    assert "adult" in shown and f"{found[0]['measured']['table']['adult'][1]:+.3f}" in shown


def test_a_dry_run_says_what_it_would_do_and_writes_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rows.csv").write_text("a,b\n" + "".join(f"{row},{row % 7}\n" for row in range(60)))
    main(["fit", "rows.csv", "--epochs", "3", "--dry-run"])
    said = capsys.readouterr().out
    assert "60 rows" in said and "3 epochs" in said and "nothing was trained" in said
    assert [path.name for path in tmp_path.iterdir()] == ["rows.csv"]


def test_the_shell_completes_verbs():
    # What the shell's function, which `isotropy --install-completion` installs, asks.
    asked = {"_ISOTROPY_COMPLETE": "complete_bash", "COMP_WORDS": "isotropy met", "COMP_CWORD": "1"}
    _, out, _, loaded = answer(**asked)
    assert "methods" in out and not loaded
    line = {"COMP_WORDS": "isotropy fit --method sim", "COMP_CWORD": "3"}
    _, out, _, loaded = answer(**asked | line)
    assert out.startswith("simclr\nsimsiam\n") and not loaded
