"""The resume law: a run that was stopped anywhere and resumed ends in the very bits of one that was not."""

import json
from pathlib import Path

import pytest
import torch

from isotropy.training import Optim, checkpoint
from laws import cases
from laws.conftest import python

SPINE = ["byol", "lfr", "simclr", "vicreg"]
ADAMW = Optim(lr=0.01, warmup=0.2)


def whole(name: str, folder: Path, optim: Optim) -> list[dict[str, float]]:
    """Train to the end with a checkpoint of every step, each in a folder of its own; return all terms."""
    terms = []
    for step in cases.train(cases.make(name), optim=optim):
        terms.append(step.terms | {"lr": step.lr, "epoch": step.epoch})
        step.save(folder / str(step.number))
    return terms


def check(name: str, folder: Path, optim: Optim) -> None:
    """Stop after every step in turn; weights, optimiser state and terms must be equal bit for bit.

    Every fifth resumed run goes on to the end, the others until they have crossed into another pass.
    """
    terms = whole(name, folder, optim)
    for stop in range(1, len(terms)):
        again, end = [], len(terms) if stop % 5 == 0 else min(stop + 6, len(terms))
        path = checkpoint.paths(folder / str(stop))[-1]
        for step in cases.train(cases.make(name, seed=99), optim=optim, resume=path):
            again.append(step.terms | {"lr": step.lr, "epoch": step.epoch})
            if step.number == end:
                made = step.save(folder / "resumed")
                break
        assert again == terms[stop:end], f"stopped after step {stop}"
        assert made.read_bytes() == (folder / str(end) / made.name).read_bytes(), f"stopped after step {stop}"


@pytest.mark.parametrize("name", cases.ALL)
def test_stopping_after_any_step_changes_no_bit(name, tmp_path):
    assert cases.steps(name) > cases.ROWS // cases.BATCH + 1, "the stops must lie in several passes"
    check(name, tmp_path, ADAMW)


@pytest.mark.parametrize("optimiser", ["sgd", "adam", "lars"])
def test_every_optimiser_resumes(optimiser, tmp_path):
    check("toy_spread", tmp_path, Optim(name=optimiser, lr=0.05, warmup=0.2))


def test_lfr_is_stopped_in_the_middle_of_its_predictor_passes():
    # What the law above covers for LFR: passes in which the encoder is frozen, stopped between their ends.
    method, passes = cases.make("lfr"), {}
    encoder = cases.state(method.encoder)
    for step in cases.train(method):
        still = all(torch.equal(encoder[k], v) for k, v in cases.state(method.encoder).items())
        passes.setdefault(step.pass_, []).append((still, step.ends_pass))
        encoder = cases.state(method.encoder)
    assert any(still and not ends for steps in passes.values() for still, ends in steps)
    assert any(not still for steps in passes.values() for still, _ in steps)
    assert len(passes) > method.passes_per_epoch, "a whole cycle and the beginning of the next"


def test_a_lost_optimiser_state_breaks_the_law(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "_like", lambda parameter, saved: torch.zeros_like(saved))
    with pytest.raises(AssertionError, match="stopped after step"):
        check("toy_spread", tmp_path, ADAMW)


@pytest.mark.parametrize("name", SPINE)
def test_killed_at_random_moments_and_resumed_ends_in_the_same_bits(killed, name):
    report = json.loads((killed / name / "report.json").read_text())
    assert report["kills"] >= 3, "SIGKILL must have hit several times"
    assert report["resumes"] >= 2, "and some of them after a checkpoint"
    once, often = killed / name / "once", killed / name / "often"
    assert (often / "metrics.jsonl").read_bytes() == (once / "metrics.jsonl").read_bytes()
    ends = [checkpoint.paths(folder / "checkpoints")[-1] for folder in (once, often)]
    assert ends[0].name == ends[1].name
    assert ends[0].read_bytes() == ends[1].read_bytes()
    lines = (once / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == list(range(1, len(lines) + 1))


def test_kills_hit_the_writing_of_checkpoints_and_leave_nothing_behind(killed):
    reports = [json.loads((killed / name / "report.json").read_text()) for name in SPINE]
    assert sum(report["while_saving"] for report in reports) >= 1
    for name in SPINE:
        names = {path.name for path in (killed / name / "often" / "checkpoints").iterdir()}
        assert names == {path.name for path in checkpoint.paths(killed / name / "often" / "checkpoints")}
        assert len(names) == checkpoint.KEPT


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder in which `laws.killed` trained every method once unharmed and once under fire."""
    folder = tmp_path_factory.mktemp("killed")
    python("laws.killed", str(folder), *SPINE, seconds=240)
    return folder
