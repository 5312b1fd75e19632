r"""Normalisation of clinical text, with an exact map of offsets back to the raw text.

One normal form, which every pattern, cue, dictionary term and unit of this package is written in:

- Full-width letters, digits and punctuation become half width: ``， ； ： （ ） ！ ？ ％ ／ ＋ － ～ ． ＊ ＜ ＝ ＞ ［ ］`` are
  ``, ; : ( ) ! ? % / + - ~ . * < = > [ ]``. What has no half-width twin stays: ``。 、 《 》 【 】 「 」``.
- Dashes and minus signs of all kinds are ``-``, tildes ``~``, quotation marks ``"`` and ``'``, middle dots ``·``, signs of multiplication
  ``×`` (``*``, ``x`` and ``X`` stay), ``≧ ⩾`` are ``≥``, ``≦ ⩽`` are ``≤``, micro is the Greek ``μ``, arrows are ``↑ ↓ → ←``.
- All blanks but the tab are one space each; all ends of lines are ``\n`` (``\r\n`` is a space and ``\n``); control characters are spaces;
  a lone surrogate is U+FFFD.
- ``℃`` stays, ``°C`` becomes ``℃``; ``㎝ ㎜ ㎏ ㎎ ㎡`` are ``cm mm kg mg m2``; ``Ⅲ`` and ``ⅲ`` are ``III``; ``①`` stays.
- A superscript after a digit is an exponent (``10⁹`` is ``10^9``), elsewhere a plain digit (``m²`` is ``m2``), like a subscript.
- Traditional and variant characters are simplified, one to one. Zero-width characters and the remnants of HTML and RTF go away, scripts
  and style sheets with all that is in them, and so does a ``&nbsp;`` that tears a word of the base dictionary.
- Blanks that a scan has put behind every character go away (``肝 硬 化`` is ``肝硬化``): all along a line most of whose Chinese characters
  stand alone, and elsewhere in a row of three and more of them. Two blanks side by side stay.
"""

from __future__ import annotations

import html
import re
import unicodedata
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

__all__ = ["NormalText", "fold", "normalise", "without_surrogates"]


@dataclass(frozen=True, slots=True)
class NormalText:
    """A normalised text.

    Parameters
    ----------
    text : str
        What components read.
    breaks : tuple of (int, int), optional
        Where the texts run apart, ascending: the character at normal offset `a` and those after it begin at raw offset = normal offset +
        `shift`. Empty where the two have the same length character for character, which is the common case.
    ends : tuple of (int, int), optional
        The same for where the raw source of a character ends, less one.
    """

    text: str
    breaks: tuple[tuple[int, int], ...] = ()
    ends: tuple[tuple[int, int], ...] = ()

    def raw(self, start: int, end: int) -> tuple[int, int]:
        """Return the span of the raw text that a span of the normal text came from."""
        if not self.breaks:
            return start, end
        first = _shifted(self.breaks, start)
        return first, _shifted(self.ends, end - 1) + 1 if end > start else first

    def normal(self, start: int, end: int) -> tuple[int, int]:
        """Return the span of the normal text that came from a span of the raw text; empty where nothing of it was kept."""
        if not self.breaks:
            return start, end
        places = range(len(self.text))
        first = bisect_right(places, start, key=lambda place: _shifted(self.ends, place) + 1)
        return first, max(first, bisect_left(places, end, key=lambda place: _shifted(self.breaks, place)))


def _shifted(breaks: tuple[tuple[int, int], ...], position: int) -> int:
    place = bisect_right(breaks, position, key=lambda pair: pair[0]) - 1
    return position + (breaks[place][1] if place >= 0 else 0)


def normalise(raw: str) -> NormalText:
    r"""Return the text that components read, in the normal form of this module.

    Parameters
    ----------
    raw : str
        Any text.

    Returns
    -------
    NormalText
        With the map back.

    Examples
    --------
    >>> normalise("体温３８．５℃，血白細胞１２×10⁹/L").text
    '体温38.5℃,血白细胞12×10^9/L'
    >>> normalise("心功能Ⅲ级").raw(3, 6)
    (3, 4)
    """
    text = raw.translate(_one_to_one())
    if "\r" in text:
        text = text.replace("\r\n", " \n").replace("\r", "\n")
    if _TORN_SIGN.search(text):
        text = "\n".join(_mended(line) if _TORN_SIGN.search(line) else line for line in text.split("\n"))
    if _EDIT_SIGN.search(text) is None and not ("<" in text and _TAG_SIGN.search(text)) and "_x000" not in text:
        return NormalText(text)
    rich = "\\" in text and _RTF_SIGN.search(text) is not None
    return _edited(text, _rich_edits() if rich else _edits())


