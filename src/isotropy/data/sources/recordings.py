"""Recordings: files, frames or arrays that are cut into windows, or of which each is a row."""

from typing import Any

from isotropy.data.data import Data
from isotropy.data.options import Options
from isotropy.data.recordings.read import are_recordings, read_recordings
from isotropy.data.sources.source import CUTTING, Origin, Source


def _read(dataset: Any, origin: Origin, options: Options) -> Data:
    return read_recordings(
        dataset,
        options.cutting,
        modality=options.modality,
        key=options.key,
        label=options.label if options.label_key is None else options.label_key,
        na=options.na,
        split=options.split,
        group=options.group,
        time=options.time,
        drop=options.drop,
        order=options.order,
        task=options.task,
    )


RECORDINGS = Source(
    "recordings",
    CUTTING | {"key", "label_key", "drop", "order"},
    lambda dataset, options: are_recordings(dataset, options.cutting),
    _read,
)
