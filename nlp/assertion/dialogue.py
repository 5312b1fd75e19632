"""Assertion in doctor-patient chat: whether a finding that either side names is 阳性, 阴性, 其他 or 不标注 (CHIP-MDCFNPC).

In chat the answer to a question stands in another turn, so the rules of clinical notes (:mod:`nlp.assertion`) do not serve. A small model
of boosted trees looks at abstract features (:mod:`nlp.assertion.dialogue_features`, :mod:`nlp.assertion.dialogue_turns`): classes of
function words around the mention, who speaks, what is asked and how the other side answers, what else is said of the same name. The numbers
of the trees lie in ``nlp/data/dialogue_model.json``; they hold no text.

The model is one set of trees a fold, each learnt without the dialogues of its fold. What is new to all of them is answered by their mean; a
dialogue that some have learnt from is known by its digest and answered by the set that has not, so that no file gives a flattered score.
"""

from __future__ import annotations

import hashlib
import json
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from nlp.assertion.dialogue_features import describe, feature_names
from nlp.assertion.dialogue_turns import NEGATIONS, words_of_chat
from nlp.errors import ModelError, TextDataError
from nlp.reading import ReadReport, json_records
from nlp.trees import Trees

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = [
    "ATTRIBUTES",
    "LEAST",
    "Dialogue",
    "DialogueAssertions",
    "DialogueMention",
    "Fold",
    "Refused",
    "Turn",
    "answered",
    "digest",
    "read_dialogue",
    "read_dialogues",
    "score_table",
]

#: The classes, in the order of the model.
ATTRIBUTES = ("阳性", "阴性", "其他", "不标注")
_SIDES = {"医生": True, "患者": False}
LEAST = 1e-9  # of a probability, for its logarithm


class Turn(NamedTuple):
    """What one side says at a time."""

    text: str
    doctor: bool


class DialogueMention(NamedTuple):
    """A finding named in a turn.

    `turn` is the turn's place, `start` and `end` count code points in it, `key` is the normalised name, or the words themselves where
    `named` is False; `answer` is the gold attribute, "" where there is none; `place` is where it stands in the turn's list.
    """

    turn: int
    start: int
    end: int
    text: str
    key: str
    named: bool
    answer: str = ""
    place: int = 0


class Dialogue(NamedTuple):
    """A dialogue; its mentions in order of position."""

    number: str
    turns: tuple[Turn, ...]
    mentions: tuple[DialogueMention, ...]


class Refused(NamedTuple):
    """A dialogue that could not be read: where it stands in the file, counted from 1, and why."""

    line: int
    problem: str


class DialogueAssertions:
    """Answers the attribute of every mention of a dialogue.

    Learnt from 300 public dialogues of CHIP-MDCFNPC (5,615 mentions); the weights, not the text, come from that set. Five-fold
    cross-validation by dialogue: macro-F1 0.646 (95 % interval 0.620 to 0.670); 阳性 0.860, 阴性 0.714 (0.675 to 0.749), 其他 0.358,
    不标注 0.651; the patterns were written with these dialogues in view, so expect a little less elsewhere. Always saying 阳性 reaches
    0.192, the competition's second place, with large models and 20 times the dialogues, 0.779. With 60, 120 and 240 dialogues to learn
    from an earlier version reached 0.595, 0.616 and 0.644: more dialogues help more than anything that was tried on these. A pretrained
    encoder (multilingual-e5-small, fine-tuned) reached 0.515 on a fold where the trees reached 0.610, and helped neither as their mean
    nor as a correction of them. Meant for triage of chat records by people who read on, not for decisions about a patient.
    ``python -m nlp.assertion.dialogue_training FILE OUT`` makes it again.

    References
    ----------
    .. [1] CHIP-2021 task 1, clinical findings assertion in medical dialogue (CHIP-MDCFNPC); CBLUE, Zhang N et al., ACL 2022.

    Examples
    --------
    >>> chat = {
    ...     "dialog_id": 1,
    ...     "dialog_info": [
    ...         {"text": "有发热吗？", "sender": "医生", "ner": [{"name": "发热", "mention": "发热", "range": [1, 3]}]},
    ...         {"text": "没有发热", "sender": "患者", "ner": [{"name": "发热", "mention": "发热", "range": [2, 4]}]},
    ...     ],
    ... }
    >>> DialogueAssertions().predict(read_dialogue(chat))
    ['阴性', '阴性']
    """

    def __init__(self, model: dict[str, Any] | None = None) -> None:
        data = model if model is not None else _model()
        if tuple(data["features"]) != feature_names() or tuple(data["classes"]) != ATTRIBUTES:
            raise ModelError("the dialogue model was learnt with other features than this version computes", hint="train it again")
        self.version = f"dialogue-{data['version']}"
        self.card: dict[str, Any] = data["card"]
        self._folds = [Fold.read(fold) for fold in data["folds"]]
        self._unseen_by = {text: fold for fold in self._folds for text in fold.held_out}

    def predict(self, dialogue: Dialogue) -> list[str]:
        """Return the attribute of each mention, in the dialogue's order; gold answers are not looked at."""
        if not dialogue.mentions:
            return []
        features, fold = describe(dialogue), self._unseen_by.get(digest(dialogue))
        scores = np.mean([each.scores(features) for each in ([fold] if fold else self._folds)], axis=0)
        answers, asked = [ATTRIBUTES[place] for place in scores.argmax(1)], features[:, feature_names().index("asked_for")]
        return [
            _in_so_many_words(dialogue, mention, answer) if for_it else answer
            for mention, answer, for_it in zip(dialogue.mentions, answers, asked, strict=True)
        ]

    def learnt_from(self, dialogue: Dialogue) -> bool:
        """Tell whether the model has learnt from a dialogue, which only the set of trees that has not then answers."""
        return digest(dialogue) in self._unseen_by


