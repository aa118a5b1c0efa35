"""`isotropy fit --resume RUN --epochs N`: a finished run says how it is trained longer, and is."""

import json
from pathlib import Path

from end_to_end.conftest import SMALL_TABLE

FIT = ["--method", "lfr", "--label", "kind", *SMALL_TABLE, "--set", "method.target_width=16"]
QUICK = ["--evaluate", "knn"]


def test_a_run_says_how_to_go_on_and_goes_on_to_the_end_of_one_long_run(cli, files):
    said = cli("fit", files / "people.csv", *FIT, *QUICK, "--epochs", 2, "--out", "run")
    assert said.code == 0, said.err
    (line,) = [line for line in said.out.splitlines() if "more time " in line]
    assert line.startswith("verdict ") and line.endswith("(isotropy fit --resume run --epochs 6)")
    told = cli("diagnose", "run").out.splitlines()
    assert [line.split("?")[0] for line in told if "? " in line] == [
        "collapsed", "still learning", "better than untrained", "better than free",
    ]  # fmt: skip
    assert not [line for line in told if line.startswith("try ") and "view" in line], "LFR has none"
    longer = cli("fit", "--resume", "run", "--epochs", 6, *QUICK)
    assert longer.code == 0, longer.err
    assert longer.out.startswith("lfr with table_quantiles goes on from 2 to 6 epochs: about ")
    assert "learning rate" not in longer.err, "it is constant"
    assert cli("fit", files / "people.csv", *FIT, *QUICK, "--epochs", 6, "--out", "long").code == 0
    for name in ("recipe.toml", "metrics.jsonl", "encoder.safetensors", "embeddings.parquet"):
        assert Path("run", name).read_bytes() == Path("long", name).read_bytes(), name


def test_a_rate_that_goes_back_up_is_said_and_what_is_no_longer_is_one_line(cli, files):
    simclr = ["--method", "simclr", "--label", "kind", *SMALL_TABLE, *QUICK]
    assert cli("fit", files / "people.csv", *simclr, "--epochs", 2, "--out", "run").code == 0
    for options, line in [
        (["--epochs", 2], "isotropy: run: has been trained for 2 epochs: 2 in all is no longer\n"),
        (["--epochs", 0], "isotropy: --epochs 0 must be a number above 0\n"),
        (["--budget", "soon"], "isotropy: --budget soon: a time is written as 90s, 10m or 1h30m\n"),
        (["--epochs", 9, "--seed", 1], "isotropy: --resume goes on with the settings of the run: leave out --seed\n"),
    ]:
        said = cli("fit", "--resume", "run", *options)
        assert (said.code, said.err) == (2, line)
    said = cli("fit", "--resume", "run", "--epochs", 4, *QUICK)
    assert said.code == 0 and "the learning rate is that of 4 epochs from the start: it goes on at " in said.err
    rates = [json.loads(line)["lr"] for line in Path("run/metrics.jsonl").read_text().splitlines()]
    assert rates[4] > rates[3] and rates[-1] < rates[4]
