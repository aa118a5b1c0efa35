"""The house rules that a machine can check: which part may import which, sizes, and what is imported lazily."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

SRC = Path(__file__).parents[1] / "src" / "isotropy"
FILES = sorted(SRC.rglob("*.py"))
# What a part of the package may import of the package; a part not named here may import everything but what
# nobody may. Views and encoders know nothing of methods, methods nothing of the loop, objectives of nobody.
ALLOWED = {
    "errors": set(),
    "atomic": set(),
    "objectives": {"objectives", "errors"},
    "base_space": {"errors"},
    "views": {"views", "base_space", "errors"},
    "heads": {"errors"},
    "decoders": {"errors"},
    "segments": {"heads", "errors"},
    "teacher": {"errors"},
    "encoders": {"encoders", "base_space", "errors"},
    "predictors": {"errors"},
    "prototypes": {"objectives", "errors"},
    "projectors": {"encoders", "views", "errors"},
    "methods": {
        "methods",
        "objectives",
        "heads",
        "decoders",
        "segments",
        "teacher",
        "predictors",
        "prototypes",
        "projectors",
        "encoders",
        "views",
        "errors",
    },
    "data": {"data", "atomic", "errors"},
    "diagnostics": {"diagnostics", "errors"},
    "evaluation": {"evaluation", "errors"},
    "training": {"training", "methods", "encoders", "views", "atomic", "errors"},
}
LEAVES = {"cli", "estimator"}


def part_of(path: Path) -> str:
    return path.relative_to(SRC).parts[0].removesuffix(".py")


def imported(path: Path) -> set[str]:
    """Return the parts of the package that a file imports, wherever in the file."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "isotropy":
            names = node.module.split(".")[1:]
            found |= {names[0]} if names else {alias.name for alias in node.names}
        if isinstance(node, ast.Import):
            names = [alias.name.split(".") for alias in node.names]
            found |= {name[1] for name in names if name[0] == "isotropy" and len(name) > 1}
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(SRC)))
def test_imports_point_one_way(path):
    part = part_of(path)
    if part in ALLOWED:
        assert imported(path) <= ALLOWED[part]
    elif part not in LEAVES and part not in ("__init__", "__main__"):
        assert not imported(path) & LEAVES


def test_only_comm_imports_torch_distributed():
    users = [path.name for path in FILES if "torch.distributed" in path.read_text() and path.name != "comm.py"]
    assert users == []


def test_only_the_command_line_prints():
    for path in FILES:
        calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
        printed = [c for c in calls if isinstance(c.func, ast.Name) and c.func.id == "print"]
        assert not printed or part_of(path) == "cli", path


def test_there_is_no_utils():
    assert [path for path in FILES if path.stem in ("utils", "helpers", "misc", "common")] == []


def lines_of(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Return the lines of a function without its signature and docstring: what has to be read as code."""
    body = node.body[1:] if ast.get_docstring(node) is not None else node.body
    return node.end_lineno - body[0].lineno + 1 if body else 0


def test_files_and_functions_stay_short():
    trees = {path: ast.parse(path.read_text()) for path in FILES}
    functions = [
        (path, node)
        for path, tree in trees.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    assert [str(path) for path in FILES if len(path.read_text().splitlines()) > 300] == []
    assert [f"{path}:{node.name}" for path, node in functions if lines_of(node) > 60] == []


def test_the_core_does_not_import_the_extras():
    code = (
        "import sys, isotropy, isotropy.cli, isotropy.cli.fit, isotropy.estimator; "
        "bad = {'torchvision', 'timm', 'kornia', 'lightly'} & set(sys.modules); assert not bad, bad"
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
