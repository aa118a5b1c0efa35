"""What the JSON files of a comparison hold, as types; see `file_types` for those of a run."""

from typing import Any, NotRequired, TypedDict

from isotropy.io.json_file import Count, Measured
from isotropy.runs.file_types import FewLabels, Rows


class State(TypedDict):
    """What is known of a run of a comparison."""

    method: str
    seed: Count
    cpu_seconds: float
    seconds: float
    full: NotRequired[bool]
    finished: NotRequired[bool]
    failed: NotRequired[str]
    verdict: NotRequired[str]
    width: NotRequired[Count]
    embedding_seconds: NotRequired[float]


class ComparisonState(TypedDict):
    """comparison.json."""

    identity: dict[str, Any]
    budget: float
    spent: float
    share: float | None
    costs: dict[str, float]
    runs: dict[str, State]
    notes: NotRequired[list[str]]


class Cell(TypedDict):
    """A score of the leaderboard."""

    value: Measured
    low: Measured
    high: Measured
    evaluator: NotRequired[str]
    size: NotRequired[str]


class BoardRow(TypedDict):
    """A row of the leaderboard: a method, or what is free."""

    name: str
    kind: str
    all: NotRequired[Cell | None]
    few: NotRequired[Cell | None]
    search: NotRequired[Cell | None]
    stability: NotRequired[Cell | None]
    few_labels: NotRequired[list[FewLabels]]
    runs: NotRequired[list[str]]
    training_seconds: NotRequired[Measured | None]
    embedding_seconds: NotRequired[Measured | None]
    width: NotRequired[Count | None]
    verdict: NotRequired[str | None]


class Advice(TypedDict):
    """What a comparison recommends."""

    outcome: str
    sentence: str


class Board(TypedDict):
    """leaderboard.json."""

    description: str
    label: str
    metric: NotRequired[str]
    majority: NotRequired[Measured | None]
    search_by_chance: NotRequired[Measured | None]
    rows_used: NotRequired[Rows]
    test_rows: Count
    budget: float
    spent: float
    share: float | None
    recommendation: Advice
    rows: list[BoardRow]
    notes: NotRequired[list[str]]
