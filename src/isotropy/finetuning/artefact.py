"""What the files of a fine-tuned network say of its head, and the head of these sizes."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, NotRequired, TypedDict

from isotropy.evaluation.evaluators.few_linear import STRENGTHS
from isotropy.evaluation.features import FORMS, WIDEST
from isotropy.evaluation.label_graph import MOST_NODES
from isotropy.finetuning.average import Average
from isotropy.finetuning.head import Head, Reader
from isotropy.finetuning.mixture import Several
from isotropy.finetuning.neighbours import MOST, Neighbours
from isotropy.finetuning.target import Target
from isotropy.finetuning.trees import LARGEST_TREE, MOST_CLASSES, MOST_ROUNDS, Trees
from isotropy.io.json_file import Count
from isotropy.representation.files import Rows, Weights

ABOUT, HEAD = "finetuned.json", "head.safetensors"
BESIDE = "beside"  # the folder of what is averaged with a network
FORMAT = 3  # of 1 older versions overlook what stands beside; they read 2 and less


class NeighboursSpec(TypedDict):
    """The sizes of a head of neighbours."""

    inner: Annotated[int, range(1, WIDEST + 1)]
    rows: Annotated[int, range(1, MOST + 1)]


class TreesSpec(TypedDict):
    """The sizes of a head of boosted trees."""

    skipped: Count
    rounds: Annotated[int, range(1, MOST_ROUNDS + 1)]
    nodes: Annotated[int, range(1, LARGEST_TREE + 1)]
    depth: Annotated[int, range(LARGEST_TREE)]


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
    trees: NotRequired[TreesSpec | None]
    readers: NotRequired[list[Literal["linear", "neighbours", "trees"]] | None]
    average: NotRequired[AverageSpec | None]
    beside: NotRequired[BesideSpec | None]


def sizes_of(head: Reader) -> dict[str, Any]:
    """Return what `About` says of a head's sizes; by itself a linear one has none.

    Example:
        >>> sizes_of(Head(4, 3))
        {'neighbours': None, 'trees': None, 'average': None, 'readers': None}
    """
    parts = dict(head.readers.items()) if isinstance(head, Several) else {"": head}
    sizes: dict[str, Any] = dict.fromkeys(("neighbours", "trees", "average", "readers"))
    for part in parts.values():
        for name, kind in (("neighbours", Neighbours), ("trees", Trees), ("average", Average)):
            if isinstance(part, kind):
                sizes[name] = part.sizes
    return sizes | {"readers": list(parts) if isinstance(head, Several) else None}


def blank_head(about: Mapping[str, Any], width: int, target: Target) -> Reader:
    """Return the head that finetuned.json tells of, on embeddings of a width; ValueError: there is none like it."""
    classes = len(target.classes)
    if (average := about.get("average")) is not None:
        if len(average["graphs"]) > FORMS:
            raise ValueError(f"an average of {len(average['graphs'])} graphs")
        return Average(width, average["lines"], average["graphs"], average["nodes"], classes)
    readers = about.get("readers")
    made: dict[str, Any] = {"linear": Head(width, target.width)}
    if (neighbours := about.get("neighbours")) is not None:
        made["neighbours"] = Neighbours(width, neighbours["inner"], neighbours["rows"], classes)
    if (trees := about.get("trees")) is not None:
        if trees["skipped"] >= width or classes > MOST_CLASSES:
            raise ValueError("trees on other columns, or of more classes, than there are")
        made["trees"] = Trees(width, outputs=target.width, **trees)
    if readers is None:
        return next(reversed(made.values()))
    if len(set(readers)) < 2 or not set(readers) <= set(made):
        raise ValueError(f"readers {', '.join(map(repr, readers))}")
    return Several({name: made[name] for name in readers}, target.task)
