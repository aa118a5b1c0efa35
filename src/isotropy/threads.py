"""Jobs that do not wait for each other, each in one thread of its own."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch
from threadpoolctl import threadpool_limits

Item = TypeVar("Item")
Result = TypeVar("Result")


def side_by_side(act: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    """Return what `act` makes of each item, in their order: as many at a time as torch has threads, with one each.

    Small steps gain little from a second thread; a second job gains all of it. With one thread they follow each other.

    Args:
        act: must not depend on the order of the items, nor draw from a generator that they share. Whether gradients
            are recorded is each thread's own matter: they are, unless it says otherwise.

    Raises: what the first of them raises; those that were not begun are left out.

    Example:
        >>> side_by_side(lambda x: x**2, [1, 2, 3])
        [1, 4, 9]
    """
    threads = torch.get_num_threads()
    if threads < 2 or len(items) < 2:
        return [act(item) for item in items]
    torch.set_num_threads(1)
    try:
        # The limit is the process's for some libraries and restored here; for OpenMP it is each thread's own.
        workers = min(threads, len(items))
        with threadpool_limits(1), ThreadPoolExecutor(workers, "side", initializer=_one_thread) as pool:
            return list(pool.map(act, items))
    finally:
        torch.set_num_threads(threads)


def _one_thread() -> None:
    # A thread takes torch's number when it first asks for it.
    torch.get_num_threads()
    threadpool_limits(1)
