"""A kind of data: all that the library asks of one, so that nothing else depends on which it is."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray
from torch import Tensor, nn

from isotropy.batch import Batch
from isotropy.data import ArrayDataset, Preprocess
from isotropy.data.infer import PREPROCESS
from isotropy.errors import UserError, nearest
from isotropy.views import OF_THE_ENCODER

Maker = Callable[[Mapping[str, Any], int], nn.Module]
# Arguments of view makers that come from the data, and are no settings.
VIEWS_OF_THE_DATA = ("mean", "std", "values", "index", "numeric", "base")


@dataclass(frozen=True, kw_only=True)
class Modality:
    """A kind of data; in use once it is registered.

    Attributes:
        preprocess: learns on the training rows and brings rows to an encoder; its `modality` is the name.
        views: the class of view makers; its arguments are settings.
        view_arguments: returns the arguments of `views` that come from the data and not from the user.
        default_encoder, default_method: what suits it best on one small machine; measured in docs/log.md.
        decoder: makes a network from vectors to rows, given the data's shape and the vectors' width.
        random_projector: makes an untrained network from rows to vectors, for LFR, given the same.
        example_rows: returns so many random rows as they are stored, given the shape; always the same.
        as_series: returns stored rows as (N, C, T) where summaries along time are a baseline to beat.
        as_columns: returns stored rows as (N, D), NaN where missing, and which columns are codes of categories (D,),
            where boosted trees on them are a baseline to beat.
        free: names in `features.FEATURES` of what joins the encoder's vectors in the embedding "joined", where it suits
            the training rows.
        free_input: returns what these read of stored rows, given the preprocessing; by default the rows.
        default_embedding: a name of `representation.EMBEDDINGS`.
    """

    preprocess: type[Preprocess]
    views: Callable[..., Any]
    default_encoder: str
    default_method: str
    example_rows: Callable[[Mapping[str, Any], int], Tensor | Batch]
    view_arguments: Callable[[Any, ArrayDataset], dict[str, Any]] = lambda preprocess, dataset: {}
    decoder: Maker | None = None
    random_projector: Maker | None = None
    as_series: Callable[[Tensor | Batch], NDArray[Any]] | None = None
    as_columns: Callable[[Any, Any], tuple[NDArray[Any], NDArray[Any]]] | None = None
    free: tuple[str, ...] = ()
    free_input: Callable[[Any, Any], Any] = lambda preprocess, rows: rows
    default_embedding: str = "learned"

    @property
    def name(self) -> str:
        """What it is called in a recipe."""
        return self.preprocess.modality

    def view_maker(self, name: str = "") -> Callable[..., Any]:
        """Return the class of view makers of this name; the modality's augmentations where it is empty."""
        if not name:
            return self.views
        if name not in OF_THE_ENCODER:
            raise UserError(f"views.name = {name!r} is unknown{nearest(name, OF_THE_ENCODER)}")
        return OF_THE_ENCODER[name]


MODALITIES: dict[str, Modality] = {}


def register(modality: Modality) -> None:
    """Let `read`, recipes, the estimator and saved encoders take data of a modality."""
    MODALITIES[modality.name] = modality
    PREPROCESS[modality.name] = modality.preprocess
