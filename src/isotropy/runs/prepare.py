"""From data and a recipe to something that can be trained, and how long that will take."""

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace
from inspect import signature
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from isotropy import encoders
from isotropy.batch import Batch, without_mask
from isotropy.data import ArrayDataset, Data, Preprocess
from isotropy.data.blocks.blocks import TrainingRows
from isotropy.data.blocks.dataset import BlockDataset
from isotropy.data.blocks.held_out import held_out
from isotropy.encoders import Encoder
from isotropy.encoders.encoder import refuse_mask
from isotropy.errors import UserError
from isotropy.methods import find_method
from isotropy.methods.method import Method
from isotropy.modalities import MODALITIES
from isotropy.representation import Representation, learn_embedding
from isotropy.representation.files import MODEL, read_about
from isotropy.runs.auto import method_for
from isotropy.runs.building import build
from isotropy.runs.defaults import DEFAULT_STEPS, MOST_EPOCHS
from isotropy.runs.division import Division, divide
from isotropy.runs.initial import begin_with
from isotropy.runs.recipe import Recipe
from isotropy.runs.settings import label_names
from isotropy.training import Plan, comm, fit
from isotropy.validation import find_device
from isotropy.views.multiview import ViewMaker

_MEASURED_BATCHES = 3
_MEASURED_SECONDS = 1.0
_WARM_UP_SECONDS = 60.0
# Rows on which a network of the user's own is tried.
_EXAMPLE_ROWS = 4
# Rows on which the size of its chunks is found.
_EXAMPLES = 256


@dataclass(frozen=True)
class Prepared:
    """Everything that a run trains with.

    Attributes:
        data: as it was read; labels stay here. rows: all of them as they are stored; of streamed files the sample's.
        division: the training and the test rows, and the labels with their tasks.
        dataset: the training rows, on which `preprocess` was learnt. method, views: as the recipe says.
        network: the user's own that is trained a copy of, None for the recipe's encoder.
    """

    recipe: Recipe
    data: Data
    preprocess: Preprocess
    rows: Tensor | Batch
    division: Division
    dataset: ArrayDataset | BlockDataset
    method: Method
    views: ViewMaker
    device: torch.device
    network: nn.Module | None = None

    @property
    def train(self) -> NDArray[np.int64]:
        """The sorted numbers of the training rows."""
        return self.division.train

    @property
    def in_memory(self) -> ArrayDataset:
        """The training rows that are in memory: all, or of streamed files the sample's."""
        return self.dataset if isinstance(self.dataset, ArrayDataset) else self.dataset.sample

    @property
    def test(self) -> NDArray[np.int64]:
        """The sorted numbers of the test rows; empty where nothing is held out."""
        return self.division.test

    def with_epochs(self, epochs: float) -> "Prepared":
        """Return the same with another length of training."""
        return replace(self, recipe=self.recipe.changed({"train.epochs": float(epochs)}))

    def arguments(self) -> dict[str, Any]:
        """Return the keyword arguments of `isotropy.training.fit`."""
        return {"optim": self.recipe.optim, "device": self.device, **self.recipe.train.arguments()}

    @property
    def plan(self) -> Plan:
        """The steps of the training."""
        train = self.recipe.train
        return Plan(
            rows=len(self.dataset),
            batch_size=train.batch_size,
            epochs=train.epochs,
            passes_per_epoch=self.method.passes_per_epoch,
            keep_last=train.keep_last,
        )

    def facts(self) -> dict[str, Any]:
        """Return what a reader of a run's numbers has to know: reference losses, steps, batch and width."""
        batch = min(self.recipe.train.batch_size, len(self.dataset))
        return {
            "reference_losses": self.method.reference_losses(batch),
            "training": {"steps": self.plan.steps, "batch_size": batch, "width": self.method.encoder.width},
        }

    def untrained(self) -> nn.Module:
        """Return the encoder as it was before training: the same seed draws the same weights."""
        network = _wrapped(self.network, self.in_memory, self.recipe.train.seed)
        return build(self.recipe, self.preprocess, self.in_memory, network)[0].encoder

    def representation(self) -> Representation:
        """Return what the method's encoder and the recipe's embedding give, the latter learnt on the training rows."""
        encoder = self.method.encoder
        learnt = learn_embedding(
            self.recipe.embedding, encoder, self.preprocess, self.rows, self.train, seed=self.recipe.train.seed
        )
        name, coder = self.recipe.method, self.method.coder()
        # A network of the user's own may not take random rows: an embedding of words takes numbers of words.
        example = None if self.network is None else self.rows[torch.from_numpy(self.train[:_EXAMPLES])]
        return Representation(encoder, self.preprocess, method=name, coder=coder, embedding=learnt, example=example)


