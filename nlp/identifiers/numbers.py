"""Numbers that lead to a person: by check digit and form, or by the label before them."""

from __future__ import annotations

import re
from datetime import date
from typing import TYPE_CHECKING

from nlp.annotations import Identifier

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["find_numbers", "identity_digits", "is_bank_card", "is_identity"]

#: GB/T 2260: the first two digits of an identity number name a province.
_PROVINCES = frozenset({*range(11, 16), *range(21, 24), *range(31, 38), *range(41, 47), *range(50, 55), *range(61, 66), 71, 81, 82, 83, 91})
_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CHECK = "10X98765432"
_READ_AS = str.maketrans("OoQDlI|", "0000111")

# Runs of digits, with marks between them and letters that a scanner takes for digits. At least seven digits in all.
_RUN = re.compile(
    r"(?<![0-9A-Za-z.])(?:[(+]?(?:\+|00)86[-) ]{0,2}|\+?86[- ])?\(?[0-9OIl](?:[ \-._·()]{0,2}[0-9OolI]){6,22}[ -]?[XxOo×]?(?![0-9A-Za-z])"
)
_SEPARATORS = re.compile(r"[ \-._/·()]+")
_MOBILE = re.compile(r"(?:(?:\+|00)?86)?(1[3-9][0-9]{9})$")
_LAND = re.compile(r"(?:\(?(?:\+|00)?86\)?[- ]?)?\(?0[0-9]{2,3}(?:\)[- ]{0,2}|[- ]{1,2})[1-9][0-9]{2,3}[- ]?[0-9]{3,4}(?:-[0-9]{1,5})?$")
_SERVICE = re.compile(r"[48]00-[0-9]{3,4}-?[0-9]{3,4}$|[48]00[0-9]{7}$")
_PHONE_LABEL = re.compile(
    r"(?:电\s?话|手\s?机|座机|固话|家电|宅电|联系方式|联系方法|热线|Tel|TEL|tel|Phone|phone|Mobile|传真|致电|拨打|来电|短信|号码|小灵通)"
    r"(?:号码|号)?(?:\([^()\n]{0,8}\))?[\s:.为是至_]{0,6}[一-鿿]{0,4}[\s:(]{0,2}$"
)
_OTHER_PHONES = re.compile(r"\s?(?:[/、,;或]|转)\s?(1[3-9][0-9]{9}|0[0-9]{2,3}-?[0-9]{7,8}|[2-8][0-9]{6,7})(?![0-9])")
_CARD_LABEL = re.compile(r"(?:银行卡|银行帐|银行账|卡号|账\s?号|帐\s?号|账户|储蓄卡|信用卡|工资卡)(?:号码?)?[\s:为是]{0,3}$")

