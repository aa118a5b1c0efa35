"""
Which rows are like this one?
=============================

Digits without labels; the rows most similar to three of them. Scores are cosines, and the row itself is left out.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

from isotropy import SelfSupervisedEncoder

images = load_digits().images.astype(np.uint8)[:600]
encoder = SelfSupervisedEncoder(epochs=5, random_state=0).fit(images)
vectors = encoder.transform(images)
queries = [4, 17, 99]
rows, scores = encoder.representation_.search(images[queries], top_k=6, corpus=vectors, leave_out=queries)
print(np.round(scores, 3))

# %%
# Queries on the left, their neighbours beside them, nearest first.

figure, axes = plt.subplots(len(queries), 7, figsize=(7, 3.2))
for line, query, found in zip(axes, queries, rows, strict=True):
    for place, row in zip(line, [query, *found], strict=True):
        place.imshow(images[row], cmap="Blues" if row == query else "Greys")
        place.axis("off")
plt.show()
