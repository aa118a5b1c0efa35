"""`isotropy finetune` and `isotropy predict`: a run becomes a model, and the model predicts new rows."""

import json

import numpy as np
import pandas as pd
import pytest

import isotropy
from end_to_end.conftest import SMALL_SERIES, SMALL_TABLE

SHORT = ["--set", "epochs=2", "--set", "folds=2"]


@pytest.fixture
def run(files, cli):
    fitted = cli("fit", files / "people.csv", "--label", "kind", "--epochs", 1, *SMALL_TABLE, "--out", "run")
    assert fitted.code == 0
    return "run"


def test_a_run_becomes_a_model_that_predicts(run, files, cli, tmp_path):
    said = cli("finetune", run, files / "people.csv", "--label", "kind", *SHORT)
    assert said.code == 0, said.err
    lines = said.out.splitlines()
    assert any(line.startswith("kind: accuracy on ") and "test rows (learnt from " in line for line in lines), said.out
    for arm in ("fine-tuned ", "frozen probe ", "from scratch ", "boosted trees "):
        assert any(line.startswith(arm) for line in lines), arm
    assert "predict     isotropy predict run-kind NEW_DATA --out predictions.csv" in lines
    written = {path.name for path in (tmp_path / "run-kind").iterdir()}
    assert written == {
        "model.json",
        "encoder.safetensors",
        "embedding.safetensors",
        "head.safetensors",
        "finetuned.json",
        "arms.json",
    }
    found = json.loads((tmp_path / "run-kind" / "arms.json").read_text())
    assert found["sentence"] in said.out.replace("\n", " ")
    assert [line["name"] for line in found["arms"][:3]] == ["fine-tuned", "frozen probe", "from scratch"]
    assert found["arms"][0]["difference"] is None and {"value", "low", "high"} == set(found["arms"][1]["difference"])

    assert cli("predict", "run-kind", files / "people.csv", "--keep", "kind", "--out", "all.csv").code == 0
    assert cli("predict", "run-kind", files / "people.parquet", "--out", "all.parquet").code == 0
    text, binary = pd.read_csv("all.csv"), pd.read_parquet("all.parquet")
    assert list(binary.columns) == ["row", "prediction", "p_a", "p_b", "p_c"] and len(text) == 96
    assert text.pop("kind").tolist() == pd.read_csv(files / "people.csv")["kind"].tolist()
    assert text.pop("row").tolist() == binary.pop("row").tolist() == list(range(96))
    model = isotropy.load_finetuned("run-kind")
    people = pd.read_csv(files / "people.csv")
    assert np.array_equal(model.predict_proba(people), binary.iloc[:, 1:].to_numpy())
    assert np.allclose(text.iloc[:, 1:], binary.iloc[:, 1:], rtol=0, atol=0)
    assert model.predict(people).tolist() == text["prediction"].tolist() == binary["prediction"].tolist()

    wrong = cli("predict", "run-kind", files / "people.csv", "--keep", "knid", "--out", "wrong.csv")
    assert wrong.code == 2 and "did you mean 'kind'" in wrong.err and not (tmp_path / "wrong.csv").exists()

    before = (files / "people.csv").read_bytes()
    over = cli("predict", "run-kind", files / "people.csv", "--out", files / "people.csv")
    assert over.code == 2 and "people.csv: is the data, which would be lost" in over.err
    assert (files / "people.csv").read_bytes() == before

    for verb in (["search", "run-kind"], ["embed", "run-kind", files / "people.csv", "--out", "e.csv"]):
        said = cli(*verb)
        assert said.code == 2 and "run-kind: is a fine-tuned model, which isotropy predict takes" in said.err

    for verb in (["diagnose", "run-kind"], ["fit", "--resume", "run-kind", "--epochs", 9]):
        said = cli(*verb)
        assert said.code == 2 and "run-kind: is a fine-tuned model: name the run it was made of" in said.err
    people.iloc[:1].to_csv("first.csv", index=False)
    assert "one.csv: 1 prediction of kind\n" in cli("predict", "run-kind", "first.csv", "--out", "one.csv").out
    assert "z.npy: 1 embedding of width" in cli("embed", run, "first.csv", "--out", "z.npy").out

    again = cli("finetune", run, files / "people.csv", "--label", "kind", *SHORT)
    assert "isotropy predict run-kind-2 " in again.out, "another folder, not the same"
    taken = cli("finetune", run, files / "people.csv", "--label", "kind", "--out", "run-kind")
    assert (taken.code, taken.err.count("\n")) == (2, 1) and "is taken" in taken.err


