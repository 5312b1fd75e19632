"""Find what names a person or leads to one in a note: names, numbers, addresses, institutions.

Nothing is replaced here; :mod:`workbench.ingest.scrub` does that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nlp.identifiers.codes import find_codes
from nlp.identifiers.columns import unroll
from nlp.identifiers.numbers import find_numbers
from nlp.identifiers.people import find_people
from nlp.identifiers.places import find_places
from nlp.identifiers.reading import squeezed
from nlp.identifiers.wards import find_wards

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from nlp.annotations import ClinicalText, Identifier
    from nlp.identifiers.columns import Unrolled

__all__ = ["KINDS", "Identifiers", "find_identifiers"]

#: Kinds of identifiers, and what is shown in their place.
KINDS = {
    "name": "姓名",
    "physician": "医师",
    "identity_number": "身份证号",
    "certificate": "证件号",
    "mobile_number": "手机号",
    "phone": "电话",
    "address": "住址",
    "institution": "机构",
    "record_number": "编号",
    "insurance_number": "医保号",
    "bank_card": "银行卡号",
    "bed": "床号",
    "ward": "病区",
    "licence_plate": "车牌号",
    "email": "邮箱",
    "account": "账号",
    "age": "高龄",
}
# Numbers beside which a name is likely.
_PERSONAL = frozenset(("identity_number", "mobile_number", "phone", "record_number", "bed", "insurance_number", "certificate"))
# Of two hits that share characters the surer kind gives its name to both.
_RANK = {
    kind: place
    for place, kind in enumerate(("identity_number", "mobile_number", "bank_card", "phone", "email", "insurance_number", "certificate"))
}


class Identifiers:
    """Find names of persons, numbers, addresses and institutions, by their form and by the words around them.

    What stands behind a label is a name if it can be one at all (姓名:, 主刀:); else a small network judges the characters and what stands
    around them (:mod:`nlp.identifiers.tagger`), more readily in a note that names somebody. Once found, a name is found wherever else it
    stands in the note. Eponyms, drugs and words that begin like a name are left.

    Examples
    --------
    >>> from nlp.annotations import ClinicalText, Note
    >>> from nlp.normal import normalise
    >>> note = Note("患者王芳，电话13800138000，帕金森病史5年，请李建国主任会诊。")
    >>> for hit in Identifiers().predict(ClinicalText(note, normalise(note.text))):
    ...     print(note.text[hit.start : hit.end], hit.kind)
    王芳 name
    13800138000 mobile_number
    李建国 physician
    """

    version = "identifiers 2"

    def predict(self, text: ClinicalText) -> list[Identifier]:
        """Answer the identifiers of a note, in order, none overlapping another."""
        return find_identifiers(text.text)


def find_identifiers(text: str) -> list[Identifier]:
    """Return the identifiers of a text in normal form, in order, none overlapping another.

    Parameters
    ----------
    text : str
        As :func:`nlp.normal.normalise` gives it.

    Returns
    -------
    list of Identifier
        Hits that share characters are joined.

    Examples
    --------
    >>> find_identifiers("联系人:王芳")[0][:3]
    (4, 6, 'name')
    """
    table = unroll(text)
    found = _found(f"{text}\n{table.text}" if table.values else text)
    return _joined(_moved(found, len(text), table) if table.values else found)


def _moved(found: Iterable[Identifier], end: int, table: Unrolled) -> Iterator[Identifier]:
    """Move what was found in the lines of a table behind a text's end to where it stands."""
    for hit in found:
        if hit.end <= end:
            yield hit
        elif place := table.place(hit.start - end - 1, hit.end - end - 1):
            yield hit._replace(start=place[0], end=place[1])


def _found(text: str) -> list[Identifier]:
    short, places = squeezed(text)  # codes and names are found where blanks do not part the characters of a word
    codes = list(find_codes(short))
    numbers = [*find_numbers(text), *find_wards(text)]
    people = find_people(short, named=any(hit.kind in _PERSONAL for hit in (*numbers, *codes)))
    whole = [*codes, *people]
    if short is not text:
        whole = [hit._replace(start=places[hit.start], end=places[hit.end - 1] + 1) for hit in whole]
    return [*numbers, *whole, *find_places(text)]


def _joined(found: Iterable[Identifier]) -> list[Identifier]:
    joined: list[Identifier] = []
    for hit in sorted(found, key=lambda hit: (hit.start, -hit.end, _RANK.get(hit.kind, 9))):
        if not joined or hit.start >= joined[-1].end:
            joined.append(hit)
        elif hit.end > joined[-1].end:
            last = joined[-1]
            surer = min(last, hit, key=lambda one: (_RANK.get(one.kind, 9), one.start))
            joined[-1] = surer._replace(start=last.start, end=hit.end)
        elif _RANK.get(hit.kind, 9) < _RANK.get(joined[-1].kind, 9):
            joined[-1] = joined[-1]._replace(kind=hit.kind)
    return joined
