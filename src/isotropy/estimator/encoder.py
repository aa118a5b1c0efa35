"""Self-supervised training as a scikit-learn transformer."""

from collections.abc import Mapping
from numbers import Real
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from isotropy.data import Data
from isotropy.data.column_learning import checked_kinds
from isotropy.data.frames import as_pandas
from isotropy.data.infer import infer_modality, known_modality
from isotropy.data.odd_values import refuse_complex
from isotropy.data.options import modality_of
from isotropy.data.sparse import is_sparse
from isotropy.data.tensors import as_array
from isotropy.data.unequal import LAST, as_values, gather, holds_series, series_columns
from isotropy.encoders import Encoder
from isotropy.errors import UserError
from isotropy.methods import Method
from isotropy.runs.auto import AUTO
from isotropy.runs.events import Finished, Stepped
from isotropy.runs.initial import beginning
from isotropy.runs.prepare import Prepared, default_epochs
from isotropy.runs.recipe import Recipe
from isotropy.runs.session import train

_OPTIONS = {
    "method_options": "method",
    "encoder_options": "encoder",
    "view_options": "views",
    "optim_options": "optim",
}
# Dictionaries that searches reach into: those of a recipe, and that of fine-tuning.
_NESTED = (*_OPTIONS, "finetune_options")


