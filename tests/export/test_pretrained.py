"""Folders as hubs expect them."""

import inspect
import json

import numpy as np
import pandas as pd
import pytest

from isotropy.encoders import ENCODERS
from isotropy.errors import UserError
from isotropy.export import model_card
from isotropy.representation import Representation, load
from isotropy.runs.session import train

from .test_graph import made_of


@pytest.mark.parametrize("name", sorted(ENCODERS))
def test_an_encoder_comes_back_with_every_argument_of_its_constructor(name, tmp_path):
    made, values = made_of(name)
    made.save_pretrained(tmp_path / "model")
    assert sorted(path.name for path in (tmp_path / "model").iterdir()) == [
        "README.md", "config.json", "model.safetensors",
    ]  # fmt: skip
    arguments = json.loads((tmp_path / "model" / "config.json").read_text())["encoder"]["arguments"]
    assert set(arguments) == set(inspect.signature(ENCODERS[name]).parameters)
    again = Representation.from_pretrained(tmp_path / "model")
    assert np.array_equal(again.transform(values), made.transform(values))


def test_a_joined_embedding_with_codes_comes_back(tmp_path):
    from isotropy.nn.segments import SegmentHead

    made, values = made_of("table_quantiles", joined=True)
    coder = SegmentHead((made.encoder.width, 12), num_segments=3)
    both = Representation(
        made.encoder, made.preprocess, method="music", chunk=made.chunk, coder=coder, embedding=made.embedding
    )
    both.save_pretrained(tmp_path / "model")
    again = load(tmp_path / "model")
    assert np.array_equal(again.transform(values, standardise=True), both.transform(values, standardise=True))
    assert np.array_equal(again.codes(values), both.codes(values))


def test_a_damaged_file_is_named(tmp_path):
    made, _ = made_of("array_mlp")
    made.save_pretrained(tmp_path)
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    with pytest.raises(UserError, match=r"model\.safetensors: truncated.*config\.json"):
        load(tmp_path)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(UserError, match=r"config\.json"):
        load(tmp_path)


def test_a_repository_is_made_and_filled(tmp_path, monkeypatch):
    hub = pytest.importorskip("huggingface_hub")
    made, values = made_of("array_mlp")

    class Api:
        def create_repo(self, name, *, private, exist_ok):
            return f"https://hub/{name}"

        def upload_folder(self, *, repo_id, folder_path, commit_message):
            made_here = load(folder_path)
            made_here.save_pretrained(tmp_path / repo_id)

    monkeypatch.setattr(hub, "HfApi", Api)
    monkeypatch.setattr(hub, "snapshot_download", lambda name, **_: str(tmp_path / name))
    assert made.push_to_hub("me/mine") == "https://hub/me/mine"
    assert np.array_equal(Representation.from_pretrained("me/mine").transform(values), made.transform(values))
    monkeypatch.setattr(hub, "snapshot_download", lambda name, **_: 1 / 0)
    with pytest.raises(UserError, match="no folder here, and cannot be downloaded"):
        Representation.from_pretrained("me/other")


def test_the_card_of_a_run_says_what_was_found(tmp_path):
    rng = np.random.default_rng(0)
    kind = rng.choice(["x", "y"], 120)
    frame = pd.DataFrame({"a": rng.normal(size=120) + 3 * (kind == "x"), "b": rng.normal(size=120), "kind": kind})
    frame.to_csv(tmp_path / "rows.csv", index=False)
    for _ in train(tmp_path / "rows.csv", label="kind", method="simclr", epochs=1, out=tmp_path / "run"):
        pass
    text = model_card(tmp_path / "run", licence="mit")
    front, body = text.split("---\n")[1:3]
    assert "license: mit" in front and "library_name: isotropy" in front
    evidence = json.loads((tmp_path / "run" / "probes.json").read_text())[0]
    assert evidence["sentence"] in body
    for section in ("Use", "Data", "Evidence", "Verdict on the run", "Limits", "Licence"):
        assert f"\n## {section}\n" in body
    assert "96 of 120 rows" in body and "| 10 a class |" in body
    for line in evidence["ranking"]:
        assert f"| {line['representation']} |" in body
    assert "Nobody has said" in model_card(tmp_path / "run")
    data = tmp_path / "run" / "data.json"
    about = json.loads(data.read_text())
    del about["training_rows"]
    data.write_text(json.dumps(about))
    with pytest.raises(UserError, match="data.json: damaged: 'training_rows' is missing"):
        model_card(tmp_path / "run")
    (tmp_path / "run" / "model.json").unlink()
    with pytest.raises(UserError, match="not finished"):
        model_card(tmp_path / "run")
