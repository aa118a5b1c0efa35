import pytest
import torch

from isotropy.runs import threads
from isotropy.runs.events import Planned, Stepped
from isotropy.runs.session import train
from isotropy.runs.threads import threads_beside
from isotropy.training import checkpoint

ROWS = torch.randn(64, 6, generator=torch.Generator().manual_seed(0))
CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def two_threads(monkeypatch):
    before = torch.get_num_threads()
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def taken(monkeypatch):
    """Set what other programs take of the cores."""

    def to(fraction):
        monkeypatch.setattr(threads, "_taken_by_others", lambda: fraction)

    return to


@pytest.mark.parametrize("most", [1, 2, 16])
def test_threads_are_what_others_leave_at_least_one_and_never_more_than_there_are(most):
    found = [threads_beside(taken / 100, most) for taken in range(101)]
    assert found[0] == most
    assert found[-1] == 1
    assert found == sorted(found, reverse=True)
    assert threads_beside(0.5, 16) == 8


def test_a_training_beside_others_has_one_thread_and_gives_the_rest_back(taken):
    taken(1.0)
    seen = []
    for event in train(ROWS, method="simclr", epochs=1, monitor=False):
        if isinstance(event, Planned):
            note = event.note
        if isinstance(event, Stepped):
            seen.append(torch.get_num_threads())
    assert set(seen) == {1}
    assert note == "other programs hold the processor: one thread of 2 (OMP_NUM_THREADS=2 takes all)"
    assert torch.get_num_threads() == 2


def test_free_cores_and_a_number_that_was_asked_for_change_nothing(taken, monkeypatch):
    taken(0.1)
    with threads.fitting_threads(CPU, None) as note:
        assert (torch.get_num_threads(), note) == (2, "")
    taken(1.0)
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    with threads.fitting_threads(CPU, None) as note:
        assert (torch.get_num_threads(), note) == (2, "")


def test_a_run_goes_on_with_the_threads_that_it_began_with(taken, tmp_path):
    taken(1.0)
    for event in train(ROWS, method="simclr", epochs=2, out=tmp_path / "run", monitor=False):
        if isinstance(event, Stepped) and event.step.number == 1:
            event.stop()
    taken(0.0)
    events = train(resume=tmp_path / "run", data=ROWS, monitor=False)
    assert next(events).note == "as the run began: one thread of 2 (OMP_NUM_THREADS=2 takes all)"
    assert torch.get_num_threads() == 1
    for _ in events:
        pass
    last = checkpoint.last_good(tmp_path / "run" / "checkpoints")
    assert checkpoint.about(last)["conditions"]["threads"] == 1


def test_cores_in_use_are_read_from_the_system():
    if threads._STAT.exists():
        assert 0.0 <= threads._taken_by_others() <= 1.0
