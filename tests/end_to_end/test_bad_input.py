"""Bad input: one line on stderr that says what, where and what to do, exit code 2, and no run left behind."""

import json

import numpy as np
import pandas as pd
import pytest

from end_to_end.conftest import QUICK, SMALL_IMAGES, SMALL_TABLE, save_image


@pytest.fixture
def bad(files, tmp_path):
    """Write every file that is wrong in one way, beside a good one, into the working folder."""
    good = pd.read_csv(files / "people.csv")
    good.to_csv("good.csv", index=False)
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "names_only.csv").write_text("a,b\n")
    good.head(1).to_csv("one_row.csv", index=False)
    good.assign(pay=good["pay"].where(good.index != 5, np.inf)).to_csv("infinite.csv", index=False)
    good.assign(pay=good["pay"].astype(object).where(good.index != 3, "much")).to_csv("stray.csv", index=False)
    good.assign(kind="a").to_csv("one_class.csv", index=False)
    good.assign(kind=np.where(good.index < 95, None, "a")).to_csv("one_label.csv", index=False)
    pd.DataFrame({"a": [1] * 9, "b": [2] * 9, "c": [np.nan] * 9}).to_csv("constant.csv", index=False)
    (tmp_path / "torn.csv").write_text("a,b\n1,2\n1,2,3,4\n")
    (tmp_path / "torn.parquet").write_bytes(b"PAR1xxxx")
    (tmp_path / "torn.npz").write_bytes(b"PK\x03\x04")
    (tmp_path / "file").write_text("x")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "recipe.toml").write_text("modality = 'table'\n")
    (tmp_path / "epochs.toml").write_text("epochs = 3\n")
    (tmp_path / "series.toml").write_text("modality = 'series'\n")
    np.savez("waves.npz", X=np.zeros((9, 2, 32), dtype=np.float32))
    np.save("infinite.npy", np.full((9, 2, 32), np.inf, dtype=np.float32))


