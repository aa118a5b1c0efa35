"""Processes that make runs of the matrix one after another: libraries and data are loaded once in each."""

import argparse
import json
import os
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Timer
from typing import Any

import torch
from matrix_data import DATA
from matrix_run import baseline, one

from isotropy.errors import UserError

BASELINE = "baseline"


@dataclass(frozen=True)
class Job:
    """One run: a method (or the baselines) on a data set with a seed."""

    method: str
    data: str
    seed: int

    @property
    def modality(self) -> str:
        """Where its result is kept."""
        return DATA[self.data].modality


class Worker:
    """A process of its own with one thread, which is started when it is first needed and again when it died.

    Args:
        data: the folder of the data sets. patience: seconds after which a run is given up.
    """

    def __init__(self, data: Path, patience: float) -> None:
        self.data, self.patience = data, patience
        self.process: subprocess.Popen[str] | None = None

    def run(self, job: Job, known: dict[str, Any], **budget: float | None) -> dict[str, Any]:
        """Make a run and return its result, or its one line if it failed; the arguments are those of `made`."""
        if self.process is None or self.process.poll() is not None:
            self.close()
            self.process = self._start()
        process, given_up = self.process, []
        assert process.stdin is not None and process.stdout is not None
        timer = Timer(self.patience, lambda: (given_up.append(True), process.kill()))
        timer.start()
        try:
            process.stdin.write(json.dumps({"job": asdict(job), "known": known, "budget": budget}) + "\n")
            process.stdin.flush()
            line = process.stdout.readline()
        except BrokenPipeError:
            line = ""
        finally:
            timer.cancel()
        if line.endswith("\n"):
            return json.loads(line)
        self.close()
        ended = process.returncode
        return failed(job, f"no end after {self.patience:g} s" if given_up else f"its process ended with {ended}")

    def close(self) -> None:
        """End the process, if there is one."""
        if self.process is not None:
            self.process.communicate()
            self.process = None

    def _start(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, __file__, str(self.data)],
            env=os.environ | {"OMP_NUM_THREADS": "1", "GOMP_SPINCOUNT": "1000"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )


def failed(job: Job, why: str) -> dict[str, Any]:
    """Return the result of a run that failed."""
    return {"entry": {"seed": job.seed, "failed": why}}


def made(job: Job, data: Path, known: dict[str, Any], **budget: float | None) -> dict[str, Any]:
    """Make one run here and return its result.

    Args:
        job: which. data: the folder of the data sets.
        known: the baselines of the data set that are there already.
        budget: the arguments of `matrix_run.one`: processor, per_epoch, epochs.
    """
    torch.set_num_threads(1)
    if job.method == BASELINE:
        return baseline(job.data, data, job.seed, known)
    return one(job.method, job.data, data, job.seed, known=known, **budget)


def serve(data: Path) -> None:
    """Make the runs that are asked for on standard input, one JSON object a line, and answer on standard output."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # What a run prints is no answer.
    for line in sys.stdin:
        asked = json.loads(line)
        job = Job(**asked["job"])
        try:
            result = made(job, data, asked["known"], **asked["budget"])
        except UserError as error:
            result = failed(job, str(error))
        except Exception as error:  # One run that fails is a result, not the end of the others.
            result = failed(job, f"{type(error).__name__}: {error}".splitlines()[0])
        print(json.dumps(result), file=answers, flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    serve(parser.parse_args().data)
