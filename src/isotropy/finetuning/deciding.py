"""What the result of fine-tuning is: held-out rows say which reader of few labels, and what each of many counts for."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from isotropy.evaluation.metrics import score_of
from isotropy.finetuning.average import AVERAGE
from isotropy.finetuning.beginning import PROBE, Beginning
from isotropy.finetuning.finetuned import probabilities
from isotropy.finetuning.head import Network, Reader
from isotropy.finetuning.held_out import Rows, choose_of_few, losses, temperature
from isotropy.finetuning.mixture import MIXTURE, Several, mean_of, shares_of
from isotropy.finetuning.neighbours import NEAREST, Nearest, clearly_better
from isotropy.finetuning.rounds import Material, Rounds, Trained, train_rounds
from isotropy.finetuning.target import Target
from isotropy.finetuning.trees import TREES, Boosting

TUNED = "fine-tuned"
_LEAST_GAIN = 1e-3  # nats, or of a variance of 1: a network that is better by less is the probe once more


@dataclass(frozen=True)
class Frozen:
    """What reads the frozen embedding beside a fine-tuned network.

    Attributes:
        network: what predicts. heat: by which its logits are divided. share: what it counts for.
        average_heat: by which the logits of the average are divided.
    """

    network: Network
    heat: float
    share: float
    average_heat: float


@dataclass(frozen=True)
class Decision:
    """The result of fine-tuning.

    Attributes:
        network: what predicts. tuned: whether its encoder is the fine-tuned one. heat: by which its logits are divided.
        detail: how it was decided. beside: what is averaged with it, if anything.
    """

    network: Network
    tuned: bool
    heat: float
    detail: dict[str, Any]
    beside: Frozen | None = None


@dataclass(frozen=True)
class Candidates:
    """What may read a row in the end, and what each says of held-out rows.

    Attributes:
        begin, nearest, boosting: make the readers of the frozen embedding; `nearest` is None where labels that spread
            speak for neighbours, `boosting` where trees are not asked. material: what is learnt from.
        pairs: places among the labelled rows, learnt from and held out.
        found: the network that was fine-tuned beside each. hear: is told of fine-tuning on all rows.
    """

    begin: Beginning
    nearest: Nearest | None
    boosting: Boosting | None
    material: Material
    pairs: Sequence[tuple[Rows, Rows]]
    found: Sequence[Trained]
    hear: Callable[[int, int], None] | None

    @property
    def target(self) -> Target:
        """What the label is."""
        return self.material.target

    @property
    def every(self) -> Rows:
        """The places of all labelled rows."""
        return np.arange(len(self.material.labelled))

    def encoded(self) -> NDArray[Any]:
        """Return the labels of all held-out rows, (N,)."""
        return np.concatenate([self.material.encoded[out] for _, out in self.pairs])

    def frozen(self, head: Reader) -> Network:
        """Return the encoder as it was with a head."""
        return Network(self.begin.representation.encoder, head)

    def tuned(self, passes: int) -> Network:
        """Return the fine-tuned network: the one that stopped by the held-out rows, or after folds one of all rows."""
        if len(self.pairs) == 1:
            return self.found[0].network
        none, every = self.every[:0], self.every
        return train_rounds(self.begin(every), self.material, every, none, passes=passes, progress=self.hear).network

    def detail(
        self, chosen: str, passes: int, read: dict[str, NDArray[np.float32]], curve: Sequence[float]
    ) -> dict[str, Any]:
        """Return how it was decided, JSON-able."""
        encoded, folds = self.encoded(), len(self.pairs)
        metric = self.target.leading(encoded)
        scores = {name: _score(self.target, metric, outputs, encoded) for name, outputs in read.items()}
        return {
            "chosen": chosen,
            "chosen_by": f"{len(encoded):,} held-out rows" if folds == 1 else f"{folds}-fold cross-validation",
            "passes": passes,
            "validation": {"metric": metric} | scores,
            "rounds": [round(loss, 5) for loss in curve],
        }


def decide(candidates: Candidates) -> Decision:
    """Return the result that held-out rows decide on: the best reader of few labels, or an average of many labels'."""
    begin = candidates.begin
    if not candidates.pairs:
        how = {"chosen": begin.name, "chosen_by": "default: too few rows to hold out", "passes": 0}
        return Decision(begin.frozen(candidates.every), False, 1.0, how)
    rounds = _pooled([one.rounds for one in candidates.found])
    return _average(candidates, rounds) if begin.name == PROBE else _of_few(candidates, rounds)


