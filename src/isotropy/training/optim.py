"""Optimisers as data, their parameter groups, and the learning rate as a function of progress."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from inspect import unwrap
from math import cos, pi
from typing import Any

import torch
from torch import Tensor, nn

from isotropy.errors import UserError, nearest


@dataclass(frozen=True, kw_only=True)
class Optim:
    """An optimiser and its schedule as data.

    Args:
        name: "sgd", "adam" (weight decay coupled to the gradient), "adamw" or "lars".
        lr: the learning rate after warm-up.
        weight_decay: not applied to vectors (biases, norms) unless `decay_vectors`.
        momentum: for "sgd" and "lars".
        betas: for "adam" and "adamw".
        warmup: the fraction of training, in [0, 1), in which the rate grows linearly from 0.
        final: the rate at the end as a fraction of `lr`; 1 with no warm-up is a constant rate.
        decay_vectors: apply weight decay to one-dimensional parameters too.
        trust: "lars" only, the trust coefficient eta.

    Raises: UserError for an unknown name, or a number outside its range.
    """

    name: str = "adamw"
    lr: float = 1e-3
    weight_decay: float = 1e-4
    momentum: float = 0.9
    betas: tuple[float, float] = (0.9, 0.999)
    warmup: float = 0.05
    final: float = 0.0
    decay_vectors: bool = False
    trust: float = 0.02

    def __post_init__(self) -> None:
        if self.name not in OPTIMISERS:
            raise UserError(f"optim.name = {self.name!r} is unknown{nearest(self.name, OPTIMISERS)}")
        if not 0 < self.lr < float("inf"):
            raise UserError(f"optim.lr = {self.lr} must be a number above 0")
        if not 0 <= self.warmup < 1:
            raise UserError(f"optim.warmup = {self.warmup} is a fraction of training and must be in [0, 1)")
        for key in ("weight_decay", "momentum", "final", "trust"):
            if not 0 <= (value := getattr(self, key)) < float("inf"):
                raise UserError(f"optim.{key} = {value} must be a number of at least 0")
        betas = self.betas
        if not isinstance(betas, Sequence) or len(betas) != 2 or not all(_is_share(beta) for beta in betas):
            raise UserError(f"optim.betas = {betas} must be two numbers in [0, 1), as [0.9, 0.999]")
        object.__setattr__(self, "betas", tuple(betas))

    def rate(self, progress: float) -> float:
        """Return the learning rate as a fraction of `lr`: linear warm-up, then a cosine down to `final`.

        Example:
            >>> [round(Optim(warmup=0.5).rate(p), 3) for p in (0.0, 0.25, 0.5, 0.75, 1.0)]
            [0.0, 0.5, 1.0, 0.5, 0.0]
        """
        if progress < self.warmup:
            return progress / self.warmup
        through = (progress - self.warmup) / (1 - self.warmup)
        return self.final + (1 - self.final) * (1 + cos(pi * through)) / 2

    def build(self, module: nn.Module, unscheduled: Iterable[str] = ()) -> torch.optim.Optimizer:
        """Return the optimiser over `module`'s trainable parameters; `unscheduled` names submodules."""
        groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
        constant = tuple(f"{name}." for name in unscheduled)
        for name, parameter in module.named_parameters():
            if parameter.requires_grad:
                kind = (not f"{name}.".startswith(constant), self.decay_vectors or parameter.ndim > 1)
                groups.setdefault(kind, []).append(parameter)
        options = []
        for (scheduled, decayed), own in groups.items():
            decay = self.weight_decay if decayed else 0.0
            options.append({"params": own, "scheduled": scheduled, "matrices": decayed, "weight_decay": decay})
        return OPTIMISERS[self.name](options, self)

    def set_rate(self, optimizer: torch.optim.Optimizer, progress: float) -> float:
        """Set every group's learning rate for `progress` in [0, 1]; return the scheduled one."""
        rate = self.lr * self.rate(progress)
        for group in optimizer.param_groups:
            group["lr"] = rate if group["scheduled"] else self.lr
        return rate


def _is_share(value: object) -> bool:
    return isinstance(value, int | float) and 0 <= value < 1


class LARS(torch.optim.Optimizer):
    """SGD with momentum whose step is scaled per tensor to its norm (You et al. 2017, arXiv 1708.03888).

    A matrix takes the direction min(r / lr, 1) * (g + wd * w), r = trust * |w| / (|g| + wd * |w| + 1e-8);
    groups with `matrices` false (biases, norms) and tensors of zero norm are not scaled.
    """

    def __init__(self, params: Any, *, lr: float, momentum: float, trust: float) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "trust": trust, "weight_decay": 0.0})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Move every parameter that has a gradient."""
        for group in self.param_groups:
            lr, decay = group["lr"], group["weight_decay"]
            for w in group["params"]:
                if w.grad is None:
                    continue
                direction = w.grad
                if group["matrices"]:
                    direction = self._scaled(w, direction, lr, decay, group["trust"])
                elif decay:
                    direction = direction + decay * w
                state = self.state[w]
                if not state:
                    state["momentum_buffer"] = torch.zeros_like(w)
                state["momentum_buffer"].mul_(group["momentum"]).add_(direction)
                w.sub_(lr * state["momentum_buffer"])

    @staticmethod
    def _scaled(w: Tensor, g: Tensor, lr: float, decay: float, trust: float) -> Tensor:
        w_norm, g_norm = w.norm(), g.norm()
        ratio = trust * w_norm / (g_norm + decay * w_norm + 1e-8)
        ratio = (ratio / lr).clamp(max=1.0) if lr > 0 else torch.ones_like(ratio)
        ratio = torch.where((w_norm > 0) & (g_norm > 0), ratio, torch.ones_like(ratio))
        return ratio * (g + decay * w)


def _eager(kind: type[torch.optim.Optimizer]) -> Any:
    """Return a kind of optimiser whose methods do not call torch's compiler.

    torch marks them as graph breaks, and to do so imports its compiler when the first is called: 3 seconds, which is
    most of a short training. Here networks alone are ever compiled.
    """
    marked = ("add_param_group", "zero_grad", "state_dict", "load_state_dict")
    methods = {name: unwrap(getattr(kind, name)) for name in marked}
    return type(kind.__name__, (kind,), {**methods, "step": torch.no_grad()(unwrap(kind.step))})


_SGD, _ADAM, _ADAMW, _LARS = map(_eager, (torch.optim.SGD, torch.optim.Adam, torch.optim.AdamW, LARS))
OPTIMISERS: dict[str, Callable[[list[dict[str, Any]], Optim], torch.optim.Optimizer]] = {
    "sgd": lambda groups, o: _SGD(groups, lr=o.lr, momentum=o.momentum),
    "adam": lambda groups, o: _ADAM(groups, lr=o.lr, betas=o.betas, fused=True),
    "adamw": lambda groups, o: _ADAMW(groups, lr=o.lr, betas=o.betas, fused=True),
    "lars": lambda groups, o: _LARS(groups, lr=o.lr, momentum=o.momentum, trust=o.trust),
}
