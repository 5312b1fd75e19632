"""Sections that stand without a title: a patient's particulars on top, the text of a day in the course, a round's advice, the names below.

What a title tells is never changed: these begin in the stretch before the first title, at dated headings of a course, where a physician's
advice is reported, and in the last lines of a document or a day. A paragraph whose title was left out is told by the section that it stands
behind and by how it begins (``follows`` in ``nlp/data/documents.yaml``).
"""

from __future__ import annotations

import re
from itertools import islice, pairwise
from typing import TYPE_CHECKING

from nlp.documents import document_kinds, followers, is_heading
from nlp.titles import Titled, narrated

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from nlp.documents import Follower

__all__ = ["untitled_paragraphs", "untitled_sections"]

# A line with a word; the run of blanks before it is read once, so that a text of blanks only costs no more than another.
_LINE = re.compile(r"(?<![^\S\n])[^\S\n]*+\S[^\n]*")
_AGE = r"[0-9]{1,3} ?(?:岁|个?月(?![0-9])|天|小时)?"
# Sex and age beside each other, as a line of particulars has them: 王某 女 56岁; 患者,男,5岁.
_PARTICULARS = re.compile(
    rf"(?:(?:^|[\s,、|:(]|患者|患儿)(?:男|女)(?:性|孩|婴|童)?[\s,、|]{{0,4}}{_AGE}(?=[\s,、。|)因于]|$))|{_AGE}[\s,、|]{{0,3}}(?:男|女)(?:性|孩|婴|童)?(?=[\s,、。|)因于]|$)"
)
# A department with the day and sort of a visit: 骨科 2021-08-04 07:21 初诊.
_VISIT = re.compile(r"[ \t]*[^\n,。;:]{1,12}[科室门诊心部区院][ \t]+(?:[^\n,。;]*[0-9][^\n,。;]*)?(?:(?:初|复|急|门)诊|[0-9日时分])[ \t]*$")
_PARTICULARS_LINES = 6
_DATE = r"(?:[0-9]{2,4} ?[-年./] ?)?[0-9]{1,2} ?[-月./] ?[0-9]{1,2} ?日?"
_TIME = r"(?:[ ,T]{0,3}[0-9]{1,2} ?[:时点](?: ?[0-9]{1,2} ?分?)?(?:[:][0-9]{2})?)?"
# Nothing but a date, a name and an age.
_NAMED = re.compile(rf"[ \t]*(?:{_DATE}[ \t]+)?[一-龥]{{1,3}}[*×xX]{{0,2}}[ \t,、|]+[0-9]{{1,3}} ?(?:岁|个?月|天)[ \t]*$")
# The heading of a day: a date, perhaps with what is written, or the other way about.
_WRITTEN = r"[ \t]*[^\n,。;:]{0,24}(?:查房|病程|小结|病情记录|术后|交班|接班|转入|转出)[^\n,。;:]{0,12}"
_DAY = re.compile(rf"(?m)^[ \t]*(?:{_DATE}{_TIME}(?P<written>{_WRITTEN})?|{_WRITTEN}?[ \t]{_DATE}{_TIME})[ \t]*$")
# A day whose text goes on behind its date.
_RUN_IN = re.compile(rf"(?m)^[ \t]*{_DATE}{_TIME}[ \t,]*(?=[^\n]{{0,4}}(?:患[者儿]|病人|查房|今[日天晨]))")
_SAID = re.compile(
    r"(?:^|(?<=[\n。;]))[^\n。;:]{0,24}(?:主任|主治|上级|医师|医生|教授)(?:[^\n。;:]{0,8}?(?:查房|查看|看过|看)(?:了?(?:患者|病人|患儿))?[后时]?[^\n。;:]{0,6}?)?"
    r"(?:指示|示|指出|认为|分析|意见|强调|嘱)(?:[:,|】\]>\t]|  |(?=\n))|"
    # A senior's name and post before what he says.
    r"(?m:^[ \t]*[一-龥]{1,4}(?:副?主任|主治)(?:医师|医生)?:(?=[^\n]{8}))"
)
# Notes by subject, object, assessment and plan.
_SOAP = re.compile(r"(?ms)^(S ?[:(]).*?^(O ?[:(]).*?^(A ?[:(]).*?^(P ?[:(])")
_SOAP_NAMES = ("病情记录", "病情记录", "病情分析", "诊疗计划")
# What may stand below the names.
_REMARK = re.compile(r"[^\w\n]*(?:备?注|说明|声明|提示)[:,]|[^\n]*(?:仅对|仅供|无效)")
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
_LAST_LINES = 5
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
        if name == "签名" or start not in found:
            found[start] = Titled(start, start, name, "")
    return [found[start] for start in sorted(found)]


