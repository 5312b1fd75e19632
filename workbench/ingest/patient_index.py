"""Link the hospital's records of one patient: the same identity number, or the same name, birth date and phone.

The patient index of a hospital holds several records a person (a card lost, a name mistyped). Records are joined by
exact agreement on keys that are hard to share by chance, and the joins are closed transitively; nothing is joined on a
name alone. A join that would put two identity numbers together is refused and reported.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.cohort.words import normalise
from workbench.identifiers import is_identity_number

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = ["Linkage", "link"]


@dataclass(frozen=True)
class Linkage:
    """Which person ids are one patient.

    Parameters
    ----------
    patient : dict of int to int
        Person id -> the smallest person id of the same patient.
    refused : int
        Joins refused because the identity numbers differ.
    """

    patient: dict[int, int]
    refused: int

    @property
    def joined(self) -> int:
        """How many person ids turned out to be another's."""
        return sum(person != first for person, first in self.patient.items())


def link(records: Iterable[Mapping[str, object]], *, keys: Sequence[Sequence[str]], identity: str = "identity_number") -> Linkage:
    """Join person ids whose records agree on every column of one key.

    Parameters
    ----------
    records : iterable of mapping
        Rows of the patient index, each with ``person_id``.
    keys : sequence of sequences of str
        Keys, strongest first, as in ``[["identity_number"], ["name", "birth_date", "phone"]]``. Empty values never agree.
    identity : str
        Column of the identity number: two different valid ones are two patients.

    Returns
    -------
    Linkage
        The joins.
    """
    parent: dict[int, int] = {}
    numbers: dict[int, str] = {}
    holders: dict[tuple[int, tuple[str, ...]], list[int]] = defaultdict(list)
    for record in records:
        person = int(record["person_id"])  # type: ignore[call-overload]
        parent.setdefault(person, person)
        number = _folded(record.get(identity)).upper()
        if is_identity_number(number):
            numbers.setdefault(person, number)
        for rank, key in enumerate(keys):
            values = tuple(_folded(record.get(column)) for column in key)
            if all(values):
                holders[rank, values].append(person)
    refused = 0
    for _, persons in sorted(holders.items()):
        for person in persons[1:]:
            refused += not _join(parent, numbers, persons[0], person)
    return Linkage({person: _root(parent, person) for person in parent}, refused)


def _folded(value: object) -> str:
    return normalise(str(value)) if value is not None else ""


def _root(parent: dict[int, int], person: int) -> int:
    while parent[person] != person:
        parent[person] = person = parent[parent[person]]
    return person


def _join(parent: dict[int, int], numbers: dict[int, str], one: int, other: int) -> bool:
    first, second = sorted((_root(parent, one), _root(parent, other)))
    if first == second:
        return True
    known = {numbers[root] for root in (first, second) if root in numbers}
    if len(known) > 1:
        return False
    parent[second] = first
    numbers.update({first: known.pop()} if known else {})
    return True
