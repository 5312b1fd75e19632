"""Beds and wards: 床9号, 特41床, 监52, 床Ⅱ-30; 外四区, 3号楼15层C区, ICU-B区, 南院4病区."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from nlp.annotations import Identifier

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["find_wards"]

_EXTRA = r"(?:[加特监抢观临走留备简]|走廊|抢救|监护|\+|[IVX]{1,4}-?|[A-Za-z]{1,3}-?)"
_NUMBER = rf"{_EXTRA}{{0,2}}[0-9]{{1,4}}[A-Za-z]?\+?(?:[-/][0-9]{{1,3}})?"
# No day, amount or measure follows the number of a bed.
_NO_UNIT = r"(?![0-9.:%]|[年月日天周次元张人个例余岁度分秒小时半多]|m[lgm]|cm|°|[-~]?[0-9])"
_BED = re.compile(
    rf"(?:床 ?号|床 ?位 ?号?|病床号?|床|Bed(?: ?No\.?)?|BED)(?:码)?[ \t|]*[:为|][ \t|]*"
    rf"(?P<a>{_NUMBER}(?:号?床|号)?|[一二三四五六七八九十]{{1,3}}[床号]?)"
    rf"|床 ?(?:号|位号?)[ \t(\[|【】\]〕]{{0,4}}(?P<c>{_NUMBER}(?:号?床|号)?){_NO_UNIT}"
    rf"|(?<![卧起离下临翻牙甲蹲骨坠])床[ (]{{0,2}}(?P<d>(?:{_EXTRA}{{1,2}}[0-9]{{1,3}}|[0-9]{{1,3}}-[0-9]{{1,2}}|[0-9]{{1,4}})"
    rf"(?:-[0-9]{{1,2}})?号?){_NO_UNIT}"
    rf"|(?P<b>(?<![0-9./~A-Za-z+])(?<![^-]-)(?:第)?(?:{_NUMBER}|[一二三四五六七八九十]{{1,3}}(?=号?床))号?病?床)(?![旁边上头垫单被位])"
    r"|(?P<e>(?<=[(|-])[加特监][0-9]{1,3}(?:-[0-9]{1,2})?(?=[)|-]))"
    rf"|(?:病人|患者|病员|患儿|产妇):[^\s:,;()]{{2,9}}\((?P<g>{_NUMBER}号?)(?=\))"
)
_ORDER = "[一二三四五六七八九十0-9A-Z甲乙丙丁]{1,3}"
_CAMPUS = "(?:[东南西北中本总老新分][院区部])?"
_STEM = (
    "(?:神经|心血管|心脏|心胸|血管|肝胆|胃肠|泌尿|甲乳|甲状腺|乳腺|内分泌|内分|耳鼻喉|耳鼻咽喉|妇产|新生儿|全科|普通|综合|普?[内外妇儿骨产眼传]|[神心消呼胸普泌脑肝肿血]内|[神心胸普泌脑肝整]外|中医|针灸|推拿|康复|针推|老年|干部|综合|特需|国际|日间|肿瘤|感染|介入|放疗|化疗|透析|烧伤|"
    "重症|监护|急诊|消化|呼吸|血液|肾病|风湿|皮肤|五官|口腔|精神|脊柱|关节|创伤|手足|肛肠|治未病|ICU|CCU|NICU|EICU|PICU|VIP)"
)
_BUILDING = "(?:[内外]科|住院|门诊|综合|外|内|病房)"
_WARD = re.compile(
    r"(?:病\s?区|病\s?室|病\s?房|房\s?号|房间号|护理单元|Ward|WARD|Loc|Unit)(?:[ \t]*[:为][ \t]*|[ \t]+)"
    r"(?P<a>(?![0-9]{2,4}[-./])(?=[^\s,;。:()]{0,9}[0-9一二三四五六七八九十区楼])[^\s,;。:()]{1,12})"
    rf"|(?P<b>(?:{_CAMPUS}(?:第?{_ORDER}|(?<![A-Za-z])[A-Z][0-9]{{1,3}})[号楼]?(?:[东南西北]区?)?)(?:病区|病房|病室|护理单元))"
    rf"|(?P<e>{_CAMPUS}(?:{_STEM}{{1,3}}科?|(?<=科))-?(?:(?:{_ORDER}|[东南西北])(?:病区|病房|病室)|[一二三四五六七八九十甲乙丙东南西北A-Z]{{1,2}}区))(?![域别间段])"
    rf"|(?P<c>{_CAMPUS}(?<![0-9.])[0-9]{{1,2}}(?:号楼|栋|座|幢)[0-9]{{1,2}}[层楼F](?:[A-Z东南西北中][区侧座])?)"
    rf"|(?P<d>{_BUILDING}?[大]?楼{_ORDER}[层楼](?:[东南西北中A-Z]?病?区|[东南西北中A-Z]侧)?)"
    rf"|(?P<f>{_BUILDING}?[部楼]?{_ORDER}[层楼][东南西北中A-Z]?病区)"
)
_SIGNS = ("病区", "病室", "病房", "房号", "房间", "护理单元", "Ward", "WARD", "Loc", "Unit", "楼", "科", "病 ", "区", "层")
# The department to which a ward belongs: 肿瘤科一病区, 中医康复一病区.
_DEPARTMENT = re.compile("(?:(?![收转入住至到由在于从的])[一-鿿]){1,4}(?:科|康复|中心)$")


def find_wards(text: str) -> Iterator[Identifier]:
    """Find beds and wards; hits may overlap.

    Examples
    --------
    >>> text = "ICU-B区 特41床,原床68-2"
    >>> [text[hit.start : hit.end] for hit in find_wards(text)]
    ['特41床', '68-2', 'ICU-B区']
    """
    if "床" in text or "ed" in text or "ED" in text or "(" in text:
        for match in _BED.finditer(text):
            yield Identifier(*match.span(match.lastgroup or 0), "bed", "label")
    if any(sign in text for sign in _SIGNS):
        for match in _WARD.finditer(text):
            start, end = match.span(match.lastgroup or 0)
            if department := _DEPARTMENT.search(text, max(0, start - 6), start):
                start = department.start()
            yield Identifier(start, end, "ward", "label")
