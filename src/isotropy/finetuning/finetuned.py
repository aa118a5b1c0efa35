"""The artefact of fine-tuning: an encoder with the head of a label, in files that need no data to predict."""

import copy
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from isotropy.batch import Batch
from isotropy.data.target_columns import brought_labels
from isotropy.data.written_labels import wanted_as_numbers
from isotropy.errors import UserError, counted, plain
from isotropy.evaluation.metrics import score_of
from isotropy.evaluation.task import has_label
from isotropy.finetuning.artefact import ABOUT, BESIDE, FORMAT, HEAD, About, blank_head, sizes_of
from isotropy.finetuning.head import Network, Reader
from isotropy.finetuning.mixture import Several, mean_of
from isotropy.finetuning.neighbours import Neighbours
from isotropy.finetuning.target import Target
from isotropy.finetuning.trees import Trees
from isotropy.io.atomic import write_atomically
from isotropy.modalities import MODALITIES
from isotropy.representation import Representation, embed_groups, embed_rows, repeated, saving, steady_chunk
from isotropy.representation import load as load_representation
from isotropy.representation.files import fill, read_about, write_weights, writing


class FineTuned:
    """A fine-tuned network that predicts a label of rows as the user has them.

    A row's prediction does not depend on the other rows, to the bit, as its embedding does not.

    Args:
        representation: the encoder after fine-tuning, with its preprocessing.
        head: what reads its embeddings. target: what the label is.
        temperature: by which logits are divided, so that probabilities are calibrated on held-out rows.
        detail: how it was chosen, JSON-able; see `finetune`.
        chunk: rows that go through the network at once; by default what `steady_chunk` finds.
        example: stored rows for that; by default random ones of the modality.
        beside: another model of the same label, whose predictions are averaged with the network's.

    Attributes:
        label, task, classes: the label's name, "classes" or "numbers", and the names of the classes in order.

    Example:
        >>> from sklearn.datasets import load_iris
        >>> from isotropy.data import TablePreprocess
        >>> from isotropy.encoders import TableMLP
        >>> x, y = load_iris(return_X_y=True)
        >>> made = Representation(TableMLP(numeric=4, width=16), TablePreprocess.learn(x), method="lfr")
        >>> model = made.finetune(x, y, label="species", epochs=2)
        >>> model.predict(x[:2]).tolist(), model.predict_proba(x[:2]).shape, model.score(x, y) > 0.9
        ([0, 0], (2, 3), True)
    """

    def __init__(
        self, representation: Representation, head: Reader, target: Target, *, temperature: float = 1.0,
        detail: Mapping[str, Any] | None = None, chunk: int | None = None, example: Tensor | Batch | None = None,
        beside: "Beside | None" = None,
    ) -> None:  # fmt: skip
        self.representation = representation
        self.head = copy.deepcopy(head).float().eval().to(representation.device)
        self.target, self.temperature, self.detail = target, float(temperature), dict(detail or {})
        preprocess = representation.preprocess
        body, self._to_input = representation.embedding.network(representation.encoder, preprocess)
        self._network = Network(body, self.head)
        if chunk is None:
            count = representation.chunk
            example_rows = MODALITIES[preprocess.modality].example_rows
            rows = example_rows(preprocess.shape, count) if example is None else repeated(example, count)
            chunk = steady_chunk(self._network, self._to_input, rows)
        self._chunk = chunk
        self.beside = beside

    @property
    def label(self) -> str:
        """What the label is called."""
        return self.target.name

    @property
    def task(self) -> str:
        """Whether the label is "classes" or "numbers"."""
        return self.target.task

    @property
    def classes(self) -> tuple[Any, ...]:
        """The names of the classes, in the order of the probabilities; empty for numbers."""
        return self.target.classes

    def to(self, device: torch.device | str) -> Self:
        """Move the network to a device."""
        self.representation.to(device)
        self.head.to(device)
        if self.beside is not None:
            self.beside.model.to(device)
        return self

    def outputs_stored(self, rows: Tensor | Batch) -> NDArray[np.float32]:
        """Return calibrated logits (N, K), or standardised numbers (N, 1), of rows as they are stored."""
        groups = self.representation.preprocess.together(rows)

        def outputs(some: Tensor | Batch) -> NDArray[np.float32]:
            return embed_rows(self._network, self._to_input, some, self._chunk)

        own = embed_groups(outputs, groups) / np.float32(self.temperature)
        if self.beside is None:
            return own
        share, heat = self.beside.share, self.beside.temperature
        said = [torch.from_numpy(one).double() for one in (own, self.beside.model.outputs_stored(rows))]
        return (mean_of(self.task, said, [1 - share, share]) / heat).float().numpy()

    def _outputs(self, values: Any) -> NDArray[np.float32]:
        return self.outputs_stored(self.representation.stored(values))

    def predict(self, values: Any) -> NDArray[Any]:
        """Return class names or numbers (N,) of rows as `Representation.transform` takes them, and raises."""
        return self.target.decoded(self._outputs(values))

    def predict_proba(self, values: Any) -> NDArray[np.float64]:
        """Return the calibrated probability of each class, (N, K); UserError where the label is a number."""
        if self.task == "numbers":
            raise UserError(f"label {self.label}: is a number, and has no probabilities")
        return probabilities(self._outputs(values))

    def predictions_stored(self, rows: Tensor | Batch) -> NDArray[Any]:
        """Return probabilities (N, K) or numbers (N,) of rows as they are stored."""
        outputs = self.outputs_stored(rows)
        return self.target.decoded(outputs) if self.task == "numbers" else probabilities(outputs)

    def transform(self, values: Any, *, standardise: bool = False) -> NDArray[np.float32]:
        """Return the embeddings (N, width): the fine-tuned encoder's vectors, beside what they are joined with.

        Args:
            values, standardise: as of `Representation.transform`.
        """
        return self.representation.transform(values, standardise=standardise)

    def score(self, values: Any, labels: Any) -> float:
        """Return the accuracy, or R2, on the rows that have a label (N,); missing ones are NaN, None or masked.

        UserError: not one label per row, or none that the model knows.
        """
        rows = self.representation.stored(values)
        labels = brought_labels(labels, len(rows))
        here = has_label(labels)
        if not here.any():
            raise UserError(f"label {self.label}: no row has one: there is nothing to score")
        outputs = self.outputs_stored(rows)[here]
        if self.task == "classes":
            codes = self.target.codes(labels[here])
            if (codes < 0).all():
                known = ", ".join(repr(name) for name in self.classes[:8])
                raise UserError(
                    f"label {self.label}: no class of the {counted(len(codes), 'row')}, such as "
                    f"{plain(labels[here][0])!r}, is one of the model's ({known})"
                )
            return score_of("classes", "accuracy", codes, outputs)
        truth = wanted_as_numbers(labels[here]).astype(np.float64)
        return score_of("numbers", "R2", truth, self.target.decoded(outputs))

    def save(self, folder: Path | str) -> None:
        """Write the artefact, each file whole or not at all, finetuned.json last; UserError where the disk is full.

        A folder that is not there yet is there when all of them are.

        `isotropy.load` reads the encoder alone from the same folder.
        """
        with writing(Path(folder)) as place:
            self._write(place)

    def _write(self, place: Path) -> None:
        beside: dict[str, Any] | None = None
        if self.beside is not None:
            (place / BESIDE).mkdir(exist_ok=True)
            self.beside.model._write(place / BESIDE)
            beside = {"share": self.beside.share, "temperature": self.beside.temperature}
            beside["sha256"] = _digest(place / BESIDE / ABOUT)
        digest = write_weights({"": self.head}, place / HEAD)
        saving.save(self.representation, place)
        model = read_about(place / "model.json")
        about = {
            "format": FORMAT,
            "label": self.label,
            "task": self.task,
            "classes": [_plain(name) for name in self.classes],
            "mean": self.target.mean,
            "spread": self.target.spread,
            "temperature": self.temperature,
            "chunk": self._chunk,
            "detail": self.detail,
            "encoder": {"sha256": model["weights"]["sha256"]},
            "head": {"file": HEAD, "sha256": digest},
            **sizes_of(self.head),
            "beside": beside,
        }
        write_atomically(place / ABOUT, json.dumps(about, indent=1, allow_nan=False).encode())


