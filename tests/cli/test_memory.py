"""A machine without the memory for a command: one line that says what takes less, and exit code 2."""

import pytest

from isotropy.cli import command_line

MAPPED = "/lib/x.so: failed to map segment from shared object"


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("out of memory"), ImportError(MAPPED)])
def test_too_little_memory_is_one_line(error, monkeypatch, capsys):
    def fails(*_, **__):
        raise error

    monkeypatch.setattr(command_line, "app", fails)
    with pytest.raises(SystemExit) as end:
        command_line.main(["fit"])
    said = capsys.readouterr().err
    assert end.value.code == 2 and said.count("\n") == 1 and "memory is not enough" in said


def test_other_errors_are_not_taken_for_it(monkeypatch):
    def fails(*_, **__):
        raise ImportError("no module named x")

    monkeypatch.setattr(command_line, "app", fails)
    with pytest.raises(ImportError, match="no module named x"):
        command_line.main(["fit"])
