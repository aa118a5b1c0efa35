"""The ladder of "Improving Self-Supervised Learning by Characterizing Idealized Representations", rung by rung.

    python experiments/issl_ladder.py --data DIR [--seeds 3] [--only contrastive]
    python experiments/issl_ladder.py --table

Claim (Dubois et al., NeurIPS 2022, table 1, TinyImageNet, linear probes): from SimCLR, CISSL's linear student gains
.9, a wider representation 1.8, longer training 1.1, coarser augmentation 2.3 points; from the best of DINO, SwAV and
SimSiam likewise with DISSL. Table 2: with an MLP probe, DISSL whose student has that probe's hidden layers beats DISSL
made for linear probes.

Protocol: 3000 training and 2000 test rows of Fashion-MNIST at 14 px (DIR holds fashion_mnist.npz); small_resnet, stem
8, width 64; batch 128, the default optimiser of each method; views of strength m = 1: crops of at least .2 of the area,
flips, brightness and contrast .4. SimCLR has CISSL's head (1024, 128) and temperature .2. The distillation ladder
begins with DINO alone. Each rung is added to the one before:
  base         SimCLR or DINO, 6 epochs
  head         CISSL or DISSL
  dimension    width 256 through a bottleneck block before pooling (below)
  length       15 epochs
  coarser      strength m = 2: crops of at least .1, brightness and contrast .8, and blur (p = .5)
and beside the ladder, against "head": mlp, the same method with a student of hidden layers (256, 256). A linear probe
and k-NN of every run and of its encoder before training (a wider random encoder scores higher by itself), and for
"head" and "mlp" an MLP probe (256, 256) of fixed settings.

Criterion, written before the runs: a rung is reproduced where the 95% t-interval over 3 seeds of the paired
differences of the linear probe (for "mlp": of the MLP probe) to the rung before is above 0, and not reproduced else (a
wide interval around 0 says that this size of experiment cannot tell). Fewer than 3 seeds: no verdict. A run that is
kept already is not made again.
"""

import copy
from dataclasses import replace

import numpy as np
import torch
from budgeted import Difference, command_line, features, keep, kept, paired, probed, trained
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler
from small_images import VIEWS, fashion
from torch import Tensor, nn

from isotropy.data import Data
from isotropy.encoders import SmallResNet
from isotropy.runs.prepare import Prepared, prepare
from isotropy.runs.recipe import Recipe, build

FAMILIES = {"contrastive": ("simclr", "cissl"), "distillation": ("dino", "dissl")}
RUNGS = ("base", "head", "dimension", "length", "coarser")
BEFORE = {**dict(zip(RUNGS[1:], RUNGS)), "mlp": "head"}
PUBLISHED = {
    "contrastive": {"head": 0.009, "dimension": 0.018, "length": 0.011, "coarser": 0.023},
    "distillation": {"head": 0.020, "dimension": 0.024, "length": 0.013, "coarser": 0.014},
}
WIDTH, WIDE = 64, 256
EPOCHS, LONG = 6.0, 15.0
HIDDEN = (256, 256)
COARSER = {
    "views.scale": [0.1, 1.0],
    "views.jitter": [0.8, 0.8, 0.8, 0.2],
    "views.blur": 0.5,
    "views.sigma": (0.1, 1.0),
}
STUDENT = {"cissl": "method.predictor_hidden", "dissl": "method.student_hidden"}


class Expanded(nn.Module):
    """A small residual network whose feature maps a bottleneck block widens before they are pooled.

    The block is 1x1, 3x3 (both as wide as the network) and 1x1 to `width`, with batch norm each and ReLU between; the
    maps, tiled along the channels, are added to its output before a last ReLU. The first convolution's weights are
    normal with variance 1 / channels.
    """

    def __init__(self, network: SmallResNet, width: int) -> None:
        super().__init__()
        narrow = network.width
        self.layers, self.width, self.times = network.layers, width, width // narrow
        first = nn.Conv2d(narrow, narrow, 1, bias=False)
        nn.init.normal_(first.weight, std=narrow**-0.5)
        self.block = nn.Sequential(
            first,
            nn.BatchNorm2d(narrow),
            nn.ReLU(),
            nn.Conv2d(narrow, narrow, 3, padding=1, bias=False),
            nn.BatchNorm2d(narrow),
            nn.ReLU(),
            nn.Conv2d(narrow, width, 1, bias=False),
            nn.BatchNorm2d(width),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, width) for images (B, channels, height, width)."""
        maps = self.layers(x)
        return torch.relu(self.block(maps) + maps.repeat(1, self.times, 1, 1)).mean(dim=(2, 3))


def recipe_of(family: str, rung: str, seed: int) -> Recipe:
    """Return the recipe of a rung; the wider encoder is put in by `prepared_for`."""
    base, ours = FAMILIES[family]
    method = base if rung == "base" else ours
    place = RUNGS.index(rung) if rung in RUNGS else 1
    settings = {"encoder.stem": 8, "encoder.width": WIDTH, "train.batch_size": 128, "train.seed": seed}
    settings |= VIEWS["fashion"] | {"train.epochs": LONG if place >= RUNGS.index("length") else EPOCHS}
    if method == "simclr":
        settings |= {"method.projector": [1024, 128], "method.temperature": 0.2}
    if rung == "mlp":
        settings[STUDENT[method]] = list(HIDDEN)
    if rung == "coarser":
        settings |= COARSER
    return Recipe.default(method, "image").changed(settings)


def prepared_for(family: str, rung: str, seed: int, data: Data) -> Prepared:
    """Return what a rung trains with; from "dimension" on its encoder is expanded."""
    prepared = prepare(recipe_of(family, rung, seed), data)
    if rung not in RUNGS[2:]:
        return prepared
    torch.manual_seed(seed)
    encoder = Expanded(copy.deepcopy(prepared.method.encoder), WIDE)
    method, views = build(prepared.recipe, prepared.preprocess, prepared.dataset, encoder)
    return replace(prepared, method=method, views=views)


def mlp_probe(train_x: np.ndarray, train_y: np.ndarray, test_x: np.ndarray, test_y: np.ndarray) -> float:
    """Return the accuracy of a perceptron with the hidden layers of the paper's probe, smaller: 60 epochs of Adam."""
    scaler = StandardScaler().fit(train_x)
    model = MLPClassifier(HIDDEN, alpha=1e-3, max_iter=60, n_iter_no_change=60, random_state=0)
    model.fit(scaler.transform(train_x), train_y)
    return float(model.score(scaler.transform(test_x), test_y))