@dataclass(frozen=True)
class Beside:
    """What predicts beside a network.

    Attributes:
        model: of the same label. share: what it counts for, above 0 and below 1. temperature: of the average's logits.
    """

    model: FineTuned
    share: float
    temperature: float = 1.0


def load(
    folder: Path | str, encoder: nn.Module | None = None, *, device: torch.device | str | None = None
) -> FineTuned:
    """Return the fine-tuned network in `folder`, from its files alone.

    Args:
        folder: where `FineTuned.save` or `isotropy finetune` wrote. encoder, device: as of `isotropy.load`.

    Raises:
        UserError: a missing, damaged or foreign file, named.
    """
    return _loaded(Path(folder), encoder, device, alone=False)


def _loaded(folder: Path, encoder: nn.Module | None, device: torch.device | str | None, *, alone: bool) -> FineTuned:
    """Return the network in `folder`, with what is beside it unless it is itself beside another."""
    about = read_about(folder / ABOUT, About, wanted="a fine-tuned network", newest=FORMAT)
    representation = load_representation(folder, encoder, device=device)
    model = read_about(folder / "model.json")
    try:
        target = Target(about["label"], about["task"], tuple(about["classes"]), about["mean"], about["spread"])
        head = blank_head(about, representation.width, target)
        if not (about["spread"] > 0 and about["temperature"] > 0):
            raise ValueError("spread and temperature must be above 0")
        if (len(target.classes) < 2) != (target.task == "numbers"):
            raise ValueError(f"{len(target.classes)} classes of a label of {target.task}")
    except ValueError as error:
        raise UserError(f"{folder / ABOUT}: damaged, or not an artefact of isotropy ({error})") from error
    if about["encoder"]["sha256"] != model["weights"]["sha256"]:
        raise UserError(f"{folder / ABOUT}: belongs to another encoder than model.json beside it")
    fill(head, folder / HEAD, about["head"]["sha256"], ABOUT)
    if not all(bool(x.isfinite().all()) for x in head.state_dict().values()):
        raise UserError(f"{folder / HEAD}: damaged, or not an artefact of isotropy (a number is not finite)")
    for part in head.modules():
        if isinstance(part, Neighbours) and not part.answers_are_classes():
            raise UserError(f"{folder / HEAD}: damaged, or not an artefact of isotropy (an answer is no class)")
        if isinstance(part, Several) and not part.counts():
            raise UserError(f"{folder / HEAD}: damaged, or not an artefact of isotropy (a share or temperature of 0)")
        if isinstance(part, Trees) and not part.leads_to_nodes():
            raise UserError(f"{folder / HEAD}: damaged, or not an artefact of isotropy (a tree leads nowhere)")
    beside = None
    if (other := about.get("beside")) is not None:
        beside = _beside(folder, other, target, encoder, device, alone)
    # Models of older versions do not say the chunk.
    temperature, detail, chunk = about["temperature"], about["detail"], about.get("chunk")
    return FineTuned(representation, head, target, temperature=temperature, detail=detail, chunk=chunk, beside=beside)


