"""What an audit lists: a line for each row."""

import errno
import os
from pathlib import Path

import numpy as np
import pytest

from isotropy.audit import Audit, Issue, audit
from isotropy.audit.run import keep
from isotropy.data import TablePreprocess
from isotropy.encoders import TableMLP
from isotropy.errors import UserError
from isotropy.representation import Representation


def test_a_reason_is_one_line():
    issue = Issue(np.array([True]), np.array([0.1]), lambda row: "label a\nb\tc", "made up")
    assert Audit({"label": issue}, {}).listed("label")["reason"].tolist() == [r"label a\nb\tc"]


def test_an_audit_that_the_disk_does_not_take_leaves_the_one_before(tmp_path, monkeypatch):
    rows = np.random.default_rng(0).normal(size=(50, 3))
    made = Representation(TableMLP(numeric=3, width=16), TablePreprocess.learn(rows), method="lfr")
    keep(audit(made, rows), tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}

    for name in ("outlier.csv", "audit.json", "audit.parquet"):
        with monkeypatch.context() as patched, pytest.raises(UserError, match="could not be written .No space left"):
            _refuse(name, patched)
            keep(audit(made, 2 * rows), tmp_path)
        assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def _refuse(name, patched):
    write = Path.write_bytes

    def full(path, data):
        if path.name.startswith(f".{name}.writing-"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write(path, data)

    patched.setattr(Path, "write_bytes", full)
