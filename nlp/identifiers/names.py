"""What a Chinese name looks like: surnames, characters of given names, words that only look like names."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from math import log
from typing import TYPE_CHECKING, NamedTuple

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["FIELD", "HAN", "LONGEST_WORD", "Shapes", "acts", "dictionary", "jieba_words", "shapes", "tables"]

#: Characters of the longest word that :func:`dictionary` gives.
LONGEST_WORD = 4
HAN = "一-鿿㐀-䶿"
_MASK = re.compile(r"[某*×xX○〇□△_]{1,3}(?![A-Za-z0-9])")
_NOT_HIDDEN = re.compile(
    r"某(?:日|年|月|天|时|院|科|处|些|个|种|地|医|次|类|项|药|公司|单位|市|县|省|区|镇|村|乡|人|一|品|厂|校|段|侧|部位)"
)
# 王芳病情稳定, 李强征求意见, 张伟氏... are no eponyms.
_NOT_EPONYM = "(?<=病)[历案房区例情程人理史床友重危因]|(?<=征)[求得询]|(?<=热)[敷退]|(?<=氏)家|(?<=管)[床理]"
_SIGN = re.compile("(?<=征)[阴阳]性")
_DOTTED = re.compile(rf"[{HAN}]{{1,8}}(?: ?· ?[{HAN}]{{1,8}}){{1,4}}")
_RUN = re.compile(rf"[{HAN}]{{1,12}}")
# Syllables of a foreign name: how many at least make an eponym with what follows, and how far they are read.
_SYLLABLES, _FARTHEST = 3, 8
_GRADED = re.compile("(?:[IVX]{1,3}[a-c]?|[1-4][a-c])[型级期度]")
_JOINS = frozenset("于应向时常曾从及尚")
_LATIN = re.compile(r"[A-Z][A-Za-z'’-]{1,14}(?:[ ,^·.]{1,2}[A-Z][A-Za-z'’-]{0,14}){1,3}(?![A-Za-z])")
# Words that end a name written into a form without marks: 姓名王芳性别女.
FIELD = re.compile(
    "性别|年龄|男|女|科室|科别|病区|床号|住院|病案|病历|门诊|民族|职业|婚|电话|手机|联系|日期|时间|记录|签名|签字|审核|主治|主任|医师|医生|护士|与患者|关系|系患者|身份|住址|地址|家住|出生|年月|单位|入院|出院|助手|麻醉|器械|巡回|第一|第二|教授|副|之"
)


class Shapes(NamedTuple):
    """The tables of ``nlp/data/names.yaml``, ready for use."""

    surnames: frozenset[str]
    compound: frozenset[str]
    risky: frozenset[str]
    given: frozenset[str]
    forbidden: frozenset[str]
    not_labels: frozenset[str]
    not_names: frozenset[str]
    sounds: frozenset[str]
    terms: frozenset[str]
    after: re.Pattern[str]
    eponyms: re.Pattern[str]
    after_sounds: re.Pattern[str]

    def family(self, text: str, at: int) -> int:
        """Return the length of the surname that begins at a place, 0 where none does."""
        if text[at : at + 2] in self.compound:
            return 2
        return int(text[at : at + 1] in self.surnames)

    def could_be(self, word: str) -> bool:
        """Return whether a word can be a surname with one or two characters, all else unknown: no label, no character that none has."""
        family = self.family(word, 0)
        if not family or not 1 <= len(word) - family <= 2 or not _RUN.fullmatch(word):
            return False
        return word not in self.not_labels and self.forbidden.isdisjoint(word[family:])

    def is_given(self, word: str) -> bool:
        """Return whether a word that can be a name has characters of given names only."""
        return self.could_be(word) and self.given.issuperset(word[self.family(word, 0) :])

    def is_full(self, word: str) -> bool:
        """Return whether a word can be a name and is no word of the dictionary."""
        return self.could_be(word) and word not in dictionary()

    def given_alone(self, name: str) -> str:
        """Return the given name of a full name if it can stand alone, two characters or more that are no word, else nothing."""
        given = name[self.family(name, 0) :]
        return given if 2 <= len(given) < len(name) <= 4 and given not in dictionary() and _RUN.fullmatch(name) else ""

    def labelled(self, text: str, at: int, *, loose: bool, person: bool = False) -> int:
        """Return where the name after a label ends, -1 where none stands there.

        Parameters
        ----------
        text : str
            The note.
        at : int
            Where the name would begin.
        loose : bool
            Whether the label can be followed by nothing but a name, so that names without a known surname count.
        person : bool
            Whether the label calls a person (记录者), so that a name may be a word too if nothing follows it.
        """
        for pattern in (_LATIN, _DOTTED):
            if match := pattern.match(text, at):
                return match.end()
        if (end := self.masked(text, at)) > 0:
            return end
        return self._run(text, at, loose=loose, person=person)

    def _run(self, text: str, at: int, *, loose: bool, person: bool) -> int:
        match = _RUN.match(text, at)
        if not match:
            return -1
        run = match.group()
        if cut := FIELD.search(run, 2):
            run = run[: cut.start()]
        whole = not cut
        if any(run[:length] in self.not_labels for length in (2, 3, 4, len(run))):
            return -1
        if loose and whole and len(run) in (2, 3) and self.forbidden.isdisjoint(run):
            return at + len(run)  # a name of any surname, and a word too
        told = loose or (person and text[match.end() : match.end() + 1] != ":")
        if told and 2 <= len(run) <= 4 and len(run) - self.family(run, 0) <= 2 and self.family(run, 0):
            return at + len(run)  # a word or a herb too
        if self.is_term(text, at):
            return -1
        if len(run) <= 4 and self.is_full(run):
            return at + len(run)
        if loose and 2 <= len(run) <= (5 if self.family(run, 0) else 8) and self.forbidden.isdisjoint(run) and run[:2] not in dictionary():
            return at + len(run)
        return -1

    def is_term(self, text: str, at: int) -> bool:
        """Return whether an eponym, a drug or another word of clinical Chinese begins at a place."""
        return any(text[at : at + length] in self.terms for length in range(3, 8))

    def is_medical(self, text: str, start: int, end: int) -> bool:
        """Return whether a name is a longer word (胡言乱语) or makes an eponym with what follows (鲍曼不动杆菌)."""
        if self.eponyms.match(text, end) or (text[end : end + 1] in self.sounds and self.eponyms.match(text, end + 1)):
            return True
        words = dictionary()  # of three characters or four no word is a name
        if text[start:end] in self.not_labels or _SIGN.match(text, end):
            return True
        return text[start : end + 2] in self.not_names or text[start : start + 4] in words or (end - start > 2 and text[start:end] in words)

    def is_eponym(self, text: str, start: int, end: int) -> bool:
        """Return whether a name is part of an eponym's syllables (斯环 in 威利斯环, 弗利 in 弗利-史密斯管) or graded (山田II型)."""
        if _GRADED.match(text, end):
            return True
        first = start
        while first and start - first < _FARTHEST and (text[first - 1] in self.sounds or text[first - 1] == "-"):
            first -= 1
        for at in range(start, end + _FARTHEST):
            if at - first >= _SYLLABLES and self.after_sounds.match(text, at):
                return True
            if text[at : at + 1] not in self.sounds and text[at : at + 1] != "-":
                return False
        return False

    def masked(self, text: str, at: int) -> int:
        """Return where a name with hidden characters ends (李某某, 王**, 张×, 王*芳), -1 where none stands there."""
        family = self.family(text, at)
        if not family or text[at] in _JOINS:
            return -1
        for shift in (0, 1):
            start = at + family + shift
            match = _MASK.match(text, start)
            if match and not _NOT_HIDDEN.match(text, start) and (shift == 0 or text[at + family] in self.given):
                end = match.end()
                if text[end : end + 1] in self.given and shift == 0 and match.group() != "某某" and not self.after.match(text, end):
                    end += 1
                return end
        return -1


