"""Sound, .wav: whole numbers are scaled to [-1, 1]."""

import warnings
from pathlib import Path

import numpy as np
from scipy.io import wavfile

from isotropy.data.recordings.recording import Signals

# Lengths in the header of sound that came through a pipe, whose length nobody knew.
_UNKNOWN = (b"\0\0\0\0", b"\xff\xff\xff\xff")


def read(path: Path) -> list[Signals]:
    """Return the one record of a file, float32, with a channel for each of the sound's.

    Raises:
        ValueError: a file that was cut off.
    """
    with warnings.catch_warnings(record=True) as said:
        # Of chunks that hold no sound (names of pieces, programs) there is nothing to do.
        warnings.simplefilter("always", wavfile.WavFileWarning)
        rate, sound = wavfile.read(path)
    with open(path, "rb") as file:
        unknown = file.read(8)[4:] in _UNKNOWN
    if any("EOF" in str(one.message) for one in said) and not unknown:
        raise ValueError("it ends before the length that its header tells")
    sound = sound[:, None] if sound.ndim == 1 else sound
    if sound.dtype == np.uint8:
        scaled = (sound.astype(np.float32) - 128) / 128
    elif sound.dtype.kind == "i":
        # 24 bits come in the upper part of 32.
        scaled = (sound / float(-np.iinfo(sound.dtype).min)).astype(np.float32)
    else:
        scaled = sound.astype(np.float32)
    count = scaled.shape[1]
    names = ["sound"] if count == 1 else [f"sound {place}" for place in range(count)]
    return [Signals(names, list(scaled.T), [float(rate)] * count)]
