"""Names of persons: what a label tells, what is hidden or written in syllables, what the network knows; and every further place of each."""

from __future__ import annotations

import re
from bisect import bisect_left
from functools import cache, cached_property
from math import exp
from typing import TYPE_CHECKING, Any, NamedTuple

from ahocorasick_rs import AhoCorasick, MatchKind

from nlp.annotations import Identifier
from nlp.dictionary import base_dictionary
from nlp.identifiers.names import Shapes, acts, shapes, tables
from nlp.identifiers.reading import Reading
from nlp.identifiers.tagger import name_model
from nlp.normal import fold

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["find_people"]

# Log-odds from which a candidate is a name, without and with a cue beside it, and those that one must have in a text that neither names
# nor numbers a person otherwise.
_ALONE, _BESIDE, _SURE = -1.5, -2.0, 4.8

_COLON = re.compile(r"[ \t_]{0,6}(?:\([^()\n:]{0,8}\))?[ \t_]{0,6}[:=】|][ \t_(\[\"|]{0,8}")
_BLANK = re.compile(r"[ \t]*(?=[^ \t])")
_RELATION = re.compile(
    r"(?:(?:患者|病人|患儿|产妇|本人)(?:及|和|与|、|/)?)?(?:其|的|之)?(?:大|二|三|四|长|次|小|幼|养|继)?(?:父亲|"
    r"母亲|父|母|爸爸|妈妈|丈夫|妻子|夫|妻|配偶|爱人|儿子|女儿|子|女|哥哥|弟弟|姐姐|妹妹|兄|弟|姐|妹|祖父|"
    r"祖母|爷爷|奶奶|外公|外婆|孙子|孙女|儿媳|女婿|侄子|侄女|外甥|亲属|家属|朋友|同事|邻居|老伴|护工|监护人)?[ :(\-,]{0,2}"
)
_STAFF_TITLE = re.compile(
    r"(?:副?主任医师|主治医师|住院医师|主任医生|主治医生|住院医生|副?主任护师|主管护师|护师|护士长|护士|"
    r"副?主任|医师|医生|大夫|副?教授|技师)[ :]{0,2}"
)
_NEXT = re.compile(
    r"(?:\([^()\n]{0,10}\))?(?:副?主任医师|主治医师|住院医师|主治医生|副?主任|医师|医生|副?教授|护士长?|进修医师)?"
    r"[ \t]{0,3}(?:[/、,;\\|]|和|及|与|[ \t])[ \t]{0,3}"
)
_HIDDEN = re.compile(r"某|\*{1,3}|[×○〇]{2}|[Xx]{2}(?![A-Za-z0-9])")
# What stands behind a person only: a sex, an age, a relation, a bed, a telephone.
_KIN = (
    "父亲|母亲|岳父|岳母|公公|婆婆|爱人|丈夫|妻子|配偶|儿子|女儿|儿媳|女婿|父|母|夫|妻|子|女|兄|弟|姐|妹|祖父|祖母|邻居|同事|朋友|家属|护工"
)
_OF_PERSONS = re.compile(
    rf"[ ,(·|/]{{1,3}}(?:[男女]性?(?![一-鿿])|[0-9]{{1,3}} ?周?岁|(?:(?:患者|死者|亡者|其)之?)?(?:{_KIN})[),、]|[加监特]?[0-9]{{1,3}}床"
    r"|\+?[0-9]{0,3}1[3-9][0-9]{9}|(?:电话|手机|联系电话|身份证|住院号|病案号|床号|社保|医保))"
    rf"|之[子女妻夫父母](?![一-鿿]{{2}})|(?:手机|电话)[: ]?[0-9]|\((?=.{{0,3}}(?:电话|手机|[0-9]{{7}}))"
)
_CLOSED = re.compile(r"$|[,。;、)\n|]| {2}")
_TOLD_SURNAME = re.compile("(?:[我他她您]|免贵|本人|患者|医[师生]|大夫|家属|护士)姓(?![名氏])")
_SEX = re.compile(r"[ ,(·|/-]{0,3}[男女MF](?![a-z])")
_LATIN_NAME = re.compile(
    r"(?<![A-Za-z])(?!(?:[A-Z][a-z]+ )?(?:Nurse|Assistant|Doctor|No|Number|"
    r"Asst|Syndrome|Disease|Score|Test|Stain|Unit|Ward|Center|Hospital)\b)"
    r"[A-Z][a-z]{1,14}(?: [A-Z]\.)? (?:[A-Z]['’])?[A-Z][a-z]{1,14}(?:-[A-Z][a-z]{1,14})?(?![A-Za-z])"
)
_NOT_PERSON = re.compile(
    "综合|氏|病|征|症|法|细胞|小体|试验|定律|线|三联|反应|体|肉芽|瘤|术|分|评|神经|节|窦|孔|管|韧带|螺旋|手法|杂交|染色|指数|公式"
)
# How labels end that call a person: 记录者, 器械护士.
_PERSON_ENDS = "者人师生士员手刀助名字"
# Labels that much else can follow: there the network decides.
_OPEN_LABELS = frozenset({"医师", "医生", "护士", "报告", "审核", "复核", "书写", "母亲", "父亲", "丈夫", "妻子", "配偶", "新生儿", "婴儿"})


