"""What is known of a patient, in every spelling that it could be met in."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property, lru_cache

from imaging.deidentify.pinyin import romanised
from imaging.deidentify.profile import table_lines
from imaging.dicom.body_parts import body_part

__all__ = ["NAMES", "NUMBERS", "TEXTS", "Known", "known"]

#: Attributes that name someone, number them, or say where they live: what stands in them is looked for everywhere else.
NAMES = frozenset({0x00100010, 0x00101001, 0x00101005, 0x00101060, 0x00102297, 0x00080090, 0x00081048, 0x00081050, 0x00081060, 0x00081070})
NUMBERS = frozenset(
    {
        *(0x00100020, 0x00101000, 0x00101002, 0x00102154, 0x00102155, 0x00100032, 0x00101090, 0x00100050, 0x00101080),
        *(0x00080050, 0x00200010, 0x00380010, 0x00380060, 0x00402016, 0x00402017, 0x00401001, 0x00400253, 0x00321066, 0x00100034),
        *(0x00080094, 0x00400512, 0x00181000, 0x00380300, 0x00120040, 0x00120042),
    }
)
#: The date of birth among them: unlike other dates it may stand nowhere.
TEXTS = frozenset({0x00100030, 0x00101040, 0x00100021, 0x00080080, 0x00080081, 0x00102299})

#: What stands in names and numbers and names nobody.
_NOBODY = frozenset(row[0] for row in table_lines("nobody.tsv")[1:])
#: Left out before anything is compared: what people put between parts of a name or a number, and the zero bytes of UTF-16.
_DROPPED = b" \t\r\n^,._=-'\0"
_LOWER = bytes(range(65)) + bytes(range(97, 123)) + bytes(range(91, 256))
_GAP = r"[\s^,._=\-·'’]{0,2}"
_DATE_GAP = r"[\s\-/.年月]?"
_DATE = re.compile(r"(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])")
_PARTS = re.compile(r"[\s^,._=·\\]+")
_SHORTEST_LATIN = 4
#: Letters and digits of a spelling; shorter ones are met by chance, and must stand alone.
_LONG_ENOUGH = 6
_DIGITS_LEAST, _DIGITS_ENOUGH = 6, 10


@dataclass(frozen=True)
class Known:
    """Spellings of what is known of one patient.

    Parameters
    ----------
    words : frozenset of str
        Names, numbers, addresses, without anything between their parts; none of them may stand in what is written.
    parts : frozenset of str
        Single words of names: taken out of text where they stand alone, but too common to condemn a file.
    """

    words: frozenset[str] = field(repr=False)
    parts: frozenset[str] = field(repr=False)

    @cached_property
    def pattern(self) -> re.Pattern[str] | None:
        """What to take out of a text; None for nothing."""
        pieces = [_pattern(word) for word in sorted(self.words, key=lambda word: (-len(word), word))]
        pieces += [_alone_pattern(part) for part in sorted(self.parts, key=lambda part: (-len(part), part))]
        return re.compile("|".join(pieces), re.IGNORECASE) if pieces else None

    @cached_property
    def _needles(self) -> tuple[bytes, ...]:
        long = [word for word in self.words if not _stands_alone(word)]
        return tuple({_folded(word.encode(encoding, "ignore")) for word in long for encoding in _ENCODINGS} - {b""})

    @cached_property
    def _alone(self) -> tuple[re.Pattern[bytes], ...]:
        return tuple(
            re.compile(_bytes_pattern(word, wide), re.IGNORECASE) for word in self.words if _stands_alone(word) for wide in ("", "\0")
        )

    def hits(self, data: bytes) -> int:
        """Return how many spellings stand in bytes: in UTF-8, GBK or UTF-16, in any case, whatever is between their parts.

        Parameters
        ----------
        data : bytes
            Any part of a file.
        """
        plain = _folded(data)
        return sum(needle in plain for needle in self._needles) + sum(bool(pattern.search(data)) for pattern in self._alone)

    def hits_in_chinese(self, data: bytes) -> int:
        """Return how many Chinese spellings stand in bytes as they are, in UTF-8 or GBK.

        Parameters
        ----------
        data : bytes
            Any part of a file.
        """
        return sum(needle in data for needle in self._chinese)

    @cached_property
    def _chinese(self) -> tuple[bytes, ...]:
        return tuple({word.encode(encoding) for word in self.words if not word.isascii() for encoding in _ENCODINGS[:2]})

    @property
    def spellings(self) -> tuple[str, ...]:
        """All words and parts, sorted."""
        return tuple(sorted(self.words | self.parts))


_ENCODINGS = ("utf-8", "gb18030", "utf-16-le", "utf-16-be")


def _folded(data: bytes) -> bytes:
    """Return bytes in small letters without what people put between parts of names and numbers.

    Parameters
    ----------
    data : bytes
        In any encoding; what is compared must be folded alike.
    """
    return data.translate(_LOWER, _DROPPED)


@lru_cache(maxsize=4096)
def known(names: frozenset[str], numbers: frozenset[str], texts: frozenset[str] = frozenset()) -> Known:
    """Return what is known of a patient by their names, numbers and other texts.

    Parameters
    ----------
    names : frozenset of str
        As PS3.5 section 6.2.1 writes them, or as people do.
    numbers : frozenset of str
        Of the patient, their visits and examinations, telephones, dates of birth.
    texts : frozenset of str
        Addresses, institutions.

    Examples
    --------
    >>> found = known(frozenset({"Wang^XiaoDong=王^小东"}), frozenset({"P00123456"}))
    >>> sorted(found.words)
    ['p00123456', 'wangxiaodong', 'xiaodongwang', '小东王', '王小东']
    >>> found.hits("for XIAODONG, WANG".encode()), found.hits("患者 王 小东".encode("gbk")), found.hits(b"chest")
    (1, 1, 0)
    """
    words: set[str] = set()
    parts: set[str] = set()
    for name in (name for name in names if not _is_term(_joined(name))):
        for group in name.split("="):
            _add_name(group, words, parts)
    for plain in filter(_is_number, map(_joined, numbers)):
        # A few digits stand in any file by chance, and numbers of studies are often their dates: out of text they go, but condemn no file.
        (parts if plain.isdigit() and (len(plain) < _DIGITS_LEAST or _DATE.fullmatch(plain)) else words).add(plain)
    words |= {plain for text in texts if len(plain := _joined(text)) >= (4 if not plain.isascii() else _LONG_ENOUGH)}
    return Known(frozenset(word for word in words if not _is_term(word)), frozenset(part for part in parts - words if not _is_term(part)))


def _joined(text: str) -> str:
    return text.strip(" \0").lower().translate({ord(sign): None for sign in " \t\r\n^,._=-'\0"})


def _add_name(group: str, words: set[str], parts: set[str]) -> None:
    """Add the orders in which a name is written: as it stands, family name first, given name first."""
    pieces = [piece.strip("'\0 ").lower() for piece in _PARTS.split(group.replace(",", "^")) if piece.strip("'\0 ")]
    orders = [pieces, pieces[::-1], pieces[:2], pieces[1::-1]] if len(pieces) > 1 else [pieces]
    least = _SHORTEST_LATIN if group.isascii() else 2
    words |= {joined for order in orders if len(joined := _joined("".join(order))) >= least and not joined.isdigit()}
    words |= {spelling for spelling in romanised(pieces) if len(spelling) >= _SHORTEST_LATIN}
    if len(pieces) > 1:
        given = "".join(pieces[1:])
        parts |= {piece for piece in (*pieces, given) if len(piece) >= (4 if piece.isascii() else 2) and not piece.isdigit()}


def _is_number(plain: str) -> bool:
    return len(plain) >= (4 if plain.isascii() else 2) and len(set(plain)) > 1


def _is_term(word: str) -> bool:
    """Say whether a word is one of the trade's: a part of the body, or what stands for no name."""
    return word in _NOBODY or not word or bool(body_part(word))


