"""Files of values between commas, read by pyarrow, and by pandas where they are not as regular as it wants them."""

import re
import warnings
from collections.abc import Sequence
from csv import reader
from dataclasses import dataclass, field
from io import SEEK_END, BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from pandas.api import types

from isotropy.data.column_names import numbered
from isotropy.data.columns import ISO_DATE
from isotropy.data.csv_parts import open_text, read_parts
from isotropy.errors import UserError, listed

# What is no UTF-8 is most often this: what Excel writes in Western Europe unless it is asked for UTF-8.
WESTERN = "cp1252"
# Read first, at the beginning and at places spread over the file: what a column is may show late.
_HEAD, _SAMPLES, _SAMPLE = 1 << 20, 16, 1 << 16
# A letter of UTF-8 beyond ASCII, and the bytes that Windows-1252 gives none.
_LETTER = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")
_UNDEFINED = re.compile(rb"[\x81\x8d\x8f\x90\x9d]")
_SPECTRUM = 8
# What stands behind the last mark of rows that end in one.
_NAMELESS = "\0"
_NUMBER = r"[-+]?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?"
# What pandas takes for a missing value.
MISSING = (
    "", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A", "NA",
    "NULL", "NaN", "None", "n/a", "nan", "null",
)  # fmt: skip


@dataclass(frozen=True)
class Layout:
    """How a file is laid out, as its first and some further rows tell.

    Attributes:
        separator: what stands between values.
        padded: columns of digits with leading zeros, which are text.
        types: of pyarrow, by column, where the first rows alone could tell another one.
        regular: whether pyarrow reads the file as pandas would.
        encoding: of its letters.
        levels: how many values of a row stand before those that have names: 1 where R wrote the file; None if unknown.
        options: of `pandas.read_csv`, which names and columns it takes.
    """

    separator: str
    padded: tuple[str, ...]
    types: dict[str, pa.DataType]
    regular: bool
    encoding: str
    levels: int | None = None
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def given(self) -> dict[str, Any]:
        """What `pandas.read_csv` is told of it, but for types."""
        return {"sep": self.separator, "encoding": self.encoding, "skipinitialspace": True, **self.options}

    def over(self, header: bytes, rows: bytes) -> bytes:
        """Return some rows below the row of names, which has as many marks as the longest row of the file.

        Where rows end in a mark, some may not, and pandas wants to find as many values as it is told names.
        """
        if _NAMELESS not in self.options.get("names", ()):
            return header + rows
        names = header.rstrip(b"\r\n")
        return names + self.separator.encode() + header[len(names) :] + rows


def read_csv(path: Path, na: Sequence[str] = ()) -> pd.DataFrame:
    """Return a file's rows; the texts `na` mean a missing value, as do those that pandas knows.

    Values are between commas or, where the first line has none, semicolons, tabs or bars. Columns of digits of which
    some begin with a zero are text. Letters that are no UTF-8 are read as Windows-1252, with a warning. Raises what
    pandas raises of a file that cannot be read.
    """
    layout = layout_of(path, na)
    frame = _by_arrow(path, na, layout) if layout.regular else None
    if frame is None:
        options: Any = {"dtype": dict.fromkeys(layout.padded, "str"), "low_memory": False, **layout.given}
        frame = pd.read_csv(path, na_values=list(na), **options)
    first = frame.columns[0]
    # A first column without a name that only counts the rows is the index that pandas writes.
    if str(first) == "Unnamed: 0" and np.array_equal(frame[first].to_numpy(), np.arange(len(frame))):
        frame = frame.drop(columns=first)
    return frame


def read_columns(source: Any, names: Sequence[str], layout: Layout, **options: Any) -> pd.DataFrame:
    """Return the columns `names` of a file or of some of its rows, all where there are none, as pandas reads them."""
    given = {"low_memory": False, **layout.given, **options}
    # Where rows have names and all columns are asked for, pandas (3.1) would take the rows' names for the first column.
    if layout.levels and names:
        return pd.read_csv(source, **given)[list(names)]
    return pd.read_csv(source, **(given | {"usecols": list(names)} if names else given))