@cache
def shapes() -> Shapes:
    """Return the tables, read once."""
    table = tables()

    def characters(name: str) -> frozenset[str]:
        return frozenset("".join(table[name].split()))

    def words(name: str) -> frozenset[str]:
        return frozenset(table[name].split())

    after = "|".join(sorted(map(re.escape, words("after")), key=len, reverse=True))
    return Shapes(
        surnames=characters("surnames"),
        compound=words("compound"),
        risky=characters("risky"),
        given=characters("given"),
        forbidden=characters("forbidden") - characters("given"),
        not_labels=words("not_labels"),
        not_names=words("not_names"),
        sounds=characters("sounds"),
        terms=words("terms") | _common_terms(),
        eponyms=re.compile(rf"(?:{'|'.join(sorted(words('eponyms'), key=len, reverse=True))})(?!{_NOT_EPONYM})"),
        after_sounds=re.compile("|".join(sorted(words("eponyms") | words("after_sounds"), key=len, reverse=True))),
        after=re.compile(rf"$|[^{HAN}]|(?:{after})"),
    )


def _common_terms() -> frozenset[str]:
    """Return the terms of the common dictionary that three characters or more make, with their synonyms."""
    lines = files("nlp").joinpath("data/dictionary.tsv").read_text("utf-8").splitlines()
    cells = (cell for line in lines if not line.startswith("#") for place, cell in enumerate(line.split("\t")) if place in (0, 2, 4))
    return frozenset(word for cell in cells for word in re.split(r"[|;、,]", cell) if 3 <= len(word) <= 7)


def jieba_words() -> Iterator[tuple[str, int, str]]:
    """Give jieba's words with their count and kind."""
    for line in files("jieba").joinpath("dict.txt").read_text("utf-8").splitlines():
        word, count, kind = line.split(" ")
        yield word, int(count), kind


@cache
def acts() -> frozenset[str]:
    """Return words of two or three characters for what somebody does or how (查房, 同意): no thing, place or quality."""
    return frozenset(word for word, _, kind in jieba_words() if len(word) <= 3 and kind[0] in "vdpcru")


@cache
def dictionary() -> dict[str, float]:
    """Return jieba's words of two to four characters that name no person, with the logarithm of their count, and our own terms."""
    words = {
        word: log(1 + count) / 4 for word, count, kind in jieba_words() if 2 <= len(word) <= LONGEST_WORD and not kind.startswith("nr")
    }
    for term in (*shapes().terms, *tables()["not_names"].split()):
        if len(term) <= LONGEST_WORD:
            words[term] = max(words.get(term, 0.0), 2.0)
    return words


@cache
def tables() -> dict:
    """Return ``nlp/data/names.yaml`` as it is."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return yaml.load(files("nlp").joinpath("data/names.yaml").read_text("utf-8"), Loader=loader)  # noqa: S506  (a safe loader, in C where built)