def _in_so_many_words(dialogue: Dialogue, mention: DialogueMention, answer: str) -> str:
    """Mend the answer where the patient's next turn is plain: 拉肚子吗／不拉, 有没有恶心／嗯有点."""
    following = dialogue.turns[mention.turn + 1 : mention.turn + 2]
    if not dialogue.turns[mention.turn].doctor or not following or following[0].doctor:
        return answer
    patterns, text = words_of_chat().denials, following[0].text
    denied = any(no["sign"] in mention.text for no in patterns["own_no"].finditer(text))
    if denied and not NEGATIONS & set(mention.text):
        return "阴性"
    return "阳性" if answer == "其他" and patterns["bare_yes"].match(text) else answer


class Fold(NamedTuple):
    """A set of trees, the digests of the dialogues that were held out from it, and what is added to each class's score."""

    trees: tuple[Trees, ...]
    offsets: np.ndarray
    held_out: tuple[str, ...]

    @classmethod
    def read(cls, data: dict[str, Any]) -> Fold:
        """Make a fold of what :meth:`record` gave."""
        return cls(tuple(map(Trees.read, data["trees"])), np.asarray(data["offsets"]), tuple(data["held_out"]))

    def record(self) -> dict[str, Any]:
        """Return the fold as lists and numbers, for JSON."""
        return {"trees": [trees.numbers() for trees in self.trees], "offsets": self.offsets.tolist(), "held_out": list(self.held_out)}

    def probabilities(self, features: np.ndarray) -> np.ndarray:
        """Return the mean of what the trees say, a row a mention."""
        return np.mean([trees.probabilities(features) for trees in self.trees], axis=0)

    def scores(self, features: np.ndarray) -> np.ndarray:
        """Return the score of each class, a row a mention; the highest is the answer."""
        return np.log(self.probabilities(features) + LEAST) + self.offsets


def digest(dialogue: Dialogue) -> str:
    """Return by what a dialogue is known again, whatever is marked in it: 16 hexadecimal digits of the SHA-256 of its turns.

    Parameters
    ----------
    dialogue : Dialogue
        Its mentions do not count.

    Returns
    -------
    str
        The same for the same words.

    Examples
    --------
    >>> digest(Dialogue("1", (Turn("有发热吗", True),), ())) == digest(Dialogue("2", (Turn("有发热吗", True),), ()))
    True
    """
    words = "\n".join(turn.text for turn in dialogue.turns)
    return hashlib.sha256(words.encode("utf-8", "surrogatepass")).hexdigest()[:16]


@cache
def _model() -> dict[str, Any]:
    return json.loads((files("nlp") / "data" / "dialogue_model.json").read_text("utf-8"))


# ---- reading


