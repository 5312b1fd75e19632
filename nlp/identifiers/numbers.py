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
    r"(?<![0-9A-Za-z.])(?:[(+]?(?:\+|00)86[-) ]{0,2}|\+?86[- ])?\(?[0-9OIl](?:[ \-._·()]{0,2}[0-9OolI]){6,44}[ -]?[XxOo×]?(?![0-9A-Za-z])"
)
# Seven digits close together, without which there is no number of those below; how far around them one may reach.
_MANY_DIGITS, _AROUND = re.compile(r"[0-9OIl](?:[ \-._·()/]{0,3}[0-9OolI]){6,}"), 16
_SEPARATORS = re.compile(r"[ \-._/·()]+")
_MOBILE = re.compile(r"(?:(?:\+|00)?86)?(1[3-9][0-9]{9})$")
_LAND = re.compile(r"(?:\(?(?:\+|00)?86\)?[- ]?)?\(?0[0-9]{2,3}(?:\)[- ]{0,2}|[- ]{1,2})[1-9][0-9]{2,3}[- ]?[0-9]{3,4}(?:-[0-9]{1,5})?$")
# Eleven digits and how they are grouped, no digit beside them.
_MOBILES = re.compile(
    r"(?<![0-9])(?<![0-9]\.)(?:\(?(?:\+|00)?86\)?[- ]{0,2})?1[3-9](?:[0-9]{9}|"
    + "|".join(
        f"[0-9]{{{first - 2}}}" + "".join(f"[ -]{{1,2}}[0-9]{{{size}}}" for size in rest)
        for first, *rest in ((3, 4, 4), (4, 4, 3), (5, 3, 3), (3, 3, 5), (4, 3, 4), (3, 8), (7, 4), (5, 6))
    )
    + ")(?![0-9])"
)
_AREA = "(?:10|2[0-9]|[3-9][0-9]{2})"
_EXTENSION = r"(?:(?: ?转 ?|[-*#]| ?(?:分机|ext\.?) ?:?)[0-9]{1,5})?"
_LANDLINES = re.compile(
    rf"(?<![0-9.])(?:\(?0{_AREA}\)?[-/ ]{{0,2}}|\(?(?:\+|00)86\)?[- ]{{0,2}}\(?0?{_AREA}\)?[- ]{{0,2}})"
    rf"[2-9][0-9]{{2,3}}[- ]?[0-9]{{4}}{_EXTENSION}(?![0-9.])"
)
# Seven or eight digits, or a short number, some words behind a cue.
_CALLED = re.compile(
    r"(?:电\s?话|电联|电(?=[2-9])|专线|致电|热线|座机|固话|宅电|联系|拨打?|呼|来电|回电|咨询|Tel|TEL|tel|Phone|phone|传真|转)"
    r"[^0-9\n。;号页第年月日]{0,10}?(?:号码?)?[: (]{0,3}"
    rf"(?P<number>[2-9][0-9]{{2,3}}[- ]?[0-9]{{3,4}}{_EXTENSION})(?![0-9.%/]|[年月日mg个次])"
    r"|(?:(?:内线|分机|短号|小号|虚拟网|集团号)号?[ :为]{0,3}|(?:电话|座机)(?:号码?)?: ?(?=[0-9]{5}))"
    r"(?P<short>[0-9]{3,6})(?![0-9.%/]|[年月日mg个次])"
)
_DAY = re.compile("20[0-9]{2}-?(?:0[1-9]|1[0-2])(?:[0-2][0-9]|3[01])$")
_FEWEST = 7
_PIECE = re.compile("[^ ,]+")
_IDENTITIES = re.compile("(?<![0-9])[0-9]{17}(?:[Xx]|[0-9](?![0-9]))")
_SERVICE = re.compile(r"[48]00-[0-9]{3,4}-?[0-9]{3,4}$|[48]00[0-9]{7}$")
_PHONE_LABEL = re.compile(
    r"(?:电\s?话|手\s?机|座机|固话|家电|宅电|联系方式|联系方法|热线|Tel|TEL|tel|Phone|phone|Mobile|传真|致电|拨打|来电|短信|号码|小灵通)"
    r"(?:号码|号)?(?:\([^()\n]{0,8}\))?[\s:.为是至_]{0,6}[一-鿿]{0,4}[\s:(]{0,2}$"
)
_OTHER_PHONES = re.compile(r"\s?(?:[/、,;或]|转)\s?(1[3-9][0-9]{9}|0[0-9]{2,3}-?[0-9]{7,8}|[2-8][0-9]{6,7})(?![0-9])")
_CARD_LABEL = re.compile(r"(?:银行卡|银行帐|银行账|卡号|账\s?号|帐\s?号|账户|储蓄卡|信用卡|工资卡)(?:号码?)?[\s:为是]{0,3}$")