def _stands_alone(word: str) -> bool:
    """Say whether a spelling is so short that it only counts where no letter or digit is beside it."""
    if not word.isascii():
        return False
    return len(word) < (_DIGITS_ENOUGH if word.isdigit() else _LONG_ENOUGH + 2 * any(map(str.isdigit, word)))


def _pattern(word: str) -> str:
    """Return the pattern of a spelling in text: its signs with up to two others between them."""
    inner = _GAP.join(map(re.escape, word))
    if not _stands_alone(word):
        return inner
    if word.isdigit():
        return rf"(?<![\d.]){_DATE_GAP.join(word)}(?!\d|\.\d)"
    return rf"(?<![0-9A-Za-z]){inner}(?![0-9A-Za-z])"


def _alone_pattern(part: str) -> str:
    """Return the pattern of a single word where it stands alone; Chinese has no gaps between words."""
    if not part.isascii():
        return re.escape(part)
    return rf"(?<![\d.]){part}(?!\d|\.\d)" if part.isdigit() else rf"(?<![^\W\d_]){re.escape(part)}(?![^\W\d_])"


def _bytes_pattern(word: str, wide: str) -> bytes:
    """Return the pattern of a short ASCII spelling in bytes; `wide` follows each sign in UTF-16."""
    between = "" if word.isdigit() else rf"(?:[\s^,._=\-']{wide}){{0,2}}"
    inner = between.join(re.escape(sign) + wide for sign in word)
    edge = r"\d." if word.isdigit() else "0-9A-Za-z"
    after = r"(?!\d|\.\d)" if word.isdigit() else "(?![0-9A-Za-z])"
    return (rf"(?<![{edge}]{wide})" + inner + after).encode("latin-1")
