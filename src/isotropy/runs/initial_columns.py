"""What a run learnt of a table's columns, for another table: by their names, wherever they stand there.

Edges are those of the new rows: a knot begins as that of its quantile in the run. A level begins as itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn
from torch.nn import functional

from isotropy.data import Schema, TablePreprocess
from isotropy.encoders import TableQuantiles
from isotropy.errors import UserError
from isotropy.representation.files import MODEL, read_about
from isotropy.representation.saved import read_saved

_VECTORS, _CYCLES = "vectors.weight", "cycles.weight"


@dataclass(frozen=True)
class Columns:
    """The weights of a table's columns, as the encoder of new rows has them.

    Attributes:
        weights: by name in the encoder. taken: the columns that have the run's. new: those that begin at random.
    """

    weights: dict[str, Tensor]
    taken: list[str]
    new: list[str]

    @property
    def words(self) -> str:
        """Return how many columns have what the run learnt of them, and which have not."""
        names = ", ".join(self.new[:4]) + (f" and {len(self.new) - 4} more" if len(self.new) > 4 else "")
        said = f"{len(self.taken)} of {len(self.taken) + len(self.new)} columns found by name"
        return said + (f", new: {names}" if names else "")


@dataclass(frozen=True)
class _Column:
    """One column: its kind, the rows of its vectors, that of a cell that is not there, and its levels if any."""

    kind: str
    rows: slice
    absent: int
    levels: Sequence[str] = ()


def columns_of_run(encoder: nn.Module, schema: Schema | None, run: Path) -> Columns | None:
    """Return the weights of columns; None where they are not known by name: of other encoders, data or files.

    Args:
        encoder: of the new rows, with weights drawn. schema: of these. run: the folder of the run.

    Raises:
        UserError: what reading the run raises.
    """
    if not isinstance(encoder, TableQuantiles) or schema is None or not (run / MODEL).is_file():
        return None
    if read_about(run / MODEL)["encoder"]["name"] != "table_quantiles":
        return None
    saved = read_saved(run, None)
    before = saved.encoder
    if not isinstance(before, TableQuantiles) or not isinstance(saved.preprocess, TablePreprocess):
        return None
    if before.width != encoder.width:
        return None
    here, there = _columns(encoder, schema), _columns(before, saved.preprocess.schema)
    vectors = encoder.vectors.weight.detach().clone()
    taken = [name for name, one in here.items() if name in there and there[name].kind == one.kind]
    for name in taken:
        new, old = here[name], there[name]
        known = before.vectors.weight.detach()[old.rows]
        if new.levels:
            shared = [(place, old.levels.index(level)) for place, level in enumerate(new.levels) if level in old.levels]
            for place, at in shared:
                vectors[new.rows.start + place] = known[at]
        else:
            vectors[new.rows] = _at_quantiles(known, new.rows.stop - new.rows.start)
        vectors[new.absent] = before.vectors.weight.detach()[old.absent]
    weights = {_VECTORS: vectors} | _cycles(encoder, schema, before, saved.preprocess.schema)
    return Columns(weights, taken, [name for name in here if name not in set(taken)])


def _columns(encoder: TableQuantiles, schema: Schema) -> dict[str, _Column]:
    kinds = {column.name: column.kind for column in schema.columns}
    levels = {
        column.name: ["(unknown)", *column.levels] + ["(missing)"] * column.missing
        for column in schema.columns
        if column.kind == "categorical"
    }
    starts, absent = encoder.offsets.tolist(), encoder.absent.tolist()
    ends = [*starts[1:], absent[0]]
    if len(starts) != len(schema.stored_names):
        raise UserError("the encoder has other columns than its table")
    return {
        name: _Column(kinds.get(name, "missing"), slice(start, end), gone, levels.get(name, ()))
        for name, start, end, gone in zip(schema.stored_names, starts, ends, absent, strict=True)
    }


def _at_quantiles(known: Tensor, count: int) -> Tensor:
    """Return `count` vectors at evenly spaced quantiles, of those that were at others."""
    if len(known) == count:
        return known
    return functional.interpolate(known.T[None], size=count, mode="linear", align_corners=True)[0].T


def _cycles(encoder: TableQuantiles, schema: Schema, before: TableQuantiles, old: Schema) -> dict[str, Tensor]:
    """Return the weights of days, weeks and years, of each date by its name: sines of all dates, then cosines."""
    if encoder.cycles is None or before.cycles is None:
        return {}
    here, there = ([one.name for one in some.columns if one.kind == "datetime"] for some in (schema, old))
    weights = encoder.cycles.weight.detach().clone().view(encoder.width, 2, len(here), -1)
    known = before.cycles.weight.detach().view(before.width, 2, len(there), -1)
    for place, name in enumerate(here):
        if name in there:
            weights[:, :, place] = known[:, :, there.index(name)]
    return {_CYCLES: weights.view(encoder.width, -1)}
