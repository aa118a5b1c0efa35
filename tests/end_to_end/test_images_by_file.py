"""Images in files, named by their file wherever a row is: audit, embeddings and clusters, and one as a query."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from PIL import Image

from end_to_end.conftest import SMALL_IMAGES
from isotropy.cli import main
from isotropy.clusters.known import kept_of
from isotropy.data import read
from isotropy.errors import UserError
from isotropy.runs.embedded import Embedded


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Return a folder of 40 images in two classes, the last two files equal, with a run on them."""
    home, rng = tmp_path_factory.mktemp("photos"), np.random.default_rng(0)
    for number in range(40):
        kind = ("dark", "light")[number % 2]
        (home / "pics" / kind).mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 128, (16, 16)) + 127 * (number % 2)
        Image.fromarray(pixels.astype(np.uint8)).save(home / "pics" / kind / f"{number:02d}.png")
    (home / "pics" / "light" / "copy.png").write_bytes((home / "pics" / "light" / "39.png").read_bytes())
    fit = ["fit", home / "pics", "--label", "folder", "--epochs", 1, *SMALL_IMAGES, "--evaluate", "knn"]
    main([str(one) for one in [*fit, "--out", home / "run"]])
    return home


def test_embeddings_and_audits_name_the_file_and_the_page_is_written_again(home, cli):
    page = home / "run" / "report.html"
    assert "equal to row" not in page.read_text(encoding="utf-8")
    said = cli("audit", home / "run")
    assert said.code == 0, said.err
    files = read(home / "pics").files
    assert pq.read_table(home / "run" / "embeddings.parquet")["file"].to_pylist() == files.tolist()
    assert pd.read_parquet(home / "run" / "audit.parquet")["file"].tolist() == files.tolist()
    listed = pd.read_csv(home / "run" / "audit" / "exact_duplicate.csv")
    assert sorted(listed["file"]) == ["light/39.png", "light/copy.png"]
    assert "light/copy.png  equal to row" in said.out and str(page) in said.out
    assert "equal to row" in page.read_text(encoding="utf-8") and "light/copy.png" in page.read_text(encoding="utf-8")


def test_clusters_are_on_the_page_and_are_not_told_by_files_of_one_row(home, cli):
    said = cli("cluster", home / "run", "-k", 2)
    assert said.code == 0, said.err
    page = (home / "run" / "report.html").read_text(encoding="utf-8")
    assert "cluster 0" in page.lower() and "file" not in kept_of(Embedded.opened(home / "run"))


def test_one_image_is_a_query_and_can_be_embedded(home, cli):
    one = home / "pics" / "light" / "copy.png"
    said = cli("search", home / "run", "--query", one, "-k", 2, "--json")
    assert said.code == 0, said.err
    (answer,) = json.loads(said.out)
    assert answer["query"] == "copy.png, row 0" and answer["neighbours"][0]["score"] == pytest.approx(1, abs=1e-5)
    assert {near["file"] for near in answer["neighbours"]} == {"light/39.png", "light/copy.png"}
    assert cli("embed", home / "run", one, "--out", "one.npy").code == 0
    whole = pq.read_table(home / "run" / "embeddings.parquet").to_pandas()
    kept = whole.loc[whole["file"] == "light/copy.png", [name for name in whole if name.startswith("z")]]
    np.testing.assert_allclose(np.load("one.npy"), kept, atol=1e-5)


def test_one_image_is_no_table(home):
    with pytest.raises(UserError, match=r"39.png is an image, which is read as images, not as table"):
        read(home / "pics" / "light" / "39.png", modality="table")
    assert read(Path(home / "pics" / "light" / "39.png")).files.tolist() == ["39.png"]