_EMAIL = re.compile(r"@(?=[A-Za-z0-9])")
_EMAIL_LEFT = re.compile(r"[A-Za-z0-9_.+-]{1,64}$")
_EMAIL_RIGHT = re.compile(r"@[A-Za-z0-9](?:[A-Za-z0-9-]|\.(?=[A-Za-z0-9])){1,80}")
_PLATE = re.compile(
    r"[京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼][A-HJ-NP-Z][·\- ]?"
    r"(?=[A-Z]{0,5}[0-9])(?:[A-HJ-NP-Z0-9]{5,6}|[A-HJ-NP-Z0-9]{4}[警学挂领试])(?![A-Za-z0-9])"
)
_PASSPORT = re.compile(r"(?<![A-Za-z0-9])(?:[EG][0-9]{8}|E[A-HJ-NP-Z][0-9]{7})(?![A-Za-z0-9])")
# An age at which few are left: 92岁, 年龄:101, 九十三岁 (45 CFR 164.514 names 90 and above).
_AGE = re.compile(
    r"(?<![0-9.\-~/])(?:9[0-9]|1[01][0-9]) ?周?岁(?![以之][上下内])|年龄[: ]{0,3}(?P<bare>(?:9[0-9]|1[01][0-9])(?![0-9.\-~]))"
    r"|(?:九十[一二三四五六七八九]?|一?百(?:零[一二三四五六七八九]|一十?[一二三四五六七八九]?)?)岁(?![以之][上下内])"
)


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
    for start, end in _dense(text):
        yield from _runs(text, start, end)
        for match in _IDENTITIES.finditer(text, start, end):
            if is_identity(match.group().upper(), checked=False):
                yield Identifier(*match.span(), "identity_number", "form")
        for pattern, kind in ((_MOBILES, "mobile_number"), (_LANDLINES, "phone")):
            for match in pattern.finditer(text, start, end):
                yield Identifier(*match.span(), kind, "form")
    yield from _called(text)
    for match in _EMAIL.finditer(text):
        left, right = _EMAIL_LEFT.search(text, max(0, match.start() - 64), match.start()), _EMAIL_RIGHT.match(text, match.start())
        if left and right:
            yield Identifier(left.start(), right.end(), "email", "form")
    for match in _PLATE.finditer(text):
        yield Identifier(*match.span(), "licence_plate", "form")
    for match in _PASSPORT.finditer(text):
        yield Identifier(*match.span(), "certificate", "form", 0.8)
    if "岁" in text or "年龄" in text:
        for match in _AGE.finditer(text):
            yield Identifier(*match.span(match.lastgroup or 0), "age", "label")


def _dense(text: str) -> Iterator[tuple[int, int]]:
    """Give the parts of a text where digits enough for a number stand together, with what may stand around it."""
    start = end = 0
    for match in _MANY_DIGITS.finditer(text):
        if match.start() - _AROUND > end:
            if end:
                yield start, end
            start = max(0, match.start() - _AROUND)
        end = match.end() + _AROUND
    if end:
        yield start, end


def _runs(text: str, start: int, end: int) -> Iterator[Identifier]:
    for match in _RUN.finditer(text, start, end):
        first, last = match.span()
        whole = _identity(text, first, last) or _phone(text, first, last) or _card(text, first, last)
        for found in [whole] if whole else _within(text, first, last):
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


def _within(text: str, start: int, end: int) -> Iterator[Identifier]:
    """Give what is found in pieces of a run that is none as a whole: numbers side by side, an age before a number."""
    pieces = [match.span() for match in _PIECE.finditer(text, start, end)]
    at = 0
    while at < len(pieces):
        for last in range(len(pieces), at, -1):
            left, right = pieces[at][0], pieces[last - 1][1]
            if right - left < _FEWEST:
                break
            if hit := _identity(text, left, right) or _phone(text, left, right) or _card(text, left, right):
                yield hit
                at = last - 1
                break
        at += 1


def _called(text: str) -> Iterator[Identifier]:
    for match in _CALLED.finditer(text):
        if not _DAY.match(match[match.lastgroup or 0]):
            yield Identifier(*match.span(match.lastgroup or 0), "phone", "label")


def _more_phones(text: str, end: int) -> Iterator[Identifier]:
    while match := _OTHER_PHONES.match(text, end):
        end = match.end()
        yield Identifier(match.start(1), end, "phone", "list")


def _card(text: str, start: int, end: int) -> Identifier | None:
    digits = _SEPARATORS.sub("", text[start:end])
    if is_bank_card(digits) or (len(digits) >= 12 and digits.isdecimal() and _CARD_LABEL.search(text, max(0, start - 16), start)):
        return Identifier(start, end, "bank_card", "check")
    return None
