"""
Out of isotropy
===============

The encoder as a file that torch alone runs, with the preprocessing inside. It is kept only if it gives what the encoder
gives, at three batch sizes; ONNX works likewise.
"""

import json
import sys
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import torch
from sklearn.datasets import load_wine

from isotropy import SelfSupervisedEncoder
from isotropy.export import export

wine = load_wine(as_frame=True).data
encoder = SelfSupervisedEncoder(epochs=5, random_state=0).fit(wine)
with tempfile.TemporaryDirectory() as place:
    folder = Path(place) / "model"
    export(encoder.representation_, "torch", folder)
    print(sorted(path.name for path in folder.iterdir()))
    # From here on nothing of isotropy is needed: the contract, a page of code and the file.
    contract = json.loads((folder / "contract.json").read_text())
    sys.path.insert(0, str(folder))
    from prepare import prepare

    network = torch.export.load(folder / contract["file"]).module()
    inputs = prepare(wine, contract)
    found = network(*map(torch.from_numpy, inputs.values())).numpy()
away = abs(found - encoder.transform(wine)).max()
print({name: array.shape for name, array in inputs.items()}, f"largest difference {away:.1e}")

# %%
# The first vectors.

plt.imshow(found[:40], aspect="auto", cmap="RdBu")
plt.xlabel("dimension")
plt.ylabel("row")
plt.show()