_VALUE = r"[A-Za-z0-9](?:[A-Za-z0-9_#/\\-]|\.(?=[0-9]))*(?: (?=[0-9]{3,4}(?![0-9.A-Za-z一-鿿]))[0-9]{3,4})*"
_RECORD = (
    "腕带号?|卡号|留观号|抢救号|透析号|麻醉号|转诊单号|会诊单号|结算号|建档号|病案号|病案编号|病案首页号|病历号|病历编号|病历本号|住院号|住院编号|住院病历号|住院流水号|"
    "住院登记号|门诊号|门诊编号|门诊病历号|门诊卡号|门急诊号|急诊号|登记号|挂号序号|就诊卡号?|"
    "就诊号|"
    "就诊编号|就诊序号|诊疗卡号?|诊疗号|一卡通号?|健康卡号?|电子健康码|磁卡号|ID号|病人ID|患者ID|"
    "病人编号|患者编号|病员号|病人号|患者号|检查号|检查编号|检查序号|影像号|影像编号|放射号|"
    "放射编号|超声号|"
    "超声编号|B超号|CT号|CT编号|CT片号|MR号|MRI号|磁共振号|片号|X线号|X光号|X线片号|DR号|心电图号|"
    "内镜号|内镜编号|胃镜号|肠镜号|胃镜编号|病理号|病理编号|病理检查号|切片号|蜡块号|玻片号|"
    "活检号|细胞学号|"
    "标本号|标本编号|标本条码|样本号|样本编号|样品编号|条码号?|条形码号?|二维码|报告号|报告编号|"
    "报告单号|流水号|申请单号|申请号|申请编号|医嘱号|处方号|处方编号|发票号码?|收据号|票据号|"
    "档案号|档案编号|健康档案号|"
    "体检号|体检编号|接种卡号|输血申请单号|血袋号|血袋编号|献血码|编号|登记编号|筛选号|随机号|"
    "受试者编号|入组编号|手术编号|手术号|麻醉编号|单号|订单号|母亲住院号|PatientID|Patient "
    "ID|MRN|AccessionNumber|Accession No"
)
_INSURANCE = (
    "医保 ?卡? ?号码?|医保编号|医保卡|医保个人编号|社保卡?号码?|社保卡|社会保障卡?号码?|社会保障号|"
    "新农合证?号|合作医疗证?号|农合号|合疗证?号|保险号|保单号|医疗证号|医疗保险号|参合号|参保号|"
    "个人编号|健康保险号|公费医疗证?号"
)
_CERTIFICATE = (
    "护照号?码?|护照证?号|通行证号?码?|军官证号?码?|士兵证号?码?|军人证号?码?|警官证号?码?|"
    "驾驶证号?码?|驾照号?|驾驶证档案编号|出生证号?|出生证明编?号|出生医学证明编?号|医学证明编号|"
    "残疾证号?码?|残疾人证号?|结婚证号?|户口簿?号|户号|学号|工号|"
    "员工号|员工编号|居留证号?码?|居留许可号?码?|居住证号?码?|回乡证号?码?|台胞证号?码?|老年证号?|"
    "证件号码?|证件编号|有效证件号码?|执业证书编?号|医师编码|执业证号|低保证号?|准考证号|离休证号?|"
    "港澳居民来往内地通行证号?|Passport No"
)
_IDENTITY_LABEL = r"身\s?份\s?证(?:号码|明?号|件号)?|公民身份号码|居民身份号码|身份号码|ID\s?card"
_LABELLED = re.compile(
    rf"(?:(?P<identity_number>{_IDENTITY_LABEL})|(?P<record_number>{_RECORD})|(?P<insurance_number>{_INSURANCE})|"
    rf"(?P<certificate>{_CERTIFICATE})"
    r"|(?P<account>微\s?信号?|WeChat|weixin|VX|QQ号?码?|qq号?|抖音号?|支付宝账?号?|钉钉号?|微博号?))"
    rf"(?:码|\(?ID\)?)?(?:\([^()\n]{{0,10}}\))?[ \t]*(?:[:为是#=|]|No\.?|NO\.?|_{{1,8}})?[ \t:_]*(?P<value>{_VALUE})"
)
# What a label ending in 号 gives, whatever it is called, less what numbers a thing.
_ANY_LABEL = re.compile(rf"(?<=[一-鿿])(?<![批型信符货国文称账帐])(?:号码?|编[号码]|序号|条码)[ \t]*[:#=][ \t:_]*(?P<value>{_VALUE})")
_LOOSE = re.compile(rf"(?<![A-Za-z])(?:(?:ID|No\.?|NO\.?)[ ]?[:#.]|[A-Z][a-z]+ (?:ID|No\.?|Number)[:# ])[ ]?(?P<value>{_VALUE})")
_EMAIL = re.compile(r"@(?=[A-Za-z0-9])")
_EMAIL_LEFT = re.compile(r"[A-Za-z0-9_.+-]{1,64}$")
_EMAIL_RIGHT = re.compile(r"@[A-Za-z0-9](?:[A-Za-z0-9-]|\.(?=[A-Za-z0-9])){1,80}")
_PLATE = re.compile(
    r"[京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼][A-HJ-NP-Z][·\- ]?"
    r"(?=[A-Z]{0,5}[0-9])[A-HJ-NP-Z0-9]{5,6}(?![A-Za-z0-9])"
)
_PASSPORT = re.compile(r"(?<![A-Za-z0-9])(?:[EG][0-9]{8}|E[A-HJ-NP-Z][0-9]{7})(?![A-Za-z0-9])")
_BED_NUMBER = r"(?:加|\+|[A-Za-z]{1,2})?[0-9]{1,4}[A-Za-z]?(?:-[0-9]{1,3})?(?:号?床|号)?"
_BED = re.compile(
    rf"(?:床\s?号|床\s?位号?|床|Bed(?: ?No\.?)?|BED)(?:码)?[ \t]*[:为][ \t]*(?P<a>{_BED_NUMBER}|[一二三四五六七八九十]{{1,3}}[床号]?)"
    rf"|床\s?(?:号|位号?)[ \t]{{0,4}}(?P<c>{_BED_NUMBER})"
    r"|(?<![0-9.\-/~A-Za-z])(?P<b>(?:加|\+|[A-Z])?[0-9]{1,3}\+?(?:[-/][0-9]{1,2})?号?病?床)(?![旁边上头垫单被位])"
)
_ORDER = "[一二三四五六七八九十0-9A-Z]{1,3}"
_WARD = re.compile(
    r"(?:病\s?区|病\s?室|病\s?房|房\s?号|房间号|护理单元|Ward|WARD)(?:[ \t]*[:为][ \t]*|[ \t]+)"
    r"(?P<a>(?=[^\s,;。:()]{0,9}[0-9一二三四五六七八九十区楼])[^\s,;。:()]{1,12})"
    rf"|(?P<b>(?:第?{_ORDER}|(?<![A-Za-z])[A-Z][0-9]{{1,3}})[号楼]?(?:[东南西北]区?)?(?:病区|病房|病室|护理单元))"
    rf"|(?P<c>(?<=科)[一二三四五六七八九十A-Z]区|普?[内外妇儿骨产]{_ORDER}(?:病区|病房|病室))"
    rf"|(?P<d>(?:[内外]科|住院|门诊|综合|外|内|病房)?[大]?楼{_ORDER}[层楼](?:[东南西北中][区侧])?)"
)