def untitled_paragraphs(text: str, kind: str, titled: Sequence[Titled]) -> Iterator[Titled]:
    r"""Yield the sections with those among them whose title was left out, told by what they stand behind and how they begin.

    Parameters
    ----------
    text : str
        The normalised text.
    kind : str
        Kind of the document, "" if unknown.
    titled : sequence of Titled
        The sections found, in order.

    Yields
    ------
    Titled
        In order.

    Examples
    --------
    >>> [section.name for section in untitled_paragraphs("主诉:腹痛\n患者3天前", "门诊病历", [Titled(0, 3, "主诉", "主诉")])]
    ['主诉', '现病史']
    """
    known = document_kinds().get(kind)
    rows = followers(known.sections if known else tuple(narrated()))
    told: dict[str, set[str]] = {}
    for title in titled:
        told.setdefault(title.name, set()).add(title.title)
    ends = [*(title.start for title in titled), len(text)]
    if titled and _BEFORE in rows:
        yield from _paragraphs(_LINE.finditer(text, 0, ends[0]), _BEFORE, rows, told)
    for title, end in zip(titled, ends[1:], strict=True):
        yield title
        if title.name in rows:
            yield from _paragraphs(islice(_LINE.finditer(text, title.body, end), 1, None), title.name, rows, told)


# What stands before all sections; a text without any is left whole, so that it may be asked for all of them.
_BEFORE = ""


def _paragraphs(
    lines: Iterable[re.Match[str]], name: str, rows: Mapping[str, tuple[Follower, ...]], told: Mapping[str, set[str]]
) -> Iterator[Titled]:
    """Yield paragraphs of other sections among the lines of a section, if no title of theirs stands anywhere."""
    for line in lines:
        written = line.group().lstrip()
        follower = next((row for row in rows.get(name, ()) if told.get(row.name, set()) <= row.beside and row.opens.match(written)), None)
        if follower is not None:
            name = follower.name
            yield Titled(line.start(), line.start(), name, "")


def _untitled(text: str, kind: str, titled: Sequence[Titled]) -> Iterator[tuple[int, str]]:
    first = titled[0].start if titled else len(text)
    known = document_kinds().get(kind)
    days = _days(text) if known is not None and known.entries else []
    top = min([first, *(start for start, _ in days)])
    if (start := _particulars(text, top, in_line=known is not None)) >= 0:
        yield start, "一般项目"
    if known is not None and known.entries:
        yield from _course(text, top, days)
        yield from ((match.start(), "查房意见") for match in _SAID.finditer(text) if "查房意见" in known.sections)
    for begin, end in pairwise([0, *(start for start, _ in days), len(text)]):
        last = next((title for title in reversed(titled) if begin <= title.start < end), None)
        until = last.start if last and last.name == "签名" else end
        if (start := _signature(text, begin, until)) >= 0:
            yield start, "签名"


def _course(text: str, top: int, days: list[tuple[int, int]]) -> Iterator[tuple[int, str]]:
    """Yield a text before all headings of days, those headings, which have no section, with the texts behind them, notes by S, O, A, P."""
    opening = next((line.start() for line in _LINE.finditer(text, 0, top) if not is_heading(line.group())), None)
    if opening is not None:
        yield opening, _ENTRY
    for heading, body in days:
        if heading < body:
            yield heading, ""
        yield body, _ENTRY
    if soap := _SOAP.search(text):
        yield from zip(map(soap.start, range(1, 5)), _SOAP_NAMES, strict=True)


def _particulars(text: str, first: int, *, in_line: bool) -> int:
    """Return where particulars begin before all titles, on their own lines or also in the first title's line, -1 where none do."""
    for number, line in enumerate(_LINE.finditer(text, 0, first)):
        if number == _PARTICULARS_LINES or (text[line.end() : line.end() + 1] != "\n" and not in_line):
            return -1
        if _PARTICULARS.search(line.group()) or _NAMED.match(line.group()) or _VISIT.match(line.group()):
            return line.start()
    return -1


def _days(text: str) -> list[tuple[int, int]]:
    """Return where the heading of each day begins and where its text does; a date below a signature, or at the end, heads nothing."""
    days = {day.start(): day.start() for day in _RUN_IN.finditer(text)}
    for day in _DAY.finditer(text):
        after = _LINE.search(text, day.end())
        if after and (day["written"] or not is_heading(after.group())):
            days[day.start()] = after.start()
    return sorted(days.items())


def _signature(text: str, begin: int, end: int) -> int:
    """Return where the last lines of a stretch begin that hold names and dates only, -1 where there are none."""
    start, named = -1, False
    for line in reversed(list(_LINE.finditer(text, max(begin, end - 200), end))[-_LAST_LINES:][1:]):
        if start < 0 and _REMARK.match(line.group()):
            continue
        if "。" in line.group():
            break
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
