"""What data come in: one record for each kind, with the options of `isotropy.read` that it takes."""

from isotropy.data.sources.arrays import ARRAY, ARRAYS
from isotropy.data.sources.images import FOLDER, PICTURES
from isotropy.data.sources.recordings import RECORDINGS
from isotropy.data.sources.source import Source
from isotropy.data.sources.table import TABLE

SOURCES: tuple[Source, ...] = (RECORDINGS, FOLDER, PICTURES, TABLE, ARRAYS, ARRAY)

__all__ = ["SOURCES", "Source"]
