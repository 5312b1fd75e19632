"""Text of a file as it was meant: GBK and UTF-8 bytes that are declared as Latin, or not declared at all, are common in the field."""

from __future__ import annotations

import re
from contextlib import suppress
from functools import lru_cache

from pydicom.charset import convert_encodings, decode_bytes

from imaging.dicom.quiet import quiet

__all__ = ["UTF8", "decode_text", "encodings_of", "is_plain"]

#: What is written wherever a text is not ASCII (PS3.3 C.12.1.1.2).
UTF8 = "ISO_IR 192"

_MULTIBYTE = ("utf_8", "utf8", "gb18030", "gbk", "gb2312", "iso2022", "iso_2022", "euc_kr", "shift_jis")
_DELIMITERS = {ord(sign) for sign in "\\^=\r\n\t\f"}
#: Latin letters as languages write them: one letter above ASCII beside a letter, or two between letters.
_LATIN = re.compile(
    r"(?:(?<=[A-Za-z])[\xc0-\xff]|[\xc0-\xff](?=[a-z])|(?<=[A-Za-z])[\xdf-\xff]{2}(?=[a-z])|[\xa0-\xbf\xd7\xf7](?![\x80-\xff]))+"
)
_HIGH = re.compile(r"[\x80-\xff]+")


def is_plain(data: bytes) -> bool:
    """Say whether bytes read alike in every character set that DICOM knows.

    Parameters
    ----------
    data : bytes
        As they stand in a file.
    """
    return data.isascii() and b"\x1b" not in data


@lru_cache(maxsize=256)
def encodings_of(declared: str) -> tuple[str, ...]:
    """Return Python's names of what a file declares in (0008,0005); nothing where it declares nothing that is known.

    Parameters
    ----------
    declared : str
        Values divided by backslashes.
    """
    if not declared.strip():
        return ()
    with suppress(LookupError, ValueError), quiet():
        return tuple(convert_encodings([part.strip() for part in declared.split("\\")]))
    return ()


def decode_text(data: bytes, encodings: tuple[str, ...]) -> str | None:
    r"""Return the text that bytes were meant to be, or None where no reading is sound.

    Parameters
    ----------
    data : bytes
        A value as it stands in a file.
    encodings : tuple of str
        As declared, of :func:`encodings_of`.

    Examples
    --------
    >>> decode_text("王^珺".encode("gbk"), encodings_of("ISO_IR 100")), decode_text("王伟".encode(), ())
    ('王^珺', '王伟')
    >>> decode_text("Müller^Zoé".encode("latin-1"), encodings_of("ISO_IR 100"))
    'Müller^Zoé'
    """
    if is_plain(data):
        return data.decode("ascii")
    utf8, gbk = _strict(data, "utf-8"), _strict(data, "gb18030")
    if utf8 is not None and _is_cjk(utf8):
        return utf8
    declared = _declared(data, encodings)
    if (encodings and encodings[0].startswith(_MULTIBYTE)) or b"\x1b" in data:
        return declared if declared is not None else gbk if utf8 is None else utf8
    latin = data.decode("latin-1")
    if utf8 is not None:
        return utf8
    if not _HIGH.search(_LATIN.sub("", latin)):
        return declared if declared is not None else latin
    if gbk is not None and _is_cjk(gbk):
        return gbk
    return declared


def _strict(data: bytes, encoding: str) -> str | None:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        return None


def _declared(data: bytes, encodings: tuple[str, ...]) -> str | None:
    if not encodings:
        return None
    with suppress(UnicodeError, LookupError), quiet():
        if b"\x1b" not in data:
            return data.decode(encodings[0])
        text = decode_bytes(data, list(encodings), _DELIMITERS)
        return None if "\ufffd" in text or "\x1b" in text else text
    return None


def _is_cjk(text: str) -> bool:
    """Say whether all that is not ASCII is Chinese: ideographs, their signs, full-width forms."""
    return all(
        "\u3000" <= sign <= "\u9fff" or "\uff00" <= sign <= "\uffef" or sign in "·—“”‘’…℃°±×μ①②③④⑤" for sign in text if sign > "\x7f"
    )
