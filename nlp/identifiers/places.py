"""Addresses by administrative divisions and their grammar, and institutions by what they are called and what stands before them."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, NamedTuple

import yaml
from ahocorasick_rs import AhoCorasick, MatchKind

from nlp.annotations import Identifier
from nlp.identifiers.names import HAN

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["departments", "find_places", "place_labels"]

_NUMBER = "(?:[0-9A-Za-z]{1,5}(?:[-#之][0-9]{1,4})?|[一二三四五六七八九十甲乙丙丁东西南北]{1,3})"
_UNIT_WORDS = (
    "省|市|维吾尔自治区|壮族自治区|回族自治区|自治区|自治州|自治县|自治旗|地区|盟|新区|开发区|高新区|县|区|旗|街道办事处|街道|办事处|镇|乡|苏木|嘎查|村民委员会|村委会|行政村|自然村|新村|村|屯|寨|社区|居委会|"
    "大队|生产队|新城|道(?=[0-9])|城(?=[0-9])|营子|胡同|大道|大街|街|路|巷|弄|小区|花园|家园|公寓|新苑|苑|大厦|广场|名城|府邸|国际城|庄园|山庄|农场|林场|团场|家属院|宿舍|里|庄|坊"
)
_NAMED = rf"[{HAN}0-9]{{1,9}}?(?:{_UNIT_WORDS})"
_NAMED += "(?:(?:村|镇|乡|小区|社区|街道|花园|家属院)(?![路街巷弄])|[东西南北中一二三四五六](?:段|区|路|里))?"
_COUNTED = rf"第?{_NUMBER}(?:号院|号楼|号门|号|栋|幢|座|单元|门|楼|层|室|组|队|社|连|期|支弄|弄|支巷|巷|里|院|户|片|幢|座|#)"
_UNIT = re.compile(
    rf"(?P<named>{_NAMED})|(?P<counted>{_COUNTED})|(?P<bare>(?<=[0-9号楼栋幢元座苑园城院村庄寓里区舍门层弄巷-])-?[0-9]{{1,4}}(?:-[0-9]{{1,4}}){{0,3}}(?:室|号|房)?)"
)
# The name of an estate that ends in no word for one: 御祥园1号楼, 碧水湾7-3-1702.
_ESTATE = re.compile(
    rf"[{HAN}0-9]{{1,8}}?(?:(?=(?:[0-9]{{1,4}}|[A-Z])(?:号楼|栋|幢|座|单元|号院|区|期|组团))|[0-9]{{1,3}}-[0-9]{{1,3}}-[0-9]{{2,4}}(?![0-9]))"
)
_DIVISION_TAIL = re.compile("(?:维吾尔自治区|壮族自治区|回族自治区|自治区|[一-鿿]{0,6}自治州|特别行政区|省|市|地区|盟|州)?")
_FIELD = re.compile(
    r" {2,}|\t|(?:邮\s?编|邮政编码|电\s?话|手机|联系|性别|年龄|民族|职业|婚姻|婚否|工作单位|单位|入院|"
    r"出生|病史|身份证|记录|陈述|科室|住院|床号|主诉|户口|户籍|现住|身份|住址|病案号|姓名|发病节气|供史|"
    r"过敏|国籍|费用|文化程度|学历|宗教|籍贯|与患者)"
)
_VALUE = re.compile(rf"(?:[{HAN}A-Za-z0-9()#·~.\-/&]| (?=[0-9(]|[{HAN}]{{1,7}}?(?:{_UNIT_WORDS}))){{1,60}}")
_STREET_SIGN = re.compile(rf"(?:路|街|大道|巷|弄|胡同|道|里|村|坊|庄)(?:[东西南北中]段)?[ ]?{_NUMBER}(?:号|弄|巷|栋|幢|组|队)")
_PAIR_SIGN = re.compile(
    rf"(?:省|市|县|区|旗|州|镇(?![静痛咳吐])|乡|街道)(?=[{HAN}]{{1,6}}?(?:市|县|镇(?![静痛咳吐])|乡|街道|"
    rf"村|屯|社区|小区|路|街|组|庄|营子|寨|(?<![膜射音痛]{{1}})区)(?![域别间]))"
)
_PEOPLE_SIGN = re.compile(
    r"(?:村|屯|庄|镇|乡|县|寨|营子|小区|社区|街道)(?=人(?![员民群])|村民|居民|[0-9]{1,4}[组号栋幢队社]|"
    r"[一二三四五六七八九十]{1,2}[组队社])"
)
_BUILDING = re.compile(
    r"(?<![0-9.])(?:[0-9]{1,2}[区期])?(?:[0-9]{1,4}(?:号楼|栋|幢|座|号院)(?:[0-9一二三四五六]{1,2}单元)?[0-9]{0,2}(?:层|楼)?[0-9]{2,5}(?:室|房|号)?"
    r"|[0-9]{1,2}单元[0-9]{2,4}(?:室|房|号)?)"
)
_STOPS = frozenset(
    "于在至到由从住来个系为是我的了往去赴经过途居租户址家该本并和与及或被因时后前,是乃农工民生职称诉行走今日晨晚者人女男岁叫曾现"
)
_FUNCTION = re.compile(r"(?<![江成丰宜于新昌首])都|[的了是有无不否未或就且但仍已再还把将请予给诉称]|[^一-鿿〇A-Za-z0-9()·]")
_NO_SCHOOL = ("矮小学", "大小学", "细小学", "短小学", "减小学", "拿大学")
_DAY = re.compile(r".*[0-9]{1,4}[年月日时]|[0-9]{1,2}(?=[一-鿿])|.*(?<=[0-9一二两三四五六七八九十数多几])[家所个]")
_SOME = re.compile("某|一[家所个]|^一$")
# What stands before a place in the name of an institution: 武警四川总队医院, 首都医科大学附属北京朝阳医院.
_PARENT = re.compile(
    r"(?:武警|解放军|空军|海军|陆军|火箭军|联勤保障部队|公安部|铁道部|中铁|中建|中国[一-鿿]{2,6}?|[一-鿿]{2,8}?(?:大学|医学院|研究院)(?:第?[一二三四五六七八九十])?(?:附属|医学院)?|[一-鿿]{2,5}(?:医疗|集团|连锁|国际))$"
)
_INSIDE = re.compile(rf"[{HAN}〇A-Za-z0-9()·]{{0,24}}$")


class _Table(NamedTuple):
    divisions: Any
    n_provinces: int
    labels: re.Pattern[str]
    workplaces: re.Pattern[str]
    cues: re.Pattern[str]
    weak_cues: re.Pattern[str]
    empty: re.Pattern[str]
    not_units: tuple[str, ...]
    institutions: Any
    before: re.Pattern[str]
    generic: re.Pattern[str]


def find_places(text: str) -> list[Identifier]:
    """Return addresses and institutions of a text in normal form; hits may overlap.

    Examples
    --------
    >>> [text[hit.start : hit.end] for text in ["现住河北省承德市双滦区应营子村3组"] for hit in find_places(text)]
    ['河北省承德市双滦区应营子村3组']
    """
    table = _table()
    divisions = table.divisions.find_matches_as_indexes(text)
    spans = [*_labelled(text, table.labels, table), *_told(text, table), *_anchored(text, divisions, table), *_signed(text, table)]
    spans += [(_back(text, match.start(), 9), match.end()) for match in _BUILDING.finditer(text)]
    found = [Identifier(start, end, "address", "place") for start, end in _merged(spans)]
    found += [Identifier(start, end, "institution", "label") for start, end in _labelled(text, table.workplaces, table)]
    starts = {start: end for _, start, end in divisions}
    found += [Identifier(start, end, "institution", "suffix") for start, end in _institutions(text, starts, table)]
    return found


def _merged(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def _labelled(text: str, labels: re.Pattern[str], table: _Table) -> Iterator[tuple[int, int]]:
    for match in labels.finditer(text):
        value = _VALUE.match(text, match.end())
        if not value:
            continue
        end = value.end()
        if field := _FIELD.search(text, match.end() + 1, end):
            end = field.start()
        written = text[match.end() : end].rstrip(" -/.(&")
        if len(written) >= 2 and not table.empty.match(written) and any("一" <= character <= "鿿" for character in written):
            yield match.end(), match.end() + len(written)


def _told(text: str, table: _Table) -> Iterator[tuple[int, int]]:
    """Places after words such as 家住: at least one unit, or the name of a province or prefecture."""
    for match in table.cues.finditer(text):
        end = _chain(text, match.end(), table)
        if end > match.end() and not table.empty.match(text[match.end() : end]):
            yield match.end(), end


def _anchored(text: str, divisions: list[tuple[int, int, int]], table: _Table) -> Iterator[tuple[int, int]]:
    """Places that begin with a province or prefecture and go on: a suffix and a further unit, or 人 behind it."""
    provinces = table.n_provinces
    for which, start, end in divisions:
        tail = _DIVISION_TAIL.match(text, end)
        at = tail.end() if tail else end
        stop = _units(text, at, table)
        if stop > at or (which >= provinces and text.startswith("人", at) and not text.startswith(("人民", "人员"), at)):
            yield start, stop
        elif at > end and len(text[start:at]) >= 3 and table.weak_cues.search(text, max(0, start - 6), start):
            yield start, at


def _signed(text: str, table: _Table) -> Iterator[tuple[int, int]]:
    """Places without a known beginning: a street with a number, a unit within a unit, a village with its people."""
    for pattern in (_STREET_SIGN, _PAIR_SIGN, _PEOPLE_SIGN):
        for match in pattern.finditer(text):
            unit_end = match.end() if pattern is not _STREET_SIGN else match.start() + 1
            start = _back(text, match.start())
            if (
                pattern is _PAIR_SIGN
                and match.group() == "区"
                and not re.match(rf"[{HAN}]{{1,6}}?[镇乡村屯路街庄社组营]", text[match.end() :])
            ):
                continue
            if match.start() - start < 1 or text[start:unit_end].endswith(table.not_units):
                continue
            end = _chain(text, start, table)
            if end >= match.end() and (pattern is not _PAIR_SIGN or end > match.end()):
                yield start, end


def _back(text: str, at: int, longest: int = 5) -> int:
    start, longest = at, 9 if text.endswith("自治", 0, at) else longest
    while start > 0 and at - start < longest and "一" <= text[start - 1] <= "鿿" and text[start - 1] not in _STOPS:
        start -= 1
    return start


def _chain(text: str, at: int, table: _Table) -> int:
    hits = table.divisions.find_matches_as_indexes(text[at : at + 5])
    if hits and hits[0][1] == 0:
        tail = _DIVISION_TAIL.match(text, at + hits[0][2])
        at = tail.end() if tail else at + hits[0][2]
    return _units(text, at, table)


def _units(text: str, at: int, table: _Table) -> int:
    for place in range(12):
        skip = at + (text[at : at + 1] == " " and place > 0)
        match = _UNIT.match(text, skip)
        if not match and place and (estate := _ESTATE.match(text, at)) and _STOPS_WITHIN.isdisjoint(estate.group()):
            at = estate.end()
            continue
        if not match or match["named"] in table.not_units:
            break
        if match["counted"] and place == 0 and not (at and "一" <= text[at - 1] <= "鿿"):
            break
        if match["named"] and not _STOPS_WITHIN.isdisjoint(_NOT_STOPS.sub("", match["named"])):
            break
        at = match.end()
    return at


# Parts of names in which such a character is none of its own.
_NOT_STOPS = re.compile("于[都洪田]|从[化江]|行唐|无[锡为棣极]|周至|[长自]治|太行|建[国设]行|银行")
_STOPS_WITHIN = frozenset("于在至到由从的了是有无不未因诉就被及与或发病伤痛摔行查诊治疗")


def _institutions(text: str, divisions: dict[int, int], table: _Table) -> Iterator[tuple[int, int]]:
    for _, start, end in table.institutions.find_matches_as_indexes(text):
        lo = _INSIDE.search(text, max(0, start - 24), start).start()  # type: ignore[union-attr]  (it matches the empty text too)
        held = [(at, stop) for at, stop in divisions.items() if lo <= at < start]
        begin = lo
        for cut in table.before.finditer(text, lo, start):
            if not any(at <= cut.start() < stop for at, stop in held):
                begin = max(begin, cut.end())
        known = [at for at, _ in held if at >= begin]
        if known and (parent := _PARENT.search(text, begin, known[0])):
            known[0] = parent.start()
        begin = known[0] if known else begin + _leading(text[begin:start])
        core = text[begin:start]
        if text[begin:end].endswith(_NO_SCHOOL) or text[end : end + 1] in ("者", "生") or not 2 <= len(core) <= 18:
            continue
        rest = core[divisions[begin] - begin :] if begin in divisions and divisions[begin] <= start else core
        if table.generic.fullmatch(core) or (_SOME.search(rest) and table.generic.fullmatch(rest)):
            continue
        yield begin, end


def _leading(core: str) -> int:
    """Return how much of what stands before the name of an institution is no part of it: a day, a bracket, a word that joins."""
    cut = core.rfind("(") + 1 if core.count("(") > core.count(")") else 0
    if (match := _DAY.match(core, cut)) and match.end() < len(core):
        cut = match.end()
    return cut


def place_labels() -> tuple[str, ...]:
    """Return the words that label an address or a workplace."""
    return (*_words()["labels"], *_words()["workplace_labels"])


def departments() -> tuple[str, ...]:
    """Return the words that names of departments are made of."""
    return _words()["departments"]


@cache
def _words() -> dict[str, tuple[str, ...]]:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    data = yaml.load(files("nlp").joinpath("data/places.yaml").read_text("utf-8"), Loader=loader)  # noqa: S506  (a safe loader, in C where built)
    return {name: tuple(dict.fromkeys(value.split())) for name, value in data.items()}


@cache
def _table() -> _Table:
    words = _words()
    divisions = (*words["provinces"], *words["prefectures"])

    def any_of(name: str) -> str:
        return "|".join(sorted(map(re.escape, words[name]), key=len, reverse=True))

    def label(name: str) -> re.Pattern[str]:
        return re.compile(rf"(?:{any_of(name)})[ \t]?(?:\([^()\n]{{0,8}}\))?[ \t]?[:=】][ \t_]{{0,4}}")

    strong = "|".join(sorted((word for word in words["cues"] if len(word) > 1), key=len, reverse=True))
    return _Table(
        divisions=AhoCorasick(list(divisions), matchkind=MatchKind.LeftmostLongest),
        n_provinces=len(words["provinces"]),
        labels=label("labels"),
        workplaces=label("workplace_labels"),
        cues=re.compile(rf"(?:{strong})[ \t|]{{0,3}}(?:于(?![都洪田])|[在:,])?[ \t|]{{0,3}}"),
        weak_cues=re.compile(rf"(?:{any_of('cues')})[:]?$"),
        empty=re.compile(rf"(?:{any_of('empty')})(?![县市省区镇乡村路街])"),
        not_units=words["not_units"],
        institutions=AhoCorasick(list(words["institutions"]), matchkind=MatchKind.LeftmostLongest),
        before=re.compile(rf"{any_of('before_institution')}|{_FUNCTION.pattern}"),
        generic=re.compile(rf"(?:{any_of('generic')}|[及、和第])+|(?:{any_of('generic')})*[如和及].*"),
    )
