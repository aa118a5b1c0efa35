"""
Series of unequal length
========================

A list of arrays (channels, time) of any length. The default encoder reads a mask, so what stands behind the end of a
series changes nothing.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.decomposition import PCA

from isotropy import SelfSupervisedEncoder

rng = np.random.default_rng(0)
kinds = rng.integers(2, size=120)
series = []
for kind in kinds:
    steps = np.arange(rng.integers(30, 90))
    series.append((np.sin(steps * (0.3, 0.8)[kind] + rng.uniform(0, 6)) + 0.3 * rng.normal(size=len(steps)))[None])

encoder = SelfSupervisedEncoder(epochs=2, random_state=0).fit(series)
vectors = encoder.transform(series)
alone = encoder.transform(series[:1])
print(vectors.shape, "a series alone has the same vector:", bool((alone == vectors[:1]).all()))

# %%
# Two rhythms, and lengths between 30 and 90 steps.

lengths = [one.shape[1] for one in series]
points = PCA(2).fit_transform(vectors)
for kind, marker in enumerate("o^"):
    some = kinds == kind
    plt.scatter(*points[some].T, c=np.array(lengths)[some], marker=marker, label=f"rhythm {kind}", vmin=30, vmax=90)
plt.colorbar(label="steps")
plt.legend()
plt.show()
