"""Sets of variables by name or by file: what a notebook, a command or a template is given."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from nlp.errors import VariableError
from nlp.variables import VariableSet, compose, load_set, ready_names, ready_set, ready_variables
from nlp.variables.reading import Loaded
from workbench.texts.shared_sets import PROJECT, open_shared

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["LIBRARY", "open_variable_set", "open_variables", "variable_set"]

#: What the name of a ready set begins with.
LIBRARY = "library:"


def open_variable_set(name: str) -> Loaded:
    """Open one set.

    Parameters
    ----------
    name : str
        A file, ``library:NAME`` for a ready set, ``library:all`` for all of them, ``project:NAME`` or ``project:NAME@VERSION`` for one
        that a member of the project shared; ``library:NAME/one+two`` takes only these.

    Returns
    -------
    Loaded
        The set, and an error for each variable that could not be read.

    Raises
    ------
    VariableError
        If there is no such set or file, or it cannot be read as a whole.

    Examples
    --------
    >>> [variable.name for variable in open_variable_set("library:example/cough").set]
    ['cough']
    """
    scheme, _, rest = name.rpartition(":")
    if f"{scheme}:" in (LIBRARY, PROJECT):
        named, _, only = rest.partition("/")
        loaded = open_shared(named) if f"{scheme}:" == PROJECT else Loaded(ready_variables() if named == "all" else ready_set(named))
        chosen = [part for part in re.split(r"[,+\s]+", only) if part]
        return loaded._replace(set=loaded.set.select(chosen)) if chosen else loaded
    if not Path(name).is_file():
        raise VariableError(
            f"there is no file of variables {name}",
            hint=f"a YAML file, or one of: {', '.join(LIBRARY + each for each in ('all', *ready_names()))}",
        )
    return load_set(name)


def variable_set(name: str) -> VariableSet:
    """Open one set whose variables can all be read.

    Parameters
    ----------
    name : str
        As :func:`open_variable_set` takes it.

    Returns
    -------
    VariableSet
        All of it.

    Raises
    ------
    VariableError
        If there is no such set, or a variable of it cannot be read.

    Examples
    --------
    ``wb.notes(cohort).structure(wb.variable_set("project:chest@1.1"))``
    """
    loaded = open_variable_set(name)
    if loaded.refused:
        raise loaded.refused[0]
    return loaded.set


def open_variables(names: Iterable[str]) -> Loaded:
    """Open several sets as one.

    Parameters
    ----------
    names : iterable of str
        As :func:`open_variable_set` takes them.

    Returns
    -------
    Loaded
        All variables that could be read, and an error for each that could not.

    Raises
    ------
    VariableError
        If a set cannot be read at all, no variable is left, or one name means two things.
    """
    opened = [open_variable_set(name) for name in names]
    refused = tuple(error for each in opened for error in each.refused)
    sets = [each.set for each in opened]
    found = sets[0] if len(sets) == 1 else compose("+".join(dict.fromkeys(each.name for each in sets)), *sets)
    if not len(found):
        if len(refused) == 1:
            raise refused[0]
        listed = "".join(f"\n{error}" for error in refused)
        raise VariableError(f"none of the {len(refused)} variables can be used:{listed}" if refused else "there is no variable in the set")
    return Loaded(VariableSet(name=found.name, variables=found.variables, version=found.version, title=found.title), refused)
