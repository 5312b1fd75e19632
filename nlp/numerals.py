"""Chinese and Roman numerals."""

from __future__ import annotations

__all__ = ["chinese_number", "number_of", "roman_number", "to_roman"]

_DIGITS = {character: value for value, character in enumerate("零一二三四五六七八九")} | {
    "〇": 0,
    "两": 2,
    "俩": 2,
    "壹": 1,
    "贰": 2,
    "叁": 3,
}
_PLACES = {"十": 10, "百": 100, "千": 1000, "拾": 10}
_ROMAN = {
    "Ⅰ": "I", "Ⅱ": "II", "Ⅲ": "III", "Ⅳ": "IV", "Ⅴ": "V", "Ⅵ": "VI", "Ⅶ": "VII", "Ⅷ": "VIII", "Ⅸ": "IX", "Ⅹ": "X", "Ⅺ": "XI", "Ⅻ": "XII",
    "ⅰ": "I", "ⅱ": "II", "ⅲ": "III", "ⅳ": "IV", "ⅴ": "V", "ⅵ": "VI",
}  # fmt: skip
_VALUES = {
    "I": 1, "II": 2, "III": 3, "IIII": 4, "IV": 4, "V": 5, "VI": 6, "VII": 7, "VIII": 8, "IX": 9, "X": 10, "XI": 11, "XII": 12,
}  # fmt: skip
_NAMES = ["0", "I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII"]


def chinese_number(text: str) -> float | None:
    """Read a Chinese numeral.

    Parameters
    ----------
    text : str
        Such as 一百二十, 两, 半, 三点五.

    Returns
    -------
    float or None
        The number; None if the text is no numeral.

    Examples
    --------
    >>> chinese_number("一百二十"), chinese_number("三点五"), chinese_number("两"), chinese_number("第三")
    (120.0, 3.5, 2.0, None)
    """
    if text == "半":
        return 0.5
    whole, _, decimals = text.partition("点")
    value = _whole(whole)
    if value is None or not decimals:
        return value if not text.endswith("点") else None
    if any(character not in _DIGITS for character in decimals):
        return None
    return value + float("0." + "".join(str(_DIGITS[character]) for character in decimals))


def number_of(text: str) -> float | None:
    """Read a number in Arabic or in Chinese numerals.

    Parameters
    ----------
    text : str
        Such as 12, 2.5, 十二.

    Returns
    -------
    float or None
        The number; None if the text is no numeral.

    Examples
    --------
    >>> number_of("2.5"), number_of("十二"), number_of("三四")
    (2.5, 12.0, None)
    """
    return float(text) if text[:1].isdecimal() else chinese_number(text)


def _whole(text: str) -> float | None:
    for mark, many in (("亿", 1e8), ("万", 1e4)):
        if mark in text:
            upper, _, lower = text.partition(mark)
            above, below = _whole(upper) if upper else 1.0, _whole(lower) if lower else 0.0
            return None if above is None or below is None else above * many + below
    return _below_ten_thousand(text) if text else None


def _below_ten_thousand(text: str) -> float | None:
    total, digit, number = 0.0, 0.0, False
    for character in text:
        if character in _PLACES:
            total += (digit if number else 1) * _PLACES[character]
            digit, number = 0.0, False
        elif character in _DIGITS:
            if number and digit:
                return None
            digit, number = float(_DIGITS[character]), True
        else:
            return None
    return total + digit


def roman_number(text: str) -> int | None:
    """Read a Roman numeral up to twelve, in letters of either case or in the characters Ⅰ to Ⅻ.

    Parameters
    ----------
    text : str
        Such as III, iv, Ⅱ.

    Returns
    -------
    int or None
        The number; None if the text is no such numeral.

    Examples
    --------
    >>> roman_number("iv"), roman_number("Ⅲ"), roman_number("ABC")
    (4, 3, None)
    """
    return _VALUES.get("".join(_ROMAN.get(character, character) for character in text).upper())


def to_roman(number: int) -> str:
    """Write a number from 0 to 12 as a Roman numeral; 0 stays 0.

    Parameters
    ----------
    number : int
        From 0 to 12.

    Returns
    -------
    str
        In capital letters.

    Examples
    --------
    >>> to_roman(4)
    'IV'
    """
    return _NAMES[number]