def prepare(
    recipe: Recipe,
    data: Data,
    *,
    device: torch.device | str = "cpu",
    preprocess: Preprocess | None = None,
    network: nn.Module | None = None,
) -> Prepared:
    """Divide the rows, learn the preprocessing on the training part alone, and build what will be trained.

    Where `data` names a split it is taken; else a fifth of the rows, stratified, is held out if there are labels,
    and nothing if there are none.

    Args:
        recipe: of the data's modality. data: as `isotropy.read` gave it. device: where training will run.
        preprocess: one learnt before, for a run that is resumed.
        network: one of the user's own, of which a copy is trained instead of the recipe's encoder.

    Raises:
        UserError: data or options that do not fit, named.
    """
    division = divide(data, recipe.train.seed, label_names(recipe.data))
    train, test = division.train, division.test
    streamed = None
    if data.stream is not None:
        refuse_all_rows(recipe)
        streamed = TrainingRows(data.stream, held_out(data, test))
    if preprocess is None:
        own = isinstance(network, Encoder) and network.any_length
        any_length = encoders.any_length(recipe.encoder) if network is None else own
        told: dict[str, Any] = {"kinds": data.kinds} if data.kinds else {}
        kind = MODALITIES[recipe.modality].preprocess
        if streamed is None:
            preprocess = kind.learn(data.values, train, any_length=any_length, **told)
        else:
            preprocess = kind.learn_blocks(data.values, train, streamed, any_length=any_length, **told)
        if data.windows is not None:
            preprocess = preprocess.of_recordings(data.windows.format)
        preprocess = _normalised_as_pretrained(recipe, preprocess.with_form(data.form))
    rows = preprocess.transform(data.values)
    place = find_device(device)
    held = ArrayDataset(rows, preprocess, device=place, index=torch.from_numpy(train) if len(test) else None)
    dataset = held if streamed is None else BlockDataset(streamed, preprocess, held, device=place)
    method, views = build(recipe, preprocess, held, _wrapped(network, held, recipe.train.seed))
    if not method.takes_masks:
        without_mask(rows, recipe.method)
    if not method.encoder.takes_masks:
        refuse_mask(rows, recipe.encoder if network is None else type(network).__name__)
    # Here too, and not in the loop alone: before a run's folder is made.
    method.check_batch_size(min(recipe.train.batch_size, len(dataset)))
    return Prepared(recipe, data, preprocess, rows, division, dataset, method, views, place, network)


def refuse_all_rows(recipe: Recipe) -> None:
    """Raise UserError for a method that needs all rows, or something of each of them, before a pass."""
    method = find_method(recipe.method)
    if method.before_pass is not Method.before_pass or "n_samples" in signature(method).parameters:
        raise UserError(
            f"method {recipe.method!r} keeps something of every row, and the rows are streamed: take another, such as "
            f"{method_for(recipe.modality)}"
        )


def weights_taken(prepared: Prepared) -> str:
    """Return what the encoder has of the weights to begin with, and which layers are kept, as text."""
    encoder = copy.deepcopy(prepared.method.encoder)
    words = begin_with(encoder, prepared.recipe.init["weights"], prepared.preprocess).words
    kept = len([one for one in prepared.method.encoder.parameters() if not one.requires_grad])
    return words + (f"; {kept} of them are not trained" if kept else "")


