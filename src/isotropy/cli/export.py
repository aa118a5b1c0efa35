"""`isotropy export`: a run's encoder for other programs."""

from pathlib import Path
from typing import Any

from isotropy.cli.inputs import load_on
from isotropy.cli.show import say, waiting
from isotropy.errors import UserError, nearest
from isotropy.export import FORMATS, TOLERANCE, model_card
from isotropy.export import export as export_to
from isotropy.runs.directory import Run

_HUB = "huggingface"


def export(folder: Path, to: str, out: Path | None, *, licence: str, push: str | None) -> dict[str, Any]:
    """Run `isotropy export RUN --to FORMAT [--out FOLDER] [--licence NAME] [--push OWNER/NAME]`.

    Returns what was written.
    """
    if to not in (*FORMATS, _HUB):
        raise UserError(f"--to {to}: unknown{nearest(to, (*FORMATS, _HUB))}")
    if to != _HUB and (licence or push):
        raise UserError(f"--licence and --push belong to --to {_HUB}, which writes a model card; --to is {to}")
    out = out or folder / to
    run = Run.opened(folder)
    made = load_on(run.folder, "cpu")
    if to == _HUB:
        if out.exists():
            raise UserError(f"{out}: exists already: choose another --out, or remove it")
        with waiting("writing the model card") as now:
            card = model_card(run.folder, name=push or "", licence=licence)
            made.save_pretrained(out, card=card)
            found: dict[str, Any] = {"folder": str(out), "address": None}
            if push:
                now(f"uploading to {push}")
                found["address"] = made.push_to_hub(push, card=card)
        lines = [f"written   {out}: config.json, model.safetensors, README.md (the model card)"]
        lines += [f"load it   isotropy.Representation.from_pretrained({(push or str(out))!r})"]
        lines += [f"pushed    {found['address']}"] * bool(push)
    else:
        with waiting(f"exporting to {to}, and comparing"):
            contract = export_to(made, to, out)
        found = {"folder": str(out), **contract}
        checked = contract["checked"]
        takes = ", ".join(f"{one['name']} {one['dtype']} {tuple(one['shape'])}" for one in contract["inputs"])
        lines = [
            f"written   {out}: {contract['file']}, contract.json, prepare.py (makes its inputs of your rows)",
            f"takes     {takes}".replace("'", ""),
            f"checked   at batches {', '.join(map(str, checked['batches']))}: within "
            f"{checked['largest_difference']:.0e} of isotropy ({TOLERANCE:g} is allowed)",
        ]
    for line in lines:
        say(line)
    return found
