"""Free text without what could name someone: known identifiers, numbers and addresses by their form, what follows a cue, dates moved."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from imaging.deidentify.dates import shift_text

if TYPE_CHECKING:
    from imaging.deidentify.identifiers import Known

__all__ = ["UID_IN_TEXT", "clean_text"]

_NAMED = r"[A-Z][\w'\-]+(?:[ ^][A-Z][\w'\-]+){0,2}"
_CUE = r"(?:patient(?: name| id)?|name|mrn|ssn|dob|physician|operator|technologist|accession(?: no| number)?|acc|phone|tel|address)"
#: What is taken out by its form alone. Each is data: a pattern, and what it is.
_FORMS: tuple[tuple[str, str], ...] = (
    (r"(?<!\d)[1-9]\d{5}(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])\d{3}[\dXx](?!\d)", "identity card"),
    (r"(?<!\d)(?:\+?86[\- ]?)?1[3-9]\d[\- ]?\d{4}[\- ]?\d{4}(?!\d)", "mobile telephone"),
    (r"(?<!\d)0\d{2,3}[\- ]\d{7,8}(?!\d)", "telephone"),
    (r"(?<!\d)(?:\+1[ .\-]?)?\(?[2-9]\d\d\)?[ .\-]\d{3}[ .\-]\d{4}(?!\d)", "telephone abroad"),
    (r"(?<!\d)\d{3}-\d\d-\d{4}(?!\d)", "social security number"),
    (r"[\w.+\-]+@[\w\-]+(?:\.[\w\-]+)+", "mail address"),
    (r"(?:https?|ftp|file)://\S+", "address on the net"),
    (rf"(?-i:\b(?:Dr|Mr|Mrs|Ms|Prof|DR|MR\.|MRS)\b\.?\s*\^?{_NAMED})", "someone with a title"),
    (
        r"(?:姓名|患者|病人|医生|医师|技师|操作者|申请者|报告者|住院号|病历号|病案号|门诊号|检查号|床号|电话|手机|地址|住址|身份证号?)\s*[:：]\s*[^\s,，;；。]+",
        "what follows a cue",
    ),
    (r"[\u4e00-\u9fff]{2,3}(?:医生|医师|主任|教授|先生|女士|护士)", "someone with a title"),
    (rf"\b{_CUE}\s*[:#=]+\s*[^\s,;]+(?-i:(?:[ ^][A-Z][\w'\-]+){{0,2}})", "what follows a cue"),
)
_BY_FORM = re.compile("|".join(f"(?:{pattern})" for pattern, _ in _FORMS), re.IGNORECASE)

#: A UID in text: of an instance, if it is none of the Standard's.
UID_IN_TEXT = re.compile(r"(?<![\d.])(?!1\.2\.840\.10008\.)[0-2](?:\.(?:0|[1-9]\d*)){5,}(?![\d.])")
_BLANKS = re.compile(r"[ \t]{2,}")


@lru_cache(maxsize=4096)
def clean_text(text: str, known: Known, *, shift_days: int | None) -> str:
    """Return a text without identifiers.

    Parameters
    ----------
    text : str
        Free text, one or several lines.
    known : Known
        What is known of the patient.
    shift_days : int or None
        By how much dates move; None: they are left out.

    Examples
    --------
    >>> from imaging.deidentify.identifiers import known
    >>> someone = known(frozenset({"Wang^XiaoDong"}), frozenset({"P0012345"}))
    >>> clean_text("CHEST wang xiaodong p0012345 13800138000, Dr. Li Ming 2024-03-01", someone, shift_days=7)
    'CHEST , 2024-03-08'
    """
    clean = known.pattern.sub(" ", text) if known.pattern else text
    clean = _BY_FORM.sub(" ", clean)
    clean = shift_text(clean, shift_days)
    return text if clean == text else _BLANKS.sub(" ", clean).strip(" ")
