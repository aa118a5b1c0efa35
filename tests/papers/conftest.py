import importlib
import sys
from pathlib import Path

import pytest

PAPERS = Path(__file__).parents[2] / "papers"


def forget():
    """Remove the modules of papers/ from those that are loaded."""
    names = {path.stem for path in PAPERS.iterdir()}
    for name in [name for name in sys.modules if name.partition(".")[0] in names]:
        del sys.modules[name]


@pytest.fixture
def load(monkeypatch):
    """Load modules of papers/ by their names; nothing of them stays."""
    monkeypatch.syspath_prepend(PAPERS)
    forget()
    path = list(sys.path)
    yield importlib.import_module
    sys.path[:] = path
    forget()
