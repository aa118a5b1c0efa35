"""What a run keeps until it has its row, so that one that is killed goes on: checkpoints, CPU seconds, what was seen.

It lies in a folder "unfinished" beside the results; half a minute of training is lost at most.
"""

import fcntl
import hashlib
import json
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from rows import Row, short

from isotropy import Recipe
from isotropy.io.logs import Log
from isotropy.runs.prepare import Prepared
from isotropy.training import checkpoint

# Of the run that is being made; None in a trial.
_folder: ContextVar[Path | None] = ContextVar("folder", default=None)


@contextmanager
def alone(folder: Path) -> Iterator[bool]:
    """Give a run its folder until it has its row; yield whether no other process has it."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        before = _folder.set(folder)
        try:
            yield True
        finally:
            _folder.reset(before)
        shutil.rmtree(folder)


class Checkpoints:
    """A `watch` that keeps numbers at fractions of a training.

    Args:
        done: the fractions; 0 is before the first step.
        numbers: returns them for what is trained.
    """

    def __init__(self, done: Iterable[float], numbers: Callable[[Prepared], Row]) -> None:
        self.done, self.numbers, self.seen = tuple(done), numbers, list[Row]()

    def __call__(self, prepared: Prepared, step: Any) -> None:
        """Measure where it is time to."""
        if step is None and 0.0 in self.done:
            self.seen.append({"done": 0.0, **self.numbers(prepared)})
        elif step is not None and step.number in {max(1, round(done * step.steps)) for done in self.done if done}:
            about = {"done": round(step.number / step.steps, 3), "loss": step.loss}
            self.seen.append(about | self.numbers(prepared))

    def columns(self, style: str) -> Row:
        """Return each number as a list over checkpoints."""
        names = self.seen[-1] if self.seen else {}
        return {name: [short(each.get(name), style) for each in self.seen] for name in names}


class Progress:
    """How far a training is: in a run directory beside its checkpoints, or in memory alone.

    Args:
        folder: the run directory, None for none. watch: what else is kept.
    """

    def __init__(self, folder: Path | None, watch: "Checkpoints | None") -> None:
        self.folder, self._watch, self.last = folder, watch, dict[str, Any]()
        self.resumes = False
        if folder is not None:
            lines = list(Log.read(self._path, dict[str, Any]))
            # Broken off inside a measurement, a step has a checkpoint and no line: it is taken again.
            for path in checkpoint.paths(folder / "checkpoints"):
                if checkpoint.about(path)["step"] > (lines[-1]["steps"] if lines else 0):
                    path.unlink()
            newest = checkpoint.last_good(folder / "checkpoints")
            self.resumes = newest is not None
            if newest is None:
                shutil.rmtree(folder, ignore_errors=True)
            else:
                done = checkpoint.about(newest)["step"]
                lines = [line for line in lines if line["steps"] <= done]
                self._path.write_text("".join(json.dumps(line) + "\n" for line in lines))
                seen = [row for line in lines for row in line.pop("seen")]
                self.last = lines[-1]
                if watch is not None:
                    watch.seen = seen
        self._known = len(watch.seen) if watch is not None and self.resumes else 0

    @classmethod
    def of(cls, recipe: Recipe, watch: Callable[[Prepared, Any], object] | None) -> "Progress":
        """Return that of a recipe's training in the run that is being made."""
        run = _folder.get()
        if run is None or not (watch is None or isinstance(watch, Checkpoints)):
            return cls(None, None)
        return cls(run / hashlib.sha256(recipe.to_toml().encode()).hexdigest()[:12], watch)

    @property
    def _path(self) -> Path:
        assert self.folder is not None
        return self.folder / "progress.jsonl"

    @property
    def spent(self) -> float:
        """CPU seconds until the last step."""
        return float(self.last.get("cpu_seconds", 0.0))

    def arguments(self, recipe: Recipe) -> dict[str, Any]:
        """Return the arguments of `isotropy.train` that begin or resume the training."""
        return {"resume": self.folder} if self.resumes else {"recipe": recipe, "out": self.folder}

    def add(self, line: Row) -> None:
        """Keep what a step left."""
        self.last = line
        if self.folder is not None:
            seen = self._watch.seen if self._watch is not None else []
            with self._path.open("a") as file:
                file.write(json.dumps(line | {"seen": seen[self._known :]}) + "\n")
            self._known = len(seen)

    def remove(self) -> None:
        """Forget what is on disk: the training is over."""
        if self.folder is not None:
            shutil.rmtree(self.folder)
