"""JSON lines that a resumed run writes on: nothing is lost, doubled or torn."""

import json
import math

import pytest

from isotropy.errors import UserError
from isotropy.io.logs import Log


def written(path, offset=0, numbers=()):
    """Write numbers from `offset` on; return the file's length as the log knows it."""
    log = Log(path, offset)
    for number in numbers:
        log.add({"n": number})
    length = log.flushed()
    log.close()
    return length


def test_a_log_is_cut_to_its_checkpoint_and_written_on(tmp_path):
    path = tmp_path / "a.jsonl"
    length = written(path, numbers=[1, 2])
    assert length == path.stat().st_size
    written(path, length, numbers=[3, 4])
    assert written(path, length, numbers=[5]) == path.stat().st_size
    assert [json.loads(line)["n"] for line in path.read_text().splitlines()] == [1, 2, 5]


def test_a_log_that_was_cut_and_not_written_since_knows_its_length(tmp_path):
    path = tmp_path / "a.jsonl"
    length = written(path, numbers=[1])
    written(path, length, numbers=[2, 3])
    assert written(path, length) == length == path.stat().st_size


def test_a_log_shorter_than_its_checkpoint_is_refused_and_kept(tmp_path):
    path = tmp_path / "a.jsonl"
    written(path, numbers=[1])
    before = path.read_bytes()
    with pytest.raises(
        UserError, match="has 9 bytes, and the checkpoint knows of 20: restore it from a copy, or begin another run$"
    ):
        Log(path, 20)
    assert path.read_bytes() == before


def test_numbers_that_json_does_not_know_become_null(tmp_path):
    log = Log(tmp_path / "a.jsonl")
    log.add({"loss": math.nan, "terms": {"a": math.inf, "b": 1.5}, "name": "x"})
    log.close()
    assert json.loads((tmp_path / "a.jsonl").read_text()) == {
        "loss": None, "terms": {"a": None, "b": 1.5}, "name": "x",
    }  # fmt: skip


def test_a_link_is_not_written_through(tmp_path):
    (tmp_path / "letters.txt").write_text("mine")
    (tmp_path / "a.jsonl").symlink_to(tmp_path / "letters.txt")
    with pytest.raises(UserError, match="is a link to another file"):
        Log(tmp_path / "a.jsonl")
    assert (tmp_path / "letters.txt").read_text() == "mine"
