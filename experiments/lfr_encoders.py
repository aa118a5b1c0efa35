"""LFR on every kind of encoder, on HAR: the method asks nothing of the network but a vector per row.

    python experiments/lfr_encoders.py --data DIR [--seeds 3] [--seconds 40] [--only gru]
    python experiments/lfr_encoders.py --table

DIR holds uci_har.npz. Every run trains the default LFR for the same processor time, whatever the encoder; beside it
stands the same encoder before training. A run that is kept already is not made again.
"""

from budgeted import command_line, keep, kept, mean, measured

from isotropy.data import read
from isotropy.runs.recipe import Recipe

ENCODERS = {
    "series_cnn": "convolutional",
    "dilated_resnet": "dilated",
    "gru": "recurrent",
    "series_transformer": "transformer",
    "series_mlp": "perceptron",
}


def table(runs: list[dict]) -> str:
    """Return the runs as a table in Markdown, means over seeds."""
    lines = [
        "| encoder | width | seeds | epochs | linear, trained | linear, untrained | k-NN, trained | k-NN, untrained |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, kind in ENCODERS.items():
        mine = [run for run in runs if run["encoder"] == name]
        if mine:
            scores = [mean(mine, which, k) for k in ("linear", "knn") for which in ("trained", "untrained")]
            epochs = sum(run["epochs"] for run in mine) / len(mine)
            first = f"| {name} ({kind}) | {mine[0]['width']} | {len(mine)} | {epochs:.1f} "
            lines.append(first + "".join(f"| {score} " for score in scores) + "|")
    return "\n".join(lines)


def main() -> None:
    parser = command_line(__doc__, "lfr_encoders")
    parser.add_argument("--seconds", type=float, default=40)
    parser.add_argument("--only", nargs="*", default=list(ENCODERS))
    options = parser.parse_args()
    runs = kept(options.out)
    if options.table:
        print(table(runs))
        return
    data = read(
        options.data / "uci_har.npz",
        key="X_train",
        label_key="y_train",
        test_key="X_test",
        test_label_key="y_test",
    )
    command = f"python experiments/lfr_encoders.py --data DIR --seeds {options.seeds} --seconds {options.seconds:g}"
    for seed in range(options.seeds):
        for name in options.only:
            if any((run["encoder"], run["seed"]) == (name, seed) for run in runs):
                continue
            recipe = Recipe.default("lfr", "series").changed({"encoder": name, "train.seed": seed})
            runs.append({"encoder": name, "seed": seed, **measured(recipe, data, options.seconds)})
            keep(options.out, command, runs)
            print(name, seed, runs[-1], flush=True)


if __name__ == "__main__":
    main()
