"""Work on blocks in several processes, in order, with few blocks in memory."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import deque
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import TYPE_CHECKING, TypeVar

from workbench.errors import EnvironmentFault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from concurrent.futures import Future

__all__ = ["default_workers", "work_on"]

_In = TypeVar("_In")
_Out = TypeVar("_Out")
_AHEAD = 2  # blocks waiting for each process: enough to keep it busy, few enough to bound memory


def default_workers() -> int:
    """Return the number of processors that this process may use, at most 8."""
    return min(len(os.sched_getaffinity(0)), 8)


def work_on(
    blocks: Iterable[_In], work: Callable[[_In], _Out], *, prepare: Callable[..., None], given: tuple, workers: int
) -> Iterator[_Out]:
    """Yield the result of each block, in the order of the blocks.

    Parameters
    ----------
    blocks : iterable
        Drawn as they are needed.
    work : callable
        From a block to its result; a function of a module, so that another process finds it.
    prepare : callable
        Called once in each process with `given`, before any block.
    given : tuple
        What `prepare` takes.
    workers : int
        Processes; with 1 the work is done in this one.

    Raises
    ------
    EnvironmentFault
        If a process was killed, as happens when memory runs out.
    """
    if workers <= 1:
        prepare(*given)
        yield from map(work, blocks)
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_begin, initargs=(os.getpid(), prepare, given)) as pool:
        try:
            yield from _in_order(pool, blocks, work, workers * _AHEAD)
        except BrokenProcessPool as error:
            raise EnvironmentFault(
                "a worker process ended before its work was done",
                hint="memory may have run out: run again with fewer workers; finished blocks are kept",
            ) from error
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _begin(parent: int, prepare: Callable[..., None], given: tuple) -> None:
    """Make a worker ready: the parent decides what a Ctrl-C means, and a worker does not outlive it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    prepare(*given)


def _end_with(parent: int) -> None:
    """End this process when its parent was killed: nobody else would."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


def _in_order(pool: ProcessPoolExecutor, blocks: Iterable[_In], work: Callable[[_In], _Out], window: int) -> Iterator[_Out]:
    waiting: deque[Future[_Out]] = deque()
    for block in blocks:
        waiting.append(pool.submit(work, block))
        if len(waiting) >= window:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()
