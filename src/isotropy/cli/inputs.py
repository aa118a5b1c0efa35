"""What a verb works with: the device, the encoder of a run, and the data."""

from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray

from isotropy.cli.show import counting, waiting
from isotropy.data import Data, read
from isotropy.data.archive import Archive
from isotropy.data.readers import is_one_file, options_for, read_file
from isotropy.data.recordings.paths import holds_recordings
from isotropy.data.recordings.windows import Windows
from isotropy.data.stream import Stream
from isotropy.errors import UserError, counted
from isotropy.representation import Representation, load
from isotropy.training.comm import on_first
from isotropy.validation import find_device

ROW = "row"  # the column of the number of a row in its data
_NOTES = 8


def pick_device(device: str) -> torch.device:
    """Return the device by name, "auto" a GPU where there is one; raise UserError where it is not there."""
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    place = find_device(device, "--device")
    if place.type not in ("cpu", "cuda"):
        raise UserError(f"--device {device}: not supported (valid: cpu, cuda, cuda:N, or auto)")
    return place


def load_on(folder: Path, device: str) -> Representation:
    """Return the encoder of a run on the device by name; "auto" is the kind that it was trained on."""
    with waiting("loading the encoder"):
        return load(folder, device=None if device == "auto" else pick_device(device))


def as_the_run(before: dict[str, Any], origin: dict[str, Any]) -> dict[str, Any]:
    """Return how new data is read: unless it is said, channels stand where a run's did, and an array has its name."""
    same = {name: value for name in ("channels", "key") if isinstance(value := before.get(name), str)}
    if "key" in same and not _holds_array(origin["path"], same["key"]):
        del same["key"]
    return origin | {name: value for name, value in same.items() if origin.get(name) is None}


def _holds_array(path: Any, key: str) -> bool:
    """Return whether a file of several arrays, as far as it can be opened, has one of this name."""
    place = Path(path).expanduser() if isinstance(path, str) else None
    if place is None or place.suffix != ".npz" or not place.is_file():
        return False
    content = read_file(place)
    return isinstance(content, Archive) and key in content.shapes


def as_trained(origin: dict[str, Any], made: Representation) -> dict[str, Any]:
    """Return the options of `read` that bring the data to the form of the training."""
    place = Path(origin["path"]).expanduser() if isinstance(origin["path"], str) else None
    options = options_for(made.preprocess, place, origin.get("key"))
    return {**origin, "modality": made.preprocess.modality, **options}


def with_columns(
    flow: Stream, path: Any, out: Path, names: Sequence[str] = ()
) -> tuple[dict[str, Any], Iterator[tuple[Any, dict[str, Any]]]]:
    """Return the types of the columns beside the rows, by name, and the pieces of rows with these columns.

    The columns are where each row was cut from, where rows are windows and the file has columns, and those that are
    kept. One that is called as another of the file's `names` gets a word before its name.

    Raises:
        UserError: no rows, or files with other columns than the first.
    """
    parts = (part for part in flow.parts if len(part[0]))
    first = next(parts, None)
    if first is None:
        raise UserError(f"{path} has no rows")
    types = {name: x.dtype for name, x in _beside(flow, first[1], slice(0), out, names).items()}
    kinds = {name: dtype.kind for name, dtype in types.items()}

    def pieces() -> Iterator[tuple[Any, dict[str, Any]]]:
        begin = 0
        for values, windows in chain([first], parts):
            found = _beside(flow, windows, slice(begin, begin + len(values)), out, names)
            for name in [*found, *kinds]:
                here = found[name].dtype.kind if name in found else None
                if here != kinds.get(name) and windows is not None:
                    raise UserError(
                        f"{windows.files[0]}: its {name} is of another kind than in the files before it, or only one "
                        "of them has one: give them apart"
                    )
            yield values, found
            begin += len(values)

    return types, pieces()


def file_notes(flow: Stream) -> list[str]:
    """Return what has to be said of files that were read one by one, the most frequent first."""
    found = [f"of {counted(count, 'file')}: {text}" for text, count in flow.notes.most_common(_NOTES)]
    return found + [f"and {len(flow.notes) - _NOTES} more"] * (len(flow.notes) > _NOTES)


def _beside(
    flow: Stream, windows: Windows | None, rows: slice, out: Path, names: Sequence[str]
) -> dict[str, NDArray[Any]]:
    """Return the columns beside some rows, by name; a .npy file has none."""
    found: dict[str, NDArray[Any]] = {}
    if out.suffix == ".npy":
        return found
    cut = {} if windows is None else windows.columns()
    kept = {name: column[rows] for name, column in flow.kept.items()}
    for kind, columns in (("window", cut), ("column", kept)):
        for name, column in columns.items():
            found[f"{kind} {name}" if name in {*names, *found} else name] = column
    return found


def read_with_bar(origin: dict[str, Any], *, stream: bool | None = False) -> Data:
    """Read the data (`stream` as of `read`), and show that on a terminal.

    A folder of images that is decoded for the first time has a bar. Of several ranks the first one decodes,
    and the others then find the decoded images.
    """
    path = origin["path"]
    options = {name: value for name, value in origin.items() if name != "path" and value not in (None, [])}
    options["stream"] = stream
    folder = Path(path).expanduser() if isinstance(path, str | Path) else None
    if folder is None or not folder.is_dir() or is_one_file(folder) or holds_recordings(folder):
        with waiting(f"reading {path}"):
            return read(path, **options)
    found: list[Data] = []

    def decode() -> None:
        with counting("decoding images", "images") as count:
            found.append(read(path, progress=count, **options))

    on_first(decode)
    if not found:
        decode()
    return found[0]
