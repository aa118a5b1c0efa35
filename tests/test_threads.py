"""Jobs side by side: each alone in its thread, as many as torch has, and everything as before afterwards."""

import os
import subprocess
import sys
import threading
import time

import pytest
import torch

from isotropy.threads import side_by_side

pytestmark = pytest.mark.usefixtures("two_threads")


def test_two_jobs_run_at_once_with_one_thread_each():
    both = threading.Barrier(2, timeout=30)  # passed by two at once only

    def job(number):
        both.wait()
        return number, torch.get_num_threads()

    assert side_by_side(job, [3, 1, 2, 4]) == [(3, 1), (1, 1), (2, 1), (4, 1)]
    assert torch.get_num_threads() == 2
    with pytest.raises(threading.BrokenBarrierError):
        both.wait(timeout=0)


def test_what_one_job_raises_is_raised_and_the_threads_are_given_back():
    begun = []

    def job(number):
        begun.append(number)
        if number:
            time.sleep(0.01)  # what is over at once may all have begun before the first is asked for
        raise ValueError(f"job {number}")

    with pytest.raises(ValueError, match="job 0"):
        side_by_side(job, range(100))
    assert torch.get_num_threads() == 2 and len(begun) < 100


@pytest.mark.parametrize(("threads", "items"), [(1, [1, 2, 3]), (2, [1]), (2, [])])
def test_one_after_the_other_where_there_is_nothing_to_gain(threads, items):
    torch.set_num_threads(threads)
    own = threading.get_ident()
    assert side_by_side(lambda item: (item, threading.get_ident()), items) == [(item, own) for item in items]


def test_no_library_spreads_over_more_threads():
    """Numpy's has threads of its own, scikit-learn's OpenMP a number for each thread, which the environment gives."""
    code = """
import sklearn.ensemble, torch
from threadpoolctl import threadpool_info
from isotropy.threads import side_by_side
torch.set_num_threads(2)
job = lambda _: max(library["num_threads"] for library in threadpool_info())
assert job(0) == 2
print(side_by_side(job, [0, 1]))
"""
    environment = {**os.environ, "OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2"}
    found = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert found.stdout == "[1, 1]\n"