def _of_few(candidates: Candidates, rounds: Rounds) -> Decision:
    begin, nearest, target = candidates.begin, candidates.nearest, candidates.target
    encoded = candidates.encoded()
    read = {begin.linear: rounds[0], AVERAGE: begin.read(candidates.pairs, rounds[0])}
    rounds = [read[AVERAGE], *rounds[1:]]
    choice = choose_of_few(target.task, rounds, encoded)
    read[TUNED] = rounds[int(np.argmin(choice.curve[1:])) + 1 if len(choice.curve) > 1 else 0]
    name, outputs = TUNED if choice.round else AVERAGE, rounds[choice.round]
    if nearest is not None:
        read[NEAREST] = asked = nearest.read(candidates.pairs)
        even = target.leading(encoded) not in ("accuracy", "R2")
        if clearly_better(asked, outputs, encoded, task=target.task, even=even):
            name, outputs = NEAREST, asked
    passes = choice.round * candidates.found[0].passes if name == TUNED else 0
    if name == TUNED:
        network = candidates.tuned(passes)
    elif nearest is not None and name == NEAREST:
        network = candidates.frozen(nearest.head(candidates.every))
    else:
        network = begin.frozen(candidates.every)
    # An average counts its readings by the chance that they give to held-out rows: it is calibrated already.
    heat = temperature(outputs, encoded) if target.task == "classes" and name != AVERAGE else 1.0
    return Decision(network, name == TUNED, heat, candidates.detail(name, passes, read, choice.curve))


def _average(candidates: Candidates, rounds: Rounds) -> Decision:
    """Average the fine-tuned network, if a round is better than none, with what reads the frozen embedding."""
    nearest, task, encoded = candidates.nearest, candidates.target.task, candidates.encoded()
    assert nearest is not None
    curve = [float(losses(task, outputs, encoded).mean()) for outputs in rounds]
    best = int(np.argmin(curve))
    read = {TUNED: rounds[best]} if curve[best] < curve[0] - _LEAST_GAIN else {}
    read |= {PROBE: rounds[0], NEAREST: nearest.read(candidates.pairs)}
    if candidates.boosting is not None:
        read[TREES] = candidates.boosting.read(candidates.pairs)
    heats = {name: temperature(outputs, encoded) if task == "classes" else 1.0 for name, outputs in read.items()}
    calm = [outputs / np.float32(heats[name]) for name, outputs in read.items()]
    found = shares_of(task, calm, encoded)
    shares = {name: float(share) for name, share in zip(read, found, strict=True) if share}
    average = mean_of(task, [torch.from_numpy(one).double() for one in calm], found.tolist()).float().numpy()
    # Where readers differ their mean is less sure than it may be.
    average_heat = temperature(average, encoded) if task == "classes" and len(shares) > 1 else 1.0
    read[MIXTURE] = average
    passes = best * candidates.found[0].passes if TUNED in shares else 0
    chosen = MIXTURE if len(shares) > 1 else next(iter(shares))
    detail = candidates.detail(chosen, passes, read, curve)
    detail["shares"] = {name: round(share, 3) for name, share in shares.items()}
    head, heat = _frozen_head(candidates, nearest, shares, heats)
    if TUNED not in shares:
        assert head is not None
        return Decision(candidates.frozen(head), False, heat * average_heat, detail)
    beside = None
    if head is not None:
        beside = Frozen(candidates.frozen(head), heat, 1 - shares[TUNED], average_heat)
    return Decision(candidates.tuned(passes), True, heats[TUNED], detail, beside)


def _frozen_head(
    candidates: Candidates, nearest: Nearest, shares: dict[str, float], heats: dict[str, float]
) -> tuple[Reader | None, float]:
    """Return what reads the frozen embedding, and its temperature; None where nothing of it counts."""
    every, boosting = candidates.every, candidates.boosting
    made: dict[str, tuple[str, Reader]] = {}
    if PROBE in shares:
        made["linear"] = PROBE, candidates.begin.head(every)
    if NEAREST in shares:
        made["neighbours"] = NEAREST, nearest.head(every)
    if boosting is not None and TREES in shares:
        made["trees"] = TREES, boosting.head(every)
    if len(made) < 2:
        return next(((head, heats[name]) for name, head in made.values()), (None, 1.0))
    whole = sum(shares[name] for name, _ in made.values())
    return Several(
        {kind: head for kind, (_, head) in made.items()},
        candidates.target.task,
        shares=[shares[name] / whole for name, _ in made.values()],
        heats=[heats[name] for name, _ in made.values()],
    ), 1.0


def _pooled(folds: Sequence[Rounds]) -> Rounds:
    """Return the outputs of the held-out rows of all folds after each round; a fold that ended keeps its last."""
    most = max(len(rounds) for rounds in folds)
    return [np.concatenate([rounds[min(number, len(rounds) - 1)] for rounds in folds]) for number in range(most)]


def _score(target: Target, metric: str, outputs: NDArray[np.float32], encoded: NDArray[Any]) -> dict[str, Any]:
    """Return the mean loss and a metric of the outputs of held-out rows."""
    predicted = probabilities(outputs) if target.task == "classes" else outputs[:, 0].astype(np.float64)
    score = score_of(target.task, metric, encoded, predicted)
    loss = float(losses(target.task, outputs, encoded).mean())
    return {"loss": loss, "score": score if np.isfinite(score) else None}
