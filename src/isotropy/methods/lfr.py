"""LFR: learn to predict what random networks make of a row; no looks, no augmentation."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from isotropy.encoders.encoder import at_least, share
from isotropy.errors import UserError
from isotropy.methods.checks import width_of
from isotropy.methods.method import Method, Outputs
from isotropy.objectives import batchwise_barlow_twins
from isotropy.predictors import hidden_predictors, linear_predictors
from isotropy.projectors import beta_init_, candidate, choose, sparse_init_, targets
from isotropy.views import draw
from isotropy.views.views import Source, Views

# Rows that the candidates are compared on: a shuffled batch.
_PROBE = 256
# Rows that the frozen encoder embeds at once: fixed, so that a resumed run finds the same bits.
_CHUNK = 256


class LFR(Method):
    """From the encoder's vector of a row, K predictors must tell what K fixed random projectors make of that row.

    With z = f(x), predictions P_k = h_k(z), targets Y_k = g_k(x), unit rows, and C = P_k Y_k' the cosines of a
    batch, the loss is the mean over k of

        sum over i of (1 - C_ii)^2 + offdiagonal * sum over i != j of C_ij^2.

    Training alternates: one pass moves the encoder and `predictor_passes` passes move the predictors. The K
    projectors are chosen for diversity from `num_candidates` random ones, by a greedy DPP. Sui et al.,
    "Self-supervised Representation Learning from Random Data Projectors" (ICLR 2024, arXiv 2310.07756),
    section 3, and the authors' code.

    Same mathematics, less work: targets are computed once, the frozen encoder's vectors once a cycle, the
    frozen half gets no gradient, and the K predictors are one product.

    Departures: targets are `target_width` wide (the paper's are as wide as the encoder: far dearer for wide
    encoders); candidates are compared on 256 rows whatever the batch; `sparse_init` is applied after
    `beta_init` (the authors' code lets the second undo the first on convolutions).

    Args:
        encoder: f.
        make_projector: makes one untrained projector from rows to (B, width), given the width.
        num_projectors: K.
        num_candidates: how many random projectors to choose from; K of K takes all.
        target_width: length of a target.
        predictor_passes: passes that move the predictors after each that moves the encoder.
        offdiagonal: lambda, at least 0; its pressure on a row grows with the batch, as lambda (B - 1).
        predictor_hidden: width of the predictors' hidden layer; none makes them linear.
        beta_init: draw the projectors' convolutions from 2 Beta(1/2, 1/2) - 1.
        sparse_init: share of the projectors' weights that is zero, in [0, 1).
        seed: of the candidates, at least 0.

    Raises:
        UserError: an argument out of its range, or an encoder without a width.

    Example:
        >>> from isotropy.encoders import TableMLP
        >>> method = LFR(TableMLP(numeric=3, width=8), make_projector=lambda width: nn.Linear(3, width))
        >>> method.passes_per_epoch, method.landmarks(8)
        (6, {'point collapse': 0.56, 'perfection': 0.0})
    """

    gathered = ("prediction", "target")
    unscheduled = ("predictors",)
    min_looks = 1
    chosen: Tensor

    def __init__(
        self,
        encoder: nn.Module,
        *,
        make_projector: Callable[[int], nn.Module],
        num_projectors: int = 6,
        num_candidates: int = 60,
        target_width: int = 256,
        predictor_passes: int = 5,
        offdiagonal: float = 0.01,
        predictor_hidden: int | None = None,
        beta_init: bool = False,
        sparse_init: float = 0.0,
        seed: int = 0,
    ) -> None:
        super().__init__()
        at_least(1, num_projectors=num_projectors, target_width=target_width, predictor_passes=predictor_passes)
        at_least(0, seed=seed)
        share(sparse_init=sparse_init)
        if num_candidates < num_projectors:
            raise UserError(
                f"LFR cannot choose num_projectors = {num_projectors} from num_candidates = {num_candidates}"
            )
        if not offdiagonal >= 0:
            raise UserError(f"LFR's offdiagonal must be at least 0, not {offdiagonal}")
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
        self.beta_init, self.sparse_init, self.seed = beta_init, sparse_init, seed
        self.offdiagonal, self.passes_per_epoch = offdiagonal, 1 + predictor_passes
        self.register_buffer("chosen", torch.full((num_projectors,), -1))
        self._cache = _Cache()

    def forward(self, views: Views) -> Outputs:
        """Return "prediction" and "target", each (B, K, target_width)."""
        cache = self._cache
        assert cache.targets is not None, "before_pass comes before forward"
        index = views.index.to(cache.targets.device)
        z = views.through(self.encoder)[0] if cache.codes is None else cache.codes.index_select(0, index)
        return {"prediction": self.predictors(z), "target": cache.targets.index_select(0, index)}

    def loss(self, prediction: Tensor, target: Tensor) -> dict[str, Tensor]:
        """Return "bbt", the batch-wise Barlow Twins loss: a sum over the batch, a mean over the projectors."""
        return {"bbt": batchwise_barlow_twins(prediction, target, offdiagonal=self.offdiagonal)}

    def landmarks(self, batch_size: int) -> dict[str, float]:
        """Return the loss where all rows are one direction, and where orthogonal targets are met."""
        return {"point collapse": self.offdiagonal * batch_size * (batch_size - 1), "perfection": 0.0}

    def frozen(self, pass_: int) -> tuple[nn.Module, ...]:
        """Return the half that sits pass `pass_` out: the predictors first, then the encoder."""
        return (self.predictors if self._moves_encoder(pass_) else self.encoder,)

    @torch.no_grad()
    def before_pass(self, source: Source, pass_: int) -> None:
        """Compute what the pass needs and does not have: the targets, the frozen encoder's vectors."""
        cache = self._cache
        if cache.source is not source or cache.chosen != self.chosen.tolist():
            cache.targets = self._targets(source)
            cache.source, cache.chosen, cache.codes = source, self.chosen.tolist(), None
        if self._moves_encoder(pass_):
            cache.codes = None
            return
        weights = list(self.encoder.state_dict().values())
        if cache.codes is None or not all(map(torch.equal, weights, cache.weights)):
            cache.codes = self._codes(source)
            cache.weights = [weight.clone() for weight in weights]

    def _moves_encoder(self, pass_: int) -> bool:
        return pass_ % self.passes_per_epoch == 0

    def _codes(self, source: Source) -> Tensor:
        """Return (N, width): the encoder's vectors of all rows, in eval mode as `frozen` puts it."""
        self.encoder.eval()
        chunks = torch.arange(len(source)).split(_CHUNK)
        return torch.cat([self.encoder(source.prepare(source.batch(index))) for index in chunks])

    def _targets(self, source: Source) -> Tensor:
        """Return (N, K, target_width) unit rows, from the chosen projectors; choose them if nobody has."""
        rows = source.prepare(source.batch(draw.order(self.seed, 0, len(source))[:_PROBE]))
        shape = tuple(candidate(self._make, self.seed, 0).to(rows.device, rows.dtype)(rows[:2]).shape)
        if shape != (len(rows[:2]), self.target_width):
            raise UserError(f"the projector makes {shape} of 2 rows, and target_width is {self.target_width}")
        if (self.chosen < 0).any():
            count, number = len(self.chosen), self.num_candidates
            numbers = choose(self._make, rows, count=count, candidates=number, seed=self.seed)
            self.chosen.copy_(torch.tensor(numbers))
        held = rows.new_empty(len(source), len(self.chosen), self.target_width)
        for k, number in enumerate(self.chosen.tolist()):  # one at a time: projectors can be large
            network = candidate(self._make, self.seed, number).to(rows.device, rows.dtype)
            held[:, k] = targets([network], source)[0]
        return held

    def _make(self) -> nn.Module:
        network = self.make_projector(self.target_width)
        if self.beta_init:
            beta_init_(network)
        return sparse_init_(network, self.sparse_init) if self.sparse_init else network


class _Cache:
    """What LFR remembers of a source; rebuilt from the weights, so a copy or a pickle starts empty."""

    def __init__(self) -> None:
        self.source: Source | None = None
        self.chosen: list[int] = []
        self.targets: Tensor | None = None
        self.codes: Tensor | None = None
        self.weights: list[Tensor] = []

    def __deepcopy__(self, memo: dict[int, Any]) -> "_Cache":
        return _Cache()

    def __reduce__(self) -> tuple[type["_Cache"], tuple[()]]:
        return (_Cache, ())
