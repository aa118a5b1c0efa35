"""What the pages take as given: the files, runs and names that a reader of a block has already."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.datasets import load_digits

import isotropy

CUT = {"time": "t", "window": "2s", "hop": "1s", "group": "subject", "label": "activity"}


def trained(data: Any, out: str, **options: Any) -> isotropy.Representation:
    """Return the encoder of a short run, and leave its folder behind."""
    *_, last = isotropy.train(data, out=out, epochs=1, evaluators=["knn"], **options)
    assert isinstance(last, isotropy.Finished)
    return last.representation


def digits() -> dict[str, Any]:
    """Write runs/digits.npz and runs/demo."""
    Path("runs").mkdir()
    found = load_digits()
    np.savez("runs/digits.npz", X=found.images[:200].astype(np.uint8), digit=found.target[:200])
    trained("runs/digits.npz", "runs/demo", label_key="digit", method="simclr")
    return {}


def customers() -> dict[str, Any]:
    """Write customers.csv, its run and the fine-tuned model of it."""
    rng = np.random.default_rng(0)
    churn = np.repeat(["no", "yes"], 30)
    rows = pd.DataFrame({"age": rng.normal(40, 9, 60) + 9 * (churn == "yes"), "orders": rng.poisson(4, 60)})
    rows.assign(churn=churn).to_csv("customers.csv", index=False)
    made = trained("customers.csv", "runs/customers-masked", label="churn")
    made.finetune(rows, churn, label="churn", epochs=1).save("runs/customers-masked-churn")
    y = (churn == "yes").astype(int)
    return {"isotropy": isotropy, "rows": rows, "labels": churn, "X": rows.to_numpy(), "y": y}


def recording() -> dict[str, Any]:
    """Write recording.csv, of four subjects."""
    rng = np.random.default_rng(0)
    time = np.tile(np.arange(0, 40, 0.1), 4)
    rows = {"t": time, "subject": np.repeat(list("abcd"), 400), "x": rng.normal(size=1600)}
    pd.DataFrame(rows).assign(activity=np.where(time < 20, "walk", "rest")).to_csv("recording.csv", index=False)
    return {"isotropy": isotropy}


def wrist() -> dict[str, Any]:
    """Write the run of that recording, and return its rows."""
    recording()
    made = trained("recording.csv", "runs/wrist", method="simclr", **CUT)
    data = isotropy.read("recording.csv", **CUT)
    part = np.where(data.groups == "a", "test", "train")
    return {"representation": made, "data": data, "y": data.labels, "parts": part, "who": data.groups}


def features() -> dict[str, Any]:
    """Return features of two parts, of two representations, and labels."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 200)
    values = {"x": rng.normal(size=(200, 4)), "z": rng.normal(size=(200, 3)) + y[:, None], "y": y}
    parts = {"train": slice(0, 100), "test": slice(100, 200)}
    return {f"{part}_{name}": value[rows] for part, rows in parts.items() for name, value in values.items()}


GIVEN = {"search": digits, "finetuning": customers, "audit": wrist, "recordings": recording, "evidence": features}
