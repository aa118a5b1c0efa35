"""One training at a time in a folder."""

import os
import signal
import time

import pytest

from isotropy.errors import UserError
from isotropy.io.lock import only_writer


def test_a_second_writer_is_refused_in_a_line_until_the_first_one_ends(tmp_path):
    with only_writer(tmp_path):
        with pytest.raises(UserError, match="another training is writing it now") as said, only_writer(tmp_path):
            pass
        assert "\n" not in str(said.value) and str(tmp_path) in str(said.value)
    with only_writer(tmp_path):
        assert list(tmp_path.iterdir()) == [], "no file of its own"


def test_what_a_killed_process_held_is_free(tmp_path):
    ours, theirs = os.pipe()
    pid = os.fork()
    if not pid:
        with only_writer(tmp_path):
            os.write(theirs, b"held")
            time.sleep(60)
        os._exit(0)
    try:
        assert os.read(ours, 4) == b"held"
        with pytest.raises(UserError), only_writer(tmp_path):
            pass
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(ours)
        os.close(theirs)
    with only_writer(tmp_path):
        pass
