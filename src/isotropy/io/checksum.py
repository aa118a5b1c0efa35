"""Checksums of what is read back later: a bit that flipped on a disk is found, not learnt from.

They are CRC-32, which finds every flip of up to 32 neighbouring bits, and any other damage but once in four billion
times. They are no defence against somebody who means it; artefacts have SHA-256.
"""

import zlib
from pathlib import Path

_PIECE = 1 << 20


def checksum(path: Path) -> str:
    """Return the checksum of a file, 8 hexadecimal digits; raise OSError where it cannot be read.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = (Path(folder) / "a").write_bytes(b"123456789")
        ...     checksum(Path(folder) / "a")
        'cbf43926'
    """
    value = 0
    buffer = memoryview(bytearray(_PIECE))
    with open(path, "rb", buffering=0) as file:
        while count := file.readinto(buffer):
            value = zlib.crc32(buffer[:count], value)
    return f"{value:08x}"
