"""Notes of a cohort without identifiers, inside a session: what was replaced, counts by patient, and a sample to be read."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd
from tqdm import tqdm

from nlp.identifiers import KINDS
from workbench.ingest.scrub import scrub, tags
from workbench.locale import tr
from workbench.texts.shown import EvidenceSample

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np

    from workbench.ingest.scrub import Edit, Scrubbed
    from workbench.pseudonyms import PseudonymKey
    from workbench.texts.notes import ChosenNote, NoteSet

__all__ = ["DeidentifiedNotes", "deidentify_notes"]

_DIRECT = frozenset(
    (
        "name",
        "identity_number",
        "certificate",
        "mobile_number",
        "phone",
        "email",
        "account",
        "bank_card",
        "insurance_number",
        "licence_plate",
    )
)
_STAFF = frozenset(("physician", "institution", "date"))
_AROUND = 24


@dataclass(frozen=True)
class DeidentifiedNotes:
    """De-identified notes; person-level, for use inside the session.

    Parameters
    ----------
    rows : tuple of (ChosenNote, Scrubbed)
        Each note as it stood, and what became of it.
    """

    rows: tuple[tuple[ChosenNote, Scrubbed], ...]

    def texts(self) -> pd.DataFrame:
        """Give note and person id with the new text, one row a note."""
        return pd.DataFrame(
            [(chosen.note.note_id, chosen.person_id, done.text) for chosen, done in self.rows],
            columns=["note_id", "person_id", "note_text"],
        )

    def counts(self) -> pd.DataFrame:
        """Count what was replaced by kind: how often, in how many notes. Not suppressed: for use inside the session."""
        times = Counter(_label(edit) for _, done in self.rows for edit in done.edits)
        notes = Counter(label for _, done in self.rows for label in {_label(edit) for edit in done.edits})
        rows = [(label, count, notes[label]) for label, count in times.most_common()]
        return pd.DataFrame(rows, columns=[tr("类别", "Kind"), tr("处数", "Times"), tr("文书数", "Notes")])

    def by_patient(self, persons: np.ndarray) -> pd.Series:
        """Give the most telling kind of identifier that stood in a patient's notes, as categories for a chart.

        Parameters
        ----------
        persons : ndarray of int
            Patients of the cohort; those without notes are told as such.
        """
        levels = [
            tr("直接标识（姓名、证件、电话等）", "Direct (name, number, phone ...)"),
            tr("间接标识（住址、编号、床号等）", "Indirect (address, record, bed ...)"),
            tr("仅医师、机构或日期", "Staff, institution or date only"),
            tr("未发现", "None found"),
            tr("没有文书", "No note"),
        ]
        least: dict[int, int] = {}
        for chosen, done in self.rows:
            level = min((_level(edit) for edit in done.edits), default=3)
            least[chosen.person_id] = min(level, least.get(chosen.person_id, 4))
        told = [levels[least.get(int(person), 4)] for person in persons]
        present = [level for level in levels if level in set(told)]
        return pd.Series(pd.Categorical(told, categories=present, ordered=True))

    def sample(self, each: int = 3, *, seed: int = 0) -> EvidenceSample:
        """Draw some replacements of every kind, with the words around them, to be judged by a person.

        Parameters
        ----------
        each : int
            How many of a kind.
        seed : int
            Of the drawing.
        """
        by_kind: dict[str, list[tuple[ChosenNote, Edit]]] = {}
        for chosen, done in self.rows:
            for edit in done.edits:
                by_kind.setdefault(_label(edit), []).append((chosen, edit))
        dice = random.Random(seed)  # noqa: S311  (a sample to read, no secret)
        return EvidenceSample(
            tuple(
                _shown(kind, chosen, edit)
                for kind, found in sorted(by_kind.items())
                for chosen, edit in dice.sample(found, min(each, len(found)))
            )
        )

    def unread(self, n: int = 10, *, seed: int = 0) -> pd.DataFrame:
        """Draw whole notes as they would go out, to be searched for what was missed."""
        texts = self.texts()
        return texts.sample(min(n, len(texts)), random_state=seed)[["note_id", "note_text"]]


def deidentify_notes(notes: NoteSet, *, key: PseudonymKey, shift_days: int = 0, progress: bool = True) -> DeidentifiedNotes:
    """Take identifiers out of the notes of a cohort.

    Parameters
    ----------
    notes : NoteSet
        The notes.
    key : PseudonymKey
        Tags of names and date shifts follow from it.
    shift_days : int
        Greatest shift of a patient's dates; 0 leaves them.
    progress : bool
        Whether to draw a progress bar.

    Returns
    -------
    DeidentifiedNotes
    """
    return DeidentifiedNotes(tuple(_scrubbed(notes, key, shift_days, progress)))


def _scrubbed(notes: NoteSet, key: PseudonymKey, at_most: int, progress: bool) -> Iterator[tuple[ChosenNote, Scrubbed]]:
    with tqdm(total=notes.count(), unit="note", disable=not progress) as bar:
        for block in notes.blocks():
            for chosen in block:
                shift = key.shift_days(chosen.person_id, at_most=at_most) if at_most else 0
                written = chosen.note.written.date() if chosen.note.written else None
                yield chosen, scrub(chosen.note.text, shift_days=shift, written=written, tag=tags(key, chosen.person_id))
            bar.update(len(block))


def _label(edit: Edit) -> str:
    return tr("日期", "date") if edit.kind == "date" else KINDS.get(edit.kind, edit.kind)


def _level(edit: Edit) -> int:
    return 0 if edit.kind in _DIRECT else 2 if edit.kind in _STAFF else 1


def _shown(kind: str, chosen: ChosenNote, edit: Edit) -> tuple[str, str, int | str, str, str, str, str]:
    text = chosen.note.text
    before, after = text[max(0, edit.start - _AROUND) : edit.start], text[edit.end : edit.end + _AROUND]
    return kind, edit.text, chosen.note.note_id, chosen.note.department, before, text[edit.start : edit.end], after
