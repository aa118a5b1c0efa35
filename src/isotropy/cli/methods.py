"""`isotropy methods`: what exists, for which data, what each was measured to be worth, and its idea in a sentence."""

import json
from importlib.resources import files
from typing import Any

from rich.table import Table

from isotropy.cli.show import OUT, say
from isotropy.errors import UserError, nearest


def methods(modality: str | None, *, as_json: bool) -> None:
    """Run `isotropy methods [--modality NAME]`."""
    listing = _listing()
    known = [*listing["ranked"], "array"]
    if modality is not None and modality not in known:
        raise UserError(f"--modality {modality}: unknown{nearest(modality, known)}")
    shown = [one for one in listing["methods"] if _takes(one, modality)]
    ranked = listing["ranked"].get(modality, [])
    shown.sort(key=lambda one: ranked.index(one["name"]) if one["name"] in ranked else len(ranked))
    if as_json:
        OUT.print_json(json.dumps(shown))
        return
    sets = max((tuple(_measured(one, modality)) for one in shown), key=len, default=())
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in ("method", *([] if modality else ["data"]), "views", *([] if modality else ["default for"]), *sets):
        table.add_column(column, no_wrap=True)
    table.add_column("idea")
    for one in shown:
        cells = [one["name"] + " (default)" * (modality in one["default for"])]
        cells += [] if modality else ["any" if one["modalities"] is None else ", ".join(one["modalities"])]
        cells += [one["views"]] + ([] if modality else [", ".join(one["default for"])])
        gains = _measured(one, modality)
        table.add_row(*cells, *(" ".join(f"{gain:+.3f}" for gain in gains.get(data, [])) for data in sets), one["idea"])
    OUT.print(table, soft_wrap=False)
    if sets:
        say(
            "\nnumbers: linear probe and k-NN minus the best of what is free, after 40 CPU seconds, mean of three "
            "seeds; below 0 what is free is better (docs/which_method.md)",
            "dim",
        )
    say("\nsettings of a method: isotropy fit PATH --method NAME --set method.SETTING=VALUE", "dim")


def method_names(incomplete: str) -> list[str]:
    """Return the methods whose names begin so, for the shell."""
    return [one["name"] for one in _listing()["methods"] if one["name"].startswith(incomplete)]


def _listing() -> dict[str, Any]:
    # Made from the registry by docs/build_capabilities.py, and tested to be the same: loading that takes seconds.
    found: dict[str, Any] = json.loads(files("isotropy.cli").joinpath("methods.json").read_text(encoding="utf-8"))
    return found


def _takes(method: dict[str, Any], modality: str | None) -> bool:
    return modality is None or method["modalities"] is None or modality in method["modalities"]


def _measured(method: dict[str, Any], modality: str | None) -> dict[str, list[float]]:
    return dict(method["measured"].get(modality, {}))
