"""Reads the turns of a doctor-patient chat: whether a finding is denied or asked for where it is named, and how the other side answers."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from nlp.reading import own_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nlp.assertion.dialogue import Dialogue, DialogueMention

__all__ = ["COMMAS", "NEGATIONS", "STOPS", "Told", "TurnFacts", "answer_kind", "told_of", "turn_facts", "words_of_chat"]

#: Ends of sentences, ends of their parts, and characters that deny.
STOPS = re.compile(r"[。！!？?；;\n]")
COMMAS = re.compile(r"[，,、 ]")
NEGATIONS = frozenset("不没无未沒")
_HEARD = 3  # turns of the other side, in which an answer is looked for
_EMPTY = frozenset("不没无未沒有的了吗呢是啊吧点很还在会都也得出感觉病症，,。？?！!、 ")


class _Words(NamedTuple):
    classes: dict[str, re.Pattern[str]]
    answers: dict[str, re.Pattern[str]]
    denials: dict[str, re.Pattern[str]]
    columns: dict[str, list[str]]


@cache
def words_of_chat() -> _Words:
    """Return the patterns of ``nlp/data/dialogue.yaml``."""
    data = own_table("dialogue.yaml")
    classes = {name: re.compile("|".join(words.split())) for name, words in data["classes"].items()}
    patterns = [{name: re.compile(pattern) for name, pattern in data[part].items()} for part in ("answers", "denials")]
    return _Words(classes, *patterns, {name: columns.split() for name, columns in data["columns"].items()})


class TurnFacts(NamedTuple):
    """What is told of a whole turn."""

    doctor: bool
    text: str
    asks: bool
    yes: bool
    no: bool
    some_no: bool
    bare_no: bool
    thanks: bool
    n_mentions: int
    keys: frozenset[str]


def turn_facts(text: str, doctor: bool, mentions: Sequence[DialogueMention]) -> TurnFacts:
    """Look at a turn as a whole: who speaks, whether it asks, agrees or denies, and what it names."""
    words = words_of_chat()
    answers = {name: bool(pattern.search(text)) for name, pattern in words.answers.items()}
    asks = bool(words.classes["ask_end"].search(text) or words.classes["a_not_a"].search(text))
    return TurnFacts(
        doctor,
        text,
        asks,
        answers["agrees"],
        answers["denies"],
        answers["other_no"],
        answers["bare_no"],
        answers["thanks"],
        len(mentions),
        frozenset(mention.key for mention in mentions),
    )


def _question_end(doctor: bool) -> re.Pattern[str]:
    """Return how a question ends: a doctor who ends with "没有" asks, a patient answers."""
    words = words_of_chat()
    return words.classes["ask_end"] if doctor else words.denials["asks"]


class Told(NamedTuple):
    """What the words around a mention say: whether it is denied, and how, and whether it is asked for.

    `denied` is 0 for not; 1 right before it, 2 as the one before it in a list, 3 right behind it, 4 farther before it, 5 within it.
    """

    denied: int
    asked: bool

    @property
    def stated(self) -> int:
        """-1 for denied, 1 for said, 0 for asked."""
        return 0 if self.asked else -1 if self.denied else 1


def told_of(dialogue: Dialogue, turns: list[TurnFacts]) -> list[Told]:
    """Return what is told of each mention where it stands."""
    told: list[Told] = []
    for place, mention in enumerate(dialogue.mentions):
        previous = dialogue.mentions[place - 1] if place and dialogue.mentions[place - 1].turn == mention.turn else None
        turn = turns[mention.turn]
        joint = previous and words_of_chat().denials["joint"].match(turn.text[previous.end : mention.start])
        told.append(_around_told(mention, turn, told[-1] if joint else None))
    return told


def _around_told(mention: DialogueMention, turn: TurnFacts, joined: Told | None) -> Told:
    """Tell of one mention, given what is told of the one that it is joined to."""
    denials = words_of_chat().denials
    head, tail = STOPS.split(turn.text[: mention.start])[-1], turn.text[mention.end :]
    # Who asks how long a cough lasts, or what there is besides it, takes the cough for granted.
    granted = denials["granted_before"].search(head) or denials["granted_behind"].match(tail)
    chosen = bool(denials["choice"].search(head))
    denied = _denied(mention, "" if chosen else head, tail, joined)
    inherited = joined and joined.asked and denied in (0, 2, 4, 5)
    return Told(denied, not granted and bool(chosen or inherited or _asks(mention, turn, head, tail)))


def _denied(mention: DialogueMention, head: str, tail: str, joined: Told | None) -> int:
    denials = words_of_chat().denials
    if denials["before"].search(head):
        return 1
    if denials["behind"].search(tail):
        return 3
    if joined and joined.denied in (1, 2, 4):
        return 2
    if denials["wide"].search(head):
        return 4
    return 5 if denials["inside"].search(mention.text) and not set(mention.key) & NEGATIONS else 0


def _asks(mention: DialogueMention, turn: TurnFacts, head: str, tail: str) -> bool:
    """Tell whether the mention is asked for: its sentence or its part of it ends as a question, or a question leads to it."""
    words = words_of_chat()
    stop = STOPS.search(tail)
    sentence = tail[: stop.end()] if stop else tail
    own = "x" + COMMAS.split(sentence)[0]
    # What a patient asks behind a comma is mostly another thing.
    pieces, end = ((head + "x" + sentence, own) if turn.doctor else (own,)), _question_end(turn.doctor)
    led = words.denials["led"].search(turn.text[: mention.start]) or words.denials["or"].match(tail)
    doubled = re.match(f"[不没]{re.escape(mention.text[-1])}", tail)
    return bool(led or doubled) or any(end.search(piece) for piece in pieces)


def answer_kind(mention: DialogueMention, turns: list[TurnFacts], dialogue: Dialogue, told: list[Told]) -> int:
    """Tell how the other side answers.

    0 not at all; the same thing 1 denied or 2 said; 3 plain no; 4 yes; 5 a no with more words; 6 something else; 7 something else, and
    a plain no later; 8 what was asked beside it, and a no to the rest; 9 only what was asked beside it; 10 the same where one was to be
    chosen.
    """
    side = turns[mention.turn].doctor
    heard = [at for at in range(mention.turn + 1, min(mention.turn + 9, len(turns))) if turns[at].doctor != side][:4]
    beside = {_signs(other.text) for other in dialogue.mentions if other.turn == mention.turn and other.key != mention.key}
    weak = 0
    for number, at in enumerate(heard):
        turn = turns[at]
        named = [told[place].stated for place, its in enumerate(dialogue.mentions) if its.turn == at and its.key == mention.key]
        if stated := min(named, default=0) or _echo(_signs(mention.text), turn):
            return 1 if stated < 0 else 2
        if not weak and number < _HEARD:
            weak = _weak_kind(turn, number, beside)
            if weak in (3, 7, 8):
                return weak
    if weak == 9 and "还是" in turns[mention.turn].text:
        return 10
    return weak or (6 if heard else 0)


def _weak_kind(turn: TurnFacts, number: int, beside: set[str]) -> int:
    """Tell how a turn answers that does not name what was asked for; see `answer_kind`."""
    if turn.bare_no:
        return 7 if number else 3
    rest = words_of_chat().denials["rest"].search(turn.text)
    if any(_echo(signs, turn) for signs in beside):
        return 8 if rest else 9
    return 3 if rest else 5 if turn.no else 4 if turn.yes else 0


def _signs(text: str) -> str:
    """Leave out of a mention what says nothing."""
    return "".join(sign for sign in dict.fromkeys(text) if sign not in _EMPTY)


def _echo(signs: str, turn: TurnFacts) -> int:
    """Tell whether words come back in a turn that does not ask: -1 denied, 1 said, 0 not."""
    if not signs or _question_end(turn.doctor).search(turn.text) or sum(sign in turn.text for sign in signs) < max(1.0, 0.6 * len(signs)):
        return 0
    before, behind = words_of_chat().denials["echo_before"], words_of_chat().denials["echo_behind"]
    found = [match for sign in signs for match in re.finditer(re.escape(sign), turn.text)]
    denied = any(before.search(turn.text[: match.start()]) or behind.match(turn.text[match.end() :]) for match in found)
    return -1 if denied else 1
