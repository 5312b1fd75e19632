"""Why a file, or one value of it, cannot be read: reasons as data, so that another language can word them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from imaging.errors import ImageDataError

if TYPE_CHECKING:
    from os import PathLike

__all__ = ["REASONS", "Problem", "Refusal", "tag_text"]

#: Reason -> what is said in English; braces hold the refusal's parameters, none of which is ever a patient's value.
REASONS = {
    "archive": "is an archive ({kind}), which is not opened",
    "bad-value": "holds what its value representation {vr} does not allow",
    "broken-link": "is a link to what is not there",
    "broken": "cannot be parsed ({found})",
    "cut-short": "declares {declared} bytes where {left} are left",
    "deflate": "has a deflated data set that does not inflate ({found})",
    "empty": "has no bytes",
    "hidden": "has a hidden name, which is not read",
    "index": "is an index of other files (DICOMDIR), no image",
    "items": "has, where an item of a sequence should begin, the tag {found}",
    "mismatch": "is not what its sender said",
    "missing": "is wanted and not there",
    "not-dicom": "is not a DICOM file ({found})",
    "not-there": "names in record {record} a file that is not there",
    "outside": "names in record {record} a file outside the folder of the index",
    "seen": "is a folder that was entered by another way",
    "several": "has {found} values where one is wanted",
    "special": "is a pipe, a socket or a device",
    "too-deep": "nests sequences deeper than {limit}",
    "too-long": "is longer than {limit} bytes",
    "too-many": "has more than {limit} elements and items",
    "unfinished": "ends inside a sequence",
    "unreadable": "cannot be read ({found})",
    "wide-inflation": "inflates to more than {limit} bytes",
    "wrong-count": "has {found} values where {wanted} are wanted",
}


class Problem(NamedTuple):
    """One thing wrong at one tag; `tag` is empty where the whole file is meant."""

    tag: str
    reason: str
    text: str


class Refusal(ImageDataError):
    """A file that is not read, with the tag at which it went wrong and the reason.

    Parameters
    ----------
    path : path
        The file.
    tag : int or None
        Where it went wrong; None for the file as a whole.
    reason : str
        A key of :data:`REASONS`.
    **parameters
        What the reason's sentence names.

    Examples
    --------
    >>> print(Refusal("a.dcm", 0x00280010, "cut-short", declared=4000, left=2))
    a.dcm (0028,0010): declares 4000 bytes where 2 are left
    """

    def __init__(self, path: str | PathLike[str], tag: int | None, reason: str, **parameters: object) -> None:
        self.path = str(path)
        self.reason = reason
        self.parameters = parameters
        self.tag = tag
        place = f"{_printable(self.path)} {tag_text(tag)}".rstrip()
        super().__init__(f"{place}: {REASONS[reason].format(**parameters)}", code=reason)

    def __reduce__(self) -> tuple:
        """Travel between processes, which plain exceptions with arguments of their own do not."""
        return _rebuild, (self.path, self.tag, self.reason, self.parameters)

    @property
    def problem(self) -> Problem:
        """The same as a row of a table."""
        return problem(self.tag, self.reason, **self.parameters)


def problem(tag: int | None, reason: str, **parameters: object) -> Problem:
    """Return a problem with its sentence.

    Parameters
    ----------
    tag : int or None
        Where.
    reason : str
        A key of :data:`REASONS`.
    **parameters
        What the reason's sentence names.
    """
    return Problem(tag_text(tag), reason, REASONS[reason].format(**parameters))


def tag_text(tag: int | None) -> str:
    """Return a tag as the Standard writes it, or nothing.

    Parameters
    ----------
    tag : int or None
        Group and element in one number.

    Examples
    --------
    >>> tag_text(0x00100010)
    '(0010,0010)'
    """
    return "" if tag is None else f"({tag >> 16:04X},{tag & 0xFFFF:04X})"


def _rebuild(path: str, tag: int | None, reason: str, parameters: dict[str, object]) -> Refusal:
    return Refusal(path, tag, reason, **parameters)


def _printable(path: str) -> str:
    """Return a path that any terminal can show: names of files need not be UTF-8."""
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
