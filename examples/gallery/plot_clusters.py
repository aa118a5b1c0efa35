"""
Which groups are in my table?
=============================

Wines without their cultivar. The number of clusters is the one on which halves of the rows agree; without such a number
the result would say so.
"""

import matplotlib.pyplot as plt
from sklearn.datasets import load_wine
from sklearn.decomposition import PCA
from sklearn.metrics import adjusted_rand_score

from isotropy import SelfSupervisedEncoder
from isotropy.clusters import cluster

wine = load_wine(as_frame=True)
encoder = SelfSupervisedEncoder(epochs=30, random_state=0).fit(wine.data)
vectors = encoder.transform(wine.data)
found = cluster(vectors)
print(f"{found.count} clusters of {found.sizes} rows, found again {found.stability}")
print("agreement with the cultivar that nobody showed:", round(adjusted_rand_score(wine.target, found.labels), 2))

# %%
# Colours are clusters, shapes the cultivars.

map_ = PCA(2).fit_transform(vectors)
for kind, marker in enumerate("o^s"):
    rows = wine.target == kind
    plt.scatter(*map_[rows].T, c=found.labels[rows], marker=marker, vmin=0, vmax=found.count, label=f"cultivar {kind}")
plt.legend()
plt.show()
