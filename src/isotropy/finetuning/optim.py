"""AdamW with a rate of its own for every layer of the encoder."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from isotropy.training.optim import OPTIMISERS, Optim


@dataclass(frozen=True, kw_only=True)
class LayerwiseOptim(Optim):
    """An optimiser whose rate falls geometrically from the last layer of `module.encoder` to its first.

    A layer is a module with parameters of its own; layers are in the order of `named_parameters`. What is not in the
    encoder (heads) has the rate `lr`.

    Args:
        first_layer_rate: the rate of the first layer as a fraction of that of the last, in (0, 1].

    Source: layer-wise rate decay of Clark et al. 2020 (ELECTRA), appendix B, as a fraction over the whole depth.

    Example:
        >>> module = nn.Module()
        >>> module.encoder = nn.Sequential(nn.Linear(1, 1), nn.Linear(1, 1), nn.Linear(1, 1))
        >>> optimizer = LayerwiseOptim(first_layer_rate=0.25, warmup=0.0, final=1.0).build(module)
        >>> sorted({group["rate"] for group in optimizer.param_groups})
        [0.25, 0.5, 1.0]
    """

    first_layer_rate: float = 1.0

    def build(self, module: nn.Module, unscheduled: Any = ()) -> torch.optim.Optimizer:
        """Return the optimiser over the module's trainable parameters, each group with its `rate`."""
        encoder: Any = module.encoder
        layers = list(dict.fromkeys(name.rpartition(".")[0] for name, _ in encoder.named_parameters()))
        top = max(1, len(layers) - 1)
        rates = {layer: self.first_layer_rate ** ((top - place) / top) for place, layer in enumerate(layers)}
        if len(layers) == 1:
            rates = dict.fromkeys(layers, 1.0)
        own = {id(p): rates[name.rpartition(".")[0]] for name, p in encoder.named_parameters()}
        groups: dict[tuple[float, bool], list[nn.Parameter]] = {}
        for parameter in module.parameters():
            if parameter.requires_grad:
                kind = (own.get(id(parameter), 1.0), self.decay_vectors or parameter.ndim > 1)
                groups.setdefault(kind, []).append(parameter)
        options = []
        for (rate, decayed), parameters in groups.items():
            decay = self.weight_decay if decayed else 0.0
            options.append({"params": parameters, "rate": rate, "matrices": decayed, "weight_decay": decay})
        return OPTIMISERS[self.name](options, self)

    def set_rate(self, optimizer: torch.optim.Optimizer, progress: float) -> float:
        """Set every group's learning rate for `progress` in [0, 1]; return that of the heads."""
        rate = self.lr * self.rate(progress)
        for group in optimizer.param_groups:
            group["lr"] = rate * group["rate"]
        return rate
