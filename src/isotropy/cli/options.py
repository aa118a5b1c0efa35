"""The arguments and options that several commands share; how data is read is in `reading`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from isotropy.cli.reading import one_or_several, sources
from isotropy.errors import UserError
from isotropy.io.paths import existing_folder

_MODEL = "finetuned.json"  # as `isotropy.finetuning` names it, which would load torch


def _run_folder(folder: Path) -> Path:
    """Return the folder; UserError for one that is not there, or holds what `isotropy finetune` makes of a run."""
    existing_folder(folder)
    if (folder / _MODEL).exists():
        raise UserError(f"{folder}: is a fine-tuned model, which isotropy predict takes: name the run it was made of")
    return folder


# Paths are looked at while the line is read, so that a wrong one is answered without it, too.
RUN = typer.Argument(help="The directory of a run.", callback=_run_folder)
SOURCES = typer.Argument(
    help="A .csv, .parquet, .npy or .npz file, a folder of images, or recordings: several files.", callback=sources
)
# Lists of names, with commas or one each time that the option is given.
LabelBudget = Annotated[
    list[str] | None,
    typer.Option(help="Sizes of the few-label curve, for example 1,10,50,1%: labels a class or percentages."),
]
Evaluate = Annotated[
    list[str] | None,
    typer.Option(help="Evaluators: linear,knn,trees,few_labels,search,clusters (the default), mlp."),
]
EVALUATED = ["linear,knn,trees,few_labels,search,clusters"]
Keep = Annotated[
    list[str] | None,
    typer.Option(help="Column, array of an .npz, or file or folder of images to write beside; repeatable."),
]
Baselines = Annotated[
    list[str] | None, typer.Option(help="Baselines on request beside those always there: patches (images).")
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def joined(texts: list[str] | None) -> str | None:
    """Return one list with commas of several; None for none."""
    return None if texts is None else ",".join(texts)


def names(texts: list[str] | None) -> tuple[str, ...]:
    """Return the names of lists with commas, in their order.

    Example:
        >>> names(["linear, knn", "search"]), names(None)
        (('linear', 'knn', 'search'), ())
    """
    return tuple(name.strip() for name in (joined(texts) or "").split(",") if name.strip())


def origin(path: list[str] | None, data: dict[str, Any]) -> dict[str, Any]:
    """Return the keywords of `isotropy.read`: where the data is, and how it is read."""
    return {"path": one_or_several(path), **data}
