"""A representation as one network: from the data's numbers, as they are, to embeddings."""

import copy
from typing import Any

import torch
from torch import Tensor, nn

from isotropy import encoders
from isotropy.export.features import graph_of
from isotropy.export.inputs import inputs_of
from isotropy.representation import Representation
from isotropy.representation.joined import Joined


class Graph(nn.Module):
    """What `Representation.transform` gives, with all arithmetic of the preprocessing inside.

    Args:
        made: the representation, of which a copy on the CPU is kept.

    Raises:
        UserError: series of unequal length, or free features without tensor operations, named.

    Example:
        >>> import numpy as np
        >>> from isotropy.data import TablePreprocess
        >>> from isotropy.encoders import TableMLP
        >>> x = np.random.default_rng(0).normal(size=(50, 3))
        >>> made = Representation(TableMLP(numeric=3, width=16), TablePreprocess.learn(x), method="lfr")
        >>> z = Graph(made)(torch.from_numpy(x))
        >>> bool(np.abs(z.detach().numpy() - made.transform(x)).max() < 1e-5)
        True
    """

    def __init__(self, made: Representation) -> None:
        super().__init__()
        self.encoder = copy.deepcopy(made.encoder).cpu()
        self.name = encoders.spec(self.encoder)["name"]
        self.inputs = inputs_of(made.preprocess)
        self.width = made.width
        embedding = copy.deepcopy(made.embedding).cpu()
        self.blocks, features = None, nn.ModuleDict()
        if isinstance(embedding, Joined):
            self.blocks, features = embedding.blocks, embedding.features
        self.features = nn.ModuleList([graph_of(name, each) for name, each in features.items()])
        self.requires_grad_(False).eval()

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return embeddings (B, width) float32 of what `inputs.about` names, in its order."""
        rows = self.inputs.stored(inputs)
        vectors: Tensor = self.encoder(self.inputs.to_encoder(rows))
        if self.blocks is None:
            return vectors
        given = self.inputs.to_features(rows)
        parts = [vectors, *(each(given) for each in self.features)]
        return torch.cat([block(part) for block, part in zip(self.blocks, parts, strict=True)], 1)

    def contract(self) -> dict[str, Any]:
        """Return what a program must know to use the graph, JSON-able."""
        output = {"name": "embeddings", "dtype": "float32", "shape": ["batch", self.width]}
        return {"inputs": self.inputs.about, "output": output, **self.inputs.contract()}