def one(family: str, rung: str, seed: int, data: Data) -> dict:
    """Return a run: what it was, what it took, its scores beside those of the same encoder before training."""
    prepared = prepared_for(family, rung, seed, data)
    before = probed(*features(prepared, copy.deepcopy(prepared.method.encoder).eval()))
    made = trained(prepared, prepared.recipe.train.epochs)
    vectors = features(prepared, made.encoder)
    facts = {"steps": made.steps, "epochs": made.epochs, "cpu_seconds": made.seconds, "loss": made.loss}
    scores = {"trained": probed(*vectors), "untrained": before}
    scores["trained"]["mlp"] = {"score": mlp_probe(*vectors)} if rung in ("head", "mlp") else None
    return {"family": family, "rung": rung, "seed": seed, "width": vectors[0].shape[1], **facts, **scores}


def difference(runs: list[dict], family: str, rung: str) -> Difference | None:
    """Return a rung's gain over the rung before."""
    kind = "mlp" if rung == "mlp" else "linear"
    scores: list[dict[int, float]] = []
    for name in (rung, BEFORE[rung]):
        chosen = [run for run in runs if (run["family"], run["rung"]) == (family, name)]
        scores.append({run["seed"]: run["trained"][kind]["score"] for run in chosen})
    return paired(*scores)


def verdicts(runs: list[dict]) -> list[dict]:
    """Return claim, result and verdict for every rung by the criterion of the script."""
    found = []
    for family in FAMILIES:
        for rung in BEFORE:
            gain = difference(runs, family, rung)
            if gain is None:
                continue
            published = PUBLISHED[family].get(rung)
            said = f"{gain}" + (f" (published, on TinyImageNet: +{published:.3f})" if published else "")
            if gain.pairs < 3:
                verdict = "open: seeds are missing"
            elif gain.low > 0:
                verdict = "reproduced"
            else:
                verdict = "not reproduced" + ("" if gain.high < 0 else " (the interval contains 0)")
            found.append({"claim": f"{family}: {rung} gains over {BEFORE[rung]}", "result": said, "verdict": verdict})
    return found


def table(runs: list[dict]) -> str:
    """Return the runs as a table in Markdown: means over seeds, lowest and highest, and the gain of the rung."""
    lines = [
        "| family | rung | method | width | seeds | processor s | linear | untrained | k-NN | MLP probe | gain |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for family, methods in FAMILIES.items():
        for rung in (*RUNGS, "mlp"):
            mine = [run for run in runs if (run["family"], run["rung"]) == (family, rung)]
            if not mine:
                continue
            said = []
            for which, kind in (("trained", "linear"), ("untrained", "linear"), ("trained", "knn"), ("trained", "mlp")):
                values = [run[which][kind]["score"] for run in mine if run[which][kind]]
                said.append(f"{np.mean(values):.3f} ({min(values):.3f} to {max(values):.3f})" if values else "")
            seconds = f"{np.mean([run['cpu_seconds'] for run in mine]):.0f}"
            gain = difference(runs, family, rung) if rung in BEFORE else ""
            row = [family, rung, methods[rung != "base"], str(mine[0]["width"]), str(len(mine)), seconds, *said]
            lines.append(f"| {' | '.join([*row, str(gain)])} |")
    more = [f"- {each['claim']}: **{each['verdict']}**. {each['result']}." for each in verdicts(runs)]
    return "\n".join([*lines, "", *more])


def main() -> None:
    parser = command_line(__doc__, "issl_ladder")
    parser.add_argument("--only", nargs="*", default=list(FAMILIES), choices=list(FAMILIES))
    options = parser.parse_args()
    runs = kept(options.out)
    if options.table:
        print(table(runs))
        return
    data = fashion(options.data)
    command = f"python experiments/issl_ladder.py --data DIR --seeds {options.seeds}"
    for seed in range(options.seeds):
        for family in options.only:
            for rung in (*RUNGS, "mlp"):
                if any((run["family"], run["rung"], run["seed"]) == (family, rung, seed) for run in runs):
                    continue
                runs.append(one(family, rung, seed, data))
                print(runs[-1], flush=True)
                keep(options.out, command, runs, protocol=__doc__, verdicts=verdicts(runs))


if __name__ == "__main__":
    main()
