"""Decisions of reviewers: append-only files that a kill cannot spoil, one a reviewer; adjudication and agreement."""

from __future__ import annotations

import fcntl
import json
import os
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from heapq import merge
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from nlp.errors import PlaceError, TextDataError
from nlp.review.folders import make_folder, open_to_members

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from nlp.review.items import Item

__all__ = [
    "VERDICTS",
    "Decision",
    "DecisionFile",
    "DecisionLog",
    "Final",
    "agreement",
    "check",
    "disagreements",
    "finals",
    "latest",
    "same",
]

#: Verdict -> what it says.
VERDICTS = {
    "accept": "the answer is right; where nothing was found: nothing is there",
    "correct": "there is an answer, but another value, assertion or span",
    "reject": "what was found is no answer at all, and none is there",
    "unsure": "cannot be told from the note",
    "missed": "something is there that was not found (besides what was found, if anything)",
    "withdrawn": "takes the reviewer's last decision back",
}


class Decision(NamedTuple):
    """What a reviewer said of an item; `value`, `assertion` and the span are those of the correction or of what was missed.

    `start` and `end` count code points of the note, (-1, -1) where no span was given; `adjudicator` marks the verdict that stands where
    reviewers differ; `time` is ISO, in UTC.
    """

    item: str
    reviewer: str
    verdict: str
    value: float | str | None = None
    assertion: str = ""
    start: int = -1
    end: int = -1
    note: str = ""
    adjudicator: bool = False
    time: str = ""


class Final(NamedTuple):
    """The verdict that stands for an item: `decision` is None while reviewers differ and nobody has adjudicated."""

    item: str
    decision: Decision | None
    reviewers: tuple[str, ...]
    adjudicated: bool = False


def check(decision: Decision, item: Item) -> None:
    """Refuse a decision that cannot mean anything.

    Parameters
    ----------
    decision : Decision
        What is to be written.
    item : Item
        What it is about.

    Raises
    ------
    TextDataError
        If the verdict is not known, does not fit an item without an answer, or says a correction without saying which.
    """
    if decision.verdict not in VERDICTS:
        raise TextDataError(f"verdict is {decision.verdict!r}", hint=f"wanted one of {', '.join(VERDICTS)}")
    if not decision.reviewer.strip():
        raise TextDataError("the reviewer has no name", hint="say reviewer=...")
    if not item.found and decision.verdict in ("reject", "correct"):
        raise TextDataError(f"nothing was found in this note, so there is nothing to {decision.verdict}", hint="accept, missed or unsure")
    if decision.verdict == "correct" and not _changes(decision, item):
        raise TextDataError("the correction changes nothing", hint="give another value, assertion or span, or accept")
    if decision.start != -1 and not 0 <= decision.start < decision.end:
        raise TextDataError("the span is empty or lies outside the note", hint="select the words again")


def _changes(decision: Decision, item: Item) -> bool:
    return (decision.value, decision.assertion) != (item.value, item.assertion) or (
        decision.start != -1 and (decision.start, decision.end) != (item.start, item.end)
    )