def layout_of(path: Path, na: Sequence[str] = ()) -> Layout:
    """Return how a file is laid out."""
    with open_text(path) as file:
        head = file.read(_HEAD)
        size = file.seek(0, SEEK_END)
        whole = len(head) == size
        # Blank lines before the names are none of them; readers leave them out, too.
        lines = [(head if whole else head[: head.rfind(b"\n") + 1]).lstrip(b"\r\n")]
        for place in np.linspace(_HEAD, max(size - _SAMPLE, _HEAD), _SAMPLES).astype(np.int64) if not whole else ():
            file.seek(int(place))
            piece = file.read(_SAMPLE)
            lines.append(piece[piece.find(b"\n") + 1 : piece.rfind(b"\n") + 1])
    encoding = encoding_of(b"".join(lines))
    if encoding == WESTERN:
        warnings.warn(
            f"{path.name} is not UTF-8 and was read as Windows-1252, which Excel writes in Western Europe: if letters "
            "look wrong, save it as UTF-8",
            stacklevel=2,
        )
        lines = [line.decode(WESTERN).encode() for line in lines]
    separator = separator_of(lines[0].partition(b"\n")[0].decode("utf-8", "replace"))
    _check_first_line(path, lines[0])
    options: dict[str, Any] = {}
    given: dict[str, Any] = {"sep": separator, "na_values": list(na), "low_memory": False}
    try:
        sample = pd.read_csv(BytesIO(b"".join(lines)), dtype="str", **given)
        if options := _renamed(sample, lines[0], separator):
            sample = pd.read_csv(BytesIO(b"".join(lines)), dtype="str", **given, **options)
        guessed = pd.read_csv(BytesIO(b"".join(lines)), **given, **options)
    except (ValueError, UnicodeDecodeError, OSError):  # damaged, or rows of several lines: pandas says it of the whole
        return Layout(separator, (), {}, False, encoding, _levels_at_first(lines[0], given), options)
    _check_names(path, lines[0], separator, sample)
    padded, kinds = [], {}
    regular = encoding != WESTERN and not options
    regular = regular and not any(str(name).startswith("Unnamed: ") for name in sample.columns[1:])
    for name in sample.columns:
        texts = sample[name].dropna()
        regular = regular and not texts.str.startswith(" ").any()
        if texts.str.match(r"0\d").any() and texts.str.fullmatch(r"\d+").all():
            padded.append(name)
            kinds[name] = pa.large_string()
        elif types.is_float_dtype(guessed[name].dtype) and len(texts):
            kinds[name] = pa.float64()
        elif types.is_unsigned_integer_dtype(guessed[name].dtype):
            kinds[name] = pa.uint64()  # pyarrow takes what is beyond 63 bits for floats
        elif types.infer_dtype(guessed[name], skipna=True) == "string" and not texts.str.fullmatch(ISO_DATE).all():
            kinds[name] = pa.large_string()  # as pandas holds it
    levels = levels_of(sample)
    return Layout(separator, tuple(padded), kinds, regular and not levels, encoding, levels, options)


def levels_of(frame: pd.DataFrame) -> int:
    r"""Return how many values of a row pandas took for its name: as many as its first has more than there are names.

    Example:
        >>> [levels_of(pd.read_csv(BytesIO(text))) for text in (b"a,b\n1,2", b"a,b\nx,1,2")]
        [0, 1]
    """
    return 0 if isinstance(frame.index, pd.RangeIndex) else frame.index.nlevels


def _levels_at_first(head: bytes, given: dict[str, Any]) -> int | None:
    """Return `levels_of` the first row alone, None where even that cannot be read."""
    try:
        return levels_of(pd.read_csv(BytesIO(head), nrows=1, dtype="str", **given))
    except (ValueError, UnicodeDecodeError, OSError):
        return None


def encoding_of(text: bytes) -> str:
    """Return "utf-8" or, of text that is none, `WESTERN`; "utf-8" too where most of its letters are, or it is no text.

    Example:
        >>> [encoding_of("Zürich".encode(name)) for name in ("utf-8", "cp1252")]
        ['utf-8', 'cp1252']
    """
    try:
        text.decode()
    except UnicodeDecodeError:
        several = b"".join(_LETTER.findall(text))
        others = sum(byte > 127 for byte in text) - len(several)
        if b"\0" not in text and others > len(several) and not _UNDEFINED.search(text):
            return WESTERN
    return "utf-8"


