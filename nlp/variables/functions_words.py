"""Functions of the catalogue that give words: sides, stages, results, changes, stretches of text."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from nlp.variables.catalogue import Example, Found, Function, Parameter
from nlp.variables.definition import Bilingual
from nlp.variables.functions_numbers import TERMS
from nlp.variables.sides import side_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nlp.variables.view import NoteView

__all__ = ["FUNCTIONS"]

_YES_NO = re.compile(
    r"\s*[:：]?\s*(?:史\s*[:：]?\s*)?[(\[]?\s*(?:(?P<checked>[☑√■✓]\s?有|有\s?[☑√■✓]|[☑√■✓]\s?是|是\s?[☑√■✓])"
    r"|(?P<unchecked>[☑√■✓]\s?[无否]|[无否]\s?[☑√■✓]|[□○]\s?[有是]\s?[☑√■✓]\s?[无否])"
    r"|(?P<no>无|否认?|没有|未见|阴性|-)|(?P<yes>有|是|阳性|\+{1,4}))"
)


def yes_no_in_list(view: NoteView, *, terms: tuple[str, ...]) -> Iterator[Found]:
    """Give yes or no for an item of a form or a list: 高血压：有, 吸烟史（无）, 过敏史 □有 ☑无."""
    for hit in view.find(terms):
        match = _YES_NO.match(view.text, hit.end)
        if match:
            negative = match.lastgroup in ("no", "unchecked")
            yield Found("no" if negative else "yes", hit.start, match.end())


def laterality_of(view: NoteView, *, terms: tuple[str, ...]) -> Iterator[Found]:
    """Give left, right or bilateral for each hit that has a side."""
    for hit in view.find(terms):
        if side := side_of(view, hit):
            yield Found.at(hit, side)


def stage_of(view: NoteView, *, system: str) -> Iterator[Found]:
    """Give the grades of a staging system as they stand."""
    for quantity in view.quantities:
        if quantity.system == system:
            hit = view.hit(quantity.start, quantity.end)
            number = f"{quantity.values[0]:g}" if quantity.values else ""
            yield Found.at(hit, quantity.text or number)


_NUMBERING = re.compile(r"\s*(?:[0-9]{1,2}\s?[.、)．](?![0-9](?![型级期]))|[(][0-9]{1,2}[)]|[一二三四五六七八九十]、|[①-⑳])\s*")
_ITEM_END = re.compile(r"[\n;；。]|(?<=[^0-9(])(?=[(]?[0-9]{1,2}\s?[.、)．](?![0-9](?![型级期])))|[①-⑳]|[,，]")


def first_diagnosis(view: NoteView, *, sections: tuple[str, ...]) -> Iterator[Found]:
    """Give the first item of the first section of diagnoses."""
    for section in view.sections:
        if section.name not in sections:
            continue
        numbered = _NUMBERING.match(view.text, section.body, section.end)
        start = numbered.end() if numbered else section.body
        while start < section.end and view.text[start] in " \n\t:：":
            start += 1
        match = _ITEM_END.search(view.text, start, section.end)
        end = match.start() if match else section.end
        text = view.text[start:end].strip()
        if text:
            yield Found(text, start, start + len(view.text[start:end].rstrip()))
            return


def text_after_title(view: NoteView, *, titles: tuple[str, ...], to: str) -> Iterator[Found]:
    """Give what follows a title and a colon, to the end of the line or of the sentence."""
    ends = re.compile(r"\n" if to == "line" else r"[\n。;；]")
    for hit in view.find(titles):
        colon = re.compile(r"\s*[:：]\s*").match(view.text, hit.end)
        if not colon:
            continue
        match = ends.search(view.text, colon.end())
        end = match.start() if match else len(view.text)
        text = view.text[colon.end() : end].rstrip()
        if text:
            yield Found(text, colon.end(), colon.end() + len(text))


_CHANGE = re.compile(
    r"(?P<new>(?<!未见)(?<!无)(?<!明显)(?<!明确)(?:新发|新出现|新增(?!大)|较前新))"
    r"|(?P<resolved>(?:较前|已)?(?:消失|吸收完全|完全吸收)|未再显示|已不明显)"
    r"|(?P<stable>(?:无|未见)(?:明显|显著)?(?:变化|改变|增大|缩小)|相仿|相近|大致同前|同前|稳定|变化不大|未见明显变化)"
    r"|(?P<larger>(?:较前|比前|略|稍|明显)*(?:增大|增多|增厚|增粗|扩大|进展|增宽|加重|变大|长大))"
    r"|(?P<smaller>(?:较前|比前|略|稍|明显)*(?:缩小|减小|减少|变小|吸收|好转|减轻|缩减))"
)
_FRESH = 6
_COMPARED = re.compile(r"较前|较[0-9]{4}|较上次|较外院|对照|对比|与前|比较|前片|前次|复查|原|同前|新发|新出现|新增|消失|既往片|老片")


def change_against_earlier(view: NoteView, *, terms: tuple[str, ...]) -> Iterator[Found]:
    """Give how a hit compares with an earlier examination: larger, smaller, stable, new, resolved."""
    hits = list(view.find(terms))
    for place, hit in enumerate(hits):
        low, high = view.scope("sentence", hit.start, hit.end)
        if not _COMPARED.search(view.text, low, high):
            continue
        end = hits[place + 1].start if place + 1 < len(hits) else high
        before = _last(_CHANGE, view.text, low, hit.start)
        # What is new right before the hit is said of it: 新增小结节，余较前相仿.
        fresh = before if before and before["new"] and hit.start - before.end() <= _FRESH else None
        match = fresh or _CHANGE.search(view.text, hit.end, min(end, high)) or before
        if match:
            yield Found(match.lastgroup or "", *match.span(), experiencer=hit.experiencer)


def _last(pattern: re.Pattern[str], text: str, low: int, high: int) -> re.Match[str] | None:
    return max(pattern.finditer(text, low, high), key=lambda match: match.start(), default=None)


_SEVERITY = re.compile(
    r"(?P<moderate_severe>中[度、~-]*重度|中重度)|(?P<mild_moderate>轻[度、~-]*中度|轻中度)|(?P<mild>轻度|轻微|轻症|少量)|(?P<moderate>中度|中等|中量)|(?P<severe>重度|重症|严重|大量|极重度)"
)


def severity_of(view: NoteView, *, terms: tuple[str, ...]) -> Iterator[Found]:
    """Give mild, moderate, severe (or the two between) as the clause of each hit says."""
    for hit in view.find(terms):
        low, high = view.scope("clause", hit.start, hit.end)
        match = min(_SEVERITY.finditer(view.text, low, high), key=lambda found: view.gap(hit, found.span()), default=None)
        if match:
            yield Found.at(hit, match.lastgroup or "", span=match.span())


_RESULT = re.compile(
    r"(?:蛋白|抗原|抗体|表达|检测|基因|\([A-Za-z0-9-]{1,12}\))?\s*[:：]?\s*[(\[]?\s*(?:约?\s*[0-9]{1,3}%\s*,?\s*)?(?:[弱强中灶散]?[局在个别]*)?"
    r"(?:(?P<equivocal>2\+|\+\+(?!\+)|可疑|±|\+/-|不确定)|(?P<weak>弱阳性?|弱\+)|(?P<negative>-|阴性?|未见表达|0(?![.0-9])|阴)"
    r"|(?P<positive>[134]?\+{1,4}|阳性?|突变|检出))",
)


def marker_result(view: NoteView, *, terms: tuple[str, ...]) -> Iterator[Found]:
    """Give positive, weak, equivocal or negative for a marker: ER(+), HER-2（2+）, HBsAg阳性, CK7（-）, 幽门螺杆菌：阴性."""
    for hit in view.find(terms):
        match = _RESULT.match(view.text, hit.end)
        if match:
            yield Found(match.lastgroup or "", hit.start, match.end())


FUNCTIONS = (
    Function(
        name="yes_no_in_list",
        call=yes_no_in_list,
        description=Bilingual("表单、列表中某项的有或无", "Yes or no for an item of a form or a list"),
        parameters={"terms": TERMS},
        examples=(
            Example("高血压：有；糖尿病：无。", (("terms", ("糖尿病",)),), ("no",)),
            Example("药物过敏 □有 ☑无", (("terms", ("药物过敏",)),), ("no",)),
        ),
    ),
    Function(
        name="laterality_of",
        call=laterality_of,
        description=Bilingual("侧别：left、right、bilateral", "The side: left, right, bilateral"),
        parameters={"terms": TERMS},
        examples=(Example("双侧胸腔积液，左侧乳腺结节。", (("terms", ("结节",)),), ("left",)),),
    ),
    Function(
        name="stage_of",
        call=stage_of,
        description=Bilingual("分期、评分系统的级别", "The grades of a staging or scoring system"),
        parameters={"system": Parameter("word", Bilingual("系统，如 BI-RADS", "System, such as BI-RADS"))},
        examples=(Example("右乳结节，BI-RADS 4A类。", (("system", "BI-RADS"),), ("4A",)),),
    ),
    Function(
        name="first_diagnosis",
        call=first_diagnosis,
        description=Bilingual("诊断章节的第一条", "The first item of the section of diagnoses"),
        parameters={"sections": Parameter("words", Bilingual("章节", "Sections"), ("出院诊断", "入院诊断", "初步诊断", "诊断"))},
        examples=(Example("出院诊断：1.2型糖尿病 2.高血压病3级", (), ("2型糖尿病",)),),
    ),
    Function(
        name="text_after_title",
        call=text_after_title,
        description=Bilingual("小标题冒号之后的文字", "What follows a title and a colon"),
        parameters={
            "titles": Parameter("words", Bilingual("小标题", "Titles")),
            "to": Parameter(
                "choice", Bilingual("到 line 或 sentence 末", "To the end of the line or the sentence"), "sentence", ("line", "sentence")
            ),
        },
        examples=(Example("麻醉方式：全身麻醉；手术者：略", (("titles", ("麻醉方式",)),), ("全身麻醉",)),),
    ),
    Function(
        name="change_against_earlier",
        call=change_against_earlier,
        description=Bilingual("与前片比较：larger、smaller、stable、new、resolved", "Against an earlier examination"),
        parameters={"terms": TERMS},
        examples=(
            Example("右肺上叶结节较前增大。", (("terms", ("结节",)),), ("larger",)),
            Example("与前片比较，右肺结节大小相仿。", (("terms", ("结节",)),), ("stable",)),
            Example("右肺上叶结节，边界清。", (("terms", ("结节",)),), ()),
        ),
    ),
    Function(
        name="severity_of",
        call=severity_of,
        description=Bilingual("程度：mild、moderate、severe", "Severity"),
        parameters={"terms": TERMS},
        examples=(Example("二尖瓣轻度反流，主动脉瓣重度狭窄。", (("terms", ("反流",)),), ("mild",)),),
    ),
    Function(
        name="marker_result",
        call=marker_result,
        description=Bilingual("标志物结果：positive、weak、equivocal、negative", "The result of a marker"),
        parameters={"terms": TERMS},
        examples=(
            Example("免疫组化：ER（+），PR（-），HER-2（2+）。", (("terms", ("HER-2", "HER2")),), ("equivocal",)),
            Example("乙肝表面抗原阴性。", (("terms", ("乙肝表面抗原",)),), ("negative",)),
        ),
    ),
)
