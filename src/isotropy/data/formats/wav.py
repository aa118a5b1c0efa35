"""Sound, .wav: whole numbers are scaled to [-1, 1]."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.io import wavfile

from isotropy.data.recordings.recording import Signals
from isotropy.data.recordings.slices import Steps

# Lengths in the header of sound that came through a pipe, whose length nobody knew.
_UNKNOWN = (b"\0\0\0\0", b"\xff\xff\xff\xff")


def read(path: Path) -> list[Signals]:
    """Return the one record of a file, float32, with a channel for each of the sound's.

    Raises:
        ValueError: a file that was cut off.
    """
    rate, sound = _opened(path, mapped=False)
    return [_signals(rate, sound)]


def steps(path: Path, key: str | None, order: str | None) -> Steps | None:
    """Return the steps of a file, mapped to memory; None where that cannot be, as of samples of 24 bits."""
    try:
        rate, sound = _opened(path, mapped=True)
    except ValueError:
        return None
    names = _signals(rate, sound[:0]).names
    return Steps(len(sound), float(rate), names, lambda begin, end: _signals(rate, sound[begin:end]))


def _opened(path: Path, *, mapped: bool) -> tuple[int, NDArray[Any]]:
    with warnings.catch_warnings(record=True) as said:
        # Of chunks that hold no sound (names of pieces, programs) there is nothing to do.
        warnings.simplefilter("always", wavfile.WavFileWarning)
        try:
            rate, sound = wavfile.read(path, mmap=mapped)
        except (UnboundLocalError, ZeroDivisionError) as error:  # how SciPy says so
            raise ValueError("it does not say at which rate or how its samples are written") from error
    with open(path, "rb") as file:
        unknown = file.read(8)[4:] in _UNKNOWN
    if any("EOF" in str(one.message) for one in said) and not unknown:
        raise ValueError("it ends before the length that its header tells")
    return rate, sound[:, None] if sound.ndim == 1 else sound


def _signals(rate: int, sound: NDArray[Any]) -> Signals:
    if sound.dtype == np.uint8:
        scaled = (sound.astype(np.float32) - 128) / 128
    elif sound.dtype.kind == "i":
        # 24 bits come in the upper part of 32.
        scaled = (sound / float(-np.iinfo(sound.dtype).min)).astype(np.float32)
    else:
        scaled = sound.astype(np.float32)
    count = scaled.shape[1]
    names = ["sound"] if count == 1 else [f"sound {place}" for place in range(count)]
    return Signals(names, list(scaled.T), [float(rate)] * count)
