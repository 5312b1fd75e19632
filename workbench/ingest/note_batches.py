"""Notes scrubbed by the batch, in several processes where there are many."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from workbench.ingest.scrub import Known, Scrubbed, scrub
from workbench.workers import default_workers, work_on

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import date

__all__ = ["RawNote", "scrub_batches"]

#: Notes of a batch; as many as several processes are worth their start for.
BATCH, _MANY = 500, 3_000


class RawNote(NamedTuple):
    """A note as it came, what the patient index knows of its patient, by how many days its dates move, and when it was written."""

    text: str
    known: Mapping[str, str]
    shift_days: int
    written: date | None


_staff: Known | None = None


def _prepare(staff: tuple[str, ...]) -> None:
    global _staff
    _staff = Known(dict.fromkeys(staff, "医师"))


def _work(notes: list[RawNote]) -> list[Scrubbed]:
    return [scrub(note.text, Known(note.known), _staff, shift_days=note.shift_days, written=note.written) for note in notes]


def scrub_batches(batches: Iterable[list[RawNote]], *, staff: Iterable[str], notes: int) -> Iterator[list[Scrubbed]]:
    """Scrub batches of notes, in their order.

    Parameters
    ----------
    batches : iterable of list of RawNote
        Drawn as they are needed.
    staff : iterable of str
        Names of physicians and nurses.
    notes : int
        How many there are in all: a few are scrubbed in this process.

    Yields
    ------
    list of Scrubbed
        One for each note.

    Raises
    ------
    EnvironmentFault
        If a process was killed.
    """
    yield from work_on(batches, _work, prepare=_prepare, given=(tuple(staff),), workers=default_workers() if notes >= _MANY else 1)