def _normalised_as_pretrained(recipe: Recipe, preprocess: Preprocess) -> Preprocess:
    """Return the preprocessing with the mean and deviation that the weights to begin with were made for."""
    weights = recipe.init.get("weights")
    if weights and (Path(weights).expanduser() / MODEL).is_file():
        about = read_about(Path(weights).expanduser() / MODEL).get("preprocess", {})
        normal = (about.get("mean"), about.get("std")) if about.get("modality") == recipe.modality else (None, None)
        same = len(normal[0] or ()) == preprocess.shape.get("channels")
        return preprocess.with_normalisation(*normal) if same and all(normal) else preprocess
    if weights or recipe.encoder_options.get("pretrained"):
        found = encoders.normalisation(recipe.encoder, preprocess.shape, **recipe.encoder_options)
        return preprocess if found is None else preprocess.with_normalisation(*found)
    return preprocess


def _wrapped(network: nn.Module | None, dataset: ArrayDataset, seed: int) -> Encoder | None:
    """Return a copy of the user's network as an encoder; lazy modules draw their weights from the seed."""
    if network is None:
        return None
    try:
        own = copy.deepcopy(network)
    except (TypeError, RuntimeError, ValueError) as error:
        raise UserError(f"the network cannot be copied, and a copy is what is trained: {error}") from error
    rows = dataset.to_input(dataset.batch(torch.arange(min(_EXAMPLE_ROWS, len(dataset)))))
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return encoders.wrap(own, example=rows)


def seconds_per_epoch(prepared: Prepared, clock: Callable[[], float] | None = None) -> float:
    """Return about how long one epoch of the encoder takes by a clock, measured on a copy and a few batches.

    The first epoch over them warms up (libraries load, kernels are chosen, LFR picks its projectors) and is not
    counted, unless it alone takes a minute; one or two more are, until they took a second.
    """
    train = prepared.recipe.train
    few = min(_MEASURED_BATCHES * train.batch_size, len(prepared.dataset))
    sample = ArrayDataset(prepared.dataset.batch(torch.arange(few)), prepared.preprocess, device=prepared.device)
    arguments = prepared.arguments() | {"epochs": 3, "compile": False}
    clock = clock or perf_counter
    begin = clock()
    seconds: list[float] = []
    for step in fit(copy.deepcopy(prepared.method), sample, prepared.views, **arguments):
        if step.epoch == int(step.epoch):
            passed = clock() - begin
            seconds.append(passed - sum(seconds))
            enough = sum(seconds[1:]) > _MEASURED_SECONDS if len(seconds) > 1 else passed > _WARM_UP_SECONDS
            if comm.any_rank(enough):
                break
    counted = seconds[1:] or seconds
    per_row = sum(counted) / len(counted) / few
    if isinstance(prepared.dataset, BlockDataset):
        per_row += prepared.dataset.seconds_per_row
    own = torch.tensor([per_row], dtype=torch.float64)
    return float(comm.all_reduce_sum(own.to(prepared.device)) / comm.world()) * len(prepared.dataset)


def default_epochs(recipe: Recipe, rows: int) -> float:
    """Return the default length for so many training rows: a function of data and recipe alone (decision 0016).

    Example:
        >>> [default_epochs(Recipe.default("simclr", "table"), rows) for rows in (1_000, 51_200, 10_000_000)]
        [200.0, 50.0, 1.0]
    """
    train = recipe.train
    plan = Plan(rows=rows, batch_size=train.batch_size, epochs=1, keep_last=train.keep_last)
    return float(min(max(1, round(DEFAULT_STEPS / plan.per_pass)), MOST_EPOCHS))


def epochs_within(seconds: float, per_epoch: float, *, most: float = float("inf")) -> float:
    """Return how many epochs fit into `seconds`: whole ones from two on, else a part.

    Example:
        >>> epochs_within(60, 7.0), epochs_within(60, 100.0), epochs_within(60, 0.1, most=200)
        (8.0, 0.6, 200.0)
    """
    exact = min(seconds / per_epoch, most)
    return float(int(exact)) if exact >= 2 else max(round(exact, 3), 0.001)
