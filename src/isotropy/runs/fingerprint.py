"""A digest of all rows, by which a run knows its data again."""

import hashlib

import numpy as np
import torch
from torch import Tensor

from isotropy.batch import Batch, batched, tensors_of

SAMPLED = 16  # length of a fingerprint of version 0.1


def fingerprint(rows: Tensor | Batch) -> str:
    """Return a digest of all rows as they are stored, read in pieces of bounded size."""
    digest = hashlib.sha256()
    for tensor in tensors_of(rows):
        digest.update(f"{tensor.dtype} {tuple(tensor.shape)}".encode())
        for piece in batched(len(tensor), row_bytes=tensor[:1].nbytes):
            digest.update(np.ascontiguousarray(tensor[piece].cpu().numpy()).data)
    return digest.hexdigest()[:32]


def sampled(rows: Tensor | Batch) -> str:
    """Return the fingerprint of version 0.1."""
    places = torch.linspace(0, len(rows) - 1, min(len(rows), 1000)).long()
    digest = hashlib.sha256()
    for tensor in tensors_of(rows):
        digest.update(tensor[places].cpu().numpy().tobytes())
    return digest.hexdigest()[:SAMPLED]
