"""The options by which commands read data: each is written once, so all commands have it with the same words."""

import inspect
from collections.abc import Callable, Sequence
from functools import wraps
from glob import escape
from pathlib import Path
from typing import Annotated, Any

import typer

from isotropy.errors import UserError
from isotropy.io.paths import existing

_TEXT, _SEVERAL = str | None, list[str] | None
# Every option, in the order of the help.
_OPTIONS: dict[str, Any] = {
    "label": Annotated[
        _SEVERAL, typer.Option(help="Column with labels, for evaluation only: no method sees it; repeatable.")
    ],
    "label_key": Annotated[_TEXT, typer.Option(help="Array of an .npz with the labels, for example y_train.")],
    "key": Annotated[_TEXT, typer.Option(help="Array of an .npz to read, for example X_train.")],
    "test_key": Annotated[_TEXT, typer.Option(help="Array of an .npz with test rows, for example X_test.")],
    "test_label_key": Annotated[_TEXT, typer.Option(help="Array of an .npz with their labels.")],
    "split": Annotated[_TEXT, typer.Option(help='Column or array that says "train" or "test".')],
    "group": Annotated[
        _TEXT,
        typer.Option(help="Column or array of a subject, session or machine: each is on one side of the split."),
    ],
    "time": Annotated[
        _TEXT,
        typer.Option(help="Column or array of times: earlier rows train, later ones test; of recordings the clock."),
    ],
    "window": Annotated[
        _TEXT,
        typer.Option(help="Cut recordings into windows so long: 2s, 500ms or 128 (samples); --time is their clock."),
    ],
    "hop": Annotated[
        _TEXT, typer.Option(help="From one window to the next, as 1s or 64 (samples; default: a window).")
    ],
    "id": Annotated[_TEXT, typer.Option(help="Column of a recording's name; without --window each is one series.")],
    "rate": Annotated[
        float | None,
        typer.Option(help="Samples a second, of recordings that do not say it; others are resampled to it."),
    ],
    "gap": Annotated[_TEXT, typer.Option(help="Longest step of a recording that is interpolated, for example 100ms.")],
    "time_unit": Annotated[
        _TEXT, typer.Option(help="Unit of --time where it holds numbers: s (default), ms, us, ...")
    ],
    "channel_column": Annotated[
        _TEXT, typer.Option(help="Column that names the channel of each row's one value, in a stacked table.")
    ],
    "task": Annotated[
        _TEXT,
        typer.Option(help="classes, numbers or labels (several a row): what the label is, if not recognised."),
    ],
    "modality": Annotated[
        _TEXT,
        typer.Option(help="table, series, image, or array (any shape), if it is not recognised correctly."),
    ],
    "channels": Annotated[
        _TEXT,
        typer.Option(
            help="Channels of images, if not 1 or 3 (of TIFF stacks the number of pages); last for series that are "
            "(samples, time, channels)."
        ),
    ],
    "na": Annotated[_SEVERAL, typer.Option("--na", help="Text of a missing value; repeatable.")],
    "drop": Annotated[_SEVERAL, typer.Option(help="Column to leave out, for example an identifier; repeatable.")],
    "kinds": Annotated[
        _SEVERAL,
        typer.Option(
            "--kind",
            help="NAME=KIND where a column is not recognised: numeric, boolean, datetime, categorical, text, dmy or "
            "mdy (dates, day or month first); repeatable.",
        ),
    ],
    "image_column": Annotated[
        _TEXT, typer.Option(help="Column of a table with images: paths of files, or their bytes.")
    ],
    "size": Annotated[
        _TEXT, typer.Option(help="Pixels to which images in files are brought: a side, or HEIGHTxWIDTH.")
    ],
    "fit": Annotated[
        _TEXT,
        typer.Option(help="How images of another shape fit the size: crop to the middle (default), pad or stretch."),
    ],
    "background": Annotated[
        _TEXT, typer.Option(help="Colour behind transparent pixels and of padded borders (default: white).")
    ],
    "max_bad": Annotated[
        _TEXT,
        typer.Option(help="Unreadable images to skip, at most: a number, or a share as 5% (default: 0)."),
    ],
}  # fmt: skip
# Of data that is read as a run's was: what may differ from one file to the next.
AS_THE_RUN = (
    "key", "channels", "na", "hop", "time", "group", "id", "rate", "time_unit", "channel_column", "max_bad",
)  # fmt: skip
# The same with a label, and with what divides the rows.
LABELLED = (*AS_THE_RUN, "label", "label_key", "test_key", "test_label_key", "split", "task")
ALL = tuple(_OPTIONS)


def reads(names: Sequence[str]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command options of data in place of its parameter `data`, which is then what was given of them, by name.

    Args:
        names: `AS_THE_RUN`, `LABELLED` or `ALL`, or some of these.

    Example:
        >>> @reads(["key", "size"])
        ... def show(run: str, data: dict) -> None:
        ...     print(run, data)
        >>> show("here", key=None, size="48x96")
        here {'size': [48, 96]}
    """
    options = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)
        for name, annotation in _OPTIONS.items()
        if name in names
    ]

    def with_options(command: Callable[..., None]) -> Callable[..., None]:
        @wraps(command)
        def run(*positional: Any, **given: Any) -> None:
            found = {one.name: given.pop(one.name) for one in options}
            data = {name: _READ.get(name, _as_it_is)(value) for name, value in found.items() if value not in (None, [])}
            command(*positional, data=data, **given)

        own = inspect.signature(command).parameters.values()
        keywords = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in own]
        place = next(place for place, one in enumerate(keywords) if one.name == "data")
        run.__signature__ = inspect.Signature([*keywords[:place], *options, *keywords[place + 1 :]])  # type: ignore[attr-defined]
        return run

    return with_options


def sources(paths: list[str] | None) -> list[str] | None:
    """Return the paths of data that were given; UserError for one that leads nowhere, before anything slow is loaded.

    Example:
        >>> sources(["/", "/day*.csv"])
        ['/', '/day*.csv']
    """
    for text in paths or []:
        path = Path(text).expanduser()
        # Patterns, and names of records without the endings of their files, are their readers' to find.
        known = any(sign in text for sign in "*?[") or any(path.parent.glob(f"{escape(path.name)}.*"))
        if not known:
            existing(path)
    return paths


def one_or_several(names: list[str] | None) -> str | list[str] | None:
    """Return a single name as it is, several as a list, none as None."""
    return names[0] if names and len(names) == 1 else names or None


def _as_it_is(value: Any) -> Any:
    return value


def _pixels(text: str) -> int | list[int]:
    """Return a side, or height and width, of "64" or "48x96"."""
    sides = text.lower().split("x")
    if len(sides) > 2 or not all(side.strip().isdigit() for side in sides):
        raise UserError(f"--size {text}: a size is a number of pixels, or HEIGHTxWIDTH, for example 48x96")
    return int(sides[0]) if len(sides) == 1 else [int(side) for side in sides]


def _channels(text: str) -> int | str:
    """Return a number of channels, or the word for where they are."""
    return int(text) if text.isdigit() else text


_READ: dict[str, Callable[[Any], Any]] = {"label": one_or_several, "size": _pixels, "channels": _channels}