class _Labels(NamedTuple):
    words: tuple[str, ...]
    staff: tuple[bool, ...]
    automaton: Any


def find_people(text: str, *, named: bool = False) -> list[Identifier]:
    """Return the names of a text, in no order; hits may overlap.

    Parameters
    ----------
    text : str
        Text in normal form, blanks between single characters taken out (:func:`nlp.identifiers.reading.squeezed`).
    named : bool
        Whether something else in the text leads to a person (a phone, an identity number): then less is asked of a name.
    """
    finder = _Finder(text)
    found = [*finder.labelled(), *finder.hidden(), *finder.foreign(), *finder.latin(), *finder.surnames(), *finder.told()]
    found += finder.learnt(None if named or found else _SURE)
    found += finder.again(found)
    kinds: dict[str, str] = {}  # one name is of one kind in all places, that of the first
    for hit in sorted(found, key=lambda hit: (hit.start, hit.source == "again")):
        kinds.setdefault(text[hit.start : hit.end], hit.kind)
    return [hit._replace(kind=kind) if hit.kind != (kind := kinds[text[hit.start : hit.end]]) else hit for hit in found]


class _Finder:
    """Finds names in one text, blanks inside names taken out."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.shapes: Shapes = shapes()

    @cached_property
    def reading(self) -> Reading:
        """Return what is known of each place of the text."""
        return Reading(self.text)

    @cached_property
    def terms(self) -> list[tuple[int, int]]:
        """Return where clinical terms stand; no two share a character."""
        return [(start, end) for start, end, _ in base_dictionary().find(fold(self.text))]

    def _is_term(self, start: int, end: int) -> bool:
        """Tell whether a term shares a character with a name and is as long, or of three characters."""
        at = bisect_left(self.terms, (end, 0)) - 1
        while at >= 0 and self.terms[at][1] > start:
            first, last = self.terms[at]
            if last - first >= min(3, end - start):
                return True
            at -= 1
        return False

    def labelled(self) -> Iterator[Identifier]:
        """Give what stands behind a label and a colon, as long as it can be a name at all."""
        labels = _labels()
        for which, start, end in labels.automaton.find_matches_as_indexes(self.text):
            word = labels.words[which]
            if word.isascii() and (self.text[start - 1 : start].isalnum() or self.text[end : end + 1].isalpha()):
                continue
            match = _COLON.match(self.text, end) or (_BLANK.match(self.text, end) if word.endswith(("姓名", "ame")) else None)
            if not match or word in _OPEN_LABELS:
                continue
            skipped = (_STAFF_TITLE if labels.staff[which] else _RELATION).match(self.text, match.end())
            at = skipped.end() if skipped else match.end()
            if labels.staff[which]:
                yield from self._names(at, "physician", loose=False, person=word[-1] in _PERSON_ENDS)
            else:
                yield from self._names(
                    at, "name", loose=at > end and word.endswith(("姓名", "名", "称", "叫", "ame")), person=word[-1] in _PERSON_ENDS
                )

    def _names(self, at: int, kind: str, *, loose: bool, person: bool) -> Iterator[Identifier]:
        """Read names one after another, as a form with a label gives them."""
        for _ in range(8):
            end = self.shapes.labelled(self.text, at, loose=loose, person=person)
            if end < 0:
                return
            yield Identifier(at, end, kind, "label", 0.95)
            following = _NEXT.match(self.text, end)
            if not following or following.group().isspace():
                return  # what follows a blank is for the network to tell
            at, loose = following.end(), False
            title = _STAFF_TITLE.match(self.text, at)
            at = title.end() if title else at

    def hidden(self) -> Iterator[Identifier]:
        """Names with hidden characters anywhere: 李某某, 王**."""
        if not _HIDDEN.search(self.text):
            return
        reading = self.reading
        for match in _HIDDEN.finditer(self.text):
            start = match.start() - 1
            if start < 0 or self.text[start] not in self.shapes.surnames:
                continue
            inside = not reading.apart[start]
            if self.text[start] in self.shapes.risky and (inside or "*" in match.group()):
                continue
            if "*" in match.group() and (inside or self.text[match.end() : match.end() + 1] == "*"):
                continue
            if start >= 1 and self.text[start - 1 : start + 1] in self.shapes.compound:
                start -= 1
            end = self.shapes.masked(self.text, start)
            if end > 0:
                yield Identifier(start, end, "name", "hidden", 0.9)

    def foreign(self) -> Iterator[Identifier]:
        """Names in syllables with a dot: 买买提·阿不都, 詹姆斯·李."""
        if "·" not in self.text:
            return
        for match in _dotted().finditer(self.text):
            if not _NOT_PERSON.match(self.text, match.end()):
                yield Identifier(*match.span(), "name", "sound", 0.8)

    def latin(self) -> Iterator[Identifier]:
        """Names in Latin letters beside a cue or a sex: 主管Anna Schmidt, John O'Neil(男."""
        for match in _LATIN_NAME.finditer(self.text):
            start, end = match.span()
            if self.reading.beside(start, end) or _SEX.match(self.text, end):
                yield Identifier(start, end, "physician" if self.reading.staff(start, end) else "name", "sound", 0.8)

    def surnames(self) -> Iterator[Identifier]:
        """Surnames that are told: 我姓王."""
        for match in _TOLD_SURNAME.finditer(self.text):
            if family := self.shapes.family(self.text, match.end()):
                yield Identifier(match.end(), match.end() + family, "name", "label", 0.9)

    def told(self) -> Iterator[Identifier]:
        """Give words that can only be names where they stand (病人高原,74岁; 接诊医师安静)."""
        for match in _OF_PERSONS.finditer(self.text):
            end = match.start()
            for start in (end - 3, end - 2):
                if start >= 0 and self.reading.apart[start] and self._could_be(start, end):
                    yield Identifier(start, end, "name", "told", 0.8)
                    break
        for start, end in self.reading.words_behind_staff():
            word = self.text[start:end]
            if self.shapes.is_given(word) and word not in acts() and _CLOSED.match(self.text, end):
                yield Identifier(start, end, "physician", "told", 0.8)

    def _could_be(self, start: int, end: int) -> bool:
        word = self.text[start:end]
        return self.shapes.could_be(word) and word not in self.shapes.not_names and not self.reading.persons[end - start, start]

    def learnt(self, sure: float | None) -> Iterator[Identifier]:
        """Give what the network takes for a name, unless it is a clinical term or part of a longer one (莫特罗 in 福莫特罗)."""
        for start, end, odds, staff in name_model().among(self.reading, alone=_ALONE, beside=_BESIDE, sure=sure):
            if not self._is_term(start, end):
                yield Identifier(start, end, self._titled_kind(end) if staff else "name", "model", 1 / (1 + exp(-odds)))

    def again(self, found: list[Identifier]) -> Iterator[Identifier]:
        """Give every further place of a full name that was found once, of its given name, and of its surname before a title."""
        kinds = {self.text[hit.start : hit.end]: hit.kind for hit in found}
        for name, kind in kinds.items():
            if len(name) >= 2 and not _HIDDEN.search(name):
                for word in filter(None, (name, self.shapes.given_alone(name) if kind == "name" else "")):
                    for at in self._places(word):
                        yield Identifier(at, at + len(word), kind, "again", 0.9)
        families = {name[: self.shapes.family(name, 0)] for name in kinds} - {""}
        for family in families:
            for at in self._places(family):
                if self.reading.titled(at + len(family)) and (family not in self.shapes.risky or self.reading.apart[at]):
                    yield Identifier(at, at + len(family), self._titled_kind(at + len(family)), "again", 0.8)

    def _titled_kind(self, end: int) -> str:
        """Return whose name it is that a title stands behind: a patient's or relative's before 先生 or 女士, else a member of staff's."""
        return "name" if self.text.startswith(_civil(), end) else "physician"

    def _places(self, word: str) -> Iterator[int]:
        at = self.text.find(word)
        while at >= 0:
            yield at
            at = self.text.find(word, at + len(word))


@cache
def _dotted() -> re.Pattern[str]:
    sounds = "".join(sorted(shapes().sounds))
    return re.compile(rf"[{sounds}]{{2,8}}(?:·[{sounds}]{{1,8}}){{1,3}}")


@cache
def _civil() -> tuple[str, ...]:
    return tuple(tables()["civil"].split())


@cache
def _labels() -> _Labels:
    labels = tables()["labels"]
    words = {word: staff for staff in (False, True) for word in labels["staff" if staff else "patient"].split()}
    return _Labels(tuple(words), tuple(words.values()), AhoCorasick(list(words), matchkind=MatchKind.LeftmostLongest))
