"""European Data Format, .edf and .bdf (with the package pyedflib): each channel at its own rate."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from isotropy.data.formats import package
from isotropy.data.recordings.recording import Mark, Signals
from isotropy.data.recordings.slices import Steps
from isotropy.errors import UserError


def read(path: Path) -> list[Signals]:
    """Return the one record of a file in physical units, each channel at the rate that it was recorded with.

    Annotations of EDF+ are the label "annotation".

    Raises:
        UserError: no signal; a file with interruptions (EDF+D), whose samples do not follow each other.
    """
    pyedflib = package("pyedflib", ".edf")
    with pyedflib.EdfReader(str(path)) as file:
        if not file.signals_in_file:
            raise UserError(f"{path} holds no signal")
        count = range(file.signals_in_file)
        names = [file.getLabel(place) for place in count]
        rates = [float(file.getSampleFrequency(place)) for place in count]
        values = [file.readSignal(place) for place in count]
        start = np.datetime64(file.getStartdatetime(), "ns")
        noted = [Mark(float(at), float(long) if long > 0 else None, str(text)) for at, long, text in _rows(file)]
    return [Signals(names, values, rates, start=start, marks={"annotation": lambda: noted} if noted else {})]


def steps(path: Path, key: str | None, order: str | None) -> Steps | None:
    """Return the steps of a file whose channels have one rate, without its annotations; None of another one."""
    pyedflib = package("pyedflib", ".edf")
    with pyedflib.EdfReader(str(path)) as file:
        count = range(file.signals_in_file)
        names = [file.getLabel(place) for place in count]
        rates = {float(file.getSampleFrequency(place)) for place in count}
        lengths = set(file.getNSamples().tolist())
        start = np.datetime64(file.getStartdatetime(), "ns")
    if len(rates) != 1 or len(lengths) != 1:
        return None
    rate = rates.pop()

    def signals(begin: int, end: int) -> Signals:
        with pyedflib.EdfReader(str(path)) as file:
            values = [file.readSignal(place, begin, end - begin) for place in count]
        return Signals(names, values, [rate] * len(names), start=start)

    return Steps(int(lengths.pop()), rate, names, signals)


def _rows(file: Any) -> Iterable[tuple[Any, ...]]:
    return zip(*file.readAnnotations(), strict=True)
