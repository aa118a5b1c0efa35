"""The transformer block of networks for series."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from isotropy.errors import UserError


class Block(nn.Module):
    """Self-attention and a two-layer perceptron, each behind a layer norm and around a skip connection.

    The pre-norm form of Vaswani et al. 2017 (Xiong et al. 2020, figure 1, right).

    Args:
        width: of the tokens, which `heads` divides (else a UserError).
        hidden: width of the perceptron's hidden layer.
        dropout: fraction of what each half adds that is dropped in training.

    Example:
        >>> Block(8, heads=2, hidden=16)(torch.zeros(3, 5, 8)).shape
        torch.Size([3, 5, 8])
    """

    def __init__(self, width: int, *, heads: int, hidden: int, dropout: float = 0.0) -> None:
        super().__init__()
        if heads < 1 or width % heads:
            raise UserError(f"{heads} heads of attention do not divide a width of {width}")
        self.heads = heads
        self.first_norm = nn.LayerNorm(width)
        self.mix = nn.Linear(width, 3 * width, bias=False)
        self.join = nn.Linear(width, width)
        self.second_norm = nn.LayerNorm(width)
        self.widen = nn.Linear(width, hidden)
        self.narrow = nn.Linear(hidden, width)
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Tensor, there: Tensor | None = None) -> Tensor:
        """Return (B, tokens, width) for tokens (B, tokens, width).

        Where `there` (B, tokens) is given, tokens see only those that are there; a row without one sees its first.
        """
        rows, tokens, width = x.shape
        mixed = self.mix(self.first_norm(x)).view(rows, tokens, 3, self.heads, width // self.heads)
        query, key, value = mixed.permute(2, 0, 3, 1, 4)
        visible = None
        if there is not None:
            visible = there.clone()
            visible[:, 0] |= ~there.any(1)
            visible = visible[:, None, None].expand(rows, 1, tokens, tokens)
        seen = functional.scaled_dot_product_attention(query, key, value, attn_mask=visible)
        x = x + self.drop(self.join(seen.transpose(1, 2).reshape(rows, tokens, width)))
        return x + self.drop(self.narrow(torch.relu(self.widen(self.second_norm(x)))))
