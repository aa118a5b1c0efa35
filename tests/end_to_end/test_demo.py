"""`isotropy demo` is three commands on data that ship with scikit-learn."""

import shlex

import numpy as np
import pytest

from end_to_end.conftest import Cli
from isotropy.cli import demo
from isotropy.cli.app import app


def test_it_writes_the_digits_and_calls_what_it_prints(tmp_path, capsys):
    called = []

    def quickly(words):
        called.append(words)
        short = ["--epochs", "1", "--evaluate", "knn"] if words[0] == "fit" else []
        app([*words, *short], prog_name="isotropy", standalone_mode=False)

    demo.demo(tmp_path / "here", quickly)
    said = capsys.readouterr().out
    assert [words[0] for words in called] == ["fit", "search", "audit"]
    assert all(f"$ isotropy {shlex.join(words)}\n" in said for words in called)
    digits = np.load(tmp_path / "here" / "digits.npz")
    assert digits["X"].shape == (1809, 8, 8) and len(digits["digit"]) == 1809
    assert "of the 12 copies, rows 1797 to 1808, were found." in said
    assert (tmp_path / "here" / "demo" / "report.html").is_file()


@pytest.mark.parametrize("out", ["file", "file/inside"])
def test_a_folder_that_cannot_be_made_is_one_line(out, tmp_path, cli: Cli):
    (tmp_path / "file").write_text("")
    said = cli("demo", "--out", out)
    assert (said.code, said.err.count("\n")) == (2, 1) and "cannot be written" in said.err
