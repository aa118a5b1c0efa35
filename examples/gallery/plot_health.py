"""
Is my run healthy?
==================

Two runs: SimCLR as it is, and VICReg without the two terms that forbid a collapse. The effective rank of the embedding
tells, long before a score could.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

import isotropy

images = load_digits().images.astype(np.uint8)[:256]
runs = {
    "SimCLR": {"method": "simclr"},
    "VICReg without its two guards": {
        "method": "vicreg",
        "set": {"method.variance_weight": 0.0, "method.covariance_weight": 0.0, "optim.lr": 3e-3},
    },
}
curves = {}
for name, settings in runs.items():
    recipe = isotropy.Recipe.default(settings["method"], "image").changed(
        {**settings.get("set", {}), "encoder.width": 32, "encoder.stem": 8}
    )
    seen = []
    for event in isotropy.train(images, recipe, epochs=30, modality="image"):
        match event:
            case isotropy.Recorded(record=record) if "effective_rank" in record:
                seen.append((record["epoch"], record["effective_rank"]))
            case isotropy.Finished(verdict=verdict):
                print(f"{name}: {verdict.name}. {verdict.sentence}")
    curves[name] = np.array(seen)

# %%
# The rank is the number of directions that the embedding of held-out rows uses.

for name, curve in curves.items():
    plt.plot(*curve.T, label=name)
plt.xlabel("epoch")
plt.ylabel("effective rank")
plt.yscale("log")
plt.legend()
plt.show()
