"""Export: a graph in a folder with its contract and a page of code, kept only if it gives what the encoder gives."""

import json
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from shutil import copyfile
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isotropy.errors import UserError, nearest
from isotropy.export import prepare as reference
from isotropy.export.formats import FORMATS, Runner, write
from isotropy.export.graph import Graph
from isotropy.io.atomic import new_folder
from isotropy.representation import Representation

# One row, few, and more than an encoder takes at a time.
BATCHES = (1, 2, 7, 40)
TOLERANCE = 1e-4
_CONTRACT = "contract.json"


def export(made: Representation, to: str, out: Path | str, *, rows: Any = None) -> dict[str, Any]:
    """Write an encoder for programs that do not have isotropy, into a new folder; return its contract.

    The folder holds the graph, contract.json (inputs, output, how a table's columns are read) and prepare.py, a page
    that makes the inputs of a user's rows. Before it is kept, the file is run by its own runtime on the inputs that
    prepare.py makes, at batches of 1, 2, 7 and 40 rows, and compared with `Representation.transform`.

    Args:
        made: the representation. to: "onnx", "torchscript" or "torch" (a program of torch.export).
        out: the folder, which is made.
        rows: rows as `transform` takes them to check with, at least 40; by default made up from what training knew.

    Raises:
        UserError: an unknown format, a folder that exists, too few rows, a network that cannot be exported, named, or
            one whose file gives anything that differs by more than 1e-4 of the largest value (at least of 1).
    """
    if to not in FORMATS:
        raise UserError(f"export to {to!r} is unknown{nearest(to, FORMATS)}")
    out = Path(out)
    if out.exists():
        raise UserError(f"{out}: exists already: choose another --out, or remove it")
    if rows is not None and len(rows) < BATCHES[-1]:
        raise UserError(f"export: {len(rows)} rows to check with, and {BATCHES[-1]} are needed: give more, or none")
    graph = Graph(made)
    contract = {
        "format": 1, "made_by": f"isotropy {version('isotropy')}", "method": made.method, "encoder": graph.name,
        "modality": made.modality, "file": FORMATS[to][0], **graph.contract(),
    }  # fmt: skip
    # What is told of the inputs must survive JSON, from which other programs read it.
    contract = json.loads(json.dumps(contract))

    def some(count: int) -> Any:
        return graph.inputs.example(count, count) if rows is None else rows[:count]

    def inputs(count: int) -> dict[str, NDArray[Any]]:
        return _prepared(some(count), contract)

    try:
        with new_folder(out) as folder:
            contract["checked"] = _checked(write(graph, to, inputs, folder), made, some, inputs, graph.name, to)
            (folder / _CONTRACT).write_text(json.dumps(contract, indent=1) + "\n")
            copyfile(str(reference.__file__), folder / "prepare.py")
    except OSError as error:
        raise UserError(f"{out}: cannot be written ({error.strerror or error})") from error
    return contract


def _prepared(rows: Any, contract: dict[str, Any]) -> dict[str, NDArray[Any]]:
    try:
        return reference.prepare(rows, contract)
    except ValueError as error:
        raise UserError(f"export: {error}") from error


def _checked(
    run: Runner, made: Representation, some: Callable[[int], Any], inputs: Callable[[int], dict[str, NDArray[Any]]],
    encoder: str, to: str,
) -> dict[str, Any]:  # fmt: skip
    """Return at which batches the file was compared, and the largest difference; refuse one that is too large."""
    largest = 0.0
    for count in BATCHES:
        wanted = made.transform(some(count))
        try:
            found = run(inputs(count))
        # A runtime raises what it likes where a file takes one batch size alone.
        except Exception as error:
            reason = " ".join(str(error).split())[:200]
            raise UserError(f"the encoder {encoder} in {to} does not take a batch of {count}: {reason}") from error
        if found.shape != wanted.shape:
            raise UserError(f"the encoder {encoder} in {to} gives {found.shape} of {count} rows, not {wanted.shape}")
        away = float(np.abs(found - wanted).max() / max(1.0, float(np.abs(wanted).max())))
        if not away <= TOLERANCE:
            raise UserError(
                f"the encoder {encoder} in {to} differs by {away:.1e} at a batch of {count}, more than {TOLERANCE:g}: "
                "nothing was written"
            )
        largest = max(largest, away)
    return {"batches": list(BATCHES), "largest_difference": largest}