def _renamed(sample: pd.DataFrame, head: bytes, separator: str) -> dict[str, Any]:
    """Return what pandas is told where names have blanks around them, or all rows but the first line end in a mark.

    Of one value more than names pandas would take the first for an index, and move all others by a column.
    """
    first = re.split(rb"[\r\n]", head, maxsplit=1)[0].decode("utf-8-sig", "replace")
    given = [name.strip() for name in next(reader([first], delimiter=separator), [])]
    apart = not isinstance(sample.index, pd.RangeIndex)
    if not apart and len(given) == sample.shape[1] and _twice(given) and not re.fullmatch(_NUMBER, _twice(given)):
        named = [name or str(old) for name, old in zip(given, sample.columns, strict=True)]
        return {"header": 0, "names": numbered(named)}
    names = [str(name).strip() for name in sample.columns]
    row = next((line for line in head.splitlines()[1:] if line.strip()), b"")
    more = apart and row.rstrip(b" ").endswith(separator.encode()) and bool(sample.iloc[:, -1].isna().all())
    renamed = not apart and names != [str(name) for name in sample.columns]
    if not (more or renamed) or len(set(names)) < len(names):
        return {}
    return {"header": 0, "names": [*names, _NAMELESS] if more else names, "usecols": names}


def _check_first_line(path: Path, head: bytes) -> None:
    """Raise UserError where the first line is for Excel alone, or holds values."""
    first = head.lstrip(b"\xef\xbb\xbf").splitlines()[0].decode("utf-8", "replace") if head.strip() else ""
    if re.fullmatch(r"(?i)sep=.?", first.strip()):
        raise UserError(f"{path}: its first line {first.strip()!r} is for Excel alone: take it out")
    names = [name.strip('" ') for name in re.split(r"[,;\t|]", first)]
    numbers = [name for name in names if re.fullmatch(_NUMBER, name)]
    if not any("." in name for name in numbers):
        return
    steps = np.diff([float(name) for name in numbers])
    # Those of a spectrum are wavelengths, which rise or fall.
    if len(numbers) >= _SPECTRUM and ((steps > 0).all() or (steps < 0).all()):
        return
    if len(numbers) == len(names):
        raise UserError(f"{path}: its first line holds numbers ({names[0]}, ...) and no names: write names above them")
    warnings.warn(
        f"{path.name}: columns are called {listed(numbers, 3)}: if the file has no line of names, its first row was "
        "taken for one: write names above it",
        stacklevel=2,
    )


def _check_names(path: Path, head: bytes, separator: str, sample: pd.DataFrame) -> None:
    """Raise UserError for names that pandas would change or rows in which it would take values for an index."""
    # Of one more value than names the first is the name of the row, as R writes it.
    levels = levels_of(sample)
    if levels > 1 or (levels and (sample.shape[1] == 1 or str(sample.columns[0]).startswith("#"))):
        raise UserError(
            f"{path}: rows have {sample.shape[1] + levels} values, and the first line names {sample.shape[1]}: take "
            "out lines above the names, or name every column"
        )
    if levels:
        lengths = map(len, reader(head.decode("utf-8", "replace").splitlines(keepends=True), delimiter=separator))
        short = next((row for row, length in enumerate(lengths, 1) if row > 1 and 1 < length <= sample.shape[1]), None)
        if short is not None:
            raise UserError(
                f"{path}: its first row has {sample.shape[1] + 1} values, one more than there are names, and row "
                f"{short - 1} has not: take that value out, or name every column"
            )
    first = re.split(rb"[\r\n]", head, maxsplit=1)[0].decode("utf-8-sig", "replace")
    names = [name.strip() for name in next(reader([first], delimiter=separator), [])]
    if (twice := _twice(names)) and re.fullmatch(_NUMBER, twice):
        raise UserError(
            f"{path}: two columns are called {twice!r}: rename one, or write names above the first line if it holds "
            "values"
        )


def _twice(names: Sequence[str]) -> str:
    """Return the first name that stands twice; empty where none does."""
    return next((name for place, name in enumerate(names) if name and name in names[:place]), "")


def separator_of(header: str) -> str:
    """Return what stands between the names of a first line."""
    found = {mark: header.count(mark) for mark in ",;\t|"}
    return "," if found[","] or not any(found.values()) else max(found, key=lambda mark: found[mark])


def _by_arrow(path: Path, na: Sequence[str], layout: Layout) -> pd.DataFrame | None:
    """Return the rows as pyarrow reads them, None where it would read them in another way than pandas."""
    try:
        frame = read_parts(
            path,
            layout.separator,
            null_values=[*MISSING, *na],
            strings_can_be_null=True,
            quoted_strings_can_be_null=True,
            column_types=layout.types,
            true_values=["True", "TRUE", "true"],
            false_values=["False", "FALSE", "false"],
        )
    except pa.ArrowException:
        return None
    return None if frame is None else frame.rename(columns={"": "Unnamed: 0"})
