"""cleanlab's Datalab and perceptual hashes on the cases of benchmarks/audit.py, in an environment of their own.

    python benchmarks/audit_peers.py CASE.npz SCORES.npz

CASE.npz holds `features NAME` (N, D) for each representation, and labels (N,) and pixels (N, C, H, W) where there are
some. SCORES.npz gets scores (N,), low is worse, by "NAME issue".
"""

import sys

import numpy as np
from cleanlab import Datalab
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler


def datalab(features, labels):
    """Return Datalab's scores by issue; the classifier's probabilities are out of fold, as its tutorials make them."""
    data = {"row": list(range(len(features)))}
    found, probabilities = {"features": features}, None
    if labels is not None:
        data["y"] = labels.tolist()
        model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=100))
        folds = StratifiedKFold(5, shuffle=True, random_state=0)
        probabilities = cross_val_predict(model, features, labels, cv=folds, method="predict_proba")
        found["pred_probs"] = probabilities
    lab = Datalab(data=data, label_name=None if labels is None else "y", verbosity=0)
    types = {"near_duplicate": {}, "outlier": {}} | ({} if labels is None else {"label": {}})
    lab.find_issues(features=features, pred_probs=probabilities, issue_types=types)
    frame = lab.get_issues()
    return {kind: frame[f"{kind}_score"].to_numpy() for kind in types if f"{kind}_score" in frame}


def hashes(pixels):
    """Return the least Hamming distance (N,) of each image's perceptual hash (64 bits) to that of another."""
    import imagehash
    from PIL import Image

    images = [Image.fromarray(row[0] if len(row) == 1 else row.transpose(1, 2, 0)) for row in pixels]
    bits = np.stack([imagehash.phash(image).hash.ravel() for image in images]).astype(np.float32)
    distance = bits @ (1 - bits.T) + (1 - bits) @ bits.T
    np.fill_diagonal(distance, np.inf)
    return distance.min(axis=1)


def main(case, out):
    content = np.load(case)
    labels = content.get("labels")
    found = {}
    for name in content.files:
        if name.startswith("features "):
            for kind, score in datalab(content[name], labels).items():
                found[f"cleanlab on {name[9:]}|{kind}"] = score
    if "pixels" in content:
        found["perceptual hash|near_duplicate"] = hashes(content["pixels"])
    np.savez(out, **found)


if __name__ == "__main__":
    main(*sys.argv[1:])
