"""What the files of a fine-tuned network say of its head, and the head of these sizes."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, NotRequired, TypedDict

from isotropy.evaluation.evaluators.few_linear import STRENGTHS
from isotropy.evaluation.features import FORMS, WIDEST
from isotropy.evaluation.label_graph import MOST_NODES
from isotropy.finetuning.average import Average
from isotropy.finetuning.head import Head, Reader
from isotropy.finetuning.mixture import Both
from isotropy.finetuning.neighbours import MOST, Neighbours
from isotropy.finetuning.target import Target
from isotropy.io.json_file import Count
from isotropy.representation.files import Rows, Weights

ABOUT, HEAD = "finetuned.json", "head.safetensors"
BESIDE = "beside"  # the folder of what is averaged with a network
FORMAT = 1


class NeighboursSpec(TypedDict):
    """The sizes of a head of neighbours, by itself or beside a linear one; where there are none the head is linear."""

    inner: Annotated[int, range(1, WIDEST + 1)]
    rows: Annotated[int, range(1, MOST + 1)]


class AverageSpec(TypedDict):
    """The sizes of a head that averages several readings."""

    lines: Annotated[int, range(1, FORMS * len(STRENGTHS) + 1)]
    graphs: list[Annotated[int, range(1, WIDEST + 1)]]
    nodes: Annotated[int, range(MOST_NODES + 1)]


class BesideSpec(TypedDict):
    """What a model beside a network counts for, the average's temperature, and the digest of its finetuned.json."""

    share: float
    temperature: float
    sha256: str


class About(TypedDict):
    """finetuned.json."""

    format: Count
    label: str
    task: Literal["classes", "numbers"]
    classes: list[str | float | bool]
    mean: float
    spread: float
    temperature: float
    chunk: NotRequired[Rows | None]
    detail: dict[str, Any]
    encoder: Weights
    head: Weights
    neighbours: NotRequired[NeighboursSpec | None]
    both: NotRequired[NeighboursSpec | None]
    average: NotRequired[AverageSpec | None]
    beside: NotRequired[BesideSpec | None]


def sizes_of(head: Reader) -> dict[str, Any]:
    """Return what `About` says of a head's sizes.

    Example:
        >>> sizes_of(Head(4, 3))
        {'neighbours': None, 'both': None, 'average': None}
    """
    return {
        "neighbours": head.sizes if isinstance(head, Neighbours) else None,
        "both": head.nearest.sizes if isinstance(head, Both) else None,
        "average": head.sizes if isinstance(head, Average) else None,
    }


def blank_head(about: Mapping[str, Any], width: int, target: Target) -> Reader:
    """Return the head that finetuned.json tells of, on embeddings of a width; ValueError: there is none like it."""
    classes = len(target.classes)
    if (average := about.get("average")) is not None:
        if len(average["graphs"]) > FORMS:
            raise ValueError(f"an average of {len(average['graphs'])} graphs")
        return Average(width, average["lines"], average["graphs"], average["nodes"], classes)
    if (neighbours := about.get("neighbours")) is not None:
        return Neighbours(width, neighbours["inner"], neighbours["rows"], classes)
    if (both := about.get("both")) is not None:
        return Both(Head(width, target.width), Neighbours(width, both["inner"], both["rows"], classes))
    return Head(width, target.width)
