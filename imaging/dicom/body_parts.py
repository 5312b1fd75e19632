"""Body Part Examined (0018,0015) as written by people and scanners, to a standard term (SNOMED CT, DICOM PS3.16 CID 4 and annex L)."""

from __future__ import annotations

import re
from contextlib import suppress
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["BodyPart", "body_part"]

_LEFT_OUT = re.compile(r"[\W_]+")
_SIDE = re.compile(r"^(左侧?|右侧?|双侧?|LEFT|RIGHT|LT|RT|BILATERAL)|(LEFT|RIGHT|BILATERAL)$")


class BodyPart(NamedTuple):
    """A region of the body: SNOMED CT code, its meaning, and its name in Chinese."""

    code: str
    meaning: str
    chinese: str


def body_part(written: str) -> BodyPart | None:
    """Return the standard term for what stands in a header, or None where the table does not know it.

    Parameters
    ----------
    written : str
        Any case, with or without blanks, signs and a side.

    Examples
    --------
    >>> body_part("C-Spine").meaning, body_part("左膝关节").meaning, body_part("ABD_PEL").code
    ('Cervical spine', 'Knee', '818982008')
    """
    for text in _readings(written):
        plain = _LEFT_OUT.sub("", text).upper()
        if found := _table().get(plain) or _table().get(_SIDE.sub("", plain)):
            return found
    return None


def _readings(written: str) -> Iterator[str]:
    """Yield the text, then what its bytes are in Chinese: the Standard reads a code string as Latin, whatever the character set."""
    yield written
    with suppress(UnicodeEncodeError):
        data = written.encode("latin-1")
        for encoding in ("utf-8", "gb18030"):
            with suppress(UnicodeDecodeError):
                yield data.decode(encoding)


@cache
def _table() -> dict[str, BodyPart]:
    lines = files("imaging.dicom").joinpath("body_parts.tsv").read_text(encoding="utf-8").splitlines()
    rows = [line.split("\t") for line in lines if not line.startswith("#")]
    return {spelling: BodyPart(code, meaning, chinese) for code, meaning, chinese, spellings in rows for spelling in spellings.split()}