def fold(text: str) -> str:
    """Return the text in lower case, with its length kept.

    Parameters
    ----------
    text : str
        A normalised text.

    Returns
    -------
    str
        As many code points as `text` has.

    Examples
    --------
    >>> fold("HER-2")
    'her-2'
    """
    folded = text.lower()
    return folded if len(folded) == len(text) else "".join(c if len(low := c.lower()) != 1 else low for c in text)


def without_surrogates(text: str) -> str:
    """Return the text with U+FFFD for each lone surrogate, which UTF-8 cannot hold.

    Parameters
    ----------
    text : str
        Any text.

    Returns
    -------
    str
        As many code points as `text` has.
    """
    return _SURROGATE.sub("\ufffd", text)


_SURROGATE = re.compile("[\ud800-\udfff]")


# ---------------------------------------------------------------------------------------------------------------- one character for one
_SAME = {
    "-": "‐‑‒–—―−﹣－➖⁃﹘",
    "~": "～∼〜˜∽﹏⁓",
    '"': "“”„‟＂〝〞″",
    "'": "‘’‚‛＇",
    "·": "・•‧∙･⋅",
    "×": "✕✖╳⨯⨉",
    "≥": "≧⩾",
    "≤": "≦⩽",
    "°": "º˚∘",
    "μ": "µ",
    "↑": "⬆⇑⇧↿⭡",
    "↓": "⬇⇓⇩⇂⭣",
    "→": "➡⇒⟶➔➜",
    "←": "⬅⇐⟵",
    ":": "∶﹕︰꞉",
    ",": "﹐︐，",
    ";": "﹔︔",
    "。": "｡",
    "、": "､﹑",
    "/": "∕⁄⧸",
    "+": "﹢➕",
    "<": "﹤‹",
    ">": "﹥›",
    "=": "﹦",
    "%": "﹪٪",
    "(": "﹙〔❨⟮",
    ")": "﹚〕❩⟯",
    "【": "〖",
    "】": "〗",
    "!": "﹗",
    "?": "﹖",
    ".": "．․",
}
_SPACES = "\x00\x01\x02\x03\x04\x05\x06\x07\x08\x0e\x0f\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a\x1b\x1f\x7f\xa0\u1680\u3000\u202f\u205f"
_LINE_ENDS = "\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"
# Blocks whose characters are other shapes of ordinary ones: radicals, compatibility ideographs, mathematical letters and digits.
_SHAPES = ((0x2E80, 0x2FD6), (0xF900, 0xFB07), (0x2F800, 0x2FA20), (0x1D400, 0x1D800), (0x2080, 0x209D))


@cache
def _one_to_one() -> dict[int, int]:
    table: dict[int, int] = {}
    for first, end in _SHAPES:
        for code in range(first, end):
            plain = unicodedata.normalize("NFKC", chr(code))
            if len(plain) == 1 and plain != chr(code):
                table[code] = ord(plain)
    table |= {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)}
    table |= {ord(other): ord(one) for one, others in _SAME.items() for other in others}
    table |= {ord(c): 0x20 for c in _SPACES} | dict.fromkeys((*range(128, 133), *range(134, 160), *range(8192, 8203)), 32)
    table |= {ord(c): 0x0A for c in _LINE_ENDS} | dict.fromkeys(range(0xD800, 0xE000), 0xFFFD)
    return table | _simplified()


def _simplified() -> dict[int, int]:
    lines = files("nlp").joinpath("data/traditional.txt").read_text(encoding="utf-8").splitlines()
    rows = [line for line in lines if not line.startswith("#")]
    return {ord(a): ord(b) for upper, lower in zip(rows[::2], rows[1::2], strict=True) for a, b in zip(upper, lower, strict=True)}


# ------------------------------------------------------------------------------------------------------------- words torn by a scan
_TORN_SIGN = re.compile(" [一-龥][,、。;:)]? [一-龥](?![一-龥])")
_HAN = re.compile("[一-龥]")
# A character alone between blanks, with its punctuation; it reads in one way only.
_LONE = r"(?=\S)[^\s\w]*(?:\w[^\s\w]*)?(?!\S)"
_LONE_ROW = re.compile(rf"(?:(?<=[^\sa-zA-Z0-9]) |(?<!\S)){_LONE}(?: {_LONE})*(?: (?=[^\sa-zA-Z0-9]))?")
_FEWEST_TORN = 3
_CODED_BLANK = re.compile("&(?:nbsp|ensp|emsp|thinsp|#160|#[xX][aA]0);")
# Of the text on either side of a coded blank, and of a word: how much is looked at.
_NEAR, _LONGEST_TORN = 64, 8


