"""Data sets that outgrow a machine, on Ray Data: embedded, searched exactly, predicted and scored, block by block.

    import ray, isotropy.scale

    rows = ray.data.read_parquet("big/")
    isotropy.scale.embed(rows, "runs/mine", keep=["id"]).write_parquet("embedded/")

`Embed` and `Predict` are callable classes for `Dataset.map_batches`; the functions put them, and what search and scores
need, into it. Ray comes with `pip install 'isotropy[scale]'`, and is imported when a function is called.
"""

from isotropy.scale.datasets import embed, predict, score, search
from isotropy.scale.stages import Embed, Predict

__all__ = ["Embed", "Predict", "embed", "predict", "score", "search"]
