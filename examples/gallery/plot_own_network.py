"""
A network of my own
===================

Any torch module can be the encoder: here a small one for tables. A copy is trained; its last layer's output is the
vector.
"""

import matplotlib.pyplot as plt
import numpy as np
import torch
from sklearn.datasets import load_iris
from torch import nn

from isotropy import SelfSupervisedEncoder

x, y = load_iris(return_X_y=True)
torch.manual_seed(0)
network = nn.Sequential(nn.Linear(4, 64), nn.ReLU(), nn.Linear(64, 16))
encoder = SelfSupervisedEncoder("lfr", encoder=network, epochs=20, random_state=0).fit(x.astype(np.float32))
vectors = encoder.transform(x)
print(vectors.shape, "the network itself was not changed:", encoder.representation_.encoder is not network)

# %%
# The loss of each pass.

plt.plot([step["epoch"] for step in encoder.history_], [step["loss"] for step in encoder.history_])
plt.xlabel("epoch")
plt.ylabel("loss")
plt.show()
