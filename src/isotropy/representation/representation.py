"""The artefact: a trained encoder with all that it needs to turn new data into vectors, in a few files."""

import copy
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from pyarrow import ArrowException
from torch import Tensor, nn

from isotropy.batch import Batch, batched, unwrap
from isotropy.data import Data, Preprocess
from isotropy.encoders import Encoder, Wrapped, wrap
from isotropy.errors import UserError
from isotropy.io.tables import read_vectors
from isotropy.modalities import MODALITIES
from isotropy.nn.segments import SegmentHead
from isotropy.representation import saving
from isotropy.representation.card import card as model_card
from isotropy.representation.embedding import (
    canonical,
    chunk_of,
    embed_groups,
    embed_rows,
    embed_together,
    repeated,
    steady_chunk,
)
from isotropy.representation.embeddings import learning_rows
from isotropy.representation.files import ROWS, writing
from isotropy.representation.hub import downloaded, uploaded
from isotropy.representation.inputs import pieces_for, read_for, values_for
from isotropy.representation.learned import Embedding, Learned
from isotropy.representation.saved import read_saved
from isotropy.search import Index, nearest
from isotropy.validation import at_least, find_device

# Chunks that `iterate` reads and yields at once.
_CHUNKS = 16


class Representation:
    """A trained encoder that turns data as the user has them into vectors.

    The same row has the same embedding, bit for bit, in any subset and order of rows, in every process on one
    machine with one number of threads; elsewhere the embeddings agree to about 1e-5.

    Args:
        encoder: a copy of it is kept, in float32 and eval mode, on its device.
        preprocess: as it was learnt on the training rows.
        method: the name of the method that trained it. scores: what is known of its quality, JSON-able.
        chunk: rows that go through the encoder at once; by default what `steady_chunk` finds.
        coder: the head that gives codes, for methods that have one; copied likewise.
        embedding: what it gives of a row, as `learn_embedding` finds it; by default the encoder's vectors, of which
            no statistics are known.
        example: stored rows for that; by default random ones of the modality.

    Attributes:
        made_with: versions and device, of where it was made.
        corpus: the rows that `search` looks among: embeddings (N, width), their file, or an index; None for none.
            `load` sets the embeddings of a run's rows, which are read when they are first searched.

    Raises:
        UserError: a network that has no `width`.

    Example:
        >>> from isotropy.data import TablePreprocess
        >>> from isotropy.encoders import TableMLP
        >>> x = np.random.default_rng(0).normal(size=(50, 3))
        >>> made = Representation(TableMLP(numeric=3, width=16), TablePreprocess.learn(x), method="lfr")
        >>> z = made.transform(x)
        >>> z.shape, z.dtype, bool((made.transform(x[[4, 2]]) == z[[4, 2]]).all())
        ((50, 16), dtype('float32'), True)
    """

    def __init__(
        self,
        encoder: nn.Module,
        preprocess: Preprocess,
        *,
        method: str,
        scores: Sequence[Any] = (),
        chunk: int | None = None,
        coder: SegmentHead | None = None,
        embedding: Embedding | None = None,
        example: Tensor | Batch | None = None,
    ) -> None:
        encoder = encoder if isinstance(encoder, Encoder) else wrap(encoder, width=getattr(encoder, "width", None))
        self.encoder = canonical(copy.deepcopy(encoder))
        self.coder = None if coder is None else canonical(copy.deepcopy(coder))
        self.embedding = (Learned(self.encoder.width) if embedding is None else copy.deepcopy(embedding)).to(
            self.device
        )
        self.preprocess = preprocess
        self.method = method
        self.scores = list(scores)
        versions = {"isotropy": version("isotropy"), "torch": str(torch.__version__)}
        self.made_with = {**versions, "device": self.device.type}
        self.corpus: NDArray[np.float32] | Index | Path | None = None
        if chunk is None:
            example_rows = partial(MODALITIES[preprocess.modality].example_rows, preprocess.shape)
            count = chunk_of(self.encoder, example_rows)
            rows = example_rows(count) if example is None else repeated(example, count)
            chunk = steady_chunk(*self.embedding.network(self.encoder, preprocess), rows)
        self.chunk = chunk

    def of_encoder(self) -> "Representation":
        """Return the representation that gives the encoder's own vectors, without what they may be joined with."""
        return Representation(
            self.encoder, self.preprocess, method=self.method, scores=self.scores, chunk=self.chunk, coder=self.coder
        )

    def with_encoder(self, encoder: nn.Module, rows: Tensor | Batch, train: NDArray[np.int64]) -> "Representation":
        """Return what another encoder, such as the untrained one, would give in the place of this one.

        Args:
            encoder: of the same data. rows: as they are stored; of `train`, their numbers, its vectors are scaled.
        """
        vectors = torch.from_numpy(embed_together(encoder, self.preprocess, learning_rows(rows, train)))
        embedding = self.embedding.for_vectors(vectors)
        example = example_for(encoder, rows, train)
        return Representation(encoder, self.preprocess, method=self.method, embedding=embedding, example=example)

    @property
    def modality(self) -> str:
        """The name of the data's modality."""
        return self.preprocess.modality

    @property
    def width(self) -> int:
        """Length of an embedding."""
        return self.embedding.width

    @property
    def names(self) -> list[str]:
        """Names of an embedding's columns."""
        return [f"z{place}" for place in range(self.width)]

    @property
    def title(self) -> str:
        """What it is called beside its baselines."""
        parts = [self.method] + [self.embedding.name] * (self.embedding.name != Learned.name)
        return f"isotropy ({', '.join(parts)})"

    @property
    def device(self) -> torch.device:
        """Where the encoder works."""
        tensors = [*self.encoder.parameters(), *self.encoder.buffers()]
        return tensors[0].device if tensors else torch.device("cpu")

    def to(self, device: torch.device | str) -> Self:
        """Move the encoder to a device; embeddings there agree with those elsewhere to about 1e-5."""
        device = find_device(device)
        self.encoder.to(device)
        self.embedding.to(device)
        if self.coder is not None:
            self.coder.to(device)
        return self

    def transform(self, values: Any, *, standardise: bool = False) -> NDArray[np.float32]:
        """Return the embeddings (N, width) float32 of rows as the user has them.

        Args:
            values: a DataFrame, an array, a tensor, `Data`, or a path as `isotropy.read` takes it.
            standardise: whether each column has mean 0 and deviation 1 in the training rows.

        Raises:
            UserError: rows whose columns, channels or size are not those of the training, named; an artefact that
                knows nothing of its training rows and is to standardise.
        """
        return self.embed_stored(self.stored(values), standardise=standardise)

    def iterate(
        self,
        values: Any,
        progress: Callable[[int, int], None] | None = None,
        *,
        standardise: bool = False,
    ) -> Iterator[NDArray[np.float32]]:
        """Yield what `transform` returns in pieces, in constant memory; `progress` hears the rows done and all rows."""
        values = values_for(self.preprocess, values)
        for part in batched(len(values), rows=self.chunk * _CHUNKS):
            piece = values.iloc[part] if isinstance(values, pd.DataFrame) else values[part]
            yield self.embed_stored(self.preprocess.transform(piece), standardise=standardise)
            if progress is not None:
                progress(part.stop, len(values))

    def encode(
        self, values: Any, *, batch_size: int | None = None, standardise: bool = False
    ) -> Iterator[NDArray[np.float32]]:
        """Yield embeddings (n, width) float32 of rows as they come, in their order, in constant memory.

        One after the other they are what `transform` returns of all rows.

        Args:
            values: an iterable of rows (mappings of columns, arrays), of pieces (frames, arrays, batches of a
                DataLoader), each of which gives one array, or both; a path, whose file is read in pieces where its
                format allows it; or whatever `transform` takes.
            batch_size: single rows that are gathered for an array; by default what the encoder takes well.

        Raises:
            UserError: what `transform` raises, or values that are none of these.

        Example:
            >>> from isotropy.data import TablePreprocess
            >>> from isotropy.encoders import TableMLP
            >>> x = np.random.default_rng(0).normal(size=(50, 3))
            >>> made = Representation(TableMLP(numeric=3, width=16), TablePreprocess.learn(x), method="lfr")
            >>> [len(z) for z in made.encode((row for row in x), batch_size=20)]
            [20, 20, 10]
        """
        most = self.chunk * _CHUNKS if batch_size is None else batch_size
        at_least(1, batch_size=most)
        for piece in pieces_for(self.preprocess, values, most):
            yield from self.iterate(piece, standardise=standardise)

    def search(
        self, queries: Any, top_k: int = 10, *, corpus: Any = None, leave_out: Any = None
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return the numbers and cosines of the rows most similar to each query, both (M, top_k), best first.

        Args:
            queries: rows as `transform` takes them.
            top_k: how many of each, at most all.
            corpus: what is searched: embeddings (N, width) as `transform` gives them, or an index (`isotropy.search`);
                by default `self.corpus`, which is the rows of the run that was loaded.
            leave_out: (M,) the number of the row that is not an answer, as where queries are rows of the corpus.

        Raises:
            UserError: what `transform` and `isotropy.search.nearest` raise, or no corpus.

        Example:
            >>> from isotropy.data import TablePreprocess
            >>> from isotropy.encoders import TableMLP
            >>> x = np.random.default_rng(0).normal(size=(50, 3))
            >>> made = Representation(TableMLP(numeric=3, width=16), TablePreprocess.learn(x), method="lfr")
            >>> indices, scores = made.search(x[[7]], top_k=2, corpus=made.transform(x))
            >>> int(indices[0, 0]), float(scores[0, 0])
            (7, 1.0)
        """
        if corpus is None:
            corpus = self.corpus = self._corpus()
        vectors = self.transform(queries)
        look = corpus.search if isinstance(corpus, Index) else partial(_exactly, corpus)
        return look(vectors, top_k, leave_out=leave_out)

    def _corpus(self) -> Any:
        """Return what is searched by default, read from its file where it was not yet."""
        if self.corpus is None:
            raise UserError(
                "search: this representation keeps no rows: give corpus=representation.transform(rows), or load a run "
                "(isotropy.load), which knows its own"
            )
        if not isinstance(self.corpus, Path):
            return self.corpus
        try:
            return read_vectors(self.corpus)
        except (OSError, ValueError, ArrowException) as error:
            raise UserError(f"{self.corpus}: missing or damaged ({str(error).splitlines()[0]})") from error

    def embed_stored(self, rows: Tensor | Batch, *, standardise: bool = False) -> NDArray[np.float32]:
        """Return the embeddings (N, width) float32 of rows as the preprocessing stores them; see `transform`."""
        z = embed_groups(
            lambda some: self.embedding.embed(self.encoder, self.preprocess, unwrap(some), self.chunk),
            self.preprocess.together(rows),
        )
        return self.embedding.standardised(z) if standardise else z

    def stored(self, values: Any) -> Tensor | Batch:
        """Return rows as `transform` takes them as the preprocessing stores them; raises what `transform` raises."""
        return self.preprocess.transform(values_for(self.preprocess, values))

    def read(self, dataset: Any, **reading: Any) -> Data:
        """Return data read as the training's were: recordings cut into the same windows at the same rate.

        Args:
            dataset: as `isotropy.read` takes it. reading: further keywords of it, such as `label`, `group` or `hop`.

        Raises:
            UserError: what `isotropy.read` raises.
        """
        return read_for(self.preprocess, dataset, **reading)

    def codes(self, values: Any) -> NDArray[np.int64]:
        """Return one cluster per segment, (N, S) int64, of rows as `transform` takes them.

        Raises:
            UserError: what `transform` raises, or the method gave no codes.
        """
        return self.codes_stored(self.stored(values))

    def codes_stored(self, rows: Tensor | Batch) -> NDArray[np.int64]:
        """Return the codes (N, S) int64 of rows as the preprocessing stores them; raises what `codes` raises."""
        coder = self._coder()
        logits = self._through(nn.Sequential(self.encoder, coder), self.preprocess.to_input, rows)
        codes: NDArray[np.int64] = coder.codes(torch.from_numpy(logits)).numpy()
        return codes

    def finetune(self, data: Any, labels: Any, **options: Any) -> Any:
        """Return a network that predicts `labels` (N,), fine-tuned from this encoder: see `isotropy.finetuning`."""
        # The one way up: fine-tuning stands on representations, and is offered where one looks for it.
        return import_module("isotropy.finetuning").finetune(self, data, labels, **options)

    def _through(
        self, network: nn.Module, to_input: Callable[[Any], Tensor | Batch], rows: Tensor | Batch
    ) -> NDArray[np.float32]:
        """Return a network's vectors of rows, those together that the preprocessing puts together."""

        def embed(some: Tensor | Batch) -> NDArray[np.float32]:
            return embed_rows(network, to_input, some, self.chunk)

        return embed_groups(embed, self.preprocess.together(rows))

    @property
    def code_names(self) -> list[str]:
        """Names of the codes' columns, c0, c1, ..."""
        return [f"c{place}" for place in range(self._coder().num_segments)]

    def _coder(self) -> SegmentHead:
        if self.coder is None:
            raise UserError(f"{self.method} gives no codes: they come from a method with segments, as music")
        return self.coder

    def save(self, folder: Path | str) -> None:
        """Write the weights and model.json, each file whole or not at all; raise UserError where the disk is full.

        A folder that is not there yet is there when all of them are.
        """
        with writing(Path(folder)) as place:
            saving.save(self, place)

    def save_weights(self, folder: Path | str) -> dict[str, str]:
        """Write the weights alone and return their checksums by file; raises what `save` raises."""
        with writing(Path(folder)) as place:
            return saving.save_weights(self, place)

    def save_pretrained(self, folder: Path | str, *, card: str = "") -> None:
        """Write the artefact as hubs expect it: config.json, model.safetensors and README.md, its model card.

        Args:
            folder: is made; `load` and `from_pretrained` read it.
            card: the model card in Markdown, as `isotropy.export.model_card` makes it of a run; by default a short one.

        Raises:
            UserError: a disk that is full, or a network of the user's own that no other process could make again.
        """
        saving.save_pretrained(self, Path(folder), card)

    @classmethod
    def from_pretrained(
        cls, name: Path | str, *, revision: str | None = None, device: torch.device | str | None = None
    ) -> "Representation":
        """Return what `save_pretrained` wrote into a folder, or `push_to_hub` to a repository.

        Args:
            name: the folder, or OWNER/NAME on a hub. revision: a branch, a tag or a commit there. device: as of `load`.

        Raises:
            UserError: what `load` raises, or a repository that cannot be downloaded.
        """
        return load(name if Path(name).is_dir() else downloaded(str(name), revision), device=device)

    def push_to_hub(
        self, name: str, *, card: str = "", private: bool = False, message: str = "Upload a representation"
    ) -> str:
        """Upload what `save_pretrained` writes to OWNER/NAME on a hub, and return its address.

        Args:
            name: the repository, which is made where it is not there. card: as of `save_pretrained`.
            private: whether a new repository is. message: of the commit.

        Raises:
            UserError: what `save_pretrained` raises, huggingface_hub not installed, or a hub that refuses.
        """
        short = card or model_card(saving.about(self, {}), name=name)
        return uploaded(partial(self.save_pretrained, card=short), name, private=private, message=message)


def load(
    folder: Path | str, encoder: nn.Module | None = None, *, device: torch.device | str | None = None
) -> Representation:
    """Return the representation in `folder`, from its files alone.

    Args:
        folder: a run's directory, or where `Representation.save` or `save_pretrained` wrote.
        encoder: the network, where it was one of the user's own whose class cannot be imported by name.
        device: where it shall work; by default the kind that it was made on, or else the CPU.

    Raises:
        UserError: a missing, damaged or foreign file, or an encoder that has to be passed, named.
    """
    saved = read_saved(Path(folder), encoder)
    about, made_with = saved.about, saved.about["made_with"]
    if device is None:
        device = "cuda" if made_with.get("device") == "cuda" and torch.cuda.is_available() else "cpu"
    device = find_device(device)
    try:
        representation = Representation(
            saved.encoder.to(device), saved.preprocess, method=about["method"], scores=about["scores"],
            chunk=about["chunk"], coder=saved.coder and saved.coder.to(device), embedding=saved.embedding,
        )  # fmt: skip
        if not isinstance(saved.encoder, Wrapped):  # which takes what its author knows
            _try(representation)
    except (RuntimeError, IndexError) as error:
        reason = str(error).partition("\n")[0]
        raise UserError(f"{saved.place}: encoder, preprocessing and embedding do not fit ({reason})") from error
    representation.made_with = made_with
    rows = saved.place.with_name(ROWS)
    if rows.is_file():
        representation.corpus = rows
    return representation


def _try(representation: Representation) -> None:
    """Embed one row as the preprocessing gives them; RuntimeError or IndexError where the parts do not fit."""
    preprocess = representation.preprocess
    row = MODALITIES[preprocess.modality].example_rows(preprocess.shape, 1)
    embed_rows(*representation.embedding.network(representation.encoder, preprocess), row, 1)


def _exactly(corpus: Any, vectors: NDArray[np.float32], top_k: int, *, leave_out: Any) -> Any:
    return nearest(vectors, corpus, top_k, leave_out=leave_out)


def example_for(encoder: nn.Module, rows: Tensor | Batch, train: NDArray[np.int64]) -> Tensor | Batch | None:
    """Return training rows to try a network of the user's own with; None for others, which take random rows.

    An embedding of words takes numbers of words and no others.
    """
    return learning_rows(rows, train) if isinstance(encoder, Wrapped) else None
