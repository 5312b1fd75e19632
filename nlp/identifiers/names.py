"""What a Chinese name looks like: surnames, characters of given names, words that only look like names."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from typing import NamedTuple

import yaml

__all__ = ["HAN", "Shapes", "shapes"]

HAN = "一-鿿㐀-䶿"
_MASK = re.compile(r"[某*×xX○〇□△_]{1,3}(?![A-Za-z0-9])")
_NOT_HIDDEN = re.compile(
    r"某(?:日|年|月|天|时|院|科|处|些|个|种|地|医|次|类|项|药|公司|单位|市|县|省|区|镇|村|乡|人|一|品|厂|校|段|侧|部位)"
)
# What makes an eponym, a drug or a disease of the characters before it.
_MEDICAL = re.compile(
    "氏(?!家)|病|综合|征|症|淋巴|瘤|癌|细胞|菌|病毒|食管|憩室|肉瘤|肉芽|舞蹈|甲状|三联|五联|四联|注射|片|胶囊|颗粒|丸|散|汤|滴眼|口服液|霉素|沙星|他汀|洛尔|地平|普利|沙坦|西林|替尼|单抗|环|结|现象|面瘫|呼吸|试验|法|术|分级|评分|指数|手法"
    "|体位|畸形|动脉|静脉|神经|韧带|括约|炎|酸|素|醇|苷|钠|钾|钙|胺|定(?!期|于|时)|唑|疫苗|滴丸|合剂|栓|膏|贴|灵(?!活)|平片|清(?!楚|醒|晰)|康胶|宁片"
)
# Given names of characters that are no others' as a rule.
_GIVEN_WORD = re.compile(
    "有[才财福德贵明志生为根林源富余权]|丰收|可[馨心欣儿人昕盈唯]|如[意一是]|来[福喜娣旺顺生]|不[凡群悔]|未[央来]|增[福光辉强]|加[林强]|行[健知舟]|常[青春胜]"
)
_DOTTED = re.compile(rf"[{HAN}]{{1,8}}(?: ?· ?[{HAN}]{{1,8}}){{1,4}}")
_RUN = re.compile(rf"[{HAN}]{{1,12}}")
_JOINS = frozenset("于应向时常曾从及尚")
_SPEAKS = frozenset("诉称述昨今系签陪")
_MARK = re.compile(r"$|[\s,;:。、()/\]\"!?.]")
_SPACED = re.compile(rf"([{HAN}]{{1,2}})(?: {{1,4}}([{HAN}]))(?: {{1,4}}([{HAN}]))?(?![{HAN}])")
_LATIN = re.compile(r"[A-Z][A-Za-z'’-]{1,14}(?:[ ,^·.]{1,2}[A-Z][A-Za-z'’-]{0,14}){1,3}(?![A-Za-z])")
# Words that end a name written into a form without marks: 姓名王芳性别女.
_FIELD = re.compile(
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
    after_word: re.Pattern[str]

    def family(self, text: str, at: int) -> int:
        """Return the length of the surname that begins at a place, 0 where none does."""
        if text[at : at + 2] in self.compound:
            return 2
        return int(text[at : at + 1] in self.surnames)

    def is_full(self, word: str, *, usual: bool = True, firm: bool = False) -> bool:
        """Return whether a word is a surname with one or two characters (three after a surname of two are none).

        Parameters
        ----------
        word : str
            Two to four characters.
        usual : bool
            Whether the given name must consist of usual characters of given names; else any but the forbidden ones.
        firm : bool
            Whether what stands around it leaves little else, so that a name may begin with a word (江景明).
        """
        family = self.family(word, 0)
        if not family or not 1 <= len(word) - family <= 2 or word in self.not_names:
            return False
        if family == 1 and word[:2] in self.not_names and not (firm and len(word) == 3 and word[0] not in _JOINS):
            return False
        given = word[family:]
        if _GIVEN_WORD.fullmatch(given):
            return True
        if usual:
            return all(character in self.given for character in given)
        return self.forbidden.isdisjoint(given) and _RUN.fullmatch(given) is not None

    def labelled(self, text: str, at: int, *, loose: bool) -> int:
        """Return where the name after a label ends, -1 where none stands there.

        Parameters
        ----------
        text : str
            The note.
        at : int
            Where the name would begin.
        loose : bool
            Whether the label can be followed by nothing but a name, so that names without a known surname count.
        """
        for pattern in (_LATIN, _DOTTED):
            if match := pattern.match(text, at):
                return match.end()
        if (end := self.masked(text, at)) > 0:
            return end
        if spaced := _SPACED.match(text, at):
            word = "".join(part for part in spaced.groups() if part)
            if self.is_full(word, usual=False, firm=True) and not _FIELD.match(word[1:]):
                return spaced.end()
        return self._run(text, at, loose)

    def _run(self, text: str, at: int, loose: bool) -> int:
        match = _RUN.match(text, at)
        if not match:
            return -1
        run = match.group()
        if cut := _FIELD.search(run, 2):
            run = run[: cut.start()]
        if self.is_term(text, at) or any(run.startswith(word) for word in (run[:2], run[:3], run[:4], run) if word in self.not_labels):
            return -1
        if len(run) <= 4 and self.is_full(run, usual=False, firm=True):
            return at + len(run)
        if (
            loose
            and 2 <= len(run) <= (5 if self.family(run, 0) else 8)
            and self.forbidden.isdisjoint(run)
            and run[:2] not in self.not_names
        ):
            return at + len(run)
        return self.plain(text, at)

    def plain(self, text: str, at: int) -> int:
        """Return where a name ends that only what stands before and behind it marks as one, -1 where there is none."""
        family = self.family(text, at)
        if not family or self.is_term(text, at):
            return -1
        if (end := self.masked(text, at)) > 0:
            return end
        for length in (family + 2, family + 1):
            word = text[at : at + length]
            if length == family + 2 and self.after_word.match(text, at + length - 1):
                continue  # 李强代诉: the last character begins the next word
            if _MEDICAL.match(text, at + length):
                return -1
            if len(word) < length or not self.is_full(word, firm=self._told(text, at + length)):
                continue
            if self._ends(text, at + length, word):
                return at + length
            if length == 3 and word[0] not in self.risky and word[1] not in self.risky and not self.after.match(text, at + 2):
                return at + length  # two usual characters after a surname that is no word
        for length in (family + 2, family + 1):
            word = text[at : at + length]
            if len(word) == length and text[at] not in self.risky and self.is_full(word, usual=False) and self._stops(text, at + length):
                return at + length
        return -1

    def is_term(self, text: str, at: int) -> bool:
        """Return whether an eponym, a drug or another word of clinical Chinese begins at a place."""
        return any(text[at : at + length] in self.terms for length in range(3, 8))

    def _ends(self, text: str, end: int, word: str) -> bool:
        if word[0] in self.risky and len(word) == 2:
            return self._stops(text, end) if word[0] in _JOINS else self._told(text, end)
        return self.after.match(text, end) is not None

    def _told(self, text: str, end: int) -> bool:
        """Return whether what stands behind leaves little doubt that a name ended: a mark, a word that persons are followed by."""
        return self._stops(text, end) or text[end : end + 1] in _SPEAKS or self.after_word.match(text, end) is not None

    def _stops(self, text: str, end: int) -> bool:
        return _MARK.match(text, end) is not None or text.startswith(("男", "女", "因", "系", "之"), end)

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

    def before(self, text: str, end: int) -> int:
        """Return where a full name begins that ends at a place, -1 where none does; the longer one where there is a choice."""
        for length in (4, 3, 2):
            start = end - length
            if start < 0:
                continue
            word = text[start:end]
            if length == 4 and word[:2] not in self.compound:
                continue
            if self.is_full(word, firm=True) and not (start and text[start - 1 : start + 1] in self.not_names):
                return start
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
        terms=words("terms") | _dictionary(),
        after=re.compile(rf"$|[^{HAN}]|(?:{after})"),
        after_word=re.compile("|".join(sorted((word for word in words("after") if len(word) > 1), key=len, reverse=True))),
    )


def _dictionary() -> frozenset[str]:
    """Return the terms of the common dictionary that three characters or more make, with their synonyms."""
    lines = files("nlp").joinpath("data/dictionary.tsv").read_text("utf-8").splitlines()
    cells = (cell for line in lines if not line.startswith("#") for place, cell in enumerate(line.split("\t")) if place in (0, 2, 4))
    return frozenset(word for cell in cells for word in re.split(r"[|;、,]", cell) if 3 <= len(word) <= 7)


@cache
def tables() -> dict:
    """Return ``nlp/data/names.yaml`` as it is."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return yaml.load(files("nlp").joinpath("data/names.yaml").read_text("utf-8"), Loader=loader)  # noqa: S506  (a safe loader, in C where built)
