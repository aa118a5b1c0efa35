"""
A few labels, and all rows
==========================

`SelfSupervisedClassifier` pretrains on every row and fine-tunes on those that have a label (-1: none). Where
fine-tuning does not beat the frozen probe on held-out rows, the probe is what comes out.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import train_test_split

from isotropy import SelfSupervisedClassifier

x, y = load_breast_cancer(return_X_y=True, as_frame=True)
x, test_x, y, test_y = train_test_split(x, y, test_size=0.4, stratify=y, random_state=0)
labels = y.to_numpy().copy()
labels[np.random.default_rng(0).permutation(len(labels))[60:]] = -1
model = SelfSupervisedClassifier(epochs=20, finetune_options={"epochs": 10}, random_state=0).fit(x, labels)
known = labels >= 0
trees = HistGradientBoostingClassifier(random_state=0).fit(x[known], labels[known])
scores = {"fine-tuned": model.score(test_x, test_y), "boosted trees": trees.score(test_x, test_y)}
print(f"{known.sum()} labels of {len(labels)} rows:", {name: round(score, 3) for name, score in scores.items()})

# %%
# Probabilities are calibrated on held-out rows.

plt.hist(model.predict_proba(test_x)[test_y == 1, 1], bins=20, alpha=0.6, label="class 1")
plt.hist(model.predict_proba(test_x)[test_y == 0, 1], bins=20, alpha=0.6, label="class 0")
plt.xlabel("probability of class 1")
plt.legend()
plt.show()
