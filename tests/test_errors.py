"""What is said, and not crashed at, where the system gives no more memory."""

import subprocess
import sys

import pytest

from isotropy.cli import main
from isotropy.data import read
from isotropy.errors import OutOfMemory, need_memory

_FIRST_STEP = """
import resource
import torch
from isotropy.data import ArrayDataset, TablePreprocess
from isotropy.encoders import TableQuantiles
from isotropy.methods import SimCLR
from isotropy.training import fit
from isotropy.views import TableViews

table = TablePreprocess.learn(torch.randn(64, 5))
rows = table.transform(torch.randn(64, 5))
method = SimCLR(TableQuantiles(numeric=5, width=8, depth=1), projector=(8, 4))
steps = fit(method, ArrayDataset(rows, table), TableViews(values=rows, numeric=5), epochs=1, batch_size=32)
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (1 << 16),) * 2)
try:
    next(steps)
except MemoryError as error:
    print(error)
"""


def test_memory_that_no_system_has_is_missed():
    need_memory()
    with pytest.raises(OutOfMemory, match="no 1,125,899,906,842,624 bytes of memory are left"):
        need_memory(1 << 50)


@pytest.mark.skipif(sys.platform != "linux", reason="limits and reads its memory as Linux does")
def test_a_first_step_without_memory_is_an_error_and_no_crash():
    """The look-up of torch 2.15 calls code that it had no memory to write: a segmentation fault."""
    done = subprocess.run([sys.executable, "-c", _FIRST_STEP], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "no 16,777,216 bytes of memory are left\n"), done.stderr


def test_a_file_is_not_called_damaged_where_memory_is_missing(tmp_path, monkeypatch, capsys):
    path = tmp_path / "t.csv"
    path.write_text("a,b\n1,2\n3,4\n")
    monkeypatch.setattr("isotropy.data.csv_parts._THREAD", 1 << 50)
    with pytest.raises(OutOfMemory):
        read(path)
    with pytest.raises(SystemExit) as end:
        main(["fit", str(path), "--out", str(tmp_path / "run")])
    said = capsys.readouterr().err.splitlines()
    assert end.value.code == 2 and len(said) == 1 and said[0].startswith("isotropy: memory is not enough")