# An age at which few are left: 92岁, 年龄:101, 九十三岁 (45 CFR 164.514 names 90 and above).
_AGE = re.compile(
    r"(?<![0-9.\-~/])(?:9[0-9]|1[01][0-9]) ?周?岁(?![以之][上下内])|年龄[: ]{0,3}(?P<bare>(?:9[0-9]|1[01][0-9])(?![0-9.\-~]))"
    r"|(?:九十[一二三四五六七八九]?|一?百(?:零[一二三四五六七八九]|一十?[一二三四五六七八九]?)?)岁(?![以之][上下内])"
)

# Kind, what a text must hold for the pattern to be tried, and the pattern.
_SIGNED = (
    ("bed", ("床", "Bed", "BED"), _BED),
    ("ward", ("病区", "病室", "病房", "房号", "房间", "护理单元", "Ward", "WARD", "楼", "科", "病 "), _WARD),
    ("age", ("岁", "年龄"), _AGE),
)
# The department to which a ward belongs: 肿瘤科一病区.
_DEPARTMENT = re.compile("(?:(?![收转入住至到由在于从的])[一-鿿]){1,4}科$")


def identity_digits(written: str) -> str:
    """Return the digits of an identity number as scanned or dictated: no marks, letters that a scanner took for digits mended.

    Examples
    --------
    >>> identity_digits("11O101 19900307 451x")
    '11010119900307451X'
    """
    bare = _SEPARATORS.sub("", written)
    return bare[:17].translate(_READ_AS) + bare[17:].replace("×", "X").replace("O", "0").replace("o", "0").upper()


def is_identity(digits: str, *, checked: bool = True) -> bool:
    """Return whether characters are an identity number of 18 (GB 11643-1999) or of 15 digits: province, date and check character.

    Examples
    --------
    >>> is_identity("11010519491231002X"), is_identity("110105194912310021")
    (True, False)
    """
    if len(digits) not in (15, 18) or not digits[: 17 if len(digits) == 18 else 15].isdecimal() or int(digits[:2]) not in _PROVINCES:
        return False
    born = digits[6:14] if len(digits) == 18 else f"19{digits[6:12]}"
    try:
        year = date(int(born[:4]), int(born[4:6]), int(born[6:8])).year
    except ValueError:
        return False
    if len(digits) == 15 or not checked:
        return 1880 <= year <= 2100
    weighted = sum(weight * int(digit) for weight, digit in zip(_WEIGHTS, digits[:17], strict=True))
    return 1880 <= year <= 2100 and digits[17] == _CHECK[weighted % 11]


def is_bank_card(digits: str) -> bool:
    """Return whether 16 to 19 digits pass the check of a bank card (Luhn) and begin as one.

    Examples
    --------
    >>> is_bank_card("6222020000000000003")
    False
    """
    if not 16 <= len(digits) <= 19 or not digits.isdecimal() or not digits.startswith(("62", "4", "5", "35", "37", "60", "9")):
        return False
    total = 0
    for place, digit in enumerate(reversed(digits)):
        doubled = int(digit) * (1 + place % 2)
        total += doubled - 9 if doubled > 9 else doubled
    return total % 10 == 0


