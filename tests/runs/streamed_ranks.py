"""A streamed run on every rank, that writes which rows each step took. Started by the test of streamed runs."""

import json
import os
from pathlib import Path

import torch

from isotropy.cli import main
from isotropy.data.blocks import dataset
from isotropy.training import comm
from isotropy.views.multiview import RandomViews

if __name__ == "__main__":
    dataset.WINDOW_BYTES, dataset._LEAST_BYTES = 1200, 200
    taken: list[list[int]] = []
    made = RandomViews.__call__

    def watched(self, rows, index, *, seed, pass_):
        if isinstance(rows, dataset.BlockDataset):
            taken.append(index.tolist())
        return made(self, rows, index, seed=seed, pass_=pass_)

    RandomViews.__call__ = watched
    command = json.loads(Path("plan.json").read_text())[0]
    if os.environ.get("ALONE"):
        main([*command[:-1], "one"])
        Path("alone.rows.json").write_text(json.dumps(taken))
    else:
        with comm.process_group(torch.device("cpu")):
            main(command)
        Path(f"{os.environ['RANK']}.rows.json").write_text(json.dumps(taken))