def _beside(
    folder: Path, spec: Mapping[str, Any], target: Target, encoder: nn.Module | None,
    device: torch.device | str | None, alone: bool,
) -> Beside:  # fmt: skip
    """Return what stands beside the model in `folder`, as `spec` tells: of the same label, and with none beside it."""
    share, temperature = spec["share"], spec["temperature"]
    wrong = "a model beside a model beside" if alone else "a share must be between 0 and 1, a temperature above 0"
    if alone or not (0 < share < 1 and temperature > 0):
        raise UserError(f"{folder / ABOUT}: damaged, or not an artefact of isotropy ({wrong})")
    found = _loaded(folder / BESIDE, encoder, device, alone=True)
    if _digest(folder / BESIDE / ABOUT) != spec["sha256"] or found.target != target:
        raise UserError(f"{folder / BESIDE / ABOUT}: belongs to another model than {ABOUT} above it")
    return Beside(found, share, temperature)


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def probabilities(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the softmax of logits (N, K), in float64.

    Example:
        >>> probabilities(np.zeros((1, 4), dtype=np.float32)).tolist()
        [[0.25, 0.25, 0.25, 0.25]]
    """
    found: NDArray[np.float64] = torch.softmax(torch.from_numpy(logits).double(), dim=1).numpy()
    return found


def _plain(name: Any) -> Any:
    """Return a class's name as JSON holds it: what is neither text nor a number as its text."""
    return name if isinstance(name, str | int | float | bool) else str(name)