def read_dialogues(path: Path) -> Iterator[tuple[dict[str, Any], Dialogue] | Refused]:
    """Read the dialogues of a file one by one: as they stand and as records, or why one was refused.

    Parameters
    ----------
    path : Path
        One JSON object a line, or a JSON array of them, as CHIP-MDCFNPC publishes; in UTF-8, UTF-16 with a mark or GB 18030.

    Raises
    ------
    TextDataError
        If the file cannot be read at all.
    """
    report, told = ReadReport(), 0
    for place, data in json_records(path, report):
        yield from _refusals(report, told)
        told = len(report.problems)
        try:
            yield data, read_dialogue(data)
        except TextDataError as problem:
            yield Refused(_number(place), problem.message)
    yield from _refusals(report, told)


def _refusals(report: ReadReport, told: int) -> Iterator[Refused]:
    """Yield what the reader of JSON refused since it was last asked."""
    for place, found, wanted in report.problems[told:]:
        yield Refused(_number(place), f"{found}; wanted {wanted}")


def _number(place: str) -> int:
    return int(place.split()[-1])


def read_dialogue(data: Any) -> Dialogue:
    """Make records of one dialogue.

    Raises
    ------
    TextDataError
        Naming the field that is missing or wrong.
    """
    info = _field(data, "dialog_info", list, "")
    turns, mentions = [], []
    for place, turn in enumerate(info):
        where = f"dialog_info[{place}]"
        sender = _field(turn, "sender", str, where)
        if sender not in _SIDES:
            raise TextDataError(f"{where}.sender is neither 医生 nor 患者")
        turns.append(Turn(_field(turn, "text", str, where), _SIDES[sender]))
        for at, entity in enumerate(_field(turn, "ner", list, where)):
            mentions.append(_mention(entity, place, at, turns[-1].text, f"{where}.ner[{at}]"))
    mentions.sort(key=lambda mention: (mention.turn, mention.start, -mention.end))
    return Dialogue(str(data.get("dialog_id", "")), tuple(turns), tuple(mentions))


def _field(data: Any, name: str, kind: type, where: str) -> Any:
    value = data.get(name) if isinstance(data, dict) else None
    if not isinstance(value, kind):
        found = "missing" if value is None else f"a {type(value).__name__}"
        raise TextDataError(f"{where}{'.' if where else ''}{name} is {found}; wanted a {kind.__name__}")
    return value


def _mention(entity: Any, turn: int, place: int, text: str, where: str) -> DialogueMention:
    name, words, span = _field(entity, "name", str, where), _field(entity, "mention", str, where), _field(entity, "range", list, where)
    if len(span) != 2 or not all(type(offset) is int for offset in span) or not 0 <= span[0] < span[1] <= len(text):
        raise TextDataError(f"{where}.range does not lie in its turn of {len(text)} characters")
    if text[span[0] : span[1]] != words:
        raise TextDataError(f"{where}.range does not hold the words of mention")
    answer = entity.get("attr") or ""
    if answer and answer not in ATTRIBUTES:
        raise TextDataError(f"{where}.attr is none of {'、'.join(ATTRIBUTES)}")
    named = name not in ("undefined", "")
    return DialogueMention(turn, span[0], span[1], words, name if named else words, named, answer, place)


def answered(data: dict[str, Any], dialogue: Dialogue, answers: list[str]) -> dict[str, Any]:
    """Return a dialogue as it stood, with the answers as its attributes."""
    copy = json.loads(json.dumps(data))
    for mention, answer in zip(dialogue.mentions, answers, strict=True):
        copy["dialog_info"][mention.turn]["ner"][mention.place]["attr"] = answer
    return copy


# ---- scores


def score_table(pairs: list[tuple[str, str]]) -> tuple[list[tuple[str, int, float, float, float]], float]:
    """Score (gold, predicted) pairs.

    Returns
    -------
    rows : list of (class, n, precision, recall, f1)
        Of the four classes.
    macro_f1 : float
        Mean F1 over the four classes; a class that neither has counts 0.
    """
    rows = []
    for name in ATTRIBUTES:
        hits = sum(gold == name == predicted for gold, predicted in pairs)
        wanted, given = sum(gold == name for gold, _ in pairs), sum(predicted == name for _, predicted in pairs)
        precision, recall = hits / given if given else 0.0, hits / wanted if wanted else 0.0
        rows.append((name, wanted, precision, recall, 2 * hits / (wanted + given) if wanted + given else 0.0))
    return rows, sum(row[4] for row in rows) / len(rows)
