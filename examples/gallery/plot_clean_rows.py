"""
What is wrong with my rows?
===========================

Ten digits are copied with other brightness, and ten labels are made wrong. The audit ranks rows by each kind of issue.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

from isotropy import SelfSupervisedEncoder
from isotropy.audit import audit

digits = load_digits()
images, labels = 16 * digits.images[:300].clip(0, 15), digits.target[:300].copy()
images[290:] = (images[:10] * 0.8 + 20).clip(0, 255)
labels[290:] = labels[:10]
wrong = np.arange(100, 200, 10)
labels[wrong] = (labels[wrong] + 5) % 10
images = images.astype(np.uint8)

encoder = SelfSupervisedEncoder(epochs=3, random_state=0).fit(images)
found = audit(encoder.representation_, images, labels=labels)
print(found.counts)

# %%
# The worst rows by their label: what is given, and what the row reads as.

worst = found.listed("label", 8)
print(worst)
print("of the ten wrong labels, among the worst twenty:", len(set(found.listed("label", 20)["row"]) & set(wrong)))
figure, axes = plt.subplots(1, 8, figsize=(9, 1.8), squeeze=False)
for place in axes[0]:
    place.axis("off")
for place, row in zip(axes[0], worst["row"], strict=False):
    place.imshow(images[row], cmap="Greys")
    place.set_title(f"given {labels[row]}")
plt.show()
