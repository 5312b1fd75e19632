"""Processes that work for another one, and end with it."""

from __future__ import annotations

import os
import signal
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["process_pool"]

_LOOK_S = 1.0


def process_pool(workers: int, prepare: Callable[..., None] | None = None, given: tuple = ()) -> ProcessPoolExecutor:
    """Return a pool whose processes do not outlive this one, even if it is killed, and leave Ctrl-C to it.

    Parameters
    ----------
    workers : int
        How many.
    prepare : callable, optional
        Called once in each with `given`; a function of a module.
    given : tuple
        What travels once, not with each piece of work.
    """
    return ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_begin, initargs=(os.getpid(), prepare, given))


def _begin(parent: int, prepare: Callable[..., None] | None, given: tuple) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    if prepare is not None:
        prepare(*given)


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_LOOK_S)
    os._exit(1)
