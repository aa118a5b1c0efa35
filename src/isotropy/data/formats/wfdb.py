"""Records of PhysioNet, .hea (with the package wfdb): signals in the files that the header names."""

from pathlib import Path

import numpy as np

from isotropy.data.formats import package
from isotropy.data.recordings.recording import Signals
from isotropy.errors import UserError


def read(path: Path) -> list[Signals]:
    """Return the one record of a header in physical units; invalid samples are NaN.

    A signal with several samples a frame keeps all of them and its own rate (the package's default averages them).

    Raises:
        UserError: a header without signals, or whose files are missing.
    """
    wfdb = package("wfdb", ".hea")
    name = str(path.with_suffix(""))
    try:
        header = wfdb.rdheader(name)
    except (IndexError, TypeError, AttributeError) as error:  # of a header without its first line, for example
        raise ValueError(f"no header of a record ({error})") from error
    if not header.n_sig or not header.sig_len:
        raise UserError(f"{path} names no signal: of a record of several segments read the segments")
    lacking = [
        file for file in dict.fromkeys(getattr(header, "file_name", None) or []) if not (path.parent / file).exists()
    ]
    if lacking:
        raise UserError(f"{path} names the file {lacking[0]}, which is not beside it")
    multi = hasattr(header, "seg_name")
    record = wfdb.rdrecord(name, smooth_frames=multi)
    start = getattr(record, "base_datetime", None)
    begun = None if start is None else np.datetime64(start, "ns")
    if multi:
        return [Signals(record.sig_name, list(record.p_signal.T), [float(record.fs)] * record.n_sig, start=begun)]
    rates = [float(record.fs * count) for count in record.samps_per_frame]
    return [Signals(record.sig_name, [np.asarray(one) for one in record.e_p_signal], rates, start=begun)]
