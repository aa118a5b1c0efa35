"""Embedding beside the encoder's bare forward passes, for tables, series and images.

    python benchmarks/embedding.py [--busy] [--turns 7] [--out benchmarks/results/embedding.json]

The default encoders with the settings of a run: a table of 24 numbers and a category (stored rows, then the frame as a
user has it), series of 9 x 128, images of 3 x 32 x 32. Bare are forward passes over the same tensors in chunks of the
same size, in inference mode, whose outputs are dropped. The second comparison of each keeps them in one array, as an
embedding must.
"""

import sys
from collections.abc import Callable, Iterator
from typing import Any

import measure
import numpy as np
import pandas as pd
import torch
from torch import Tensor

from isotropy.batch import unwrap
from isotropy.data import ImagePreprocess, Preprocess, SeriesPreprocess, TablePreprocess
from isotropy.encoders import build
from isotropy.representation import Representation

# Of a row's time by a bare pass: embedding may take 1 / .85 of it for tables, 1 / .95 for convolutions.
AT_MOST = {"table": 1 / 0.85, "series": 1 / 0.95, "image": 1 / 0.95}


def table(rows: int) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.standard_normal((rows, 24), dtype=np.float32), columns=[f"x{n}" for n in range(24)])
    frame["job"] = rng.choice(["cook", "smith", "baker"], rows)
    return frame


def cases() -> Iterator[tuple[str, str, Preprocess, Any]]:
    """Yield the name, the encoder, the preprocessing and the values of each case."""
    rng = np.random.default_rng(0)
    frame = table(32_768)
    yield "table", "table_quantiles", TablePreprocess.learn(frame), frame
    series = rng.standard_normal((4096, 9, 128), dtype=np.float32)
    yield "series", "multiscale_cnn", SeriesPreprocess.learn(series), series
    images = rng.integers(0, 256, (1024, 3, 32, 32), dtype=np.uint8)
    yield "image", "small_resnet", ImagePreprocess.learn(images), images


def sides(made: Representation, values: Any) -> dict[str, Callable[[], object]]:
    stored = made.stored(values)
    assert isinstance(stored, Tensor)
    inputs = [unwrap(made.preprocess.to_input(rows)) for rows in stored.split(made.chunk)]

    @torch.inference_mode()
    def bare() -> None:
        for rows in inputs:
            made.encoder(rows)

    @torch.inference_mode()
    def kept() -> None:
        out = np.empty((len(stored), made.width), dtype=np.float32)
        for place, rows in enumerate(inputs):
            out[place * made.chunk : (place + 1) * made.chunk] = made.encoder(rows).numpy()

    return {
        "bare": bare,
        "kept": kept,
        "stored": lambda: made.embed_stored(stored),
        "values": lambda: made.transform(values),
    }


def main() -> int:
    parser = measure.parser("embedding", __doc__.splitlines()[0])
    parser.add_argument("--turns", type=int, default=7)
    asked = measure.start(parser)
    torch.manual_seed(0)
    rows = []
    for name, encoder, preprocess, values in cases():
        made = Representation(build(encoder, name, preprocess.shape), preprocess, method="masked")
        times = measure.in_turns(sides(made, values), asked.turns)
        for side, words in {"stored": "embedding stored rows", "values": "embedding values as users have them"}.items():
            named = f"{name}: {words} / bare forward"
            rows.append(measure.row(named, times[side], times["bare"], round(AT_MOST[name], 3), at_most=True))
        rows.append(measure.row(f"{name}: bare forward, outputs kept / bare forward", times["kept"], times["bare"]))
    return measure.finish("embedding", rows, asked.out)


if __name__ == "__main__":
    sys.exit(main())
