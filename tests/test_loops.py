"""The encoder in other libraries' loops: each file of examples/loops runs. In CI its library has to be there."""

import importlib.util
import os
from pathlib import Path

import numpy as np
import pytest

LOOPS = Path(__file__).parents[1] / "examples/loops"
NEEDS = {
    "accelerate_loop": "accelerate", "lightning_loop": "lightning", "polars_output": "polars", "skorch_loop": "skorch",
    "skrub_pipeline": "skrub", "finetune_loop": "torch", "boosting_features": "xgboost",
}  # fmt: skip


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", sorted(NEEDS))
def test_a_loop_runs(name, tmp_path, monkeypatch):
    (importlib.import_module if "CI" in os.environ else pytest.importorskip)(NEEDS[name])
    monkeypatch.chdir(tmp_path)
    spec = importlib.util.spec_from_file_location(name, LOOPS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found = module.main()
    if name in ("accelerate_loop", "lightning_loop"):
        assert found.shape == (178, 32) and np.isfinite(found).all()
    elif name == "polars_output":
        assert type(found).__module__.startswith("polars") and len(found) == 178
    else:
        # Far above chance, which all of these data have at .63 or less.
        assert min(found[1:] if name == "finetune_loop" else found) > 0.8


def test_every_loop_is_tested_and_short():
    files = {path.stem: path.read_text().splitlines() for path in LOOPS.glob("*.py")}
    assert files.keys() == NEEDS.keys()
    assert max(map(len, files.values())) < 60