# What is asked, and what the one line says.
REFUSED = [
    ("nope.csv", "nope.csv does not exist"),
    ("empty.csv", "empty.csv is empty"),
    ("names_only.csv", "names_only.csv has no rows"),
    ("one_row.csv", "at least two rows; the table has 1"),
    ("infinite.csv", "column 'pay', row 5: infinite value"),
    ("infinite.npy", "series 0, channel 0, step 0: infinite value"),
    ("stray.csv", "column 'pay', row 3: 'much' is not a number"),
    ("torn.csv", "torn.csv is damaged"),
    ("torn.parquet", "torn.parquet is damaged"),
    ("torn.npz", "torn.npz is damaged"),
    ("file", "file cannot be read: .npy, .npz, .csv, .parquet, .tsv, .feather, .arrow, .tar, .ts, "),
    ("constant.csv", "no column is left to learn from (constant: 'a', 'b'; all missing: 'c')"),
    ("waves.npz", "no channel is left to learn from"),
    ("one_class.csv --label kind", "the label has only the class 'a'"),
    ("one_label.csv --label kind", "part has a label: a probe needs some"),
    ("good.csv --label kin", "there is no column 'kin' (label) (did you mean 'kind'?)"),
    ("good.csv --drop ag", "there is no column 'ag' (to drop) (did you mean 'age'?)"),
    ("good.csv --label kind --group jobb", "there is no column 'jobb' (group) (did you mean 'job'?)"),
    ("good.csv --label kind --time agee", "there is no column 'agee' (time) (did you mean 'age'?)"),
    ("good.csv --label kind --time job", "time 'job' is missing in row 0: fill it, or drop the row"),
    (
        "one_class.csv --label job --group kind",
        "group 'kind' holds 'a' in every row: a split needs at least two groups",
    ),
    ("one_class.csv --label job --time kind", "time 'kind' cannot be sorted: 'a' (row 0) is no number and no date"),
    ("good.csv --label kind --group job --time age", "group and time both say what the test part is: give one of them"),
    ("good.csv --label kind --group kind", "'kind' cannot be both the label and the group"),
    ("good.csv --label kind --label kind", "label 'kind' is given twice"),
    ("good.csv --label kind --label kin", "there is no column 'kin' (label) (did you mean 'kind'?)"),
    ("good.csv --label kind --task class", "task 'class' is unknown (did you mean 'classes'?)"),
    ("good.csv --label kind --task numbers", "is no number, and task numbers needs them: use classes"),
    ("good.csv --task numbers", "task 'numbers' says what a label is: name the label, too"),
    ("good.csv --label kind --label-budget 1,x", "label budget 'x' is no size"),
    ("good.csv --label-key y", "label_key names arrays of a .npz file"),
    ("waves.npz --key Y", "has no array 'Y' (valid: X)"),
    ("good.csv --out run", "run: holds a run already; choose another --out, or go on with: isotropy fit --resume run"),
    ("good.csv --out file", "file: is a file; --out needs a folder"),
    ("good.csv --out file/inside --epochs 1", "file/inside: cannot be written (Not a directory)"),
    ("good.csv --method lfrr", "method 'lfrr' is unknown (did you mean 'lfr'?)"),
    ("good.csv --encoder table_ml", "unknown encoder 'table_ml' (did you mean 'table_mlp'?)"),
    ("good.csv --encoder series_cnn", "takes series data, but this is table data"),
    ("good.csv --modality tabel", "unknown modality 'tabel' (did you mean 'table'?)"),
    ("good.csv --precision fp16", "train.precision = 'fp16' is unknown (did you mean 'bf16'?)"),
    ("good.csv --device gpu", "--device gpu: unknown"),
    ("good.csv --device meta", "--device meta: not supported"),
    ("good.csv --set foo", "--set foo: a setting is written section.key=value"),
    ("good.csv --set methd.seed=1", "setting 'methd.seed' has no known section (did you mean 'method.seed'?)"),
    (
        "good.csv --method lfr --set method.num_projector=1",
        "method has no option 'num_projector' (did you mean 'num_projectors'?)",
    ),
    ("good.csv --set encoder.widht=1", "no option 'widht' (did you mean 'width'?)"),
    ("good.csv --set encoder.width=0", "width must be a whole number of at least 1, not 0"),
    ("good.csv --set encoder.width=99999999999", "more weights than memory holds: make it smaller"),
    ("good.csv --set encoder.width=9999999999999999999999", "encoder.width"),
    ("good.csv --set method=5", "method = 5 must be a name"),
    ("good.csv --set views=5", "views = 5 must be a name"),
    ("good.csv --set encoder=[1]", "encoder = [1] must be a name"),
    ("good.csv --set optim.lt=1", "optim has no setting 'lt' (valid: betas, decay_vectors, final, lr"),
    ("good.csv --set optim.lr=-1", "optim.lr = -1 must be a number above 0"),
    ("good.csv --set optim.name=sdg", "optim.name = 'sdg' is unknown (did you mean 'sgd'?)"),
    ("good.csv --set optim.betas=[0.9,2.0]", "optim.betas = [0.9, 2.0] must be two numbers in [0, 1)"),
    ("good.csv --set train.batch_size=1", "train.batch_size = 1 must be a whole number of at least 2"),
    ("good.csv --set train.micro_batch=-1", "train.micro_batch = -1 must be a whole number of at least 0"),
    ("good.csv --method simclr --set method.temperature=abc", "method.temperature = 'abc' must be a number"),
    ("good.csv --method simclr --set method.temperature=-1", "temperature must be above 0, not -1"),
    ("good.csv --method simclr --set method.projector=3", "method.projector = 3 must be a list of whole numbers"),
    (
        "good.csv --method simclr --set views.num_views=1",
        "simclr compares at least 2 views of a sample: views.num_views = 1",
    ),
    ("good.csv --method simclr --set views.corrupt=2.0", "corrupt: 2 is not between 0 and 1"),
    ("good.csv --epochs 0", "--epochs 0 must be a number above 0"),
    ("good.csv --epochs nan", "--epochs nan must be a number above 0"),
    ("good.csv --epochs abc", "Invalid value for '--epochs'"),
    ("good.csv --epochs 1 --budget 10m", "give --epochs or --budget, not both"),
    ("good.csv --epochs 1 --set train.epochs=2", "--set train.epochs says what --epochs and --budget say"),
    ("good.csv --budget 10", "--budget 10: a time is written as 90s, 10m or 1h30m"),
    ("good.csv --budget 99999999999h", "--budget 99999999999h: a time is written as 90s, 10m or 1h30m"),
    ("good.csv --epochs 1e300", "at most 1,000,000,000"),
    ("good.csv --seed -1", "train.seed = -1 must be a whole number of at least 0"),
    ("good.csv --recipe nope.toml", "nope.toml: no such recipe"),
    ("good.csv --recipe good.csv", "good.csv: not a TOML file"),
    ("good.csv --recipe epochs.toml", "every setting stands in a section"),
    ("good.csv --recipe series.toml", "is for series data, and this is table data"),
    ("good.csv --set optim.lr=1e30 --method vicreg", "became nan at step"),
    ("--max-bad -1 good.csv", "max_bad = -1 is no number of images, nor a share as 0.05 or 5%"),
    ("", "fit needs the PATH of the data (or --resume RUN)"),
    ("--nope", "No such option: --nope"),
    ("--resume nope", "nope: no such run directory"),
    ("--resume . --seed 0 --max-bad 0", "leave out --max-bad, --seed"),
    ("--resume .", ".: holds no run (recipe.toml is missing)"),
]