def test_series_numbers_jointly(files, cli):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(80, 2, 32)).astype(np.float32)
    np.savez("waves.npz", X=x, height=x[:, 0].mean(1) * 100)
    assert cli("fit", "waves.npz", "--epochs", 1, "--method", "lfr", *SMALL_SERIES, "--out", "run").code == 0
    said = cli("finetune", "run", "waves.npz", "--label-key", "height", "--joint", 0.1, "--out", "model", *SHORT)
    assert said.code == 0, said.err
    assert "height: R2 on 16 test rows" in said.out
    assert cli("predict", "model", "waves.npz", "--key", "X", "--out", "p.csv").code == 0
    found = pd.read_csv("p.csv")
    assert list(found.columns) == ["row", "prediction"] and found["prediction"].std() < 100


def test_whole_numbers_of_a_label_that_is_missing_in_part_stay_whole(run, files, cli):
    people = pd.read_csv(files / "people.csv")
    people["kind"] = people["kind"].map({"a": 0, "b": 1, "c": 2}).where(np.arange(96) % 3 > 0)
    people.to_csv("part.csv", index=False)
    said = cli("finetune", run, "part.csv", "--label", "kind", "--out", "model", *SHORT)
    assert said.code == 0, said.err
    assert cli("predict", "model", "part.csv", "--out", "p.csv").code == 0
    found = pd.read_csv("p.csv", dtype=str)
    assert list(found.columns) == ["row", "prediction", "p_0", "p_1", "p_2"]
    assert set(found["prediction"]) <= {"0", "1", "2"}
    assert isotropy.load_finetuned("model").predict(people).dtype.kind == "i"


WRONG = [
    (["finetune", "run", "people.csv"], "finetune needs a label"),
    (["finetune", "run", "people.csv", "--label", "age"], "trained with this column as an input"),
    (["finetune", "run", "people.csv", "--label", "knid"], "did you mean 'kind'"),
    (["finetune", "run", "people.csv", "--label", "kind", "--task", "numbers"], "is no number"),
    (["finetune", "run", "people.csv", "--label", "kind", "--set", "epoch=3"], "did you mean 'epochs'"),
    (["finetune", "run", "people.csv", "--label", "kind", "--budget", "soon"], "a time is written as"),
    (["finetune", "run", "waves.npz", "--label-key", "y_train", "--key", "X_train"], "X_train: an array (64, 2, 32);"),
    (["finetune", "run", "people.csv", "--label", "kind", "--set", "lr"], "a setting is written lr=1e-4"),
    (["finetune", "run", "people.csv", "--label", "kind", "--label", "age"], "--label age: a model predicts one label"),
    (["finetune", "nowhere", "people.csv", "--label", "kind"], "no such run directory"),
    (["finetune", "run", "one.csv", "--label", "kind"], "class"),
    (["finetune", "run", "narrow.csv", "--label", "kind"], "pay"),
    (["predict", "run", "people.csv", "--out", "p.csv"], "run: is a run, which predicts no label yet"),
    (["predict", "run", "people.csv", "--out", "p.npy"], "has to end in .parquet or .csv"),
    (["predict", "run", "people.csv", "--out", "no/p.csv"], "does not exist"),
]


def test_what_does_not_fit_is_one_line_and_leaves_nothing_behind(run, files, cli, tmp_path):
    people = pd.read_csv(files / "people.csv")
    people.assign(kind="a").to_csv("one.csv", index=False)
    people.drop(columns="pay").to_csv("narrow.csv", index=False)
    before = set(tmp_path.iterdir())
    for arguments, said in WRONG:
        found = cli(*[files / one if one in ("people.csv", "waves.npz") else one for one in arguments])
        assert found.code == 2 and said in found.err, (arguments, found.err)
        assert [line.startswith("isotropy: ") for line in found.err.splitlines()].count(True) == 1
        assert set(tmp_path.iterdir()) == before, arguments
