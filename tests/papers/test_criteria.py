"""The verdicts of the papers on made rows: told, not told, undecided, open."""

import numpy as np
import pytest


def images(ladder, right):
    """Return rows of the peers "one" and "other": `right` says which test images, (peer, seed, image)."""
    return [
        {"data": "cifar10", "variant": variant, "seed": seed, "rows": ladder.packed(each[:, None])}
        for variant, of in zip(("one", "other"), right)
        for seed, each in enumerate(of)
    ]


@pytest.mark.parametrize(
    ("gains", "verdict"),
    [
        ((0.04, 0.05, 0.06), "reproduced"),
        ((-0.04, -0.05, -0.06), "not reproduced"),
        ((0.001, 0.0, -0.001), "not reproduced"),
        ((0.03, 0.0, -0.02), "undecided: wider than a point either way"),
        ((0.04, 0.05), "open: seeds are missing"),
    ],
)
def test_a_gain_whose_interval_holds_0_and_is_wider_than_a_point_is_undecided(load, gains, verdict):
    ladder, size = load("issl.ladder"), 10_000
    right = np.zeros((2, len(gains), size))
    for seed, gain in enumerate(gains):
        right[0, seed, : 5000 + round(gain * size)], right[1, seed, :5000] = 1, 1
    assert ladder.within_budget("one", "other", images(ladder, right))[1] == verdict


def arms(lfr_seeds):
    """Return rows in which SimCLR with the view loses a label, which the others keep."""
    gains = {"simclr with the view": -0.2, "simclr without the view": 0.05, "lfr": 0.05}
    return [
        {"data": "d", "variant": variant, "seed": seed, "untrained_linear": 0.7, "linear": 0.7 + gain + seed / 1000}
        for variant, gain in gains.items()
        for seed in range(lfr_seeds if variant == "lfr" else 5)
    ]


def test_a_label_is_lost_or_kept_once_the_planned_seeds_are_there(load):
    destroyed = load("lfr.destroyed")
    assert destroyed.keeps_the_label(5, arms(5))[1] == "reproduced"
    assert destroyed.keeps_the_label(5, arms(3))[1] == "open: seeds are missing"
    assert destroyed.keeps_the_label(3, arms(3))[1] == "reproduced"
    assert destroyed.keeps_the_label(5, arms(0)) is None


def test_one_seed_has_no_interval(load):
    rows = [{"data": "d", "variant": v, "seed": 0, "origin": x} for v, x in (("structured", 0.4), ("moved", 0.5))]
    assert load("sssl.sssl")._points(rows, "structured", "moved")[1] == "-10.0 (one seed)"


def lambdas(inside):
    """Return rows of three seeds, whose k-NN at .5 is above that at other lambdas by `inside` of the seed."""
    worth = {0.0: 0.5, 0.1: 0.6, 0.5: 0.7, 0.9: 0.6, 2.0: 0.7, 5.0: 0.5}
    return [
        {"data": "d", "variant": f"lambda {weight:g}", "seed": seed, "knn": [0.1, value + more * (weight == 0.5)]}
        for weight, value in worth.items()
        for seed, more in enumerate(inside)
    ]


def test_an_inner_lambda_is_best_by_deviations_between_seeds_and_says_its_interval(load):
    hypotheses = load("stability.hypotheses")
    # Means of .02 and deviations of .01 and .04: effects of 2 and .5.
    holds, said = hypotheses.u_shape(lambdas((0.01, 0.02, 0.03)), "d")
    assert holds and "0.5 is +0.220 [+0.195, +0.245] above 0, +0.020 [-0.005, +0.045] above 2" in said
    assert not hypotheses.u_shape(lambdas((-0.02, 0.02, 0.06)), "d")[0]


def test_a_centre_that_a_method_lengthens_is_said_with_its_size(load):
    hypotheses = load("stability.hypotheses")
    rows = [
        {"data": "d", "variant": method, "seed": seed, "z_centre": [0.3, 0.3 + change + seed / 1000]}
        for method in hypotheses.SIX
        for seed, change in enumerate([0.02 if method == "simsiam" else -0.2] * 3)
    ]
    assert hypotheses.shortens(rows, "d") == (False, "clearly shorter in 5 of 6, clearly longer: simsiam (by 0.021)")
    shorter = [row for row in rows if row["variant"] != "simsiam"]
    shorter += [row | {"variant": "simsiam"} for row in rows if row["variant"] == "byol"]
    assert hypotheses.shortens(shorter, "d") == (True, "clearly shorter in 6 of 6, clearly longer: none")


def test_a_claim_about_one_data_set_is_marked_by_the_rows_of_that_alone(load):
    pages = load("pages")
    rows = [{"study": "s", "data": data, "variant": "v", "seed": 0, "linear": 0.5} for data in "ab"]
    rows[1]["seed_reached"] = False
    claims = [pages.Claim(f"on {data}", "here", "s", lambda of: (str(len(of)), "holds"), data) for data in "ab"]
    text = pages.verdicts(rows, claims)
    assert "| on a | here | 1 | holds |" in text and "| on b | here | 1 | holds † |" in text
    assert "| all | here | 2 | holds † |" in pages.verdicts(
        rows, [pages.Claim("all", "here", "s", lambda of: (str(len(of)), "holds"))]
    )


@pytest.mark.parametrize(
    ("holds", "verdict"),
    [
        ({"cifar10": True, "har": True, "dry_bean": True}, "reproduced"),
        ({"har": True, "dry_bean": True}, "open: cifar10 missing (so far: reproduced)"),
        ({"har": True, "dry_bean": False}, "not reproduced: not on dry_bean (cifar10 open)"),
        ({"cifar10": True, "har": True, "dry_bean": False}, "not reproduced: not on dry_bean"),
    ],
)
def test_what_is_asked_of_all_data_sets_fails_by_one(load, holds, verdict):
    hypotheses = load("stability.hypotheses")
    rows = [{"data": data, "variant": "v", "seed": seed} for data in holds for seed in range(3)]
    judged = hypotheses.at_length(lambda _, data: (holds[data], "said"), ("v",), rows)
    assert judged is not None and judged[1] == verdict
