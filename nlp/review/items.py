"""Items of a review: one note and one variable, with what the variable answered there, or that it found nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

from nlp.errors import TextDataError
from nlp.review.folders import make_folder, open_to_members
from nlp.writing import whole_file

__all__ = ["Item", "read_items", "write_items"]


class Item(NamedTuple):
    """What a reviewer judges: a variable's answer for one note.

    Parameters
    ----------
    note_id : int or str
        The note.
    variable, variable_hash : str
        The question, and the rule that answered it.
    found : bool
        Whether there is an answer that counts.
    stratum : str
        Where the item was drawn from.
    weight : float
        Items of the whole that it stands for: the inverse of its chance to be drawn.
    value : float, str or None
        The answer by the variable's own rule over the note's places.
    unit, assertion : str
        Of the answer.
    confidence : float
        Of the answer, 0 where nothing was found.
    start, end : int
        Its span in code points of the note, (-1, -1) where nothing was found.
    others : tuple of (int, int)
        Spans of the note's other answers to the variable that count.
    person_id : int or str
        Whose note it is: what is learnt is split by it.
    """

    note_id: int | str
    variable: str
    variable_hash: str = ""
    found: bool = False
    stratum: str = ""
    weight: float = 1.0
    value: float | str | None = None
    unit: str = ""
    assertion: str = ""
    confidence: float = 0.0
    start: int = -1
    end: int = -1
    others: tuple[tuple[int, int], ...] = ()
    person_id: int | str = ""

    @property
    def key(self) -> str:
        """What decisions name it by; a changed variable asks anew."""
        return f"{self.note_id}|{self.variable}|{self.variable_hash[:16]}"


def write_items(items: list[Item], path: Path | str) -> None:
    """Write a sample in one step, one line an item.

    Parameters
    ----------
    items : list of Item
        In order of review.
    path : path
        The file; its folder is made.
    """
    path = Path(path)
    make_folder(path.parent)
    with whole_file(path) as aside:
        aside.write_text("".join(json.dumps(item._asdict(), ensure_ascii=True) + "\n" for item in items), encoding="ascii")
    open_to_members(path)


def read_items(path: Path | str) -> list[Item]:
    """Read a sample.

    Parameters
    ----------
    path : path
        As :func:`write_items` left it.

    Returns
    -------
    list of Item
        In order of review.

    Raises
    ------
    TextDataError
        If a line is no item.
    """
    items = []
    for number, line in enumerate(Path(path).read_text(encoding="utf-8").splitlines(), 1):
        try:
            record = json.loads(line)
            items.append(Item(**(record | {"others": tuple((start, end) for start, end in record.get("others", ()))})))
        except (ValueError, TypeError) as error:
            raise TextDataError(f"line {number} of {Path(path).name} is no item of a review", hint="draw the sample anew") from error
    return items
