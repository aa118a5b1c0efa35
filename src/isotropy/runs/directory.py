"""The run directory: what is written where, and read back."""

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from isotropy.batch import Batch
from isotropy.data import Preprocess, preprocess_from
from isotropy.data.blocks.dataset import BlockDataset
from isotropy.errors import UserError
from isotropy.evaluation.score import read_comparison
from isotropy.io.atomic import making, write_atomically
from isotropy.io.json_file import checked, read_json
from isotropy.io.lock import only_writer
from isotropy.io.logs import Log
from isotropy.io.paths import check_name, existing_folder
from isotropy.representation import Representation
from isotropy.runs import columns
from isotropy.runs.embeddings import write_embeddings
from isotropy.runs.file_types import FILES, LOGS, Comparison
from isotropy.runs.fingerprint import SAMPLED, fingerprint, sampled
from isotropy.runs.prepare import Prepared
from isotropy.runs.recipe import Recipe, longer
from isotropy.runs.recorder import Recorder
from isotropy.training import Diverged, checkpoint, comm

_FINE_TUNED = "finetuned.json"  # in a folder of `isotropy.finetuning`, which works without a run
_LOGS = ("metrics", "diagnostics", "timing")
# What version 0.1 called some of what it wrote; its runs are read under the names of today.
_RENAMED = {"said": "description", "landmarks": "reference_losses", "kinship": "linear_cka", "looks_rank": "views_rank"}


