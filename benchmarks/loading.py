"""Training from parquet beside a DataLoader of torch over the same file, in a loop written by hand and in Lightning's.

    python benchmarks/loading.py [--busy] [--rows 51200] [--turns 5] [--out benchmarks/results/loading.json]

All sides train the default method of tables (24 numbers and a category, batches of 256) for one pass over a file that
they read anew, with a preprocessing that was learnt before. Ours streams the file in blocks. The others read it into a
tensor, of which a DataLoader with two workers picks and collates rows, as its documentation shows.

First, all have the same network, method and precision (float32), so that only loading and the loop differ; the same
steps on rows that are in memory, without any loop, tell what no loader can save. Then the others train the same
mathematics written plainly in torch (`table_pretraining.PlainMasked`, float32), and ours what `isotropy fit` trains
(the precision that the processor has units for). Last, loading without training. Lightning is compared with where it
is installed.
"""

import copy
import sys
from collections.abc import Callable, Iterable, Iterator
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import measure
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from table_pretraining import PlainMasked
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from isotropy.data.blocks.dataset import BlockDataset
from isotropy.rng import Stream
from isotropy.runs.prepare import Prepared
from isotropy.runs.recipe import Recipe
from isotropy.runs.session import Planned, train
from isotropy.training import fit

BATCH, WORKERS, WIDTH = 256, 2, 24


class Rows(Dataset[Tensor]):
    """The rows of a file as a tensor, one by one."""

    def __init__(self, path: Path, prepared: Prepared) -> None:
        frame = pd.read_parquet(path, columns=list(prepared.preprocess.column_names))
        self.rows = prepared.preprocess.transform(frame)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, place: int) -> Tensor:
        return self.rows[place]  # type: ignore[return-value]


class Given:
    """A batch that a loader gave, where views ask for rows by their numbers."""

    modality = "table"

    def __init__(self, rows: Tensor, prepared: Prepared) -> None:
        self.rows, self.to_input = rows, prepared.preprocess.to_input

    def __len__(self) -> int:
        return len(self.rows)

    def batch(self, index: Tensor) -> Tensor:
        """Return the rows `index` (B,) of the batch."""
        return self.rows[index]


def written(path: Path, rows: int) -> None:
    """Write numbers with a few factors, a category and a label."""
    rng = np.random.default_rng(0)
    values = rng.standard_normal((rows, 6)) @ rng.normal(size=(6, WIDTH)) + rng.standard_normal((rows, WIDTH)) / 2
    columns: dict[str, Any] = {f"x{place}": values[:, place].astype(np.float32) for place in range(WIDTH)}
    pq.write_table(pa.table(columns | {"job": rng.choice(["cook", "smith", "baker"], rows)}), path, row_group_size=8192)


def prepared_for(path: Path) -> Prepared:
    recipe = Recipe.default("masked", "table").changed({"train.batch_size": BATCH, "train.precision": "float32"})
    planned = next(train(path, recipe, stream=True, epochs=1))
    assert isinstance(planned, Planned)
    return planned.prepared


def fresh(prepared: Prepared) -> BlockDataset:
    """Return the data set as it is before anything of the file is in memory."""
    dataset = prepared.dataset
    assert isinstance(dataset, BlockDataset)
    return BlockDataset(dataset.rows, dataset.preprocess, dataset.sample)


def ours(prepared: Prepared, precision: str = "float32") -> None:
    method = copy.deepcopy(prepared.method)
    for _ in fit(method, fresh(prepared), prepared.views, **prepared.arguments() | {"precision": precision}):
        pass


def ours_loading(prepared: Prepared) -> None:
    dataset = fresh(prepared)
    order = dataset.order(0, 0)
    for begin in range(0, len(dataset) - BATCH + 1, BATCH):
        dataset.batch(order[begin : begin + BATCH])


def batches(path: Path, prepared: Prepared) -> DataLoader[Tensor]:
    return DataLoader(Rows(path, prepared), batch_size=BATCH, shuffle=True, drop_last=True, num_workers=WORKERS)


