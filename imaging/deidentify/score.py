"""How well files were de-identified, by a key that says of each planted value what has to become of it.

The ten actions are those of the MIDI-B challenge (Medical Image De-Identification Benchmark, RSNA 2024): some ask that a value is
gone, some that it stays, so that who deletes everything loses as who deletes nothing.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from datetime import date
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.sequence import Sequence

from imaging.dicom.quiet import quiet
from imaging.dicom.reading import open_bounded
from imaging.errors import ImageDataError, TaskError
from imaging.volumes.pixels import pixel_format, stored_frames

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from pydicom.dataelem import DataElement

__all__ = ["ACTIONS", "Row", "Share", "Verdict", "find", "score", "shares"]

#: Action -> what has to be true of the file that came out.
ACTIONS = {
    "tag_retained": "the attribute is there",
    "text_notnull": "the attribute is there and not empty",
    "text_retained": "the attribute still holds the value",
    "text_removed": "the attribute does not hold the value any more",
    "date_shifted": "the date is moved, by as many days as every date of the patient",
    "uid_changed": "the UID is another one",
    "uid_consistent": "the UID is the one that stands for the value everywhere, and for no other",
    "patid_consistent": "the patient's number is the one that stands for the value everywhere, and for no other",
    "pixels_hidden": "the rectangle shows one value only, in every frame",
    "pixels_retained": "the rectangle, or the whole image, is as it was, bit for bit",
}

_STEP = re.compile(r'(?P<group>[0-9A-F]{4})(?P<element>[0-9A-F]{4}|xx[0-9A-F]{2})(?:"(?P<creator>[^"]+)")?(?:\[(?P<item>\d+)\])?')
_UID = re.compile(r"(?=.{1,64}$)[0-2](?:\.(?:0|[1-9]\d*))+")
_DATE = re.compile(r"(\d{4})(\d\d)(\d\d)")
#: Share of a rectangle that has to hold one value: its edge may lie a pixel beyond what was drawn.
_HIDDEN_SHARE = 0.99


class Row(NamedTuple):
    """One row of a key.

    Parameters
    ----------
    file : str
        Name of the file.
    path : str
        Where the value was planted: tags of eight hexadecimal digits, ``/`` between a sequence and what lies in it, ``[n]`` for its item,
        from 0: ``00081140[0]/00081155``. A private element is named by its creator: ``0029xx10"ACME"``. Empty for pixels.
    action : str
        A key of :data:`ACTIONS`.
    value : str
        The value that was planted; for pixels the rectangle ``left,top,right,bottom``, or nothing for the whole image.
    patient : str
        Whose file it is.
    """

    file: str
    path: str
    action: str
    value: str
    patient: str = ""


class Verdict(NamedTuple):
    """Whether a row was kept to; `found` is a word for what was found instead, never a value."""

    row: Row
    passed: bool
    found: str = ""


class Share(NamedTuple):
    """How many rows of an action passed."""

    passed: int
    total: int

    @property
    def share(self) -> float:
        """The part that passed, 0 to 1."""
        return self.passed / self.total if self.total else float("nan")


def score(key: Iterable[Row], originals: Mapping[str, Path], cleaned: Mapping[str, Path]) -> list[Verdict]:
    """Return for each row of a key whether it was kept to.

    Parameters
    ----------
    key : iterable of Row
        What was planted.
    originals, cleaned : mapping of str to path
        The files by the name that the key has for them. Of a file that did not come out, every row is lost.

    Returns
    -------
    list of Verdict
        In the order of the key.

    Raises
    ------
    TaskError
        If a row has another action, or a path that cannot be read.
    """
    key = list(key)
    for row in key:
        if row.action not in ACTIONS:
            raise TaskError("key of a score: found a row with another action", hint=f"one of: {', '.join(ACTIONS)}")
    by_file: dict[str, list[tuple[int, Row]]] = defaultdict(list)
    for number, row in enumerate(key):
        by_file[row.file].append((number, row))
    verdicts: dict[int, Verdict] = {}
    values: dict[int, str] = {}
    for name, rows in by_file.items():
        dataset = _opened(cleaned.get(name))
        pixels = _Pixels(originals[name], cleaned[name]) if dataset is not None else None
        for number, row in rows:
            if dataset is None:
                verdicts[number] = Verdict(row, False, "no-file")
            elif row.action in _PIXELS:
                verdicts[number] = Verdict(row, *_PIXELS[row.action](pixels, row.value))
            elif row.action in _TOGETHER:
                values[number] = _words(find(dataset, row.path))
            else:
                verdicts[number] = Verdict(row, *_ALONE[row.action](find(dataset, row.path), row.value))
    for action, judge in _TOGETHER.items():
        found = {number: value for number, value in values.items() if key[number].action == action}
        verdicts |= {number: Verdict(key[number], *judged) for number, judged in judge(key, found).items()}
    return [verdicts[number] for number in range(len(key))]


def shares(verdicts: Iterable[Verdict]) -> dict[str, Share]:
    """Return how many rows passed, by action and as a whole.

    Parameters
    ----------
    verdicts : iterable of Verdict
        See :func:`score`.

    Returns
    -------
    dict of str to Share
        By action in the order of :data:`ACTIONS`, those without rows left out; last ``all``.

    Examples
    --------
    >>> row = Row("a", "00100010", "text_removed", "Wang")
    >>> shares([Verdict(row, True), Verdict(row, False)])
    {'text_removed': Share(passed=1, total=2), 'all': Share(passed=1, total=2)}
    """
    totals, passed = Counter(), Counter()
    for verdict in verdicts:
        totals[verdict.row.action] += 1
        passed[verdict.row.action] += verdict.passed
    each = {action: Share(passed[action], totals[action]) for action in ACTIONS if totals[action]}
    return each | {"all": Share(passed.total(), totals.total())}


def find(dataset: Dataset, path: str) -> DataElement | None:
    """Return the element at a path, or None where it, or what leads to it, is not there.

    Parameters
    ----------
    dataset : Dataset
        With its file meta information.
    path : str
        See :class:`Row`.

    Raises
    ------
    TaskError
        If it is no such path.

    Examples
    --------
    >>> dataset, item = Dataset(), Dataset()
    >>> item.ReferencedSOPInstanceUID = "1.2.3"
    >>> dataset.ReferencedImageSequence = [item]
    >>> find(dataset, "00081140[0]/00081155").value
    '1.2.3'
    """
    element, here = None, dataset
    for step in path.split("/"):
        match = _STEP.fullmatch(step)
        if match is None:
            raise TaskError("key of a score: found a path that cannot be read", hint='as in 00081140[0]/00081155 or 0029xx10"ACME"')
        element = _element(here, match)
        if element is None or match["item"] is None:
            here = Dataset()
            continue
        contents = element.value if isinstance(element.value, Sequence) else ()
        here = contents[int(match["item"])] if int(match["item"]) < len(contents) else Dataset()
    return element


def _element(dataset: Dataset, step: re.Match[str]) -> DataElement | None:
    group = int(step["group"], 16)
    if step["creator"]:
        try:
            tag = dataset.private_block(group, step["creator"]).get_tag(int(step["element"][-2:], 16))
        except KeyError:
            return None
    else:
        tag = group << 16 | int(step["element"], 16)
    place = getattr(dataset, "file_meta", dataset) if group == 2 else dataset
    with quiet():
        return place.get(tag)


def _opened(path: Path | None) -> Dataset | None:
    if path is None or not path.exists():
        return None
    try:
        return open_bounded(path)
    except ImageDataError:
        return None


def _words(element: DataElement | None) -> str:
    """Return all text of an element, of a sequence that of everything in it."""
    if element is None:
        return ""
    with quiet():
        value = element.value
    if isinstance(value, Sequence):
        return "\n".join(_words(inner) for item in value for inner in item)
    if isinstance(value, bytes):
        return "\n".join(value.decode(charset, "replace") for charset in ("utf-8", "gb18030")).strip(" \0")
    if isinstance(value, (MultiValue, list)):
        return "\\".join(map(str, value))
    return "" if value is None else str(value).strip(" \0")


def _retained(element: DataElement | None, value: str) -> tuple[bool, str]:
    if element is None:
        return False, "absent"
    words = _words(element)
    return (True, "") if value.casefold() in words.casefold() or _same_number(words, value) else (False, "changed" if words else "empty")


def _same_number(first: str, second: str) -> bool:
    try:
        return [float(part) for part in first.split("\\")] == [float(part) for part in second.split("\\")]
    except ValueError:
        return False


def _removed(element: DataElement | None, value: str) -> tuple[bool, str]:
    words = _words(element).casefold()
    # Also where its bytes are declared to be Latin.
    spellings = (value, *(value.encode(charset).decode("latin-1") for charset in ("utf-8", "gb18030")))
    return (False, "there") if any(spelling.casefold() in words for spelling in spellings) else (True, "")


def _not_null(element: DataElement | None, _: str) -> tuple[bool, str]:
    return (True, "") if _words(element) else (False, "absent" if element is None else "empty")


def _changed(element: DataElement | None, value: str) -> tuple[bool, str]:
    words = _words(element)
    if not _UID.fullmatch(words):
        return False, "no-uid"
    return words != value, "" if words != value else "there"


_ALONE: dict[str, Callable[[DataElement | None, str], tuple[bool, str]]] = {
    "tag_retained": lambda element, _: (element is not None, "" if element is not None else "absent"),
    "text_notnull": _not_null,
    "text_retained": _retained,
    "text_removed": _removed,
    "uid_changed": _changed,
}


def _consistent(key: list[Row], found: Mapping[int, str]) -> dict[int, tuple[bool, str]]:
    """Judge that one value became one other wherever it stood, and that no two became the same."""
    became: dict[str, Counter[str]] = defaultdict(Counter)
    for number, value in found.items():
        became[key[number].value][value] += 1
    usual = {old: counted.most_common(1)[0][0] for old, counted in became.items()}
    owners = Counter(usual.values())
    judged = {}
    for number, value in found.items():
        old = key[number].value
        wrong = {"empty": not value, "there": value == old, "differs": value != usual[old], "shared": owners[value] > 1}
        reason = next((name for name, is_wrong in wrong.items() if is_wrong), "")
        judged[number] = (not reason, reason)
    return judged


def _shifted(key: list[Row], found: Mapping[int, str]) -> dict[int, tuple[bool, str]]:
    """Judge that dates of a patient all moved by one number of days, times and zones as they were."""
    days = {number: _days(key[number].value, value) for number, value in found.items()}
    counted: dict[str, Counter[int]] = defaultdict(Counter)
    for number, moved in days.items():
        if moved:
            counted[key[number].patient][moved] += 1
    judged = {}
    for number, moved in days.items():
        if moved is None:
            judged[number] = (False, "no-date" if found[number] else "empty")
        elif moved == 0:
            judged[number] = (False, "there")
        else:
            right = moved == counted[key[number].patient].most_common(1)[0][0]
            judged[number] = (right, "" if right else "differs")
    return judged


def _days(old: str, new: str) -> int | None:
    """Return by how many days a date, or a date with a time behind it, was moved."""
    first, second = _DATE.match(old), _DATE.match(new)
    if not first or not second or old[8:] != new[8:]:
        return None
    try:
        return (date(*map(int, second.groups())) - date(*map(int, first.groups()))).days
    except ValueError:
        return None


_TOGETHER = {"date_shifted": _shifted, "uid_consistent": _consistent, "patid_consistent": _consistent}


class _Pixels:
    """Frames of a file as it came and as it went out, decoded when they are first asked for."""

    def __init__(self, original: Path, cleaned: Path) -> None:
        self.paths = (original, cleaned)
        self.frames: tuple[np.ndarray, np.ndarray] | None = None

    def both(self) -> tuple[np.ndarray, np.ndarray]:
        if self.frames is None:
            self.frames = _decoded(self.paths[0]), _decoded(self.paths[1])
        return self.frames


def _decoded(path: Path) -> np.ndarray:
    form = pixel_format(open_bounded(path))
    return np.stack(list(stored_frames(str(path), form, range(1, (form.frames or 1) + 1))))


def _hidden(pixels: _Pixels, value: str) -> tuple[bool, str]:
    try:
        after = pixels.both()[1]
    except (ImageDataError, ValueError):
        return False, "undecodable"
    left, top, right, bottom = map(int, value.split(","))
    for frame in after[:, top:bottom, left:right]:
        points = frame.reshape(-1, frame.shape[2] if frame.ndim == 3 else 1)
        if np.unique(points, axis=0, return_counts=True)[1].max() < _HIDDEN_SHARE * len(points):
            return False, "there"
    return True, ""


def _kept(pixels: _Pixels, value: str) -> tuple[bool, str]:
    try:
        before, after = pixels.both()
    except (ImageDataError, ValueError):
        return False, "undecodable"
    if before.shape != after.shape:
        return False, "shape"
    left, top, right, bottom = map(int, value.split(",")) if value else (0, 0, before.shape[2], before.shape[1])
    same = np.array_equal(before[:, top:bottom, left:right], after[:, top:bottom, left:right])
    return same, "" if same else "changed"


_PIXELS = {"pixels_hidden": _hidden, "pixels_retained": _kept}
