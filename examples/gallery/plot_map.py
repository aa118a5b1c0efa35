"""
A map before and after training
===============================

The two leading axes of the raw pixels and of the embedding; colours are the digits, which nothing was told.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA

from isotropy import SelfSupervisedEncoder

digits = load_digits()
images = digits.images.astype(np.uint8)[:800]
encoder = SelfSupervisedEncoder(epochs=5, embedding="learned", random_state=0).fit(images)
figure, axes = plt.subplots(1, 2, figsize=(9, 4))
for place, name, x in [
    (axes[0], "raw pixels", images.reshape(len(images), -1)),
    (axes[1], "the encoder's vectors", encoder.transform(images)),
]:
    pca = PCA(2)
    place.scatter(*pca.fit_transform(x).T, c=digits.target[:800], cmap="tab10", s=8)
    place.set_title(f"{name}: {pca.explained_variance_ratio_.sum():.0%} of the variance")
print("loss:", [round(step["loss"], 2) for step in encoder.history_])
plt.show()
