"""`isotropy predict`: a fine-tuned model's predictions of any number of rows, in constant memory."""

from pathlib import Path
from typing import Any

import numpy as np

from isotropy.cli.inputs import ROW, file_notes, pick_device, with_columns
from isotropy.cli.outputs import check_out
from isotropy.cli.show import counting, note, say, waiting
from isotropy.data.stream import stream
from isotropy.errors import UserError, counted
from isotropy.evaluation.task import class_name
from isotropy.finetuning import load
from isotropy.finetuning.artefact import ABOUT
from isotropy.io.tables import writing
from isotropy.representation import MODEL

_SUFFIXES = (".parquet", ".csv")


def predict(folder: Path, origin: dict[str, Any], out: Path, *, keep: list[str], device: str) -> dict[str, Any]:
    """Run `isotropy predict MODEL PATH [--keep NAME] --out FILE`; return what was written."""
    check_out(out, _SUFFIXES, folder=folder, reads=[origin["path"]])
    if not (folder / ABOUT).is_file() and (folder / MODEL).is_file():
        raise UserError(
            f"{folder}: is a run, which predicts no label yet: isotropy finetune {folder} DATA --label NAME makes a "
            "model of it"
        )
    path = origin.pop("path")
    with waiting(f"reading {path}"):
        model = load(folder, device=None if device == "auto" else pick_device(device))
        preprocess = model.representation.preprocess
        flow = stream(path, preprocess, keep=keep, **origin)
    say(flow.description)
    classes = [class_name(one) for one in model.classes]
    names = [f"p_{name}" for name in classes] or ["prediction"]
    texts = ["prediction"] if classes else []
    rows = 0
    try:
        with waiting(f"reading {path}"):
            types, pieces = with_columns(flow, path, out, [ROW, *texts, *names])
        columns = {ROW: np.dtype(np.int64), **types, **dict.fromkeys(texts, str)}
        with writing(out, names, columns, dtype=np.float64) as writer, counting("predicting") as count:
            for piece, beside in pieces:
                found = model.predictions_stored(preprocess.transform(piece))
                said = [[classes[code] for code in found.argmax(axis=1)]] if classes else []
                begin, rows = rows, rows + len(found)
                writer.write(found.reshape(len(found), -1), np.arange(begin, rows), *beside.values(), *said)
                count(rows, flow.rows)
    except OSError as error:
        raise UserError(f"{out}: could not be written ({error.strerror or error})") from error
    for line in file_notes(flow):
        note(line)
    say(f"{out}: {counted(rows, 'prediction')} of {model.label}")
    return {"file": str(out), "rows": rows, "label": model.label}
