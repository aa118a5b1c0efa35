"""Fine-tuning: from a representation and labels of some rows to a network that predicts the others'."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from time import perf_counter
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from isotropy.batch import Batch, take
from isotropy.data.grouping import as_groups
from isotropy.data.target_columns import brought_labels
from isotropy.data.written_labels import wanted_as_numbers
from isotropy.errors import UserError, nearest
from isotropy.evaluation.task import Task, has_label
from isotropy.finetuning.beginning import Beginning
from isotropy.finetuning.deciding import TUNED, Candidates, Decision, decide
from isotropy.finetuning.finetuned import Beside, FineTuned
from isotropy.finetuning.held_out import Rows, parts
from isotropy.finetuning.neighbours import Nearest
from isotropy.finetuning.rounds import Material, SelfSupervised, Trained, train_rounds
from isotropy.finetuning.settings import FineTuning
from isotropy.finetuning.target import Target
from isotropy.finetuning.trees import Boosting
from isotropy.modalities import MODALITIES
from isotropy.representation import Representation, embed_together, example_for
from isotropy.representation.embeddings import learning_rows
from isotropy.validation import nonnegative, whole_below

Progress = Callable[[str, int, int], None]


def finetune(
    representation: Representation,
    data: Any,
    labels: Any,
    *,
    label: str = "label",
    task: Task | None = None,
    groups: ArrayLike | None = None,
    budget: float | None = None,
    seed: int = 0,
    joint: SelfSupervised | None = None,
    progress: Progress | None = None,
    **settings: Any,
) -> FineTuned:
    """Return a network that predicts a label, fine-tuned from a trained encoder on the rows that have one.

    The head starts as the linear probe on the frozen encoder, and then all layers learn, lower ones at lower rates
    where `first_layer_rate` says so. Held-out rows choose the round: a part of the labelled rows, or each row once
    (five folds) where few have a label (`folds_below`), after which the network is fine-tuned on all of them for as
    many passes. The result is an average of the network, the probe, the vote of the most similar labelled rows and,
    for tables joined with their columns, boosted trees, as the held-out rows say (`shares_of`). Of fewer than 1,000
    labels it is what few-label curves read them by (`evaluators.few_read`), unless a round would count for 95 % beside
    it (`choose_of_few`), or, of numbers, the most similar rows are nearer by a standard error.

    Args:
        representation: is left as it is. data: rows as its `transform` takes them.
        labels: (N,) as an array, a list, a tensor or a column; missing ones NaN, None or masked.
        label: what it is called. task: "classes" or "numbers"; by default what all labels look like.
        groups: (N,): rows of one group are learnt from or held out together.
        budget: seconds, after which no further round begins; None for none.
        seed: of what is held out, and of all that training draws.
        joint: the method with its heads, to go on with where `joint` is above 0 among the settings: see `joint_weight`.
        progress: hears what is done, and how much of how much.
        settings: of `FineTuning`, such as `epochs=50` or `lr=1e-4`; `joint_weight` is its `joint`.

    Returns:
        The model. Its `detail`: "chosen" ("average", "frozen average" or one reader's name), "shares" (of an average,
        by name), "chosen_by", "passes", "validation" (the loss and the leading metric of each on held-out rows),
        "rounds" (the loss after each), "labels", "seconds".

    Raises:
        UserError: labels that cannot be learnt, rows of another schema, an unknown setting; each in one line.

    Source: the probe first, then all layers: Kumar et al. 2022 (LP-FT).

    Example:
        >>> from isotropy.data import TablePreprocess
        >>> from isotropy.encoders import TableMLP
        >>> x = np.random.default_rng(0).normal(size=(60, 3))
        >>> made = Representation(TableMLP(numeric=3, width=8), TablePreprocess.learn(x), method="lfr")
        >>> finetune(made, x, x[:, 0] > 0, epochs=2).detail["chosen"] in ("fine-tuned", "frozen average")
        True
    """
    rows = representation.stored(data)
    labels = brought_labels(labels, len(rows))
    if task == "numbers":
        labels = wanted_as_numbers(labels)
    return finetune_rows(
        representation, rows, labels, np.arange(len(rows)), label=label, task=task,
        groups=groups_of(groups, len(rows)), settings=settings_of(settings), budget=budget, seed=seed,
        joint=joint, progress=progress,
    )  # fmt: skip


def groups_of(groups: ArrayLike | None, rows: int) -> NDArray[Any] | None:
    """Return the groups (N,) that a caller gives for so many rows, checked; None where there are none.

    Raises:
        UserError: not one group per row, one group only, or a row without one.

    Example:
        >>> groups_of(["s1", "s1", "s2"], 3).tolist()
        ['s1', 's1', 's2']
    """
    if groups is None:
        return None
    shape = np.shape(groups)
    if len(shape) == 1 and shape[0] != rows:
        raise UserError(f"there are {shape[0]:,} groups for {rows:,} rows: give one group per row")
    return as_groups(groups, rows)


def settings_of(given: Mapping[str, Any]) -> FineTuning:
    """Return the settings by name, `joint_weight` for `joint`; UserError names an unknown one and the nearest."""
    known = {"joint" if name == "joint_weight" else name: value for name, value in given.items()}
    valid = list(FineTuning.__dataclass_fields__)
    for name in known:
        if name not in valid:
            raise UserError(f"fine-tuning has no setting {name!r}{nearest(name, valid)}")
    try:
        return FineTuning(**known)
    except TypeError as error:
        raise UserError(f"a setting of fine-tuning is of another type: {error}") from error


def finetune_rows(
    representation: Representation,
    rows: Tensor | Batch,
    labels: NDArray[Any],
    train: Rows,
    *,
    label: str = "label",
    task: Task | None = None,
    groups: NDArray[Any] | None = None,
    settings: FineTuning | None = None,
    budget: float | None = None,
    seed: int = 0,
    joint: SelfSupervised | None = None,
    progress: Progress | None = None,
) -> FineTuned:
    """Return what `finetune` returns, of rows as they are stored, of which `train` (M,) may be learnt from.

    Args:
        rows: (N, ...), labels: (N,), groups: (N,) or None: of all rows. The other arguments are those of `finetune`.
    """
    begun = perf_counter()
    settings = settings or FineTuning()
    if budget is not None:
        nonnegative(budget=budget)
    whole_below(1 << 32, seed=seed)
    settings.check_views(MODALITIES[representation.preprocess.modality])
    if settings.joint > 0 and joint is None:
        raise UserError("joint fine-tuning goes on with the method that trained the encoder: give it as `joint`")
    target = Target.of(labels[train], name=label, task=task)
    labelled = train[has_label(labels[train])]
    if len(labelled) < 2:
        raise UserError(f"label {label}: only {len(labelled)} training row has one: fine-tuning needs at least 2")
    encoded = target.encoded(labels[labelled])
    z = representation.embed_stored(take(rows, torch.from_numpy(labelled)))
    own_columns = representation.embedding.vector_block().width
    material = Material(
        rows, representation.preprocess, train, labelled, encoded, target, settings, seed, representation.device,
        representation.chunk, joint if settings.joint > 0 else None,
        beside=torch.from_numpy(z[:, own_columns:]) if own_columns < z.shape[1] else None,
    )  # fmt: skip
    own = None if groups is None else pd.factorize(groups[labelled], use_na_sentinel=False)[0].astype(np.int64)
    pairs = parts(
        encoded, target.task, settings.validation, settings.folds, few=settings.few(representation.encoder), seed=seed,
        groups=own,
    )  # fmt: skip
    begin = Beginning.of(representation, material, z, own)
    ends = None if budget is None else begun + budget
    found = _on_every_part(begin, material, pairs, ends, progress)
    # Where all readings are averaged, labels that spread speak for neighbours.
    nearest = None if begin.averaging else Nearest.of(representation, z, encoded, target, seed=seed, groups=own)
    hear = _named("all labelled rows", progress)
    boosting = Boosting.of(representation, z, encoded, target, seed=seed)
    decision = decide(Candidates(begin, nearest, boosting, material, pairs, found, hear))
    return _made(decision, representation, material, {"labels": len(labelled)}, begun)


def _made(
    decision: Decision, representation: Representation, material: Material, detail: dict[str, Any], begun: float
) -> FineTuned:
    """Return the model that was decided on."""
    network, target, beside = decision.network, material.target, None
    example = example_for(network.encoder, material.rows, material.train)
    if (other := decision.beside) is not None:
        frozen = FineTuned(representation, other.network.head, target, temperature=other.heat, example=example)
        beside = Beside(frozen, other.share, other.average_heat)
    made = representation
    if decision.tuned:
        made = _tuned(representation, network.encoder, material.rows, material.train)
    detail = decision.detail | detail | {"seconds": round(perf_counter() - begun, 1)}
    return FineTuned(
        made, network.head, target, temperature=decision.heat, detail=detail, example=example, beside=beside
    )


def _on_every_part(
    begin: Beginning,
    material: Material,
    pairs: Sequence[tuple[Rows, Rows]],
    ends: float | None,
    progress: Progress | None,
) -> list[Trained]:
    """Fine-tune on the rows of each part, beside those that it holds out, until the clock shows `ends`."""
    found = []
    for number, (fit, out) in enumerate(pairs):
        # Folds end in one more time of fine-tuning, on all rows.
        left = len(pairs) - number + (len(pairs) > 1)
        seconds = None if ends is None else (ends - perf_counter()) / left
        what = TUNED if len(pairs) == 1 else f"fold {number + 1} of {len(pairs)}"
        found.append(train_rounds(begin(fit), material, fit, out, seconds=seconds, progress=_named(what, progress)))
    return found


def _tuned(made: Representation, encoder: nn.Module, rows: Tensor | Batch, train: Rows) -> Representation:
    """Return the representation with the fine-tuned encoder, whose vectors are scaled anew."""
    vectors = torch.from_numpy(embed_together(encoder, made.preprocess, learning_rows(rows, train)))
    return Representation(
        encoder, made.preprocess, method=f"{made.method}, {TUNED}", chunk=made.chunk,
        embedding=made.embedding.moved(vectors),
    )  # fmt: skip


def _named(what: str, progress: Progress | None) -> Callable[[int, int], None] | None:
    return None if progress is None else lambda done, of: progress(what, done, of)


def scratch_settings(settings: FineTuning) -> FineTuning:
    """Return the settings of the same network from scratch: no layer is worth keeping, so all learn at one rate."""
    return replace(settings, first_layer_rate=1.0, frozen_epochs=0, joint=0.0)
