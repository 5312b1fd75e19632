"""Codes that lead to a person by the word before them: 病案号, 医保卡, 护照, 微信. The words are data, the grammar is one.

A cue, marks between, a code. A cue that is a label (病历号) is followed by any code; one that is not (住院) by what cannot be a day,
an amount or a value. Some codes tell themselves: 第69717号, NO.636401, 2015-ZY-42632.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, NamedTuple

import yaml
from ahocorasick_rs import AhoCorasick, MatchKind

from nlp.annotations import Identifier

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["code_labels", "find_codes", "form_fields"]

# What stands between cue and code: a remark in brackets, colons, bars, brackets, blanks, No.
_BETWEEN = r"(?:码|\(?ID\)?)?[】\]〕」』》>]?(?:\([^()\n0-9]{0,10}\))?[ \t]{0,4}(?:[:为是#=|(\[<【〔·,-]|_{1,8})?[ \t:_|(\[【]{0,8}"
_VALUE = (
    r"(?:第(?=[0-9])|N[Oo]\.? ?(?=[0-9A-Z])|[一-鿿]字?第?(?=[0-9A-Z]{5}))?"
    r"[A-Za-z0-9](?:[A-Za-z0-9_#/\\-]|\.(?=[0-9]))*(?: (?=[0-9]{3,4}(?![0-9.A-Za-z一-鿿]))[0-9]{3,4})*(?:(?<=[0-9])号)?"
)
_CODE = re.compile(rf"{_BETWEEN}(?P<value>{_VALUE})")
_NOT_CODE = re.compile(
    r"[A-Z][0-9]{2}(?:\.[0-9x]|$)|[0-9]{2}\.[0-9]{1,4}(?:x[0-9]{2,3})?$|(?:19|20)[0-9]{2}[-/.年](?:0?[1-9]|1[0-2])(?:[-/.月](?:0?[1-9]|[12][0-9]|3[01]))?日?$|[0-9]{1,2}/[0-9]{1,2}/(?:[0-9]{2}){1,2}$"
    r"|[0-9]{1,3}(?:\.[0-9]+)?(?:m[gmlL]|[gGkK]|ml|mL|cm|U|h|d|min|/L)"
)
_UNIT = re.compile(r" ?(?:[年月日天次元余万人岁%时分秒例份张盒支枚片粒块个]|m[lgmL]|[gL]\b|cm|\.[0-9]|[:：][0-9]{2})")
# 医院告知书第123456号, 中山医院 K352/42 tell themselves.
_SELF = re.compile(
    r"第[0-9]{4,12}号(?![文令楼])|(?<![A-Za-z])N[Oo][.:] ?[A-Za-z]{0,3}[0-9]{4,14}(?![0-9])"
    r"|(?<![A-Za-z0-9])(?:19|20)[0-9]{2}-[A-Z]{1,4}-[0-9]{4,}(?![0-9])"
    r"|(?:(?<=--)|(?<=[院所心],))[A-Z]{0,3}[0-9][0-9/-]{4,}(?=[)\n]|--|$)"
    r"|(?<![A-Za-z0-9])(?:ZY|MZ|JZ|ZYH|MZH|BAH|TJ|ID|US|CT|MR|DR|BL)[0-9]{6,}(?:-[0-9]{1,3})?(?![0-9A-Za-z])"
)
# A label of any name that ends in 号, less what numbers a thing.
_ANY_LABEL = re.compile(rf"(?<=[一-鿿])(?<![批型信符货国文称账帐])(?:号码?|编[号码]|序号|条码)[ \t]*[:#=][ \t:_]*(?P<value>{_VALUE})")
_LOOSE = re.compile(rf"(?<![A-Za-z])(?:(?:ID|No\.?|NO\.?)[ ]?[:#.]|[A-Z][a-z]+ (?:ID|No\.?|Number)[:# ])[ ]?(?P<value>{_VALUE})")


# Signs that close a label; how many digits a code behind one has at least.
_CLOSES, _LONG = frozenset("】]〕」』》>"), {"identity_number": 15}
# 批号, 型号 and the like number a thing, 疾病编码 a kind.
_THINGS = frozenset("批型信符货国文规剂章病")


class _Cue(NamedTuple):
    kind: str
    label: bool


class _Cues(NamedTuple):
    words: tuple[str, ...]
    cues: tuple[_Cue, ...]
    automaton: Any


def find_codes(text: str) -> Iterator[Identifier]:
    """Find codes by the cue before them.

    Parameters
    ----------
    text : str
        Text in normal form, blanks between single characters taken out (:func:`nlp.identifiers.reading.squeezed`).

    Examples
    --------
    >>> [hit[2] for hit in find_codes("病案|B72218|,医疗证号356401")]
    ['record_number', 'insurance_number']
    """
    table = _cues()
    for which, start, end in table.automaton.find_matches_as_indexes(text):
        word, (kind, label) = table.words[which], table.cues[which]
        if text[start - 1 : start] in _THINGS:
            continue
        if word.isascii() and (text[start - 1 : start].isalnum() or text[end : end + 1].isalpha()):
            continue
        match = _CODE.match(text, end)
        if match and text[end] in _CLOSES and _digits(match["value"]) < _LONG.get(kind, 5):
            continue  # 【编号】12天: the tag that stands for a code, and a number of its own
        if match and (_is_labelled(match["value"], kind) if label else _looks_like_code(text, *match.span("value"))):
            yield Identifier(*match.span("value"), kind, "label" if label else "cue")
    for match in (*_LOOSE.finditer(text), *_ANY_LABEL.finditer(text)):
        if _digits(match["value"]) >= 4 and not _NOT_CODE.match(match["value"]):
            yield Identifier(*match.span("value"), "record_number", "label", 0.9)
    for match in _SELF.finditer(text):
        yield Identifier(*match.span(), "record_number", "form", 0.8)


def _is_labelled(value: str, kind: str) -> bool:
    if kind == "account":
        return _digits(value) >= 4 or len(value) >= 6
    return _digits(value) >= 2 and not _NOT_CODE.match(value)


def _digits(value: str) -> int:
    return sum(character.isdecimal() for character in value)


def _looks_like_code(text: str, start: int, end: int) -> bool:
    """Return whether a code can be no day, amount or measurement: five digits at least, or four with letters or a mark among them."""
    value = text[start:end]
    enough = 4 if not value.isdecimal() else 5
    return _digits(value) >= enough and not _NOT_CODE.match(value) and not _UNIT.match(text, end)


def code_labels() -> list[str]:
    """Return the words that label a code."""
    return [word for word, cue in zip(_cues().words, _cues().cues, strict=True) if cue.label]


def form_fields() -> list[str]:
    """Return labels of a form that are those of no code, person or place (性别, 诊断)."""
    return _data()["fields"].split()


@cache
def _data() -> dict[str, Any]:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return yaml.load(files("nlp").joinpath("data/identifier_cues.yaml").read_text("utf-8"), Loader=loader)  # noqa: S506  (a safe loader)


@cache
def _cues() -> _Cues:
    words: dict[str, _Cue] = {}
    for kind, lists in _data()["codes"].items():
        stems, suffixes, whole, bare = (lists[name].split() for name in ("stems", "suffixes", "whole", "bare"))
        labels = [*whole, *(f"{stem}{blank}{suffix}" for stem in stems for suffix in suffixes for blank in ("", " ")[: 1 + stem.isascii()])]
        for word in bare:
            words.setdefault(word, _Cue(kind, label=False))
        for word in labels:
            words[word] = _Cue(kind, label=True)
    return _Cues(tuple(words), tuple(words.values()), AhoCorasick(list(words), matchkind=MatchKind.LeftmostLongest))
