"""What a killed process was writing is removed by the next one that writes there; what is being written now is not."""

import errno
import os
import signal
import time

import pytest

from isotropy.io.atomic import making, new_folder, replacing, write_atomically


def killed_while_writing(path, make):
    """Begin to write in another process, kill it, and return what it left."""
    ours, theirs = os.pipe()
    pid = os.fork()
    if not pid:
        with make(path) as temporary:
            (temporary / "part" if temporary.is_dir() else temporary).write_bytes(b"half")
            os.write(theirs, b"x")
            time.sleep(60)
        os._exit(0)
    assert os.read(ours, 1) == b"x"
    living = set(path.parent.iterdir())
    yield living
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    os.close(ours)
    os.close(theirs)
    assert set(path.parent.iterdir()) == living, "a kill leaves it"
    yield living


def test_a_file_that_a_kill_left_goes_with_the_next_one_and_not_before(tmp_path):
    path = tmp_path / "e.csv"
    (tmp_path / ".e.csv.swp").write_text("of an editor")
    kill = killed_while_writing(path, replacing)
    living = next(kill)
    write_atomically(path, b"whole")
    assert set(tmp_path.iterdir()) == living | {path}, "the other process is at work"
    path.unlink()
    next(kill)
    write_atomically(path, b"again")
    assert {one.name for one in tmp_path.iterdir()} == {"e.csv", ".e.csv.swp"}
    assert path.read_bytes() == b"again"


def test_a_folder_is_whole_or_not_there(tmp_path):
    path = tmp_path / "deep" / "made"
    with pytest.raises(KeyError), new_folder(path) as place:
        (place / "a").write_text("a")
        raise KeyError
    assert list(tmp_path.iterdir()) == []
    kill = killed_while_writing(path, new_folder)
    next(kill)
    next(kill)
    with new_folder(path) as place:
        (place / "a").write_text("a")
        assert not path.exists()
    assert [one.name for one in path.parent.iterdir()] == ["made"]
    assert (path / "a").read_text() == "a" and path.stat().st_mode & 0o777 == 0o755
    with pytest.raises(OSError), new_folder(path) as place:
        (place / "b").write_text("b")
    assert [one.name for one in path.parent.iterdir()] == ["made"]


def test_a_full_disk_names_the_file_that_was_to_be_written(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left") as found:
        write_atomically(tmp_path / "page.html", b"text")
    assert found.value.filename == str(tmp_path / "page.html") and not list(tmp_path.iterdir())


def test_a_folder_in_which_nothing_was_written_goes_again(tmp_path):
    with pytest.raises(OSError), making(tmp_path / "new" / "run"):
        assert (tmp_path / "new" / "run").is_dir()
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    with pytest.raises(OSError), new_folder(tmp_path / "new" / "export"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert not list(tmp_path.iterdir())
    with making(tmp_path / "new" / "run"):
        (tmp_path / "new" / "a").touch()
    assert [one.name for one in (tmp_path / "new").iterdir()] == ["a"]