class Run:
    """The run directory `folder`; nothing is written before `create`."""

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)
        self.checkpoints = self.folder / "checkpoints"

    @classmethod
    def opened(cls, folder: Path | str) -> "Run":
        """Return the run in `folder`; raise UserError where there is none."""
        run = cls(folder)
        existing_folder(run.folder)
        check_name(run.folder)
        if not (run.folder / "recipe.toml").is_file():
            if (run.folder / _FINE_TUNED).is_file():
                raise UserError(f"{folder}: is a fine-tuned model: name the run it was made of")
            raise UserError(f"{folder}: holds no run (recipe.toml is missing)")
        return run

    def refuse_if_taken(self) -> None:
        """Raise UserError where the folder holds a run already, a file is in its place, or its name is not UTF-8."""
        check_name(self.folder)
        if self.folder.exists() and not self.folder.is_dir():
            raise UserError(f"{self.folder}: is a file; --out needs a folder")
        if (self.folder / "recipe.toml").exists():
            raise UserError(
                f"{self.folder}: holds a run already; choose another --out, or go on with: "
                f"isotropy fit --resume {self.folder}"
            )

    def refuse_if_finished(self) -> None:
        """Raise UserError where the run is at its end."""
        if self.finished:
            raise UserError(
                f"{self.folder}: is finished; look at it with: isotropy report {self.folder}, or train it longer "
                f"with: isotropy fit --resume {self.folder} {longer(self.recipe.train.epochs)} (or --budget)"
            )

    def refuse_if_unfinished(self) -> None:
        """Raise UserError where there is no encoder yet, or will be none."""
        if self.finished:
            return
        failed = next((one["diverged"] for one in self.read_records()[::-1] if "diverged" in one), None)
        if failed is not None:
            raise UserError(f"{self.folder}: its training failed: {failed}")
        raise UserError(f"{self.folder}: is not finished: go on with: isotropy fit --resume {self.folder}")

    def refuse_if_not_extensible(self) -> None:
        """Raise UserError where the run cannot be trained longer: it is not finished, or keeps no checkpoint."""
        if not self.finished:
            raise UserError(
                f"{self.folder}: is not finished, and only a finished run is trained longer: finish it first with: "
                f"isotropy fit --resume {self.folder}"
            )
        if not self.has_checkpoint:
            raise UserError(f"{self.folder / 'checkpoints'}: no checkpoint is left to train on from: begin another run")

    @contextmanager
    def held(self) -> Iterator[None]:
        """Make the folder where it is not there, and let no other training write in it while the block runs.

        Where nothing was written it is not there afterwards.

        Raises:
            UserError: another one does, or a disk that does not take a folder.
        """
        with ExitStack() as stack:
            with self._writing():
                stack.enter_context(making(self.folder))
            stack.enter_context(only_writer(self.folder))
            yield

    def create(self, prepared: Prepared, probed: Sequence[int] = (), left_out: Sequence[str] = ()) -> None:
        """Make the directory with the recipe and what was learnt of the data; `probed`, `left_out`: see `Planned`."""
        self.refuse_if_taken()
        with self._writing():
            self.folder.mkdir(parents=True, exist_ok=True)
            about = {
                "description": prepared.data.description,
                "rows": len(prepared.rows),
                "training_rows": len(prepared.dataset),
                "fingerprint": fingerprint(prepared.rows),
                **({"blocks": layout} if (layout := _layout(prepared)) else {}),
                "probed": list(probed),
                "left_out": list(left_out),
                **({} if prepared.data.windows is None else {"windows": prepared.data.windows.about()}),
                **prepared.facts(),
                "preprocess": prepared.preprocess.to_json(),
            }
            self._write("data.json", about)
            try:
                self._write("recipe.toml", prepared.recipe.to_toml())
            except OSError:
                (self.folder / "data.json").unlink()  # of no run
                raise

    def extend(self, prepared: Prepared, probed: Sequence[int] = (), left_out: Sequence[str] = ()) -> None:
        """Make a finished run one that is on its way to the longer schedule that `prepared` has; see `create`.

        What it exported stays as it is until that end is reached.
        """
        last = checkpoint.last_good(self.checkpoints)
        before = [] if last is None else [checkpoint.about(last)["identity"]["steps"]]
        with self._writing():
            about = self.about | prepared.facts() | {"extends": [*self.extends, *before], "unfinished": True}
            about |= {"probed": list(probed), "left_out": list(left_out)}
            # First, for with the recipe alone the checkpoint would be of another training.
            self._write("data.json", about)
            self._write("recipe.toml", prepared.recipe.to_toml())

    @property
    def extends(self) -> list[int]:
        """The lengths in steps that the run had before it was trained longer."""
        return list(self._known.get("extends", []))

    @property
    def probed(self) -> list[int]:
        """How many training and test rows are probed at most, where it is less than usual."""
        return list(self._known.get("probed", []))

    @property
    def left_out(self) -> list[str]:
        """The evaluators that labels of many classes are not read by."""
        return list(self._known.get("left_out", []))

    @property
    def about(self) -> dict[str, Any]:
        """What data.json says of the data and the run's length."""
        found: dict[str, Any] = self.read_json("data.json")
        return found

    @property
    def _known(self) -> dict[str, Any]:
        """The same, nothing where there is no such file."""
        return self.about if (self.folder / "data.json").is_file() else {}

    def read_records(self) -> list[dict[str, Any]]:
        """Return the records of diagnostics.jsonl, as far as they are whole."""
        return [_renamed(record) for record in Log.read(self.folder / "diagnostics.jsonl", LOGS["diagnostics"])]

    @property
    def recipe(self) -> Recipe:
        """The recipe as it was run."""
        return Recipe.from_toml(self.folder / "recipe.toml")

    @property
    def preprocess(self) -> Preprocess:
        """What was learnt on the training rows."""
        try:
            return preprocess_from(self.about.get("preprocess", {}))
        except UserError as error:
            raise UserError(f"{self.folder / 'data.json'}: damaged: {error}") from error

    @property
    def finished(self) -> bool:
        """Whether the encoder was exported, at the end of the length that the run has now."""
        return (self.folder / "model.json").is_file() and not self._known.get("unfinished")

    @property
    def trained_seconds(self) -> float:
        """How long all steps took."""
        return sum(line["seconds"] for line in Log.read(self.folder / "timing.jsonl", LOGS["timing"]))

    @property
    def has_checkpoint(self) -> bool:
        """Whether a resume would begin later than at the start."""
        return bool(checkpoint.paths(self.checkpoints))

    def refuse_other_data(self, rows: Tensor | Batch) -> None:
        """Raise UserError where the rows are not those that the run began with."""
        about = self.about
        known = about.get("fingerprint")
        # Version 0.1 looked at a thousand rows only.
        now = sampled(rows) if isinstance(known, str) and len(known) == SAMPLED else fingerprint(rows)
        if about.get("rows") != len(rows) or known != now:
            raise UserError(
                f"{self.folder}: the data is not what the run began with ({about.get('rows')} rows then, {len(rows)} "
                "now, or other values): restore it, or begin another run"
            )

    def refuse_other_blocks(self, prepared: Prepared) -> None:
        """Raise UserError where streamed rows would be trained on in another order than the run began with."""
        # Older versions did not note it.
        if self.about.get("blocks", _layout(prepared)) != _layout(prepared):
            raise UserError(
                f"{self.folder}: the files are divided into other blocks (row groups, lines) than when the run began, "
                "so their rows would come in another order: restore them, or begin another run"
            )

    @contextmanager
    def recording(self, offsets: dict[str, int]) -> Iterator["Recorder"]:
        """Open the logs where the checkpoint left them, for one training; only the first rank has logs and records."""
        with self._writing(), ExitStack() as stack:
            logs = {
                name: stack.enter_context(closing(Log(self.folder / f"{name}.jsonl", offsets.get(name, 0))))
                for name in (_LOGS if comm.rank() == 0 else ())
            }
            recorder = Recorder(logs, self.checkpoints, self.read_records() if logs else ())
            try:
                yield recorder
            except Diverged as error:
                if logs and recorder.records:
                    logs["diagnostics"].add({"step": recorder.records[-1]["step"], "diverged": str(error)})
                raise

    def export(
        self,
        prepared: Prepared,
        made: Representation,
        found: list[dict[str, Any]],
        codes: dict[str, Any] | None,
        vectors: NDArray[np.float32] | None = None,
        measured: Callable[[], dict[str, Any]] | None = None,
        progress: Callable[[str], None] = lambda what: None,
    ) -> None:
        """Write embeddings.parquet, probes.json, codes.json, measured.json and, last, model.json.

        What is killed here is not finished, and a resume does it again.

        Args:
            found: the evidence for each label. codes: for the codes, where the method has some.
            vectors: the embeddings of all rows, (N, width), where they are made already.
            measured: gives what the run measured of itself, asked when all else is written.
            progress: hears how many rows are embedded.

        Raises:
            UserError: a disk that does not take a file.
        """
        with self._writing():
            write_embeddings(self.folder / "embeddings.parquet", prepared, made, vectors, progress)
            if self.extends:
                # Other labels were probed on the encoder that the shorter training gave.
                self._write("probes.json", found)
                # So were its clusters, and its audit.
                *files, lists = columns.CLUSTERS, *columns.AUDIT
                for name in files:
                    (self.folder / name).unlink(missing_ok=True)
                shutil.rmtree(self.folder / lists, ignore_errors=True)
            else:
                self.keep_evidence(found)
            if codes is not None:
                self._write("codes.json", codes)
            if measured is not None:
                self._write("measured.json", measured())
        made.scores = [{key: entry[key] for key in ("label", "outcome", "sentence")} for entry in found]
        made.save(self.folder)
        about = self._known
        if about.pop("unfinished", None):
            with self._writing():
                self._write("data.json", about | prepared.facts())

    def keep_evidence(self, found: list[dict[str, Any]]) -> None:
        """Write probes.json: one entry per label, the newest in place of an older one of the same name."""
        kept = [old for old in self._probed() if old["label"] not in {entry["label"] for entry in found}]
        self._write("probes.json", kept + found)

    def read_comparisons(self) -> list[dict[str, Any]]:
        """Return what probes.json holds, in format 3 (see `evaluation.evaluate`): one comparison per label."""
        path, remedy = self.folder / "probes.json", FILES["probes.json"][1]
        try:
            found = [read_comparison(entry) for entry in self._probed()]
        except (KeyError, TypeError, AttributeError) as error:
            raise UserError(f"{path}: damaged ({error!r}): {remedy}") from error
        return list(checked(found, list[Comparison], str(path), remedy))

    def _probed(self) -> list[dict[str, Any]]:
        """Return the entries of probes.json as they were written."""
        written = self.read_json("probes.json", [])
        return written if isinstance(written, list) else [written]

    def _write(self, name: str, content: Any) -> None:
        text = content if isinstance(content, str) else json.dumps(content, indent=1)
        write_atomically(self.folder / name, text.encode())

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise UserError(f"{self.folder}: cannot be written ({error.strerror or error})") from error

    def read_json(self, name: str, absent: Any = None) -> Any:
        """Return what a JSON file of the run holds, one of `FILES`, or `absent`, if given, where there is none.

        Raises:
            UserError: it cannot be read, or holds something else than such a file.
        """
        path, (kind, remedy) = self.folder / name, FILES[name]
        if absent is not None and not path.is_file():
            return absent
        return checked(_renamed(read_json(path, Any, remedy)), kind, str(path), remedy)


def free_folder(path: str, method: str) -> Path:
    """Return runs/NAME-METHOD, numbered where it is taken."""
    base = Path("runs") / f"{Path(path).resolve().stem}-{method.rpartition(':')[2]}"
    folder, number = base, 2
    while folder.exists():
        folder, number = base.with_name(f"{base.name}-{number}"), number + 1
    return folder


def _renamed(written: Any) -> Any:
    """Return what a file holds under the names of today; what is no mapping is damaged, and its reader says so."""
    return {_RENAMED.get(key, key): value for key, value in written.items()} if isinstance(written, dict) else written


def _layout(prepared: Prepared) -> str:
    return prepared.dataset.layout if isinstance(prepared.dataset, BlockDataset) else ""
