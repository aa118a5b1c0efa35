"""Records of PhysioNet, .hea (with the package wfdb): signals in the files that the header names."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isotropy.data.formats import package
from isotropy.data.recordings.recording import Mark, Signals
from isotropy.data.recordings.slices import Steps
from isotropy.errors import UserError

_GAP = "~"
# Suffixes beside a record that are no annotations of it.
_OTHERS = {".hea", ".dat", ".mat", ".edf", ".csv", ".txt", ".xws", ".xml", ".json", ".md", ".zip"}
_CHANGES = "+", '"', "|"  # symbols of what is no beat: a note says what changed


def read(path: Path) -> list[Signals]:
    """Return the one record of a header in physical units; invalid samples, and segments that are gaps, are NaN.

    A signal with several samples a frame keeps all of them and its own rate (the package's default averages them).
    Annotations are labels by the suffix of their file: "atr" the symbols, "atr_note" the notes, each up to the next.

    Raises:
        UserError: a header without signals, or whose files are missing; segments with rates of their own.
    """
    wfdb = package("wfdb", ".hea")
    header = _header(wfdb, path)
    frames = int(header.sig_len or 0)
    if not header.n_sig or not frames:
        raise UserError(f"{path} names no signal")
    parts = _parts(wfdb, path, header)
    first = next((header for header, _, _ in parts if header is not None), None)
    if first is None:
        raise UserError(f"{path} names gaps alone, and no segment with signals")
    names = list(dict.fromkeys(name for record, _, _ in parts if record is not None for name in record.sig_name))
    frame_rate = float(header.fs)
    values: dict[str, NDArray[np.float64]] = {}
    for record, begin, _ in parts:
        if record is None:
            continue
        for name, count, samples in zip(record.sig_name, record.samps_per_frame, record.e_p_signal, strict=True):
            whole = values.setdefault(name, np.full(frames * count, np.nan))
            if len(whole) != frames * count:
                raise UserError(f"{path}: {name} has several rates in its segments: read the segments")
            whole[begin * count : begin * count + len(samples)] = samples
    start = getattr(header, "base_datetime", None) or getattr(first, "base_datetime", None)
    return [
        Signals(
            names,
            [values[name] for name in names],
            [frame_rate * len(values[name]) / frames for name in names],
            start=None if start is None else np.datetime64(start, "ns"),
            marks=_annotations(wfdb, path, frame_rate),
        )
    ]


def steps(path: Path, key: str | None, order: str | None) -> Steps | None:
    """Return the steps of a record of one segment and one sample a frame, without annotations; None of another one."""
    wfdb = package("wfdb", ".hea")
    header = _header(wfdb, path)
    if hasattr(header, "seg_name") or not header.n_sig or not header.sig_len or set(header.samps_per_frame) != {1}:
        return None
    start = getattr(header, "base_datetime", None)
    begun = None if start is None else np.datetime64(start, "ns")

    def signals(begin: int, end: int) -> Signals:
        found = _record(wfdb, path, header, sampfrom=begin, sampto=end)
        return Signals(header.sig_name, found.e_p_signal, [float(header.fs)] * header.n_sig, start=begun)

    return Steps(int(header.sig_len), float(header.fs), header.sig_name, signals)


def _header(wfdb: Any, path: Path) -> Any:
    try:
        return wfdb.rdheader(str(path.with_suffix("")))
    except (IndexError, TypeError, AttributeError) as error:  # of a header without its first line, for example
        raise ValueError(f"no header of a record ({error})") from error


def _parts(wfdb: Any, path: Path, header: Any) -> list[tuple[Any, int, int]]:
    """Return the segments of a record, or itself, with the frames where each begins and that it has; None is a gap."""
    if not hasattr(header, "seg_name"):
        return [(_record(wfdb, path, header), 0, int(header.sig_len))]
    found, begin = [], 0
    for name, length in zip(header.seg_name, header.seg_len, strict=True):
        # The layout that a record of changing signals begins with has no samples.
        if length and name == _GAP:
            found.append((None, begin, length))
        elif length:
            segment = path.with_name(f"{name}.hea")
            if not segment.exists():
                raise UserError(f"{path} names the segment {name}.hea, which is not beside it")
            found.append((_record(wfdb, segment, _header(wfdb, segment)), begin, length))
        begin += length
    return found


def _record(wfdb: Any, path: Path, header: Any, **part: int) -> Any:
    for file in dict.fromkeys(getattr(header, "file_name", None) or []):
        if not (path.parent / file).exists():
            raise UserError(f"{path} names the file {file}, which is not beside it")
    return wfdb.rdrecord(str(path.with_suffix("")), smooth_frames=False, **part)


def _annotations(wfdb: Any, path: Path, rate: float) -> dict[str, Callable[[], Sequence[Mark]]]:
    """Return what reads the annotations beside a record, by the names of the labels that they can be."""
    found: dict[str, Callable[[], Sequence[Mark]]] = {}
    for file in sorted(path.parent.glob(f"{path.stem}.*")):
        if file.stem == path.stem and file.suffix not in _OTHERS and file.suffix[1:].isalnum():
            found[file.suffix[1:]] = partial(_marks, wfdb, file, rate, notes=False)
            found[f"{file.suffix[1:]}_note"] = partial(_marks, wfdb, file, rate, notes=True)
    return found


def _marks(wfdb: Any, file: Path, rate: float, *, notes: bool) -> list[Mark]:
    found = wfdb.rdann(str(file.with_suffix("")), file.suffix[1:])
    texts = [text.strip("\0 ") for text in found.aux_note] if notes else found.symbol
    pairs = zip(found.sample / rate, texts, strict=True)
    return [Mark(float(at), None, text) for at, text in pairs if text and (notes or text not in _CHANGES)]