def find_numbers(text: str) -> Iterator[Identifier]:
    """Find all numbers, addresses of mail and names of accounts; hits may overlap."""
    yield from _runs(text)
    yield from _labelled(text)
    for match in _EMAIL.finditer(text):
        left, right = _EMAIL_LEFT.search(text, max(0, match.start() - 64), match.start()), _EMAIL_RIGHT.match(text, match.start())
        if left and right:
            yield Identifier(left.start(), right.end(), "email", "form")
    for match in _PLATE.finditer(text):
        yield Identifier(*match.span(), "licence_plate", "form")
    for match in _PASSPORT.finditer(text):
        yield Identifier(*match.span(), "certificate", "form", 0.8)
    for kind, signs, pattern in _SIGNED:
        if not any(sign in text for sign in signs):
            continue
        for match in pattern.finditer(text):
            start, end = match.span(match.lastgroup or 0)
            if kind == "ward" and (department := _DEPARTMENT.search(text, max(0, start - 5), start)):
                start = department.start()
            yield Identifier(start, end, kind, "label")


def _runs(text: str) -> Iterator[Identifier]:
    for match in _RUN.finditer(text):
        start, end = match.span()
        found = _identity(text, start, end) or _phone(text, start, end) or _card(text, start, end) or _phone_within(text, start, end)
        if found:
            yield found
            if found.kind in ("phone", "mobile_number"):
                yield from _more_phones(text, found.end)


def _identity(text: str, start: int, end: int) -> Identifier | None:
    written = text[start:end]
    bare = _SEPARATORS.sub("", written)
    for cut in (0, 1):  # a letter behind may be the check character or the first of a word
        digits = identity_digits(bare[: len(bare) - cut])
        if len(digits) in (15, 18) and (cut == 0 or not bare[-1].isdecimal()):
            stop = end - cut
            if is_identity(digits):
                return Identifier(start, stop, "identity_number", "check")
            if is_identity(digits, checked=False):  # a date of birth in its place: a mistake in a digit
                return Identifier(start, stop, "identity_number", "form", 0.8)
    return None


def _phone(text: str, start: int, end: int) -> Identifier | None:
    while end > start and not text[end - 1].isdecimal():
        end -= 1
    written = text[start:end]
    bare = _SEPARATORS.sub("", written).translate(_READ_AS)
    if _MOBILE.match(bare) and "." not in written:
        return Identifier(start, end, "mobile_number", "form")
    if _LAND.match(written) or _SERVICE.match(written):
        return Identifier(start, end, "phone", "form")
    if 7 <= len(bare) <= 12 and _PHONE_LABEL.search(text, max(0, start - 24), start):
        return Identifier(start, end, "phone", "label")
    return None


def _phone_within(text: str, start: int, end: int) -> Identifier | None:
    """Return the phone at the head of a run that goes on after it, as two numbers side by side do."""
    for stop in range(start + 10, min(end, start + 22)):
        if (
            text[stop - 1].isdecimal()
            and not text[stop].isalnum()
            and (found := _phone(text, start, stop))
            and found.kind == "mobile_number"
        ):
            return found
    return None


def _more_phones(text: str, end: int) -> Iterator[Identifier]:
    while match := _OTHER_PHONES.match(text, end):
        end = match.end()
        yield Identifier(match.start(1), end, "phone", "list")


def _card(text: str, start: int, end: int) -> Identifier | None:
    digits = _SEPARATORS.sub("", text[start:end])
    if is_bank_card(digits) or (len(digits) >= 12 and digits.isdecimal() and _CARD_LABEL.search(text, max(0, start - 16), start)):
        return Identifier(start, end, "bank_card", "check")
    return None


def _labelled(text: str) -> Iterator[Identifier]:
    for match in _LABELLED.finditer(text):
        kind = (
            match.lastgroup
            if match.lastgroup != "value"
            else next(name for name, found in match.groupdict().items() if found and name != "value")
        )
        value = match["value"]
        digits = sum(character.isdecimal() for character in value)
        if digits >= (4 if kind == "account" else 2) or (kind == "account" and len(value) >= 6):
            yield Identifier(*match.span("value"), kind, "label")
    for match in (*_LOOSE.finditer(text), *_ANY_LABEL.finditer(text)):
        if sum(character.isdecimal() for character in match["value"]) >= 4:
            yield Identifier(*match.span("value"), "record_number", "label", 0.9)
