"""Sections that stand without a title: a patient's particulars on top, the text of a day in the course, a round's advice, the names below.

What a title tells is never changed: these begin in the stretch before the first title, at dated headings of a course, where a physician's
advice is reported, and in the last lines.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from nlp.documents import document_kinds, is_heading
from nlp.titles import Titled

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["untitled_sections"]

_LINE = re.compile(r"[^\n]*\S[^\n]*")
_AGE = r"[0-9]{1,3} ?(?:岁|个?月(?![0-9])|天|小时)?"
# Sex and age beside each other, as a line of particulars has them: 王某 女 56岁; 患者,男,5岁.
_PARTICULARS = re.compile(
    rf"(?:(?:^|[\s,、|:(]|患者|患儿)(?:男|女)(?:性|孩|婴|童)?[\s,、|]{{0,4}}{_AGE}(?=[\s,、。|)因于]|$))|{_AGE}[\s,、|]{{0,3}}(?:男|女)(?:性|孩|婴|童)?(?=[\s,、。|)因于]|$)"
)
_PARTICULARS_LINES = 6
_DATE = r"(?:[0-9]{2,4} ?[-年./] ?)?[0-9]{1,2} ?[-月./] ?[0-9]{1,2} ?日?"
_TIME = r"(?:[ ,T]{0,3}[0-9]{1,2} ?[:时点](?: ?[0-9]{1,2} ?分?)?(?:[:][0-9]{2})?)?"
# Nothing but a date, a name and an age.
_NAMED = re.compile(rf"[ \t]*(?:{_DATE}[ \t]+)?[一-龥]{{1,3}}[*×xX]{{0,2}}[ \t,、|]+[0-9]{{1,3}} ?(?:岁|个?月|天)[ \t]*$")
_DAY = re.compile(rf"(?m)^[ \t]*{_DATE}{_TIME}[^\n,。;:]{{0,24}}(?:查房|病程|小结|病情记录|术后|交班|接班|转入|转出)[^\n,。;:]{{0,12}}$")
_SAID = re.compile(
    r"(?:^|(?<=[\n。;]))[^\n。;:]{0,24}(?:主任|主治|上级|医师|医生|教授)(?:[^\n。;:]{0,8}?(?:查房|查看|看过|看)(?:了?(?:患者|病人|患儿))?[后时]?[^\n。;:]{0,6}?)?"
    r"(?:指示|示|指出|认为|分析|意见|强调|嘱)[:,]"
)
# Notes by subject, object, assessment and plan.
_SOAP = re.compile(r"(?ms)^(S ?[:(]).*?^(O ?[:(]).*?^(A ?[:(]).*?^(P ?[:(])")
_SOAP_NAMES = ("病情记录", "病情记录", "病情分析", "诊疗计划")
# The head of a table of laboratory results, or its first row: a test, a number, what else there is.
_RESULTS = re.compile(
    r"(?m)^[^\n:。]*(?:项目|指标)[^\n:。]*结果[^\n:。]*(?:参考|单位|提示|范围)[^\n:。]*$|"
    r"^[ \t]*[^\s:。|,]{1,20}(?:\t|\||  )[ |]*[<>]?[0-9]+(?:\.[0-9]+)?[ ↑↓HL]*(?:\t|\||  )"
)
# What a report says of itself at its end.
_FOOTER = re.compile(r"(?m)^[ \t(*]*[^\n,。;:]{0,12}(?:仅对[^\n,。]{0,12}负责|仅供[^\n。]{0,8}参考)")
_HAN = "[一-龥]"
_POST = r"(?:(?:副?主任|主治|住院|经治|进修|实习)?(?:医师|医生|护士|护师|教授|主任)|主治)?"
# What a name signs for, where no colon makes it a title (报 告 王某 审 核 李某).
_ROLE = re.compile(
    r"(?:报 ?告|审 ?核|记 ?录|主 ?持|检 ?验|复 ?核|录 ?入|书 ?写|医 ?师|主 ?治|主 ?任|操 ?作)"
    r"(?: ?[者人员]| ?医 ?师| ?医 ?生)?[ :\t]+(?=[一-龥])"
)
_NAME = rf"{_HAN}{{1,4}}?[*×xX]{{0,2}}{_POST}"
_SIGNED = re.compile(rf"{_NAME}(?:[ /、,]+{_NAME}){{0,3}}")
_SIGNER = re.compile(rf"({_HAN}{{1,4}}?[*×xX]{{0,2}})({_POST})(?:[ /、,]+|$)")
_SIGNED_DATE = re.compile(rf"{_DATE}{_TIME}\s*$")
_INDENTED = 8
_LAST_LINES = 4
_ENTRY = "病情记录"


def untitled_sections(text: str, kind: str, titled: Sequence[Titled]) -> list[Titled]:
    r"""Return the titled sections with the untitled ones among them, in order.

    Parameters
    ----------
    text : str
        The normalised text.
    kind : str
        Kind of the document, "" if unknown.
    titled : sequence of Titled
        The titles found, in order.

    Returns
    -------
    list of Titled
        Each up to the next; an untitled section has "" for its title, and its body begins where it begins.

    Examples
    --------
    >>> untitled_sections("李某 女 78岁 普外科\n主诉:腹痛", "", [Titled(13, 16, "主诉", "主诉")])[0].name
    '一般项目'
    """
    found = {title.start: title for title in titled}
    for start, name in _untitled(text, kind, titled):
        found.setdefault(start, Titled(start, start, name, ""))
    return [found[start] for start in sorted(found)]


def _untitled(text: str, kind: str, titled: Sequence[Titled]) -> Iterator[tuple[int, str]]:
    first = titled[0].start if titled else len(text)
    if (start := _particulars(text, first, titled)) >= 0:
        yield start, "一般项目"
    known = document_kinds().get(kind)
    if known is not None and known.entries:
        yield from ((start, _ENTRY) for start in _days(text, first))
        if soap := _SOAP.search(text):
            yield from zip(map(soap.start, range(1, 5)), _SOAP_NAMES, strict=True)
        yield from ((match.start(), "查房意见") for match in _SAID.finditer(text) if "查房意见" in known.sections)
    if known is not None and "检验结果" in known.sections and (table := _RESULTS.search(text)):
        yield table.start(), "检验结果"
    if known is not None and "建议" in known.sections and (footer := _FOOTER.search(text)):
        yield footer.start(), "建议"
    if (start := _signature(text)) >= 0 and (not titled or titled[-1].name != "签名"):
        yield start, "签名"


def _particulars(text: str, first: int, titled: Sequence[Titled]) -> int:
    """Return where a line of particulars begins that stands before all other sections, -1 where none does."""
    if titled and titled[0].name == "一般项目":
        return -1
    for number, line in enumerate(_LINE.finditer(text, 0, first)):
        if number == _PARTICULARS_LINES or text[line.end() : line.end() + 1] != "\n":
            return -1
        if _PARTICULARS.search(line.group()) or _NAMED.match(line.group()):
            return line.start()
    return -1


def _days(text: str, first: int) -> Iterator[int]:
    """Yield where the text of a day begins: behind the document's heading, and at the dated headings after it."""
    opening = next((line.start() for line in _LINE.finditer(text, 0, first) if not is_heading(line.group())), -1)
    if opening >= 0:
        yield opening
    yield from (day.start() for day in _DAY.finditer(text, max(0, opening)))


def _signature(text: str) -> int:
    """Return where the last lines begin that hold names and dates only, -1 where there are none."""
    lines = list(_LINE.finditer(text, max(0, len(text) - 200)))[-_LAST_LINES:]
    start, named = -1, False
    for line in reversed(lines[1:]):
        written, roles = _ROLE.subn("", line.group())
        indented = roles > 0 or len(written) - len(written.lstrip()) >= _INDENTED
        name = _is_signed(_SIGNED_DATE.sub("", written).strip(), indented)
        if not name and _SIGNED_DATE.fullmatch(written.strip()) is None:
            break
        named = named or name or indented
        start = line.start()
    return start if named else -1


def _is_signed(line: str, indented: bool) -> bool:
    """Tell whether a line consists of names: at the right edge by their surnames, elsewhere by all of their characters or a post."""
    from nlp.identifiers.names import shapes

    match = _SIGNED.fullmatch(line)
    if match is None:
        return False
    known = shapes()
    for name, post in _SIGNER.findall(line):
        family = known.family(name, 0)
        if not family or not (indented or known.masked(name, 0) == len(name) or (post and len(name) == family) or known.is_full(name)):
            return False
    return True
