"""Sets of variables: a name, a version, one hash, and what changed from one set to the next."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from nlp.errors import VariableError
from nlp.variables.definition import NO_TEXT, SCHEMA, Bilingual, Variable, plain
from nlp.variables.vocabulary import nearest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["Change", "Difference", "VariableSet", "compose"]


class Change(NamedTuple):
    """A field of a variable that differs: its path, what it was, what it is."""

    variable: str
    field: str
    before: object
    after: object


class Difference(NamedTuple):
    """What leads from one set to another."""

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: tuple[Change, ...] = ()

    def __bool__(self) -> bool:
        """Tell whether the sets differ."""
        return bool(self.added or self.removed or self.changed)


@dataclass(frozen=True, slots=True, kw_only=True)
class VariableSet:
    """Variables that are asked together.

    Parameters
    ----------
    name : str
        Of the set.
    variables : tuple of Variable
        No two of one name.
    version : str
        As its author counts.
    title : Bilingual
        For people.

    Raises
    ------
    VariableError
        If two variables have one name.

    Examples
    --------
    >>> from nlp.variables.definition import Target
    >>> cough = VariableSet(name="symptoms", variables=(Variable(name="cough", target=Target(terms=("咳嗽",))),))
    >>> both = compose("more", cough, VariableSet(name="x", variables=(Variable(name="fever", target=Target(terms=("发热",))),)))
    >>> cough.diff(both).added
    ('fever',)
    """

    name: str
    variables: tuple[Variable, ...] = ()
    version: str = ""
    title: Bilingual = NO_TEXT

    def __post_init__(self) -> None:
        seen: set[str] = set()
        for variable in self.variables:
            if variable.name in seen:
                raise VariableError(f"set {self.name!r}: two variables are named {variable.name!r}")
            seen.add(variable.name)

    def __len__(self) -> int:
        return len(self.variables)

    def __iter__(self) -> Iterator[Variable]:
        return iter(self.variables)

    def __getitem__(self, name: str) -> Variable:
        for variable in self.variables:
            if variable.name == name:
                return variable
        known = [variable.name for variable in self.variables]
        raise VariableError(f"set {self.name!r} has no variable {name!r}", hint=nearest(name, known))

    @property
    def hash(self) -> str:
        """SHA-256 over the names and hashes of the variables, whatever their order."""
        pairs = sorted((variable.name, variable.hash) for variable in self.variables)
        return hashlib.sha256(json.dumps([SCHEMA, pairs], ensure_ascii=False).encode("utf-8", "surrogatepass")).hexdigest()

    def select(self, names: Iterable[str]) -> VariableSet:
        """Return the set with these variables only, in the order asked for."""
        return replace(self, variables=tuple(self[name] for name in names))

    def diff(self, other: VariableSet) -> Difference:
        """Tell what changed from this set to another one."""
        before = {variable.name: variable for variable in self}
        after = {variable.name: variable for variable in other}
        changes = [change for name in before if name in after for change in _changes(before[name], after[name])]
        return Difference(
            tuple(name for name in after if name not in before),
            tuple(name for name in before if name not in after),
            tuple(changes),
        )


def _changes(before: Variable, after: Variable) -> Iterator[Change]:
    one, two = _flat(plain(before, meaning=True) | _for_people(before)), _flat(plain(after, meaning=True) | _for_people(after))
    for path in sorted(one.keys() | two.keys()):
        if one.get(path) != two.get(path):
            yield Change(before.name, path, one.get(path), two.get(path))


def _for_people(variable: Variable) -> dict:
    whole = plain(variable)
    return {name: whole[name] for name in ("title", "description", "tests") if name in whole}


def _flat(tree: dict, prefix: str = "") -> dict[str, object]:
    out: dict[str, object] = {}
    for key, value in tree.items():
        if isinstance(value, dict):
            out |= _flat(value, f"{prefix}{key}.")
        else:
            out[f"{prefix}{key}"] = value
    return out


def compose(name: str, *sets: VariableSet, version: str = "") -> VariableSet:
    """Return a set with the variables of several.

    Parameters
    ----------
    name : str
        Of the new set.
    *sets : VariableSet
        A variable that stands in two of them has to mean the same in both.
    version : str
        Of the new set.

    Returns
    -------
    VariableSet
        In the order in which they come first.

    Raises
    ------
    VariableError
        If one name means two things.
    """
    found: dict[str, Variable] = {}
    for source in sets:
        for variable in source:
            before = found.setdefault(variable.name, variable)
            if before.hash != variable.hash:
                raise VariableError(
                    f"variable {variable.name!r} of set {source.name!r} means something else in a set before it",
                    hint="rename one of the two, or select() what you want of each set",
                )
    return VariableSet(name=name, variables=tuple(found.values()), version=version)
