"""
Recordings from a sensor
========================

Windows of two channels in which one of three rhythms beats, at a random phase. The search is by the window alone; the
rhythm of the neighbours is read off afterwards.
"""

import matplotlib.pyplot as plt
import numpy as np

from isotropy import SelfSupervisedEncoder

rng = np.random.default_rng(0)
time = np.linspace(0, 1, 96)
rhythm = rng.integers(3, size=240)
phase = rng.uniform(0, 2 * np.pi, (240, 1, 1))
turns = np.array([3, 5, 9])[rhythm][:, None, None]
waves = np.sin(2 * np.pi * turns * time + phase + np.array([0, 1.5])[:, None])
windows = waves + 0.5 * rng.normal(size=waves.shape)  # (windows, channels, time)

encoder = SelfSupervisedEncoder(epochs=3, random_state=0).fit(windows)
vectors = encoder.transform(windows)
rows, _ = encoder.representation_.search(windows, top_k=5, corpus=vectors, leave_out=np.arange(240))
print("neighbours with the same rhythm:", (rhythm[rows] == rhythm[:, None]).mean().round(3))

# %%
# A window and its nearest neighbour, which has the rhythm and not the phase.

figure, axes = plt.subplots(3, 1, figsize=(7, 4), sharex=True)
for kind, place in enumerate(axes):
    row = int(np.flatnonzero(rhythm == kind)[0])
    place.plot(windows[row, 0], label="window")
    place.plot(windows[rows[row, 0], 0], label="nearest")
    place.legend(loc="right")
plt.show()
