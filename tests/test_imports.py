"""The house rules that a machine can check: which room may import which, and what is imported lazily."""

import ast
import os
import subprocess
import sys

import pytest

from house import ALLOWED, FILES, SRC, imported, room_of


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(SRC)))
def test_imports_point_one_way(path):
    assert imported(path) <= ALLOWED[room_of(path)]


def test_the_table_of_rooms_has_no_circle_and_no_room_that_is_gone():
    assert set(ALLOWED) == {room_of(path) for path in FILES}
    left = dict(ALLOWED)
    while free := [room for room, needs in left.items() if not needs & set(left)]:
        for room in free:
            del left[room]
    assert left == {}


def test_few_files_stand_loose():
    assert len([path for path in SRC.glob("*.py")]) <= 8


def test_only_comm_imports_torch_distributed():
    users = [path.name for path in FILES if "torch.distributed" in path.read_text() and path.name != "comm.py"]
    assert users == []


def test_only_the_command_line_prints():
    for path in FILES:
        calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
        printed = [c for c in calls if isinstance(c.func, ast.Name) and c.func.id == "print"]
        assert not printed or room_of(path) == "cli", path


def test_there_is_no_utils():
    assert [path for path in FILES if path.stem in ("utils", "helpers", "misc", "common")] == []


def test_the_core_does_not_import_the_extras():
    code = (
        "import sys, isotropy, isotropy.cli, isotropy.cli.fit, isotropy.estimator; "
        "bad = {'torchvision', 'timm', 'kornia', 'lightly', 'usearch'} & set(sys.modules); assert not bad, bad"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_command_line_answers_help_without_torch():
    code = "import sys, isotropy.cli; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("given", "found"), [({}, "1000"), ({"GOMP_SPINCOUNT": "7"}, "7"), ({"OMP_WAIT_POLICY": "ACTIVE"}, None)]
)
def test_the_command_line_keeps_threads_from_spinning_unless_told_otherwise(given, found):
    code = "import os, sys, isotropy.cli; assert 'torch' not in sys.modules; print(os.environ.get('GOMP_SPINCOUNT'))"
    rest = {name: value for name, value in os.environ.items() if name not in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")}
    done = subprocess.run([sys.executable, "-c", code], env=rest | given, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(found)


def test_the_libraries_of_evidence_are_not_imported_before_the_first_step():
    """They take as long to import as half of torch does, and nothing needs them until a run is evaluated."""
    code = (
        "import sys, numpy as np; from isotropy.runs.session import Stepped, train; import isotropy.cli.fit; "
        "x = np.random.default_rng(0).normal(size=(64, 3)); "
        "events = train(x, label=np.arange(64) % 2, method='simclr', epochs=1); "
        "next(event for event in events if isinstance(event, Stepped)); "
        "bad = {'sklearn', 'scipy', 'isotropy.report'} & set(sys.modules); assert not bad, bad"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