def _mended(line: str) -> str:
    """Put a zero-width character, which an edit takes out, in the place of each blank inside a word."""
    pieces = [piece for piece in line.split(" ") if _HAN.search(piece)]
    alone = sum(re.fullmatch(_LONE, piece) is not None for piece in pieces)
    throughout = alone >= _FEWEST_TORN and alone * 2 > len(pieces)

    def joined(row: re.Match[str]) -> str:
        torn = throughout or len(_HAN.findall(row[0].strip())) >= _FEWEST_TORN
        return row[0].replace(" ", "\u200b") if torn else row[0]

    return _LONE_ROW.sub(joined, line)


# ------------------------------------------------------------------------------------------------------- edits that change the length
_LONGER_PAIRS = """
Ⅰ=I Ⅱ=II Ⅲ=III Ⅳ=IV Ⅴ=V Ⅵ=VI Ⅶ=VII Ⅷ=VIII Ⅸ=IX Ⅹ=X Ⅺ=XI Ⅻ=XII ⅰ=I ⅱ=II ⅲ=III ⅳ=IV ⅴ=V ⅵ=VI ⅶ=VII ⅷ=VIII ⅸ=IX ⅹ=X ⅺ=XI ⅻ=XII
㎝=cm ㎜=mm ㎞=km ㎏=kg ㎎=mg ㎍=μg ㎖=ml ㎕=μl ㎗=dl ㎘=kl ㎛=μm ㎚=nm ㎡=m2 ㎠=cm2 ㎟=mm2 ㎥=m3 ㎤=cm3 ㎣=mm3 ㏄=cc ㎶=μV ㎷=mV ㎸=kV
㎾=kW ㎪=kPa ㎐=Hz ㎑=kHz ㎒=MHz ㏖=mol ㏒=log ½=1/2 ⅓=1/3 ⅔=2/3 ¼=1/4 ¾=3/4 ⅛=1/8 ‼=!!
"""
_LONGER = dict(pair.split("=") for pair in _LONGER_PAIRS.split())
_SUPERSCRIPT = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻", "0123456789+-")
_ZERO_WIDTH = "\xad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufe00-\ufe0f\ufeff\ufff9-\ufffb"
_LINE_TAGS = "br|p|div|tr|li|ul|ol|table|tbody|thead|h[1-6]|hr|title|body|html|head|section|pre"
_TAGS = f"{_LINE_TAGS}|span|font|b|i|u|em|strong|a|td|th|img|sub|sup|small|big|center|input|label|style|meta|o:p|col|colgroup|st1:\\w+"
_RTF_SIGN = re.compile(r"\{\\rtf|\\pard?\b|\\'[0-9a-fA-F]{2}")
_PLAIN_EDITS = (
    ("zero", f"[{_ZERO_WIDTH}]+"),
    ("power", "[⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻]+"),
    ("longer", f"[{''.join(_LONGER)}]"),
    ("degree", r"° ?[Cc](?![A-Za-z])"),
    ("entity", r"&(?:[a-zA-Z]{2,8}[0-9]{0,2}|#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6});"),
    ("code", r"<(?P<opened>(?i:script|style))(?:\s[^<>]{0,300})?>(?>(?:[^<]|<(?!/?(?i:script|style)\b))*)</(?i:(?P=opened))\s*>"),
    ("sup", r"<(?i:sup)>(?=[+-]?[0-9])"),
    ("lines", rf"<(?i:/(?:{_LINE_TAGS})|[bh]r)(?:\s[^<>]{{0,300}})?/?>"),
    ("tag", rf"</?(?i:{_TAGS})(?:\s[^<>]{{0,300}})?/?>|<!--[^<>]{{0,300}}-->"),
    ("excel", "_x000[dD]_"),
)
# What every edit begins with; most texts have none of it, and one set of characters is searched much faster than the patterns.
_EDIT_SIGN = re.compile(f"[{_ZERO_WIDTH}⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻{''.join(_LONGER)}°&\\\\]")
_TAG_SIGN = re.compile("<[/A-Za-z!]")
_ESCAPES = ("escape", r"\\(?:r\\n|n|r|t)(?![A-Za-z])")
_RTF = (
    ("group", r"\{\\(?:fonttbl|colortbl|stylesheet|info|\*)(?:[^{}]|\{[^{}]*\})*\}"),
    ("hex", r"(?:\\'[0-9a-fA-F]{2})+"),
    ("unicode", r"\\u-?[0-9]{1,5} ?\??"),
    ("paragraph", r"\\(?:pard?|line|sect|row)(?![A-Za-z])(?:-?[0-9]{1,5})? ?"),
    ("word", r"\\[A-Za-z]{1,32}(?:-?[0-9]{1,10})? ?|\\[~*{}\\_-]|[{}]"),
)


