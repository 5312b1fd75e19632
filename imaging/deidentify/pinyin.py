"""Chinese names as they are written in Latin letters, without tones: scanners often show only these."""

from __future__ import annotations

from functools import cache
from itertools import islice, product

from imaging.deidentify.profile import table_lines

__all__ = ["romanised"]

#: Signs of a name; longer texts are none.
_SHORTEST, _LONGEST = 2, 4
#: Readings of one name that are looked for.
_READINGS = 16


def romanised(pieces: list[str]) -> set[str]:
    """Return the Latin spellings of a Chinese name, family name first and last, in small letters without blanks.

    Parameters
    ----------
    pieces : list of str
        The name, in one piece or with family name and given name apart.

    Returns
    -------
    set of str
        Empty for what is no Chinese name of two to four signs, or has a sign without a known reading.

    Examples
    --------
    >>> sorted(romanised(["王", "小东"])), sorted(romanised(["曾明"]))
    (['wangxiaodong', 'xiaodongwang'], ['cengming', 'mingceng', 'mingzeng', 'zengming'])
    """
    name = "".join(pieces)
    if not _SHORTEST <= len(name) <= _LONGEST or not all(sign in _readings() for sign in name):
        return set()
    # Without a sign between them, family names have one sign, or two in a name of three or four.
    ends = [len(pieces[0])] if len(pieces) > 1 else range(1, 2 + (len(name) > _SHORTEST))
    found = set()
    for end in ends:
        for reading in islice(product(*(_readings()[sign] for sign in name)), _READINGS):
            family, given = "".join(reading[:end]), "".join(reading[end:])
            found |= {family + given, given + family}
    return found


@cache
def _readings() -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for syllable, signs in table_lines("pinyin.tsv")[1:]:
        for sign in signs:
            found[sign] = (*found.get(sign, ()), syllable)
    return found
