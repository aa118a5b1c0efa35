"""What the JSON files of a run hold, as types; whatever else may have become of a file, no reader sees anything else.

Fields beside these may be there. What older versions named otherwise has the names of today.
"""

from typing import Annotated, Any, Literal, NotRequired, TypedDict

from isotropy.io.json_file import Count, Measured, Positive


class Length(TypedDict):
    """How long a run is and in which steps."""

    steps: Count
    batch_size: Count
    width: Count


class Share(TypedDict):
    """How much of a window's steps its label is of."""

    mean: float
    least: float


class WindowFormat(TypedDict):
    """How recordings were cut."""

    channels: list[str]


class Windows(TypedDict):
    """How many windows files and groups have."""

    format: WindowFormat
    files: dict[str, Count]
    groups: NotRequired[dict[str, Count]]
    shares: NotRequired[dict[str, Share]]


class About(TypedDict):
    """data.json."""

    description: NotRequired[str]
    rows: NotRequired[Count]
    training_rows: NotRequired[Count]
    fingerprint: NotRequired[str]
    blocks: NotRequired[str]
    probed: NotRequired[list[Count]]
    left_out: NotRequired[list[str]]
    extends: NotRequired[list[Count]]
    unfinished: NotRequired[bool]
    windows: NotRequired[Windows]
    reference_losses: NotRequired[dict[str, float]]
    training: NotRequired[Length]
    preprocess: NotRequired[dict[str, Any]]


class Gap(TypedDict):
    """A score minus another, with its interval."""

    value: Measured
    low: Measured
    high: Measured


class Detail(TypedDict):
    """How a score was measured."""

    size: NotRequired[str]
    draws: NotRequired[Count]


class Score(TypedDict):
    """See `evaluation.score.Score`."""

    representation: str
    width: Count
    evaluator: str
    metric: str
    labels: Positive
    value: Measured
    low: Measured
    high: Measured
    difference: NotRequired[Gap | None]
    validation: NotRequired[Measured | None]
    seconds: NotRequired[Measured]
    detail: Detail


class Ranked(TypedDict):
    """A line of the ranking with all labels."""

    representation: str
    evaluator: str
    value: Measured
    low: Measured
    high: Measured
    difference: Gap | None


class Factor(TypedDict):
    """With how many times as many labels what is free reaches our score."""

    value: float | None
    low: float | None
    high: float | None
    measured_to: float


class FewLabels(TypedDict):
    """A size of the few-label curve."""

    size: str
    labels: Positive
    ours: Measured
    best: str
    value: Measured
    difference: Gap
    label_factor: Factor


class Rows(TypedDict):
    """How many rows were probed."""

    train: Count
    test: Count


class Comparison(TypedDict):
    """An entry of probes.json in format 3; see `evaluation.evaluate`."""

    label: str
    task: Literal["classes", "numbers", "labels"]
    classes: Count | None
    majority: Measured | None
    search_by_chance: NotRequired[Measured | None]
    metric: str
    rows: Rows
    ours: str
    best: str | None
    outcome: Literal["beats", "loses", "no measurable difference"]
    sentence: str
    notes: NotRequired[list[str]]
    scores: list[Score]
    ranking: list[Ranked]
    few_labels: list[FewLabels]


class Spectrum(TypedDict):
    """The spectra of the trained and of the untrained encoder."""

    rows: Count
    trained: list[float]
    untrained: list[float]


class MeasuredRun(TypedDict):
    """measured.json."""

    evaluation_seconds: float
    peak_memory: Count | None
    spectrum: NotRequired[Spectrum]


class Shared(TypedDict):
    """What two segments of codes share."""

    mean: Measured
    highest: Measured
    segments: list[Count]


class Codes(TypedDict):
    """codes.json."""

    rows: Count
    units: Count
    segments: Count
    bins_used: Annotated[list[Measured], range(1, 1 << 20)]
    usage: Annotated[list[Measured], range(1, 1 << 20)]
    mutual_information: NotRequired[Shared | None]
    purity: NotRequired[list[Measured]]
    chance: NotRequired[Measured]


class Issue(TypedDict):
    """A kind of issue that an audit looked for."""

    what: str


class Audit(TypedDict):
    """audit.json."""

    issues: dict[str, Issue]


class Trait(TypedDict):
    """What distinguishes a cluster."""

    column: str
    value: str | None
    here: float | str
    elsewhere: float | str
    difference: float
    lift: NotRequired[float | None]


class Cluster(TypedDict):
    """A cluster of rows."""

    cluster: Count
    rows: Count
    exemplars: list[Count]
    labels: dict[str, list[tuple[str, float]]]
    means: NotRequired[dict[str, float | None]]
    traits: list[Trait]


class ClusterCodes(TypedDict):
    """What distinguishes each cluster in the codes of the run's method."""

    clusters: list[list[Trait]]


class Clusters(TypedDict):
    """clusters.json."""

    clusters: list[Cluster]
    codes: NotRequired[ClusterCodes | None]


class Metrics(TypedDict):
    """A line of metrics.jsonl."""

    step: Count
    epoch: float
    loss: Measured | None
    terms: NotRequired[dict[str, Measured | None]]


class Timing(TypedDict):
    """A line of timing.jsonl."""

    step: Count
    seconds: float


class Stopped(TypedDict):
    """The last line of diagnostics.jsonl where the training was stopped."""

    step: Count
    diverged: str


# Another line of diagnostics.jsonl, with all numbers of a step.
Record = TypedDict("Record", {"step": Count, "epoch": NotRequired[float], "*": Measured | None})


class Labelled(TypedDict):
    """An entry of probes.json in any format."""

    label: str


_DELETE = "delete it: the run does without"
# Each file, and what to do where it is not as it should be.
FILES: dict[str, tuple[Any, str]] = {
    "data.json": (About, "restore it from a copy, or begin another run"),
    "probes.json": (list[Labelled] | Labelled, "delete it and probe the labels again"),
    "measured.json": (MeasuredRun, _DELETE),
    "codes.json": (Codes, _DELETE),
    "audit.json": (Audit, "audit the run again"),
    "clusters.json": (Clusters, "cluster the run again"),
}
LOGS: dict[str, Any] = {"metrics": Metrics, "diagnostics": Stopped | Record, "timing": Timing}