class SelfSupervisedEncoder(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Learns an encoder from unlabelled rows and turns rows into vectors.

    Tables are (N, D) DataFrames or arrays, series (N, channels, time) floats or, of unequal length, a list of arrays
    (channels, time), images (N, height, width) uint8 or four-dimensional.

    Args:
        method: a name of `isotropy.METHODS`, a class, or "auto": what suits the modality (`runs.auto`).
        encoder: a name (`isotropy.encoders.ENCODERS`, or "timm:MODEL"), a class, or a network of your own, of which a
            copy is trained; by default the modality's.
        modality: "table", "series", "image", "array" (any shape) or one of your own, where the shape of the data says
            otherwise.
        channels: "last" where series are (N, time, channels), or a list's arrays (time, channels); how many channels
            images have where it is not 1 or 3.
        kinds: what columns of a frame are where they are not recognised, such as {"zip": "categorical"}; see
            `isotropy.read`.
        init: weights to begin with: a run, whose encoder is then taken too, a .safetensors file, or a state dictionary
            (`runs.initial`). freeze: how many of the encoder's first layers stay as they are.
        epochs: of the encoder; by default about 10,000 batches, in 1 to 200 epochs (`isotropy.runs.defaults`).
        batch_size: rows of a step; by default the method's.
        method_options, encoder_options, view_options, optim_options: settings of these parts, such as
            {"temperature": 0.2}; `set_params` and searches reach a single one as `method_options__temperature`.
        embedding: what `transform` gives: "learned", the encoder's vectors, or "joined", free features beside them (see
            `isotropy.representation.learn_embedding`); by default the modality's, "learned" of a network of your own.
        standardise: whether each column has mean 0 and deviation 1 in the training rows.
        device: where training and `transform` run.
        precision: of training: "auto", "float32" or "bf16". Embeddings are always made in float32.
        random_state: an int, a RandomState, or None for another training every time.

    Attributes:
        representation_: the trained `Representation`. recipe_: the `Recipe` that was trained.
        history_: one dictionary per pass over the data: step, epoch, loss and the loss's terms, as means.

    Raises:
        ValueError: `fit` and `transform` say in a line what does not fit.

    Example:
        >>> from sklearn.datasets import load_iris
        >>> from sklearn.linear_model import LogisticRegression
        >>> from sklearn.pipeline import make_pipeline
        >>> x, y = load_iris(return_X_y=True)
        >>> model = make_pipeline(SelfSupervisedEncoder(epochs=2, random_state=0), LogisticRegression(max_iter=2000))
        >>> model.fit(x, y).predict(x[:2]).shape
        (2,)
    """

    def __init__(
        self,
        method: str | type[Method] = AUTO,
        *,
        encoder: str | type[Encoder] | nn.Module | None = None,
        modality: str | None = None,
        channels: int | str | None = None,
        kinds: Mapping[str, str] | None = None,
        init: Path | str | None = None,
        freeze: int | None = None,
        epochs: float | None = None,
        batch_size: int | None = None,
        method_options: Mapping[str, Any] | None = None,
        encoder_options: Mapping[str, Any] | None = None,
        view_options: Mapping[str, Any] | None = None,
        optim_options: Mapping[str, Any] | None = None,
        embedding: str | None = None,
        standardise: bool = False,
        device: str = "cpu",
        precision: str = "auto",
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.method = method
        self.encoder = encoder
        self.modality = modality
        self.channels = channels
        self.kinds = kinds
        self.init = init
        self.freeze = freeze
        self.epochs = epochs
        self.batch_size = batch_size
        self.method_options = method_options
        self.encoder_options = encoder_options
        self.view_options = view_options
        self.optim_options = optim_options
        self.embedding = embedding
        self.standardise = standardise
        self.device = device
        self.precision = precision
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> Self:
        """Train the encoder on the rows of `X`; `y` is there for pipelines and is never looked at."""
        kinds = X.kinds if isinstance(X, Data) and self.kinds is None else self.kinds
        values, modality = self._checked(X, reset=True)
        form = X.form if isinstance(X, Data) else {"channels": LAST} if self.channels == LAST else {}
        if not isinstance(self.standardise, bool | np.bool_):
            raise UserError(f"standardise = {self.standardise!r} must be True or False")
        data = Data(values, modality, kinds=_of_columns(kinds, values), form=form)
        recipe = self._recipe(modality, len(values))
        network = self.encoder if isinstance(self.encoder, nn.Module) else None
        history: list[dict[str, float]] = []
        losses: list[dict[str, float]] = []
        for event in train(data, recipe, encoder=network, device=self.device, monitor=False):
            match event:
                case Stepped(step=step):
                    losses.append({"loss": step.loss, **step.terms})
                    if step.ends_pass or step.number == step.steps:
                        means = {name: float(np.mean([entry[name] for entry in losses])) for name in losses[0]}
                        history.append({"step": step.number, "epoch": step.epoch, **means})
                        losses = []
                case Finished(representation=representation, prepared=prepared):
                    self.representation_ = representation
                    self._keep(prepared)
        self.recipe_ = recipe
        self.history_ = history
        return self

    def _keep(self, prepared: Prepared) -> None:
        """Keep of the training what fine-tuning goes on with: nothing here."""

    def transform(self, X: Any) -> NDArray[np.float32]:
        """Return the embeddings (N, width) float32 of the rows of `X`; a row's never depend on the others."""
        check_is_fitted(self)
        values, _ = self._checked(X, reset=False)
        return self.representation_.transform(values, standardise=self.standardise)

    def save(self, folder: Path | str) -> None:
        """Write the trained encoder into `folder`, from where `isotropy.load` reads it without this class."""
        check_is_fitted(self)
        self.representation_.save(folder)

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters; with `deep` also each option that is set, as `method_options__temperature`."""
        params: dict[str, Any] = super().get_params(deep=deep)
        if deep:
            for group in _NESTED:
                if isinstance(params.get(group), Mapping):
                    params |= {f"{group}__{name}": value for name, value in params[group].items()}
        return params

    def set_params(self, **params: Any) -> Self:
        """Set parameters; `method_options__temperature=0.2` sets one option and leaves the others."""
        nested = {name: value for name, value in params.items() if name.partition("__")[0] in _NESTED and "__" in name}
        super().set_params(**{name: value for name, value in params.items() if name not in nested})
        for name, value in nested.items():
            group, _, option = name.partition("__")
            setattr(self, group, {**(getattr(self, group) or {}), option: value})
        return self

    @property
    def _n_features_out(self) -> int:
        return self.representation_.width

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.input_tags.categorical = True
        tags.input_tags.string = True
        tags.input_tags.allow_nan = True
        tags.input_tags.sparse = True
        # Embeddings are float32 whatever comes in.
        tags.transformer_tags.preserves_dtype = []
        return tags

    def _checked(self, X: Any, *, reset: bool) -> tuple[Any, str]:
        """Return the rows in the form that a preprocessing takes, and their modality."""
        # The rows of `isotropy.read` have their channels in front already.
        order = self.channels if isinstance(self.channels, str) and not isinstance(X, Data) else None
        modality = self.modality if order is None else modality_of(order, self.modality)
        X = X.values if isinstance(X, Data) else X
        given, X = X, as_pandas(X)
        if isinstance(X, pd.DataFrame):
            # Of pandas' own frames scikit-learn wants to see the names as they are, and no name twice.
            own = isinstance(given, pd.DataFrame) and given.columns.is_unique
            validate_data(self, given if own else X, reset=reset, skip_check_array=True)
            # New series may have one length, and are series still.
            trained = None if reset else self.representation_.preprocess.modality
            modality = modality or trained or ("series" if holds_series(X) else "table")
            if known_modality(modality).takes_frames:
                return X, modality
            held = series_columns(X)
            X = as_values((X[held] if held else X).to_numpy(), order)
        else:
            X = gather(X, order) if order is None else as_values(X, order)
            foreign = isinstance(X, Tensor | np.ma.MaskedArray | Dataset | DataLoader) or is_sparse(X)
            X = as_array(X) if foreign else X
            refuse_complex(X, "X")
            allowed: dict[str, Any] = {"dtype": None, "allow_nd": True, "ensure_all_finite": "allow-nan"}
            X = validate_data(self, X, reset=reset, ensure_min_samples=2 if reset else 1, **allowed)
        if reset:
            count = self.channels if isinstance(self.channels, int) else None
            return infer_modality(X, modality, channels=count)[:2]
        preprocess = self.representation_.preprocess
        return infer_modality(X, preprocess.modality, scale=preprocess.read_options(folder=False).get("scale"))[:2]

    def _recipe(self, modality: str, rows: int) -> Recipe:
        settings: dict[str, Any] = {"train.precision": self.precision}
        if self.encoder is not None and not isinstance(self.encoder, nn.Module):
            settings["encoder"] = self.encoder
        if self.embedding is not None or isinstance(self.encoder, nn.Module):
            settings["embedding"] = self.embedding or "learned"
        if self.batch_size is not None:
            settings["train.batch_size"] = self.batch_size
        named = self.encoder is not None or bool(self.encoder_options)
        settings |= beginning(self.init, self.freeze, encoder_named=named)
        for group, section in _OPTIONS.items():
            options = getattr(self, group)
            if not isinstance(options, Mapping | None):
                raise UserError(f"{group} = {options!r} must be a dictionary of settings")
            settings |= {f"{section}.{name}": value for name, value in (options or {}).items()}
        if self.encoder_options and isinstance(self.encoder, nn.Module):
            raise UserError("encoder_options are for an encoder by name: a network of your own is made already")
        seed = self.random_state
        if not isinstance(seed, (int, np.integer)):
            seed = int(check_random_state(seed).randint(2**31 - 1))
        settings["train.seed"] = seed
        # A search may hand over numpy's numbers.
        plain = {name: value.item() if isinstance(value, np.generic) else value for name, value in settings.items()}
        recipe = Recipe.default(self.method, modality).changed(plain)
        epochs = default_epochs(recipe, rows) if self.epochs is None else self.epochs  # a number of numpy's, too
        return recipe.changed({"train.epochs": float(epochs) if isinstance(epochs, Real) else epochs})


def _of_columns(kinds: Mapping[str, str] | None, values: Any) -> dict[str, str]:
    """Return what columns are said to be; UserError where there are none of these names."""
    if not kinds:
        return {}
    if not isinstance(values, pd.DataFrame):
        raise UserError("kinds names columns by name: give a frame")
    return checked_kinds(kinds, [str(name) for name in values.columns])
