"""What a finished run gives to searches, audits and clusters."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from isotropy.errors import UserError
from isotropy.runs.embedded import FILE, Embedded
from isotropy.runs.events import Finished
from isotropy.runs.session import train


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("embedded")
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"z0": rng.normal(size=60), "b": rng.normal(size=60), "kind": ["x", "y", None] * 20})
    frame.to_csv(home / "rows.csv", index=False)
    events = train(home / "rows.csv", label="kind", method="simclr", epochs=1, out=home / "run", evaluators=["knn"])
    assert isinstance(list(events)[-1], Finished)
    return home


def test_a_run_gives_its_vectors_parts_labels_and_data(folder: Path) -> None:
    found = Embedded.opened(folder / "run")
    data, rows = found.read_data()
    assert len(found) == len(data) == len(rows) == 60
    assert set(found.part) == {"train", "test"}
    assert pd.isna(found.beside["label"]).sum() == 20
    assert np.array_equal(found.vectors, found.representation.transform(data.values))


def test_changed_data_and_damaged_embeddings_are_refused(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder / "run", tmp_path / "run")
    (tmp_path / "run" / FILE).write_bytes(b"PAR1")
    with pytest.raises(UserError, match="missing or damaged"):
        Embedded.opened(tmp_path / "run")
    (tmp_path / "run" / FILE).unlink()
    with pytest.raises(UserError, match="missing or damaged"):
        Embedded.opened(tmp_path / "run")
    found = Embedded.opened(folder / "run")
    frame = pd.read_csv(folder / "rows.csv")
    kept = (folder / "rows.csv").read_bytes()
    frame.assign(b=frame["b"] + 1).to_csv(folder / "rows.csv", index=False)
    try:
        with pytest.raises(UserError, match="not what the run began with"):
            found.read_data()
    finally:
        (folder / "rows.csv").write_bytes(kept)


def test_an_unfinished_run_is_named(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder / "run", tmp_path / "run")
    (tmp_path / "run" / "model.json").unlink()
    with pytest.raises(UserError, match="not finished"):
        Embedded.opened(tmp_path / "run")