@cache
def _edits() -> re.Pattern[str]:
    return _compiled((*_PLAIN_EDITS, _ESCAPES))


@cache
def _rich_edits() -> re.Pattern[str]:
    return _compiled((*_RTF, *_PLAIN_EDITS))


def _compiled(edits: tuple[tuple[str, str], ...]) -> re.Pattern[str]:
    return re.compile("|".join(f"(?P<{name}>{pattern})" for name, pattern in edits))


def _edited(text: str, pattern: re.Pattern[str]) -> NormalText:
    """Apply the edits from left to right, writing down where offsets run apart; each new character stands for the whole of its source."""
    pieces: list[str] = []
    breaks: list[tuple[int, int]] = []
    ends: list[tuple[int, int]] = []
    done = length = 0
    for match in pattern.finditer(text):
        start, end = match.span()
        new = _replacement(match)
        if done < start:
            pieces.append(text[done:start])
            length += start - done
        pieces.append(new)
        if len(new) != end - start:
            breaks += [(place, start - place) for place in range(length, length + len(new))]
            ends += [(place, end - 1 - place) for place in range(length, length + len(new))]
            breaks.append((length + len(new), end - length - len(new)))
            ends.append(breaks[-1])
        length += len(new)
        done = end
    pieces.append(text[done:])
    return NormalText("".join(pieces), tuple(breaks), tuple(ends))


_FIXED = {"zero": "", "degree": "℃", "sup": "^", "lines": "\n", "tag": "", "code": "", "excel": "", "group": "", "paragraph": "\n"}


def _replacement(match: re.Match[str]) -> str:
    kind, found = match.lastgroup or "", match.group()
    if kind in _FIXED:
        return _FIXED[kind]
    if kind == "power":
        before = match.string[match.start() - 1 : match.start()]
        return ("^" if before.isascii() and before.isdigit() else "") + found.translate(_SUPERSCRIPT)
    if kind == "longer":
        return _LONGER[found]
    new = _CODED[kind](found)
    return "" if kind == "entity" and new == " " and _in_word(match) else new


def _in_word(blank: re.Match[str]) -> bool:
    """Say whether a coded blank stands inside a word of the base dictionary: 高&nbsp;血压."""
    # Imported here, for the dictionary is written in the normal form.
    from nlp.dictionary import base_dictionary

    text, (start, end) = blank.string, blank.span()
    before, after = (_CODED_BLANK.sub("", part) for part in (text[max(0, start - _NEAR) : start], text[end : end + _NEAR]))
    before, after = before[-_LONGEST_TORN:], after[:_LONGEST_TORN]
    if not (_HAN.match(before[-1:]) and _HAN.match(after)):
        return False
    return any(first < len(before) < last for first, last, _ in base_dictionary().find(before + after))


def _word(found: str) -> str:
    """Return what a control word of RTF leaves behind: escaped braces and backslashes, a tab, nothing else."""
    return {"\\tab": "\t", "\\cell": "\t", "\\~": " ", "\\{": "{", "\\}": "}", "\\\\": "\\"}.get(found.rstrip(" "), "")


def _unicode(found: str) -> str:
    return _plain(chr(int(re.sub(r"[^0-9-]", "", found)) & 0xFFFF))


def _hex(found: str) -> str:
    return _plain(bytes.fromhex(found.replace("\\'", "")).decode("gb18030", "replace"))


def _plain(decoded: str) -> str:
    """Return decoded characters in the normal form, without a second round of edits."""
    return decoded.translate(_one_to_one())


_CODED = {
    "entity": lambda found: _plain(html.unescape(found)),
    "escape": lambda found: "\t" if found == "\\t" else "\n",
    "hex": _hex,
    "unicode": _unicode,
    "word": _word,
}
