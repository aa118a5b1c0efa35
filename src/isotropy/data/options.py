"""What `isotropy.read` is asked for: its arguments in one record, brought to one form."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Self

from isotropy.data.folder import max_bad_of
from isotropy.data.image_form import Size
from isotropy.data.infer import known_modality
from isotropy.data.label_sets import SEVERAL, label_rows, missing_labels
from isotropy.data.recordings.format import Format
from isotropy.data.recordings.read import Cutting
from isotropy.data.unequal import FIRST, LAST
from isotropy.errors import UserError, nearest

TASKS = ("classes", "numbers", "labels")
_AS_TEXT = ("categorical", "text", "dmy", "mdy")  # kinds of columns whose texts lose by being read as numbers


@dataclass(frozen=True, kw_only=True)
class Options:
    """The arguments of `isotropy.read`, where they are described; `order` is where channels of series stand."""

    modality: str | None = None
    key: str | None = None
    label: Any = None
    label_key: str | None = None
    na: Sequence[str] = ()
    split: Any = None
    group: Any = None
    time: Any = None
    drop: Sequence[str] = ()
    kinds: Mapping[str, str] | Sequence[str] = ()
    text: Sequence[str] = ()
    test_key: str | None = None
    test_label_key: str | None = None
    image_column: str | None = None
    size: Size = None
    channels: int | None = None
    order: str | None = None
    series_columns: Sequence[str] | None = None
    fit: str | None = None
    background: str | None = None
    levels: Sequence[float] | None = None
    scale: str | None = None
    task: str | None = None
    max_bad: float | str = 0
    store: str | Path | None = None
    progress: Callable[[int, int], None] | None = None
    window: Any = None
    hop: Any = None
    id: str | None = None
    rate: float | None = None
    gap: Any = None
    time_unit: str | None = None
    channel_column: str | None = None
    like: Format | None = None

    @classmethod
    def of(cls, channels: int | str | None = None, **given: Any) -> Self:
        """Return options as the user gave them, checked as far as that needs no data; UserError names what is wrong."""
        if isinstance(channels, str):
            given |= {"order": channels, "modality": modality_of(channels, given.get("modality"))}
            channels = None
        found = cls(channels=channels, **given)
        if found.modality is not None:
            known_modality(found.modality)
        if found.task is not None:
            _check_task(found.task, labelled=found.label is not None or found.label_key is not None)
        return replace(
            found,
            label=label_rows(found.label) if found.task == SEVERAL else found.label,
            drop=[found.drop] if isinstance(found.drop, str) else list(found.drop),
            kinds=_kinds(found.kinds),
            max_bad=max_bad_of(found.max_bad),
        )

    @property
    def given(self) -> list[str]:
        """The names of the options that say something, in their order."""
        return [one.name for one in fields(self) if not _is_empty(getattr(self, one.name))]

    @property
    def cutting(self) -> Cutting:
        """Those of recordings alone."""
        return Cutting(**{one.name: getattr(self, one.name) for one in fields(Cutting)})

    @property
    def files(self) -> dict[str, Any]:
        """Those of images in files alone, as `folder.read_images` takes them."""
        names = ("size", "channels", "fit", "background", "levels", "max_bad", "progress")
        store = None if self.store is None else Path(self.store)
        return {**{name: getattr(self, name) for name in names}, "store": store}

    @property
    def keys(self) -> dict[str, str | None]:
        """Those that name arrays of a file of several."""
        return {name: getattr(self, name) for name in ("key", "label_key", "test_key", "test_label_key")}

    @property
    def columns_of_text(self) -> list[str]:
        """Columns that are read as text from a file that says nothing of types."""
        return [*self.text, *(column for column, kind in self.told.items() if kind in _AS_TEXT)]

    @property
    def label_na(self) -> tuple[str, ...]:
        """Texts that say that a row has no label."""
        return missing_labels(self.na, self.task)

    @property
    def told(self) -> dict[str, str]:
        """What columns are said to be, by name."""
        return _kinds(self.kinds)


def _is_empty(value: Any) -> bool:
    return value is None or (isinstance(value, str | list | tuple | dict | int | float) and not value)


def _kinds(kinds: Mapping[str, str] | Sequence[str]) -> dict[str, str]:
    if isinstance(kinds, Mapping):
        return dict(kinds)
    pairs = [one.rpartition("=") for one in ([kinds] if isinstance(kinds, str) else kinds)]
    for name, _, kind in pairs:
        if not name:
            raise UserError(f"kind {kind!r}: write NAME=KIND, as zip=categorical")
    return {name: kind for name, _, kind in pairs}


def modality_of(channels: str, modality: str | None) -> str:
    """Return the modality of which the place of channels says something, series; UserError for another."""
    if channels not in (FIRST, LAST):
        raise UserError(
            f"channels = {channels!r} is unknown: {LAST!r} says that series are (samples, time, channels), {FIRST!r} "
            "that they are (samples, channels, time)"
        )
    if modality not in (None, "series"):
        raise UserError(f"channels = {channels!r} is of series, and the modality is {modality}: leave one of them out")
    return "series"


def _check_task(task: str, *, labelled: bool) -> None:
    if task not in TASKS:
        raise UserError(f"task {task!r} is unknown{nearest(task, TASKS)}")
    if not labelled:
        raise UserError(f"task {task!r} says what a label is: name the label, too")