@pytest.mark.parametrize(("asked", "line"), REFUSED)
def test_fit_refuses_in_one_line_and_leaves_nothing(asked, line, bad, cli, tmp_path):
    before = sorted(tmp_path.rglob("*"))
    said = cli("fit", *asked.split())
    assert said.code == 2, said.err
    assert said.err.count("\n") == 1, said.err
    assert line in said.err
    assert "Traceback" not in said.err
    assert sorted(tmp_path.rglob("*")) == before


@pytest.fixture
def trained(bad, cli):
    options = ["--label", "kind", "--epochs", 1, *QUICK, *SMALL_TABLE]
    assert cli("fit", "good.csv", *options, "--out", "made").code == 0


def test_embed_and_probe_refuse_in_one_line_and_leave_nothing(trained, cli, tmp_path):
    """One training serves all of them."""
    pd.read_csv("good.csv").drop(columns="pay").to_csv("less.csv", index=False)
    pd.read_csv("good.csv").head(0).to_csv("no_rows.csv", index=False)
    before = sorted(tmp_path.rglob("*"))
    for asked, line in [
        ("embed", "Missing argument"),
        ("embed made good.csv", "Missing option '--out'"),
        ("embed made good.csv --out e.txt", "--out e.txt: the file has to end in .parquet or .npy"),
        ("embed made good.csv --out no/e.npy", "--out no/e.npy: the folder no does not exist"),
        ("embed made less.csv --out e.npy", "lack 1 column of the training: 'pay'"),
        ("embed made stray.csv --out e.npy", "column 'pay', row 3: 'much' is not a number"),
        ("embed made infinite.csv --out e.npy", "column 'pay', row 5: infinite value"),
        ("embed made waves.npz --out e.npy", "isotropy: waves.npz, X: an array ("),
        ("embed made waves.npz --out e.npy", "; the run was trained on a table with columns "),
        ("embed made good.csv --out good.csv", "--out good.csv: is the data, which would be lost"),
        ("embed made good.csv --out made/embeddings.parquet", "embeddings.parquet: is a file of made, which would be"),
        ("embed made no_rows.csv --out e.npy", "no_rows.csv has no rows"),
        ("embed made nope.csv --out e.npy", "nope.csv does not exist"),
        ("embed run good.csv --out e.npy", "its folder holds no trained encoder (is the run finished?)"),
        ("embed nope good.csv --out e.npy", "nope: no such run directory"),
        ("probe made good.csv", "probe needs labels"),
        ("probe made good.csv --label kin", "there is no column 'kin'"),
        ("probe made good.csv --label rank", "trained with this column as an input"),
        ("probe made one_class.csv --label kind", "the label has only the class 'a'"),
        ("probe made good.csv --label kind --seed -1", "Invalid value for '--seed'"),
        ("report nope", "nope: no such run directory"),
        ("fit --resume made", "made: is finished; look at it with: isotropy report made"),
        ("methods --x", "No such option: --x"),
        ("nope", "No such command 'nope'"),
    ]:
        said = cli(*asked.split())
        assert (said.code, said.err.count("\n")) == (2, 1), (asked, said.err)
        assert line in said.err, asked
        assert sorted(tmp_path.rglob("*")) == before, asked


