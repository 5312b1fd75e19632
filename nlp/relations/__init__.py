"""Relations: which value, distance, site, side and time belong to a mention."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nlp.annotations import Relation
from nlp.relations.distances import distances
from nlp.relations.places import Sides, laterality, sites
from nlp.relations.times import times
from nlp.relations.values import values
from nlp.relations.view import views

if TYPE_CHECKING:
    from nlp.annotations import ClinicalText
    from nlp.relations.view import Item

__all__ = ["Relations"]

_KINDS = ("value", "distance", "site", "laterality", "time")


class Relations:
    """Bind quantities, sites, sides and times to the mentions of a sentence.

    Values: a test or a drug takes what follows it in its clause with nothing but linking words between (``data/relations.yaml``), a
    finding also what stands right before it (8mm结节) and what a later clause says of its size (大小约…, 较大者…); the dimension has to
    suit the role. A value is bound once, but to all of a list that 均 closes, and in order where 分别 stands. Reference ranges and
    times are no values. A distance (肿物距肛缘8cm) is no value either, but a relation of its own whose `text` is what it is measured
    from.

    Sites: mentions labelled anatomy inside a mention, before it in its clause with their list (左肾、右肾囊肿), behind 位于, or
    at the end of the clause before where this one goes on (可见…). Sides: 左 右 双 两 in it, right before it, or at its sites;
    left and right together are bilateral. Times: a length right behind a mention and its list (咳嗽、咳痰3天), a time in brackets or after
    于 behind it, and else the last time before it in the sentence that is no length (2019年行阑尾切除术).

    Examples
    --------
    >>> from nlp.annotations import ClinicalText, Mention, Note, Quantity
    >>> from nlp.normal import normalise
    >>> text = ClinicalText(Note("右肺结节8mm"), normalise("右肺结节8mm"))
    >>> text.mentions = [Mention(0, 2, "anatomy"), Mention(2, 4, "finding")]
    >>> text.quantities = [Quantity(4, 7, "scalar", (8.0,), "mm", dimension="length")]
    >>> [(one.kind, one.mention, one.target, one.text) for one in Relations().predict(text)]
    [('laterality', 0, -1, 'right'), ('value', 1, 0, ''), ('site', 1, 0, ''), ('laterality', 1, -1, 'right')]
    """

    version = "relations 1"

    def predict(self, text: ClinicalText) -> list[Relation]:
        """Answer the relations of a note, by mention."""
        found: list[Relation] = []
        if not text.mentions:
            return found
        sides = Sides(text.text)
        for view in views(text):
            found += [_bound(item, text.quantities[place], "value", place) for place, item in values(view)]
            found += [_bound(item, text.quantities[place], "distance", place, landmark) for place, item, landmark in distances(view)]
            places = sites(view)
            found += [_bound(item, site, "site", site.place) for item in view.items for site in places.get(item.place, ())]
            found += [Relation(item.start, item.end, item.place, "laterality", -1, side) for item, side in laterality(view, sides, places)]
            found += [_bound(item, text.times[place], "time", place) for place, item in times(view)]
        return sorted(found, key=lambda one: (one.mention, _KINDS.index(one.kind), one.target))


def _bound(item: Item, other: tuple, kind: str, target: int, words: str = "") -> Relation:
    return Relation(min(item.start, other[0]), max(item.end, other[1]), item.place, kind, target, words)
