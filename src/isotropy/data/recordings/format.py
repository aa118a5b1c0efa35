"""How recordings were cut, kept in the artefact."""

from dataclasses import asdict, dataclass
from typing import Any, Self

from isotropy.io.json_file import check_arguments


@dataclass(frozen=True, kw_only=True)
class Format:
    """How a run's recordings were read and cut, so that new ones are read and cut likewise; see `isotropy.read`.

    Attributes:
        window, hop: in steps; None where a whole recording is a row. rate: in Hz, None where it is not known.
        channels: names, in their order. time, time_unit, id, group, gap, channel_column: as they were given.
    """

    window: int | None
    hop: int | None
    rate: float | None
    channels: tuple[str, ...]
    time: str | None = None
    time_unit: str | None = None
    id: str | None = None
    group: str | None = None
    gap: str | None = None
    channel_column: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return it as a dictionary that JSON can hold."""
        return {**asdict(self), "channels": list(self.channels)}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """Return what `to_json` wrote; UserError for anything else."""
        check_arguments(cls, data)
        return cls(**{**data, "channels": tuple(data["channels"])})
