"""The experiments on the papers' claims: the paired intervals and the verdicts follow what the scripts say."""

import importlib
from pathlib import Path

import numpy as np
import pytest


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parents[1] / "experiments")
    return importlib.import_module


def test_paired_differences_have_the_t_interval_of_their_shared_seeds(script):
    paired = script("budgeted").paired
    gap = paired({0: 0.5, 1: 0.7, 2: 0.9, 3: 9.0}, {0: 0.4, 1: 0.5, 2: 0.6})
    assert (gap.mean, gap.pairs) == (pytest.approx(0.2), 3)
    # The 97.5% quantile of Student's t with two degrees of freedom is 4.3027; the differences are .1, .2 and .3.
    assert gap.high - gap.mean == pytest.approx(4.302653 * 0.1 / 3**0.5, rel=1e-6)
    assert gap.mean - gap.low == pytest.approx(gap.high - gap.mean)
    assert paired({0: 0.5}, {0: 0.4}).low == -np.inf
    assert paired({0: 0.5}, {1: 0.4}) is None


@pytest.mark.parametrize(
    ("gains", "verdict"),
    [
        ((0.03, 0.031, 0.032), "reproduced"),
        ((-0.03, -0.031, -0.032), "not reproduced"),
        ((-0.03, 0.03, 0.01), "not reproduced (the interval contains 0)"),
        ((0.03, 0.031), "open: seeds are missing"),
    ],
)
def test_a_rung_is_reproduced_where_the_interval_is_above_0(script, gains, verdict):
    runs = [
        {"family": "contrastive", "rung": rung, "seed": seed}
        | {"trained": {"linear": {"score": 0.5 + place * gain}, "mlp": {"score": 0.5}}}
        for seed, gain in enumerate(gains)
        for place, rung in enumerate(("base", "head"))
    ]
    assert [each["verdict"] for each in script("issl_ladder").verdicts(runs)] == [verdict]


def test_the_expansion_widens_the_maps_and_keeps_the_rows_apart(script):
    torch, ladder = script("torch"), script("issl_ladder")
    network = ladder.SmallResNet(channels=1, size=(14, 14), width=4, stem=2)
    wide = ladder.Expanded(network, 12).eval()
    with torch.no_grad():
        torch.nn.init.zeros_(wide.block[-1].weight)
        images = torch.randn(3, 1, 14, 14)
        # With nothing added, what is left is the network's own vector, three times.
        torch.testing.assert_close(wide(images), network.eval()(images).repeat(1, 3))


def peer_runs(music, others):
    cells = [(name, size) for name in ("digits", "fashion") for size in (32, 256)]
    return [
        {"method": method, "data": name, "size": size, "seed": seed, "longer": 1}
        | {"trained": {"linear": {"score": score + seed / 100}}}
        for name, size in cells
        for method, score in (("music", music), ("barlow_twins", others), ("vicreg", others))
        for seed in range(3)
    ]


@pytest.mark.parametrize(("music", "verdict"), [(0.92, "reproduced"), (0.90, "not reproduced")])
def test_music_beats_its_peers_only_above_both(script, music, verdict):
    found = script("music_peers").verdicts(peer_runs(music, 0.91))
    assert [each["verdict"] for each in found] == [verdict, "reproduced"]


def test_lfr_verdicts_name_a_length_that_is_not_the_authors(script):
    peers = script("lfr_peers")
    others = {"lfr": 0.93, "random encoder": 0.90, "autoencoder": 0.91, "diet": 0.92, "ts_tcc": 0.90}
    runs = [
        {"method": method, "data": "har", "seed": seed, "seconds": 12.0, "linear": {"score": score + seed / 1000}}
        | ({} if method == "random encoder" else {"share": 0.05})
        for method, score in others.items()
        for seed in range(3)
    ]
    said = [each["verdict"] for each in peers.verdicts(runs)]
    assert said == ["reproduced at 12 s (not the authors' length)"] * 2
    assert all(each["verdict"].startswith("open") for each in peers.verdicts([r for r in runs if r["seed"] < 2]))