def loss_of(method: Any, rows: Tensor, step: int, prepared: Prepared) -> Tensor:
    method.rng = Stream.of(0, type(method).__name__, step=step)
    views = prepared.views(Given(rows, prepared), torch.arange(len(rows)), seed=0, pass_=step)
    return torch.stack(list(method.loss(**method(views)).values())).sum()


def by_hand(path: Path, prepared: Prepared) -> None:
    stepped(prepared, batches(path, prepared))


def bare(rows: Tensor, prepared: Prepared) -> None:
    stepped(prepared, rows.split(BATCH))


def stepped(prepared: Prepared, loader: Iterable[Tensor]) -> None:
    method = copy.deepcopy(prepared.method).train()
    optimizer = prepared.recipe.optim.build(method, method.unscheduled)
    for step, rows in enumerate(loader):
        loss_of(method, rows, step, prepared).backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)


def plainly(path: Path, prepared: Prepared) -> None:
    network = PlainMasked(prepared.preprocess.shape)
    optimizer = network.optimizer()
    for rows in batches(path, prepared):
        network(rows).backward()
        optimizer.step()
        optimizer.zero_grad()


def loading(path: Path, prepared: Prepared) -> None:
    for _ in batches(path, prepared):
        pass


def lightnings(path: Path, prepared: Prepared, plain: bool) -> Callable[[], None]:
    import lightning

    class Module(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.network = PlainMasked(prepared.preprocess.shape) if plain else copy.deepcopy(prepared.method)

        def training_step(self, rows: Tensor, step: int) -> Tensor:
            return self.network(rows) if plain else loss_of(self.network, rows, step, prepared)

        def configure_optimizers(self) -> Any:
            if plain:
                return self.network.optimizer()
            return prepared.recipe.optim.build(self.network, self.network.unscheduled)

    def run() -> None:
        quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
        trainer = lightning.Trainer(max_epochs=1, accelerator="cpu", enable_model_summary=False, **quiet)
        trainer.fit(Module(), batches(path, prepared))

    return run


def compared(path: Path, turns: int) -> Iterator[measure.Row]:
    prepared = prepared_for(path)
    rows = Rows(path, prepared).rows
    sides = {
        "ours": lambda: ours(prepared),
        "bare": lambda: bare(rows, prepared),
        "loader": lambda: by_hand(path, prepared),
        "ours by default": lambda: ours(prepared, "auto"),
        "plain": lambda: plainly(path, prepared),
    }
    names = {"loader": "a DataLoader and a loop by hand", "plain": "plain torch with a DataLoader"}
    if find_spec("lightning"):
        sides |= {
            "lightning": lightnings(path, prepared, plain=False),
            "plain lightning": lightnings(path, prepared, plain=True),
        }
        names |= {
            "lightning": "a DataLoader and Lightning",
            "plain lightning": "plain torch in Lightning with a DataLoader",
        }
    times = measure.in_turns(sides, turns)
    for name, words in names.items():
        beside = "ours by default" if name.startswith("plain") else "ours"
        yield measure.row(f"training from parquet: {words} / {beside}", times[name], times[beside], 2.0)
    yield measure.row("training from parquet: ours / the same steps on rows in memory", times["ours"], times["bare"])
    alone = measure.in_turns({"ours": lambda: ours_loading(prepared), "loader": lambda: loading(path, prepared)}, turns)
    yield measure.row("loading alone: a DataLoader / ours", alone["loader"], alone["ours"])


def main() -> int:
    parser = measure.parser("loading", __doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=51_200)
    parser.add_argument("--turns", type=int, default=5)
    arguments = measure.start(parser)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "rows.parquet"
        written(path, arguments.rows)
        rows = list(compared(path, arguments.turns))
    return measure.finish("loading", rows, arguments.out, trained_on=arguments.rows)


if __name__ == "__main__":
    sys.exit(main())
