"""The ready variables that come with the package (``nlp/variables/library``), set by set."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from nlp.errors import VariableError
from nlp.variables.reading import load_set
from nlp.variables.sets import VariableSet, compose
from nlp.variables.vocabulary import nearest

__all__ = ["ready_names", "ready_set", "ready_variables"]

_FOLDER = Path(__file__).parent / "library"


def ready_names() -> tuple[str, ...]:
    """Return the names of the ready sets, sorted.

    Examples
    --------
    >>> "example" in ready_names()
    True
    """
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.yaml")))


@cache
def ready_set(name: str) -> VariableSet:
    """Return a ready set.

    Parameters
    ----------
    name : str
        One of :func:`ready_names`.

    Returns
    -------
    VariableSet
        Read once.

    Raises
    ------
    VariableError
        If there is none of that name.

    Examples
    --------
    >>> ready_set("example")["cough"].title.zh
    '咳嗽'
    """
    if name not in ready_names():
        raise VariableError(f"there is no ready set of variables {name!r}", hint=nearest(name, ready_names()))
    loaded = load_set(_FOLDER / f"{name}.yaml")
    if loaded.refused:
        raise loaded.refused[0]
    return loaded.set


def ready_variables() -> VariableSet:
    """Return all ready variables as one set named ``ready``."""
    return compose("ready", *(ready_set(name) for name in ready_names()))
