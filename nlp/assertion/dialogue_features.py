"""Describes a mention in a doctor-patient chat by abstract features: classes of function words around it, turns, answers, repetitions."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from nlp.assertion.dialogue_turns import COMMAS, NEGATIONS, STOPS, Told, TurnFacts, answer_kind, told_of, turn_facts, words_of_chat

if TYPE_CHECKING:
    from nlp.assertion.dialogue import Dialogue, DialogueMention

__all__ = ["describe", "feature_names"]

_WINDOW = 12


def describe(dialogue: Dialogue) -> np.ndarray:
    """Return the features of all mentions of a dialogue.

    Returns
    -------
    ndarray of shape (n_mentions, len(feature_names())), float32
        In the order of the dialogue's mentions.
    """
    by_turn: list[list[DialogueMention]] = [[] for _ in dialogue.turns]
    for mention in dialogue.mentions:
        by_turn[mention.turn].append(mention)
    turns = [turn_facts(turn.text, turn.doctor, mentions) for turn, mentions in zip(dialogue.turns, by_turn, strict=True)]
    told = told_of(dialogue, turns)
    seen: dict[str, int] = {}
    rows = []
    for place, mention in enumerate(dialogue.mentions):
        row = _row(mention, turns, by_turn, dialogue, seen.get(mention.key, 0))
        rows.append(row + _resolved(place, dialogue, turns, told))
        seen[mention.key] = seen.get(mention.key, 0) + 1
    return np.array(rows, np.float32).reshape(len(rows), len(feature_names()))


def _resolved(place: int, dialogue: Dialogue, turns: list[TurnFacts], told: list[Told]) -> list[float]:
    """Tell what else the dialogue says of the mention: answers to a question for it, other statements of the same name."""
    mention, own = dialogue.mentions[place], told[place]
    same = [other for other, its in enumerate(dialogue.mentions) if its.key == mention.key and other != place]
    patient = [other for other in same if not turns[dialogue.mentions[other].turn].doctor and told[other].stated]
    doctor = [other for other in same if turns[dialogue.mentions[other].turn].doctor and told[other].stated]
    later = [told[other].stated for other in patient if dialogue.mentions[other].turn > mention.turn][:1]
    earlier = [told[other].stated for other in patient if dialogue.mentions[other].turn <= mention.turn and other < place][-1:]
    kind = answer_kind(mention, turns, dialogue, told)
    return [
        float(own.denied),
        float(own.asked),
        float(own.stated),
        float(own.denied == 1),
        float(kind),
        float(kind in (1, 3)),
        float(kind in (2, 4)),
        float(kind in (1, 3) and own.asked),
        float(later[0] if later else 0),
        float(earlier[0] if earlier else 0),
        float(sum(told[other].stated < 0 for other in patient)),
        float(sum(told[other].stated > 0 for other in patient)),
        float(sum(told[other].stated < 0 for other in doctor)),
        float(sum(told[other].stated > 0 for other in doctor)),
        float(sum(told[other].asked for other in same)),
        *_siblings(mention, dialogue, turns, told),
        *_echoes(mention, turns),
    ]


def _siblings(mention: DialogueMention, dialogue: Dialogue, turns: list[TurnFacts], told: list[Told]) -> list[float]:
    """Count what the next turn of the other side says of the mentions asked for beside this one: said, denied."""
    side, keys = turns[mention.turn].doctor, turns[mention.turn].keys - {mention.key}
    at = next((place for place in range(mention.turn + 1, len(turns)) if turns[place].doctor != side), len(turns))
    stated = [told[place].stated for place, its in enumerate(dialogue.mentions) if its.turn == at and its.key in keys]
    return [float(sum(value > 0 for value in stated)), float(sum(value < 0 for value in stated))]


def _echoes(mention: DialogueMention, turns: list[TurnFacts]) -> list[float]:
    """Look for a denial that the words right beside the mention do not show.

    A denial inside the mention of what its name says; one farther off in the clause; and in the next two turns of the other side: how
    much of the mention comes back, whether a character of it is denied, whether the rest is denied in a word.
    """
    words, turn = words_of_chat(), turns[mention.turn]
    bare = not set(mention.key) & NEGATIONS
    inside = bare and any(a in NEGATIONS and b in mention.key for a, b in zip(mention.text, mention.text[1:], strict=False))
    clause = STOPS.split(turn.text[: mention.start])[-1]
    far = words.denials["far"].search(clause) and not words.denials["choice"].search(clause)
    found = [float(mention.named and inside), float(bool(far))]
    later = [other.text for other in turns[mention.turn + 1 : mention.turn + 7] if other.doctor != turn.doctor][:2]
    signs = [sign for sign in set(mention.text) if sign not in NEGATIONS]
    for text in [*later, "", ""][:2]:
        back = sum(sign in text for sign in signs) / max(len(signs), 1)
        denied = any(re.search(f"[不没无]有?.?{re.escape(sign)}|{re.escape(sign)}.?(?:没|退|不|好了|消)", text) for sign in signs)
        found += [back, float(denied), float(bool(words.denials["rest"].search(text)))]
    return found


def _row(
    mention: DialogueMention, turns: list[TurnFacts], by_turn: list[list[DialogueMention]], dialogue: Dialogue, seen: int
) -> list[float]:
    turn = turns[mention.turn]
    before, after = turn.text[: mention.start], turn.text[mention.end :]
    total = sum(other.key == mention.key for other in dialogue.mentions)
    place = sum(other.start < mention.start for other in by_turn[mention.turn])
    return [
        *map(float, _basic(mention, turn, len(turns), seen, total, place)),
        *_around(before, after, turn.text),
        *_sentence(before, after),
        *_answers(mention, turns),
        *_asked(mention, turns),
    ]


def _basic(mention: DialogueMention, turn: TurnFacts, n_turns: int, seen: int, total: int, place: int) -> list[float]:
    """Describe the turn, where in it the mention stands, and its own characters."""
    here, before, after = turn.text[mention.start : mention.end], turn.text[: mention.start], turn.text[mention.end :]
    return [
        turn.doctor,
        turn.asks,
        mention.turn / max(n_turns, 1),
        mention.turn == 0,
        mention.turn,
        n_turns,
        len(turn.text),
        mention.start,
        len(after),
        len(here),
        mention.named,
        seen,
        total,
        turn.n_mentions,
        place,
        turn.thanks,
        turn.yes,
        turn.no,
        len(words_of_chat().classes["question"].findall(turn.text)),
        len(STOPS.findall(before)),
        len(STOPS.findall(after)),
        bool(re.search("[不没无未]", here)),
        here[:1] in "不没无未",
        bool(re.search("[炎癌瘤病症]", here)),
        here.endswith(("炎", "病", "癌", "瘤")),
    ]


def _around(before: str, after: str, text: str) -> list[float]:
    """Distances to the nearest word of each class before and behind, and how many there are in the turn."""
    near_before, near_after = before[-_WINDOW:], after[:_WINDOW]
    found: list[float] = []
    for pattern in words_of_chat().classes.values():
        first = last = float(_WINDOW + 1)
        for match in pattern.finditer(near_before):
            last = float(len(near_before) - match.end())
        if match := pattern.search(near_after):
            first = float(match.start())
        found += [last, first, float(len(pattern.findall(text)))]
    return found


def _sentence(before: str, after: str) -> list[float]:
    """Describe the sentence and the clause that hold the mention."""
    words = words_of_chat().classes
    head = STOPS.split(before)[-1]
    stop = STOPS.search(after)
    tail = after[: stop.end()] if stop else after
    clause = COMMAS.split(head)[-1] + COMMAS.split(tail)[0]
    sentence = head + tail
    return [
        float(len(head)),
        float(len(tail)),
        float(len(clause)),
        float(bool(stop) and stop.group() in "?？"),
        float(bool(words["ask_end"].search(sentence))),
        float(bool(words["a_not_a"].search(sentence))),
        float(bool(words["a_not_a"].search(head))),
        float(bool(words["negation"].search(clause))),
        float(bool(words["negation"].search(head))),
        float(bool(words["negation"].search(tail))),
        float(bool(words["still_not"].search(head))),
        float(bool(words["still_not"].search(COMMAS.split(head)[-1]))),
        float(bool(words["condition"].search(head))),
        float(bool(words["doubt"].search(head))),
        float(bool(words["general"].search(sentence))),
        float(bool(words["cause"].search(sentence))),
        float(bool(words["against"].search(head[-4:]))),
        float(bool(words["treat"].match(tail))),
    ]


def _answers(mention: DialogueMention, turns: list[TurnFacts]) -> list[float]:
    """Describe what the other side says next, in its first three turns."""
    turn = turns[mention.turn]
    later = [(place, other) for place, other in enumerate(turns[mention.turn + 1 : mention.turn + 9], 1) if other.doctor != turn.doctor][:3]
    found: list[float] = []
    for place in range(3):
        if place >= len(later):
            found += [-1.0] * 11
            continue
        distance, other = later[place]
        found += map(
            float,
            (
                distance,
                other.asks,
                other.yes,
                other.no,
                other.some_no,
                other.bare_no,
                other.thanks,
                len(other.text),
                other.n_mentions,
                mention.key in other.keys,
                mention.text in other.text,
            ),
        )
    own = [other for other in turns[mention.turn + 1 : mention.turn + 4] if other.doctor == turn.doctor][:1]
    return found + ([float(own[0].asks), float(mention.key in own[0].keys)] if own else [-1.0, -1.0])


def _asked(mention: DialogueMention, turns: list[TurnFacts]) -> list[float]:
    """Describe what the other side said last."""
    turn = turns[mention.turn]
    earlier = [other for other in turns[: mention.turn][::-1] if other.doctor != turn.doctor][:2]
    found: list[float] = []
    for place in range(2):
        if place >= len(earlier):
            found += [-1.0] * 5
        else:
            other = earlier[place]
            found += map(float, (other.asks, mention.key in other.keys, other.n_mentions, mention.text in other.text, len(other.text)))
    doctor_said = any(mention.key in other.keys for other in turns[: mention.turn] if other.doctor)
    patient_said = any(mention.key in other.keys for other in turns[: mention.turn] if not other.doctor)
    return [*found, float(doctor_said), float(patient_said)]


@cache
def feature_names() -> tuple[str, ...]:
    """Return the name of each column that `describe` gives."""
    words = words_of_chat()
    around = [f"{name}_{where}" for name in words.classes for where in ("before", "behind", "turn")]
    answers = [f"answer{place}_{name}" for place in range(3) for name in words.columns["answer"]]
    asked = [f"asked{place}_{name}" for place in range(2) for name in words.columns["asked"]]
    sentence = [f"sentence_{name}" for name in words.columns["sentence"]]
    own = ("own_asks", "own_same")
    said = ("doctor_said", "patient_said")
    return (*words.columns["basic"], *around, *sentence, *answers, *own, *asked, *said, *words.columns["resolved"])
