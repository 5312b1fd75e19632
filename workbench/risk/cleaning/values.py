"""Results as hospitals write them, read by stated rules: numbers with signs and marks, grades, categories, times.

Each reader gives the values and how many of them each rule of :data:`~workbench.risk.cleaning.changes.RULES` applied to. A text is read
once however often it occurs. The words are in ``workbench/risk/cleaning/data/values.yaml``.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import datetime
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
import yaml

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from workbench.risk.cleaning.items import Conversion

__all__ = ["UNAGREED", "Read", "read_categories", "read_dates", "read_grades", "read_numbers", "words"]

_NUMBER = r"[-+]?(?:(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?"
_MARKED = re.compile(r"\s*(?:[↑↓*]+|\((?:[↑↓*]+|[HL]{1,2}|偏高|偏低)\)|(?<=[\d\s])[HL]{1,2}|偏高|偏低|危急值?)\s*$|^\s*[↑↓*]+\s*")
_RANGE = re.compile(rf"(?P<low>{_NUMBER})\s*(?:-|~|—|–|至)\s*(?P<high>\d*\.?\d+)")
_CHINESE_DATE = re.compile(r"(?<!:\d\d)[年月/.]\s*(?=\d{1,2}(?!\d))")
_CLOCK = r"(?:[ t]+\d{1,2}(?::\d{1,2}(?::\d{1,2}(?:\.\d+)?)?)?(?: ?[ap]m)?)?"
_DAY = r"\d{4}-\d{1,2}-\d{1,2}|\d{8}|\d{1,2}[- ][a-z]{3,9}[-, ]+\d{4}|[a-z]{3,9}[- ]\d{1,2}[-, ]+\d{4}"
#: A whole day, with its year first or its month in letters. Pandas reads more, and guesses: 20/1/31 as of 2031, a clock alone as today's.
_WHOLE = re.compile(rf"(?:{_DAY}){_CLOCK}|\d{{8}} ?\d{{4}}(?:\d\d)?")
_FIRST_YEAR, _LAST_YEAR = 1900, 2100
_EXCEL_DAYS = (18264, 73050)  # 1950 to 2100
_NO_TIME = np.datetime64("NaT", "ns")
_EXCEL_START = pd.Timestamp("1899-12-30")
#: Numbers that have no agreed meaning where both are found, and the one not.
UNAGREED = {"sex": ({"0", "1"}, "2"), "yes_no": ({"1", "2"}, "0")}
_GREATEST = 1e30  # no result is greater; the squares of such numbers cannot be summed


class Read(NamedTuple):
    """What was read from a column.

    Parameters
    ----------
    values : ndarray of shape (n,)
        Numbers, times or codes; missing where there is no value.
    counts : dict of str to int
        How many values each rule applied to.
    own_unit : ndarray of bool, shape (n,)
        Where the unit stood behind the number and the value is in the item's unit already.
    """

    values: np.ndarray
    counts: dict[str, int]
    own_unit: np.ndarray


@cache
def words() -> dict:
    """Return the words that stand for results, folded, by what they mean."""
    data = yaml.safe_load(resources.files("workbench.risk.cleaning").joinpath("data", "values.yaml").read_text(encoding="utf-8"))
    table = {name: _by_spelling(data[name]) for name in ("grades", "sex", "yes_no", "blood_type", "comparators")}
    return table | {"no_result": {_fold(word) for word in data["no_result"]} | {""}, "sex_numbers": data["sex_numbers"]}


def _by_spelling(meanings: Mapping) -> dict[str, object]:
    return {_fold(str(word)): meaning for meaning, spellings in meanings.items() for word in spellings}


def _fold(text: object) -> str:
    return unicodedata.normalize("NFKC", str(text)).strip().casefold()


def read_numbers(column: pd.Series, *, below: float = 0.5, convert: Callable[[str], Conversion | None] = lambda _: None) -> Read:
    """Read numbers.

    Parameters
    ----------
    column : Series of shape (n,)
        Numbers or texts.
    below : float
        A result ``<x`` becomes ``below * x``; ``>x`` becomes x.
    convert : callable
        Gives the conversion of a unit that stands behind a number, None where it does not fit.

    Returns
    -------
    Read
        Floats. Rules: below_detection, above_detection, range, mark_removed, own_unit, no_result, qualitative, unreadable, infinite.

    Notes
    -----
    Half the limit of detection is the usual substitute: Hornung and Reed (1990), Appl Occup Environ Hyg 5:46. It distorts variances where
    many values lie below the limit; the log tells how many.

    Examples
    --------
    >>> read = read_numbers(pd.Series(["5.6", "<0.5", "7.1↑", "未检", "1,200"]))
    >>> read.values.tolist(), read.counts
    ([5.6, 0.25, 7.1, nan, 1200.0], {'below_detection': 1, 'mark_removed': 1, 'no_result': 1})
    """
    if pd.api.types.is_numeric_dtype(column.dtype):
        values = column.to_numpy(float, na_value=np.nan)
        return _finite(values, {}, np.zeros(len(values), bool))
    codes, texts = pd.factorize(column.to_numpy(object))
    plain = pd.to_numeric(pd.Series(texts, dtype=object), errors="coerce").to_numpy(float, na_value=np.nan)
    values, own = np.append(plain, np.nan), np.zeros(len(texts) + 1, bool)
    rules: dict[int, tuple[str, ...]] = {}
    for place in np.flatnonzero(np.isnan(plain)):
        values[place], rules[place] = _number(texts[place], below, convert)
        own[place] = "own_unit" in rules[place]
    many = np.bincount(codes[codes >= 0], minlength=len(texts))
    counts: dict[str, int] = {}
    for place, applied in rules.items():
        for rule in applied:
            counts[rule] = counts.get(rule, 0) + int(many[place])
    return _finite(values[codes], counts, own[codes])


def _finite(values: np.ndarray, counts: dict[str, int], own: np.ndarray) -> Read:
    beyond = np.abs(values) > _GREATEST
    if infinite := int(beyond.sum()):
        values, counts = np.where(beyond, np.nan, values), counts | {"infinite": infinite}
    return Read(values, counts, own)


def _number(text: object, below: float, convert: Callable[[str], Conversion | None]) -> tuple[float, tuple[str, ...]]:
    """Read one text: the number, and the rules that were needed."""
    folded, table = _fold(text), words()
    if folded in table["no_result"]:
        return np.nan, ("no_result",)
    if folded in table["grades"]:
        return np.nan, ("qualitative",)
    bare = unicodedata.normalize("NFKC", str(text)).replace("\N{MINUS SIGN}", "-").strip()
    unmarked = _MARKED.sub("", bare)
    rules = ("mark_removed",) if unmarked != bare else ()
    if middle := _RANGE.fullmatch(unmarked):
        return (_float(middle["low"]) + float(middle["high"])) / 2, (*rules, "range")
    parts = _result().fullmatch(unmarked)
    if parts is None:
        return np.nan, ("unreadable",)
    value = _float(parts["number"])
    if parts["unit"]:
        factor = convert(parts["unit"])
        if factor is None:
            return np.nan, ("unreadable",)
        value, rules = factor[0] * value + factor[1], (*rules, "own_unit")
    side = table["comparators"].get((parts["sign"] or "").strip(), "")
    return (value * below if side == "below" else value), (*rules, f"{side}_detection") if side else rules


@cache
def _result() -> re.Pattern[str]:
    signs = "|".join(re.escape(sign) for sign in sorted(words()["comparators"], key=len, reverse=True))
    return re.compile(rf"(?P<sign>{signs})?\s*(?P<number>{_NUMBER})\s*(?P<unit>[^\d\s+\-.,<>][^<>]*|10\^.*)?")


def _float(text: str) -> float:
    return float(text.replace(",", ""))


def read_grades(column: pd.Series) -> Read:
    """Read grades of a dipstick: negative 0, trace 0.5, + 1, ++ 2, +++ 3, ++++ 4.

    Parameters
    ----------
    column : Series of shape (n,)
        Words, signs, or numbers from 0 to 4.

    Returns
    -------
    Read
        Floats. Rules: coded, no_result, unreadable.

    Examples
    --------
    >>> read_grades(pd.Series(["阴性", "±", "2+", "+++"])).values.tolist()
    [0.0, 0.5, 2.0, 3.0]
    """
    table, none = words()["grades"], words()["no_result"]

    def read(text: object) -> tuple[float, str]:
        folded = _fold(text)
        if (grade := table.get(folded)) is not None:
            return float(grade), "" if isinstance(text, float | int) else "coded"
        number = pd.to_numeric(folded, errors="coerce")
        if 0 <= number <= 4:
            return float(number), ""
        return np.nan, "no_result" if folded in none else "unreadable"

    return _each(column, read)


def read_categories(column: pd.Series, kind: str, *, codes: Mapping[object, object] | None = None) -> Read | None:
    """Read a category.

    Parameters
    ----------
    column : Series of shape (n,)
        Words or codes.
    kind : {"sex", "yes_no", "blood_type"}
        Gives ``male`` and ``female``; 1.0 and 0.0; ``A``, ``B``, ``AB`` and ``O``.
    codes : mapping, optional
        What the hospital's own codes mean.

    Returns
    -------
    Read or None
        None where sexes are written 0 and 1, or yes and no 1 and 2, which has no agreed meaning. Rules: coded, no_result, uncoded.

    Notes
    -----
    Sexes written 1 and 2 are those of GB/T 2261.1-2003: 1 male, 2 female, 0 unknown, 9 not stated.

    Examples
    --------
    >>> read_categories(pd.Series(["男", "F", "女性"]), "sex").values.tolist()
    ['male', 'female', 'female']
    >>> read_categories(pd.Series([0, 1, 1]), "sex") is None
    True
    """
    table, given = words()[kind], {_plain(code): meaning for code, meaning in (codes or {}).items()}
    if kind in UNAGREED and not given:
        found = {_plain(value) for value in column.dropna().unique()}
        both, neither = UNAGREED[kind]
        if both <= found and neither not in found:
            return None
    if kind == "sex" and not given:
        table = table | words()["sex_numbers"]
    meant = {str(one) for one in table.values()} | {str(one) for one in given.values()}
    number = kind == "yes_no"

    def read(text: object) -> tuple[object, str]:
        folded = _plain(text)
        meaning = given.get(folded, table.get(folded))
        if meaning is None:
            if str(text) in meant:
                return text, ""
            return np.nan, "no_result" if folded in words()["no_result"] else "uncoded"
        if meaning == "":
            return np.nan, "no_result"
        value = float(meaning) if number else meaning
        return value, "" if value == text else "coded"

    return _each(column, read, dtype=float if number else object)


def _plain(value: object) -> str:
    folded = _fold(value)
    return folded.removesuffix(".0") if re.fullmatch(r"-?\d+\.0", folded) else folded


def _each(column: pd.Series, read: Callable[[object], tuple[object, str]], dtype: type | str = float) -> Read:
    """Read every distinct value once."""
    codes, texts = pd.factorize(column.to_numpy(object))
    results = [read(text) for text in texts]
    values = np.empty(len(texts) + 1, dtype)
    values[:] = [*(value for value, _ in results), np.nan if dtype in (float, object) else _NO_TIME]
    many, counts = np.bincount(codes[codes >= 0], minlength=len(texts)), {}
    for place, (_, rule) in enumerate(results):
        if rule:
            counts[rule] = counts.get(rule, 0) + int(many[place])
    return Read(values[codes], counts, np.zeros(len(codes), bool))


def read_dates(column: pd.Series, *, latest: pd.Timestamp | None = None) -> Read:
    """Read times: ISO, 2020/1/31, 2020年1月31日, 20200131, Excel's number of days; nothing that leaves the day or the zone to be guessed.

    Parameters
    ----------
    column : Series of shape (n,)
        Times, texts or numbers.
    latest : Timestamp, optional
        Times after it cannot be.

    Returns
    -------
    Read
        datetime64[ns]. Rules: dated, excel_date, no_result, impossible_date, unreadable.

    Examples
    --------
    >>> read_dates(pd.Series(["2020年1月31日 09:05", "20200131", 43861])).values.astype("datetime64[D]").astype(str).tolist()
    ['2020-01-31', '2020-01-31', '2020-01-31']
    """
    if pd.api.types.is_datetime64_any_dtype(column.dtype):
        plain = column.dt.tz_localize(None) if column.dt.tz is not None else column
        read = Read(plain.to_numpy("datetime64[ns]"), {}, np.zeros(len(column), bool))
    else:
        read = _each(column, _date, dtype="datetime64[ns]")
    bounds = pd.Timestamp(_FIRST_YEAR, 1, 1), latest or pd.Timestamp(_LAST_YEAR, 1, 1)
    impossible = (read.values < bounds[0].to_datetime64()) | (read.values > bounds[1].to_datetime64())
    if impossible.any():
        values = np.where(impossible, _NO_TIME, read.values)
        return Read(values, read.counts | {"impossible_date": int(impossible.sum())}, read.own_unit)
    return read


def _date(text: object) -> tuple[object, str]:
    if isinstance(text, datetime):
        return np.datetime64(text.replace(tzinfo=None), "ns"), ""
    plain = _plain(text)
    if plain in words()["no_result"]:
        return _NO_TIME, "no_result"
    if re.fullmatch(r"\d{5}(\.\d+)?", plain) and _EXCEL_DAYS[0] <= float(plain) < _EXCEL_DAYS[1]:
        return (_EXCEL_START + pd.Timedelta(days=float(plain))).round("s").to_datetime64(), "excel_date"
    clock = plain.replace("日", " ").replace("号", " ").replace("时", ":").replace("分", ":").replace("秒", "")
    iso = _CHINESE_DATE.sub("-", clock).strip(" -:")
    date = pd.to_datetime(iso, errors="coerce") if _WHOLE.fullmatch(iso) else pd.NaT
    return (_NO_TIME, "unreadable") if pd.isna(date) else (date.to_datetime64(), "dated")