@dataclass
class DecisionFile:
    """Decisions as JSON lines, each brought to the disk before the next is taken; several processes of one account may write.

    Parameters
    ----------
    path : Path
        The file; made by the first decision.
    torn : int
        Torn last lines that were found and dropped: what a kill in the middle of a write leaves.
    damaged : list of int
        Numbers of other lines that are no decision; they are skipped.
    """

    path: Path
    torn: int = 0
    damaged: list[int] = field(default_factory=list)

    def read(self) -> list[Decision]:
        """Return all decisions in the order in which they were made; sets `torn` and `damaged`."""
        text = self.path.read_bytes() if self.path.is_file() else b""
        *lines, last = text.split(b"\n")
        self.torn, self.damaged = self._dropped() + bool(last), []
        decisions = []
        for number, line in enumerate(lines, 1):
            try:
                decision = Decision(**json.loads(line))
            except (ValueError, TypeError):
                decision = None
            if decision and all(isinstance(name, str) for name in (decision.item, decision.reviewer, decision.verdict, decision.time)):
                decisions.append(decision)
            else:
                self.damaged.append(number)
        return decisions

    def append(self, decision: Decision) -> Decision:
        """Write a decision; when this returns, it is on the disk.

        Parameters
        ----------
        decision : Decision
            Without a time, it is now.

        Returns
        -------
        Decision
            As written.
        """
        decision = decision if decision.time else decision._replace(time=datetime.now(UTC).isoformat(timespec="milliseconds"))
        line = json.dumps(decision._asdict(), ensure_ascii=True).encode("ascii") + b"\n"
        make_folder(self.path.parent)
        handle = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            if os.fstat(handle).st_size == 0:
                open_to_members(self.path)
            end = self._mend(handle)
            written = 0
            while written < len(line):
                written += os.pwrite(handle, line[written:], end + written)
            os.fsync(handle)
        finally:
            os.close(handle)
        return decision

    def _mend(self, handle: int) -> int:
        """Cut a torn last line off, keep count of it beside the file, and return where the next line begins."""
        size = os.fstat(handle).st_size
        if size == 0 or os.pread(handle, 1, size - 1) == b"\n":
            return size
        text = os.pread(handle, size, 0)
        end = text.rfind(b"\n") + 1
        with self._tally.open("a", encoding="utf-8") as tally:
            tally.write(f"{size - end}\n")
        os.ftruncate(handle, end)
        return end

    @property
    def _tally(self) -> Path:
        return self.path.with_name(self.path.name + ".torn")

    def _dropped(self) -> int:
        return len(self._tally.read_text(encoding="utf-8").splitlines()) if self._tally.is_file() else 0


class DecisionLog:
    """The decisions of all reviewers in one folder: a file for each, which belongs to the account that began it.

    All may read and none may write in another's name, so that two people can review in a folder of their project.

    Parameters
    ----------
    folder : Path
        Made by the first decision, for those who may use the folder that it lies in; see :func:`nlp.review.folders.make_folder`.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def file_of(self, reviewer: str) -> DecisionFile:
        """Return the file of a reviewer; names that differ have different ones."""
        shown = re.sub(r"\W", "_", reviewer)[:40]
        return DecisionFile(self.folder / f"{shown}-{sha256(reviewer.encode('utf-8', 'replace')).hexdigest()[:8]}.jsonl")

    def check(self, reviewer: str) -> None:
        """Refuse a reviewer whose decisions another account has begun.

        Raises
        ------
        PlaceError
            Before any decision is taken.
        """
        path = self.file_of(reviewer).path
        if path.exists() and not os.access(path, os.R_OK | os.W_OK):
            raise PlaceError("another account reviews under this name", hint="give another name: reviewer=...")

    def append(self, decision: Decision) -> Decision:
        """Write a decision to its reviewer's file; see :meth:`DecisionFile.append`."""
        return self.file_of(decision.reviewer).append(decision)

    def read(self) -> list[Decision]:
        """Return all decisions by time, each reviewer's in the order in which they were made; lines in another's name do not count."""
        files = [DecisionFile(path) for path in sorted(self.folder.glob("*.jsonl"))]
        own = [[each for each in file.read() if self.file_of(each.reviewer).path == file.path] for file in files]
        return list(merge(*own, key=lambda each: each.time))


def latest(decisions: Iterable[Decision]) -> dict[tuple[str, str, bool], Decision]:
    """Return the decision that counts for each (item, reviewer, adjudicator): the last, unless it was withdrawn.

    Parameters
    ----------
    decisions : iterable of Decision
        In the order in which they were made.

    Returns
    -------
    dict
        By item, reviewer and role.
    """
    counts: dict[tuple[str, str, bool], Decision] = {}
    for decision in decisions:
        key = (decision.item, decision.reviewer, decision.adjudicator)
        if decision.verdict == "withdrawn":
            counts.pop(key, None)
        else:
            counts[key] = decision
    return counts


def same(one: Decision, other: Decision) -> bool:
    """Tell whether two decisions say the same: verdict, and for a correction or something missed, value and assertion.

    Parameters
    ----------
    one, other : Decision
        Of the same item.

    Returns
    -------
    bool
        Spans are not compared: two people rarely mark the same characters.
    """
    if one.verdict != other.verdict:
        return False
    return one.verdict not in ("correct", "missed") or (one.value, one.assertion) == (other.value, other.assertion)


