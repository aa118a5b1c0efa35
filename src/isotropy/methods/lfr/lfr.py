import warnings
from collections.abc import Callable

import torch
from torch import Tensor, nn

from isotropy import rng
from isotropy.batch import filled
from isotropy.errors import UserError
from isotropy.methods.lfr.cache import Cache
from isotropy.methods.lfr.predictors import hidden_predictors, linear_predictors
from isotropy.methods.lfr.projectors import beta_init_, candidate, choose, sparse_init_
from isotropy.methods.method import Method, Outputs, width_of
from isotropy.objectives import batchwise_barlow_twins
from isotropy.validation import at_least, fraction, nonnegative
from isotropy.views.multiview import Dataset, MultiView

# Rows that the candidates are compared on: a shuffled batch.
_PROBE = 256
# Of candidates that are all alike, more likely `make_projector` is wrong than the rows are.
_LEAST = 2


class LFR(Method):
    """From the encoder's vector of a row, K predictors must tell what K fixed random projectors make of that row.

    The loss is the mean over k of `objectives.batchwise_barlow_twins` of predictions h_k(f(x)) for targets g_k(x). One
    pass moves the encoder and `predictor_passes` passes move the predictors; a greedy DPP chooses the projectors from
    random ones.
    Sui et al., "Self-supervised Representation Learning from Random Data Projectors" (ICLR 2024, arXiv 2310.07756),
    section 3, and authors' code.

    Args:
        make_projector: makes one untrained projector from rows to (B, width), given the width.
        num_projectors, num_candidates: K, and how many random projectors to choose from; K of K takes all. Where
            fewer of them differ on the rows (a table of one or two columns), those are trained with, and a warning
            says how many.
        target_width: length of a target.
        predictor_passes: passes that move the predictors after each that moves the encoder.
        off_diagonal_weight: lambda, at least 0; its pressure on a row grows with the batch, as lambda (B - 1).
        predictor_hidden: width of the predictors' hidden layer; none makes them linear.
        beta_init: draw the projectors' convolutions from 2 Beta(1/2, 1/2) - 1.
        sparse_fraction: fraction of the projectors' weights that is zero, in [0, 1).

    Example:
        >>> from isotropy.encoders import TableMLP
        >>> method = LFR(TableMLP(numeric=3, width=8), make_projector=lambda width: nn.Linear(3, width))
        >>> method.passes_per_epoch, method.reference_losses(8)
        (6, {'point collapse': 0.56, 'perfection': 0.0})
    """

    mechanism = "targets"
    gathered = ("prediction", "target")
    unscheduled = ("predictors",)
    min_views = 1
    max_views = 1
    chosen_projectors: Tensor

    def __init__(
        self,
        encoder: nn.Module,
        *,
        make_projector: Callable[[int], nn.Module],
        num_projectors: int = 6,
        num_candidates: int = 60,
        target_width: int = 256,
        predictor_passes: int = 5,
        off_diagonal_weight: float = 0.01,
        predictor_hidden: int | None = None,
        beta_init: bool = False,
        sparse_fraction: float = 0.0,
    ) -> None:
        super().__init__()
        nonnegative(off_diagonal_weight=off_diagonal_weight)
        at_least(1, num_projectors=num_projectors, num_candidates=num_candidates)
        at_least(1, target_width=target_width, predictor_passes=predictor_passes)
        fraction(sparse_fraction=sparse_fraction)
        if num_candidates < num_projectors:
            raise UserError(
                f"LFR cannot choose num_projectors = {num_projectors} from num_candidates = {num_candidates}"
            )
        if isinstance(make_projector, nn.Module) or not callable(make_projector):
            raise UserError(
                "LFR's make_projector must be a function from a width to a new untrained network, "
                f"not {type(make_projector).__name__}: give lambda width: Network(..., width)"
            )
        self.encoder = encoder
        sizes = (num_projectors, width_of(encoder))
        if predictor_hidden is None:
            self.predictors = linear_predictors(*sizes, target_width)
        else:
            at_least(1, predictor_hidden=predictor_hidden)
            self.predictors = hidden_predictors(*sizes, predictor_hidden, target_width)
        self.make_projector, self.num_candidates, self.target_width = make_projector, num_candidates, target_width
        self.beta_init, self.sparse_fraction = beta_init, sparse_fraction
        self.off_diagonal_weight, self.passes_per_epoch = off_diagonal_weight, 1 + predictor_passes
        self.register_buffer("chosen_projectors", torch.full((num_projectors,), -1))
        self._cache, self._moving = Cache(), True

    def forward(self, views: MultiView) -> Outputs:
        """Return "prediction" and "target", each (B, K, target_width)."""
        targets = self._cache.targets(views.index)
        z = views.through(self.encoder)[0] if self._moving else self._cache.codes(views.index, self.encoder)
        return {"prediction": self.predictors(z)[:, : targets.shape[1]], "target": targets}

    def loss(self, prediction: Tensor, target: Tensor) -> dict[str, Tensor]:
        """Return "bbt", the batch-wise Barlow Twins loss: a sum over the batch, a mean over the projectors."""
        return {"bbt": batchwise_barlow_twins(prediction, target, offdiagonal=self.off_diagonal_weight)}

    def monitored(self, prediction: Tensor, target: Tensor, **_: object) -> dict[str, list[Tensor]]:
        """Return what diagnostics read: all predictors' outputs of a row as one vector, beside their targets."""
        return {"prediction": [prediction.flatten(1)], "target": [target.flatten(1)]}

    def reference_losses(self, batch_size: int) -> dict[str, float]:
        """Return the loss where all rows are one direction, and where orthogonal targets are met."""
        return {"point collapse": self.off_diagonal_weight * batch_size * (batch_size - 1), "perfection": 0.0}

    def frozen(self, pass_: int) -> tuple[nn.Module, ...]:
        """Return the half that sits pass `pass_` out: the predictors first, then the encoder."""
        return (self.predictors if self._moves_encoder(pass_) else self.encoder,)

    @torch.no_grad()
    def before_pass(self, dataset: Dataset, pass_: int) -> None:
        """Compute what the pass needs and does not have: the targets, the frozen encoder's vectors."""
        if not self._cache.is_of(dataset, self._chosen):
            make = self._choose(dataset)
            self._cache.make_targets(dataset, self._chosen, make, self.target_width)
        self._moving = self._moves_encoder(pass_)
        if self._moving:
            self._cache.drop_codes()
        else:
            self._cache.make_codes(self.encoder, width_of(self.encoder))

    @property
    def _chosen(self) -> list[int]:
        """The numbers of the chosen projectors; where fewer differ, -1 stands in the remaining places."""
        return [number for number in self.chosen_projectors.tolist() if number >= 0]

    def _moves_encoder(self, pass_: int) -> bool:
        return pass_ % self.passes_per_epoch == 0

    def _choose(self, dataset: Dataset) -> Callable[[int], nn.Module]:
        """Choose the projectors if that was not done, and return what makes one by its number for the data's rows."""
        sample = dataset.batch(rng.order(self.rng.seed, 0, len(dataset))[:_PROBE])
        rows = filled(dataset.to_input(sample))
        shape = tuple(candidate(self._make, self.rng.seed, 0).to(rows.device, rows.dtype)(rows[:2]).shape)
        if shape != (len(rows[:2]), self.target_width):
            raise UserError(f"the projector makes {shape} of 2 rows, and target_width is {self.target_width}")
        if not self._chosen:
            count, number = len(self.chosen_projectors), self.num_candidates
            least = min(count, _LEAST)
            numbers = choose(self._make, rows, count=count, candidates=number, seed=self.rng.seed, least=least)
            self.chosen_projectors[: len(numbers)] = torch.tensor(numbers)
            if len(numbers) < count:
                warnings.warn(
                    f"LFR trains with {len(numbers)} projectors, not {count}: no more of {number} candidates differ on "
                    "these rows",
                    stacklevel=2,
                )
        where = (rows.device, rows.dtype)
        return lambda number: candidate(self._make, self.rng.seed, number).to(*where)

    def _make(self) -> nn.Module:
        network = self.make_projector(self.target_width)
        if self.beta_init:
            beta_init_(network)
        return sparse_init_(network, self.sparse_fraction) if self.sparse_fraction else network
