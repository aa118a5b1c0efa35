"""
How far do ten labels go?
=========================

An encoder learns from all digits without labels; a classifier then gets a few labels of each class, drawn five times.
The same classifier on the raw pixels is beside it: without that, a curve says nothing.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

from isotropy import SelfSupervisedEncoder

digits = load_digits()
images, test_images, y, test_y = train_test_split(
    digits.images.astype(np.uint8), digits.target, test_size=0.4, stratify=digits.target, random_state=0
)
encoder = SelfSupervisedEncoder(epochs=5, standardise=True, random_state=0).fit(images)
inputs = {
    "embedding": (encoder.transform(images), encoder.transform(test_images)),
    "raw pixels": (images.reshape(len(images), -1) / 16, test_images.reshape(len(test_images), -1) / 16),
}
sizes, rng = (1, 2, 5, 10), np.random.default_rng(0)
scores = {name: np.zeros((5, len(sizes))) for name in inputs}
for draw in range(5):
    order = rng.permutation(len(y))
    for place, size in enumerate(sizes):
        rows = np.concatenate([order[y[order] == label][:size] for label in range(10)])
        for name, (train, test) in inputs.items():
            model = LogisticRegression(C=0.01 if name == "embedding" else 1.0, max_iter=300).fit(train[rows], y[rows])
            scores[name][draw, place] = model.score(test, test_y)

# %%
# The mean over the draws, and half the interval of it.

for name, drawn in scores.items():
    half = 1.96 * drawn.std(0, ddof=1) / len(drawn) ** 0.5
    plt.errorbar(sizes, drawn.mean(0), half, marker="o", label=name)
    print(name, dict(zip(sizes, drawn.mean(0).round(3).tolist(), strict=True)))
plt.xscale("log")
plt.xticks(sizes, sizes)
plt.xlabel("labels a class")
plt.ylabel("accuracy on test rows")
plt.legend()
plt.show()