def finals(decisions: Iterable[Decision]) -> dict[str, Final]:
    """Return the verdict that stands for each item that anyone judged.

    Parameters
    ----------
    decisions : iterable of Decision
        In the order in which they were made.

    Returns
    -------
    dict of str to Final
        The adjudicator's where there is one, else what all reviewers say; open where they differ.

    Examples
    --------
    >>> made = [Decision("7|cough|", "a", "accept"), Decision("7|cough|", "b", "reject")]
    >>> finals(made)["7|cough|"].decision is None
    True
    >>> finals([*made, Decision("7|cough|", "c", "reject", adjudicator=True)])["7|cough|"].decision.verdict
    'reject'
    """
    return {item: _final(item, made) for item, made in _by_item(latest(decisions).values()).items()}


def _by_item(decisions: Iterable[Decision]) -> dict[str, list[Decision]]:
    by_item: dict[str, list[Decision]] = {}
    for decision in decisions:
        by_item.setdefault(decision.item, []).append(decision)
    return by_item


def _reviews(decisions: Iterable[Decision]) -> list[Decision]:
    """Return the decisions that count, without the adjudicators'."""
    return [decision for decision in latest(decisions).values() if not decision.adjudicator]


def _final(item: str, made: Sequence[Decision]) -> Final:
    reviews = sorted((each for each in made if not each.adjudicator), key=lambda each: each.time)
    rulings = sorted((each for each in made if each.adjudicator), key=lambda each: each.time)
    names = tuple(each.reviewer for each in reviews)
    if rulings:
        return Final(item, rulings[-1], names, adjudicated=True)
    agreed = all(same(reviews[0], each) for each in reviews[1:])
    return Final(item, reviews[-1] if agreed else None, names)


def disagreements(decisions: Iterable[Decision]) -> list[tuple[str, tuple[Decision, ...]]]:
    """Return the items of which reviewers say different things, adjudicated ones included.

    Parameters
    ----------
    decisions : iterable of Decision
        In the order in which they were made.

    Returns
    -------
    list of (str, tuple of Decision)
        Item and the reviewers' decisions, in order of the first decision on the item.
    """
    by_item = _by_item(_reviews(decisions))
    return [(item, tuple(made)) for item, made in by_item.items() if not all(same(made[0], each) for each in made[1:])]


class Agreement(NamedTuple):
    """Two reviewers: items that both judged, the share on which they agree, and Cohen's kappa of the verdicts.

    `kappa` is None where both gave one and the same verdict throughout: chance cannot be told from skill then.
    """

    reviewers: tuple[str, str]
    n: int
    agreed: float
    kappa: float | None


def agreement(decisions: Iterable[Decision]) -> list[Agreement]:
    """Measure how well reviewers agree, for each two of them who judged the same items.

    Parameters
    ----------
    decisions : iterable of Decision
        In the order in which they were made.

    Returns
    -------
    list of Agreement
        In order of names.

    References
    ----------
    .. [1] J. Cohen, A coefficient of agreement for nominal scales, Educ. Psychol. Meas. 20 (1960) 37-46.
    """
    by_reviewer: dict[str, dict[str, Decision]] = {}
    for decision in _reviews(decisions):
        by_reviewer.setdefault(decision.reviewer, {})[decision.item] = decision
    pairs = combinations(sorted(by_reviewer), 2)
    return [found for one, other in pairs if (found := _agreement((one, other), by_reviewer[one], by_reviewer[other]))]


def _agreement(names: tuple[str, str], one: dict[str, Decision], other: dict[str, Decision]) -> Agreement | None:
    both = [item for item in one if item in other]
    if not both:
        return None
    agreed = sum(same(one[item], other[item]) for item in both) / len(both)
    first, second = [one[item].verdict for item in both], [other[item].verdict for item in both]
    if len({*first, *second}) == 1:
        return Agreement(names, len(both), agreed, None)
    from sklearn.metrics import cohen_kappa_score

    return Agreement(names, len(both), agreed, float(cohen_kappa_score(first, second)))
