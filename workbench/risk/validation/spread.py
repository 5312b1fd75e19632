"""The same work many times over, in several processes, with a result that does not depend on how many."""

from __future__ import annotations

import time
import warnings
from contextlib import closing
from typing import TYPE_CHECKING, TypeVar

from joblib import Parallel, delayed
from joblib.externals.loky.process_executor import BrokenProcessPool
from numpy.random import SeedSequence
from tqdm.auto import tqdm

from workbench.errors import EnvironmentFault
from workbench.locale import get_language, speaking
from workbench.risk.threads import one_thread
from workbench.workers import default_workers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

__all__ = ["seeds", "spread"]

_Item = TypeVar("_Item")
_Out = TypeVar("_Out")
#: Seconds of work that do not repay the start of a process.
_SHORT = 20.0
_PARTS = 16  # for each process: few enough to send the data seldom, many enough to see it move


def seeds(seed: int, n: int) -> list[SeedSequence]:
    """Return a seed of its own for each of n draws: the first hundred of two hundred are those of a hundred.

    Parameters
    ----------
    seed : int
        From which they follow.
    n : int
        How many.

    Returns
    -------
    list of SeedSequence
    """
    return SeedSequence(seed).spawn(n)


def spread(
    work: Callable[..., _Out], given: tuple, items: Sequence[_Item], *, workers: int | None = None, progress: bool = False, label: str = ""
) -> Iterator[_Out]:
    """Yield ``work(*given, item)`` of each item, in order.

    Parameters
    ----------
    work : callable
        A function of a module.
    given : tuple
        What it takes beside the item; sent to each process.
    items : sequence
        One a piece of work; each with a seed of its own where it draws.
    workers : int, optional
        Processes; where None, one if the first piece tells that all are done within 20 seconds, else one a processor.
    progress : bool
        Whether to show a bar.
    label : str
        Of the bar.

    Yields
    ------
    object
        Results.

    Raises
    ------
    EnvironmentFault
        If a process was killed, as happens when memory runs out.
    """
    with tqdm(total=len(items), desc=label, disable=not progress) as bar:
        rest = list(items)
        if workers is None and rest:
            begun = time.perf_counter()
            yield _once(work, given, rest.pop(0))
            bar.update()
            workers = 1 if (time.perf_counter() - begun) * len(rest) < _SHORT else default_workers()
        for result in _results(work, given, rest, workers or 1):
            yield result
            bar.update()


def _results(work: Callable[..., _Out], given: tuple, items: list[_Item], workers: int) -> Iterator[_Out]:
    if workers <= 1:
        yield from (_once(work, given, item) for item in items)
        return
    size = max(1, len(items) // (workers * _PARTS))
    parts = [items[start : start + size] for start in range(0, len(items), size)]
    # processes of joblib: they need no guard in a script, and know what was defined in a notebook's cell
    try:
        with closing(Parallel(workers, return_as="generator")(delayed(_part)(work, given, part, get_language()) for part in parts)) as done:
            told = set()
            for results, heard in done:
                for category, text in heard - told:
                    warnings.warn(text, category, stacklevel=2)
                told |= heard
                yield from results
    except BrokenProcessPool as error:
        raise EnvironmentFault(
            "a worker process ended before its work was done", hint="memory may have run out: run again with fewer workers"
        ) from error


def _part(work: Callable[..., _Out], given: tuple, items: list[_Item], language: str) -> tuple[list[_Out], set[tuple[type[Warning], str]]]:
    """Do some pieces in a language; return what was warned of, too, which would not leave the process."""
    with speaking(language), warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        results = [_once(work, given, item) for item in items]
    return results, {(one.category, str(one.message)) for one in heard}


def _once(work: Callable[..., _Out], given: tuple, item: _Item) -> _Out:
    with one_thread():  # the pieces are what runs side by side
        return work(*given, item)