def test_a_damaged_or_foreign_artefact_is_named(trained, cli, tmp_path):
    model, weights = tmp_path / "made/model.json", tmp_path / "made/encoder.safetensors"
    whole, heavy = model.read_text(), weights.read_bytes()
    for path, content, line in [
        (model, "{", "made/model.json: damaged"),
        (model, '{"name": "other"}', "is expected: not an artefact of isotropy"),
        (model, json.dumps(json.loads(whole) | {"format": 9}), "format 9 is of a newer isotropy"),
        (weights, heavy[:-100].decode("latin-1"), "made/encoder.safetensors: truncated, damaged"),
    ]:
        path.write_bytes(content.encode("latin-1"))
        for verb in (["embed", "made", "good.csv", "--out", "e.npy"], ["probe", "made", "good.csv", "--label", "kind"]):
            said = cli(*verb)
            assert (said.code, said.err.count("\n")) == (2, 1), said.err
            assert line in said.err
        model.write_text(whole)
        weights.write_bytes(heavy)
    (tmp_path / "made/probes.json").write_text("[")
    said = cli("probe", "made", "good.csv", "--label", "kind")
    assert said.code == 2 and "isotropy: made/probes.json: damaged (" in said.err.splitlines()[-1]


def test_a_label_of_one_class_costs_no_training(bad, cli, monkeypatch):
    from isotropy.runs import prepare

    monkeypatch.setattr(prepare, "build", lambda *_: pytest.fail("nothing is built for a label that cannot be probed"))
    assert cli("fit", "one_class.csv", "--label", "kind").code == 2


def test_a_batch_larger_than_the_data_takes_all_of_it(bad, cli):
    said = cli("fit", "good.csv", *SMALL_TABLE, "--epochs", 2, "--set", "train.batch_size=4096", "--out", "large")
    assert said.code == 0, said.err
    with open("large/metrics.jsonl") as file:
        assert [json.loads(line)["epoch"] for line in file] == [1.0, 2.0]


def test_truncated_images_are_named_counted_and_skipped_on_request(cli, tmp_path):
    rng = np.random.default_rng(0)
    for number in range(24):
        save_image(tmp_path / "pets" / f"{number:02}.png", rng)
    for number in (3, 7):
        path = tmp_path / "pets" / f"{number:02}.png"
        path.write_bytes(path.read_bytes()[:200])
    options = ["pets", "--method", "simclr", "--size", 16, "--epochs", 1, *SMALL_IMAGES, "--out", "run"]
    for allowed in (0, 1):
        said = cli("fit", *options, "--max-bad", allowed)
        assert (said.code, said.err.count("\n")) == (2, 1)
        assert "2 of 24 images cannot be read" in said.err
        assert "03.png" in said.err
        assert "07.png" in said.err
        assert not (tmp_path / "run").exists()
    said = cli("fit", *options, "--max-bad", 2)
    assert said.code == 0, said.err
    assert "2 unreadable left out: '03.png', '07.png'" in said.out
    assert "22 rows" in said.out
