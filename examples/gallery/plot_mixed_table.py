"""
A table with text, dates and holes
==================================

Columns are recognised by their values: numbers, categories, dates, truth values. Missing stays missing: it is an
indicator of its own.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from isotropy import SelfSupervisedEncoder

rng = np.random.default_rng(0)
job = rng.choice(["cook", "smith", "monk"], 400)
people = pd.DataFrame(
    {
        "age": rng.normal(30, 5, 400) + 25 * (job == "monk"),
        "job": job,
        "joined": pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 1500, 400), unit="D"),
        "income": np.exp(rng.normal(10, 1, 400)),
        "member": rng.random(400) < 0.3,
    }
)
people.loc[::9, "income"] = np.nan
people.loc[::11, "job"] = None

encoder = SelfSupervisedEncoder(epochs=20, random_state=0).fit(people)
vectors = encoder.transform(people)
print(vectors.shape, vectors.dtype)
for column in encoder.representation_.preprocess.schema.columns:
    print(f"{column.name:8} {column.kind:12} missing: {column.missing}")

# %%
# A row's vector depends on nothing but the row: other rows and the batch change no bit of it.

again = encoder.transform(people.iloc[[7, 3]])
print((again == vectors[[7, 3]]).all())
plt.imshow(np.corrcoef(vectors[np.argsort(job)]), cmap="RdBu", vmin=-1, vmax=1)
plt.title("rows, sorted by their job: correlation of their vectors")
plt.colorbar()
plt.show()
