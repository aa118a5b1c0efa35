"""The end of a command's process: what is to be done there is done, but for freeing what the system takes back."""

import os
import subprocess
import sys

import pytest

# What libraries do at the end: write what they kept, and join their threads. The class shows whether Python collects.
OWN = """
import atexit, threading, time
atexit.register(lambda: print("written at the end"))
threading.Thread(target=lambda: (time.sleep(0.3), print("thread"))).start()
class Kept:
    def __del__(self):
        print("collected")
kept = Kept()
"""


@pytest.mark.parametrize(("words", "code"), [(["methods"], 0), (["methods", "--modality", "tables"], 2)])
def test_threads_and_exit_functions_come_first_and_nothing_is_collected(tmp_path, words, code):
    (tmp_path / "own.py").write_text(OWN)
    paths = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, "-m", "isotropy", "--import", "own", *words]
    found = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": paths})
    assert found.returncode == code
    assert found.stdout.endswith("thread\nwritten at the end\n")
    assert ("simclr" in found.stdout) == (code == 0) and ("did you mean 'table'" in found.stderr) == (code == 2)


def test_a_traceback_is_an_exit_code_of_one(tmp_path):
    (tmp_path / "own.py").write_text("raise RuntimeError('broken')")
    command = [sys.executable, "-m", "isotropy", "--import", "own", "methods"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])}
    found = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert found.returncode == 1 and "RuntimeError: broken" in found.stderr
