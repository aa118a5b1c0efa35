"""What suits a method on one small machine, where that is not what its constructor and `Train` say."""

from typing import Any

# The default length: as many epochs as make about so many steps, at least one and at most so many (decision 0016)...
DEFAULT_STEPS, MOST_EPOCHS = 10_000, 200.0
# ... and no longer than so many seconds where a run is planned with a clock: `isotropy fit` and `isotropy.train`.
DEFAULT_BUDGET = 180.0

_PAPER_LFR = {
    "optim.name": "adam",
    "optim.betas": (0.9, 0.99),
    "optim.warmup": 0.0,
    "optim.final": 1.0,
    "optim.decay_vectors": True,
    "train.batch_size": 128,
    "train.keep_last": True,
}
# (method, modality) -> settings; measured in docs/log.md. Modality "" is any other.
DEFAULTS: dict[tuple[str, str], dict[str, Any]] = {
    ("lfr", ""): {**_PAPER_LFR, "optim.lr": 3e-4, "optim.weight_decay": 3e-4},
    ("lfr", "table"): {
        **_PAPER_LFR,
        "optim.lr": 1e-3,
        "optim.weight_decay": 0.0,
        "method.predictor_passes": 1,
    },
    # A user's minutes are ten to twenty epochs of images: a sharper comparison and larger steps (decision 0060).
    ("simclr", "image"): {"method.temperature": 0.1, "optim.lr": 3e-3, "train.batch_size": 128},
    ("music", "series"): {"views.time_mask": 0.5, "views.channel_mask": 0.3},
    # A weak view (scaled) and a strong one (permuted, noisy), as strong as the paper's on HAR; one block for speed.
    ("ts_tcc", "series"): {
        "encoder": "series_cnn",
        "method.depth": 1,
        "optim.lr": 1e-3,
        "views.scale": [1.1, 0.0],
        "views.jitter": [0.0, 0.8],
        "views.permute": [1, 7],
        "train.batch_size": 128,
    },
    # Between two visits of a row Adam moves its weights along the mean of all others: few, large batches and a slow
    # beginning leave that short. One crop: images as they are would be learnt by heart.
    ("diet", "image"): {"views.num_views": 1, "optim.lr": 2e-3, "optim.warmup": 0.4, "train.batch_size": 512},
    ("diet", "table"): {"train.batch_size": 2048},
    # In bf16 the network rounds two views of a row to one, so that whitening finds nothing between them.
    ("w_mse", "table"): {
        "optim.lr": 3e-3,
        "method.projector_width": 32,
        "method.sub_batch_size": 256,
        "train.precision": "float32",
    },
    # A smaller network than the paper's; its maximum over time is what the loss compares at the last scale.
    ("ts2vec", "series"): {
        "encoder": "dilated_resnet",
        "encoder.hidden": 32,
        "encoder.depth": 5,
        "encoder.width": 128,
        "encoder.pooling": "max",
        "optim.lr": 1e-3,
        "train.batch_size": 32,
    },
}
# What `isotropy compare` trains by default: the modality's default method first, then others of different kinds. The
# default has been chosen on the default encoders, with few labels and in search (docs/log.md); the others did best in
# the matrix at equal budget (docs/methods), on the encoders of that time.
COMPARED: dict[str, tuple[str, ...]] = {
    "table": ("masked", "lfr", "vicreg", "scarf"),
    "series": ("simclr", "lfr", "ts_tcc", "autoencoder"),
    "image": ("simclr", "cissl", "autoencoder", "masked"),
    # Not measured: what needs no views that know the data.
    "array": ("lfr", "dacl", "autoencoder", "masked"),
}
COMPARED_BUDGET = 600.0
