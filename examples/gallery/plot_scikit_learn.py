"""
Grid search, groups and polars
==============================

The encoder is a scikit-learn transformer: settings of its parts are reached as `method_options__NAME`, and `clone`,
`Pipeline` and `set_output` work. Rows of one person are on one side of every split.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from isotropy import SelfSupervisedEncoder

x, y = load_breast_cancer(return_X_y=True)
x, y = x[:300], y[:300]
person = np.arange(300) // 5
encoder = SelfSupervisedEncoder("lfr", epochs=3, random_state=0)
model = make_pipeline(encoder, StandardScaler(), LogisticRegression(max_iter=500))
grid = {"selfsupervisedencoder__embedding": ["learned", "joined"]}
search = GridSearchCV(model, grid, cv=GroupKFold(3)).fit(x, y, groups=person)
print(search.best_params_, round(search.best_score_, 3))
scores = cross_val_score(search.best_estimator_, x, y, groups=person, cv=GroupKFold(3))
raw = cross_val_score(make_pipeline(*model[1:]), x, y, groups=person, cv=GroupKFold(3))
print("embedding", scores.round(3), "raw columns", raw.round(3))

# %%
# Each fold trains an encoder of its own: no test row was ever in one.

plt.bar(np.arange(3) - 0.2, scores, 0.4, label="embedding")
plt.bar(np.arange(3) + 0.2, raw, 0.4, label="raw columns")
plt.ylim(0.8, 1)
plt.xticks(range(3), [f"fold {fold}" for fold in range(3)])
plt.legend()
plt.show()
