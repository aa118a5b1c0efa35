"""`isotropy methods`: what exists, for which data, and what each is in a sentence."""

import inspect

from rich.table import Table

from isotropy.cli.show import OUT, say
from isotropy.methods import METHODS
from isotropy.modalities import MODALITIES
from isotropy.runs.auto import method_for


def methods() -> None:
    """Run `isotropy methods`."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in ("method", "data", "views", "default for", "idea"):
        table.add_column(column, no_wrap=column != "idea")
    for name, kind in METHODS.items():
        defaults = [modality for modality in MODALITIES if name == method_for(modality)]
        views = "none" if kind.min_views == 1 else f"{kind.min_views} or more"
        data = "any" if kind.modalities is None else ", ".join(kind.modalities)
        idea = (inspect.getdoc(kind) or "").split("\n\n")[0].replace("\n", " ")
        table.add_row(name, data, views, ", ".join(defaults), idea)
    OUT.print(table, soft_wrap=False)
    say("\nsettings of a method: isotropy fit PATH --method NAME --set method.SETTING=VALUE", "dim")
