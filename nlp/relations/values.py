"""Which quantity belongs to which mention."""

from __future__ import annotations

import re
from bisect import bisect_left
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING

from nlp.relations.distances import distance_word
from nlp.relations.view import chain_before, rules, stripper

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nlp.annotations import Quantity
    from nlp.relations.view import Item, View

__all__ = ["another_measure", "repeats", "values"]

_STOPS = re.compile(r"[,。;、\n\d]")
_FOLLOWING = re.compile(r"(?:大小|直径|左右|大|长|宽|厚|深)?的?(?:[^,。;、\n:\d()见示呈]{0,5})")
_BEFORE_SIZE = re.compile(r"(?:见|及|示|有|为|呈|一|枚|个|处|扪及|触及|可见|伴|大小|约|直径|径)$")
_LIST_NUMBER = re.compile(r"\d[.、)]|[①-⑳。;\n]")
# A clause between that tells of something else: 脾大,胆囊内见强回声团,大小约2cm.
_ANOTHER = re.compile(r"[一-龥](?:内|叶|侧|区|部|处|体|壁|旁|腔|窝|底|窦|段)(?:可|隐约)?(?:见|探及)")
_DIRECT = ("", " ", ":", "为", ": ")
_LISTED = re.compile(r"\s?(?:[、,/]|和|及|与|以及)?\s?约?(?:\([^()]{0,12}\))?")
_JOINTS = ("、", "和", "及", "与")
#: One more of those whose size is told: 右侧较大者1.3cm，左侧较大者位于下叶,长径2.1cm.
_ANOTHER_ONE = re.compile(r"者|另一|其一|最大")
_LYING = re.compile(r"[位处]于[^,;。]*?(?=,|大小|直径|[长短]径|约|$)")
_OWN_NUMBER = re.compile(r"(?:\s?[:=]\s?|\s)\d+(?:\.\d+)?(?=\s{0,2}[A-Za-z一-龥,;、])(?!\s?[年月日天周时枚个])")
_ABBREVIATION = re.compile(r"(?<![A-Za-z0-9])(?:[A-Z]{2}[A-Za-z0-9/-]{0,8}|[A-Z][a-z]|[A-Z]/[A-Z]'?)\s?[:=]?\s?$")
_NAMED = re.compile(r"[A-Za-z]\s?[:=]?\s?$")
_BODIES = ("finding", "problem", "sign", "symptom")
_GRADED = ("problem", "finding", "sign", "procedure", "test")


def values(view: View) -> Iterator[tuple[int, Item]]:
    """Give (place of the quantity, mention) for each value that is bound in a sentence."""
    bound: list[tuple[Quantity, list[Item]]] = []
    shared: dict[int, list[Item]] = {}
    for order, (quantity, place) in enumerate(view.quantities):
        if _is_time(view, quantity) or _is_reference(view, quantity, bound) or distance_word(view, quantity) is not None:
            continue
        owners = shared.pop(order) if order in shared else _owners(view, quantity, order, bound, shared)
        if owners:
            bound.append((quantity, owners))
        for owner in owners:
            yield place, owner


def _is_time(view: View, quantity: Quantity) -> bool:
    at = bisect_left(view.times, quantity.end, key=lambda pair: pair[0].start)
    return at > 0 and view.times[at - 1][0].end > quantity.start


def _is_reference(view: View, quantity: Quantity, bound: list) -> bool:
    """Whether a range is named so, or stands in brackets right behind a value."""
    if quantity.kind == "reference":
        return True
    if not bound or quantity.kind != "range" or quantity.start - bound[-1][0].end > 8:
        return False
    return "(" in view.text[bound[-1][0].end : quantity.start]


@cache
def _takes(role: str, dimension: str, kind: str) -> bool:
    """Whether a role has values of a dimension."""
    if kind in ("stage", "score"):
        return role in _GRADED
    if role in ("test", "habit"):
        return True
    return dimension in rules()["dimensions"].get(role, ())


def _owners(view: View, quantity: Quantity, order: int, bound: list, shared: dict[int, list[Item]]) -> list[Item]:
    if named := _named_in(view, quantity):
        return [named]
    before = _before(view, quantity, bound)
    after = _after(view, quantity)
    if after and (not before or before.role == "anatomy" or _points_on(view, before, quantity)):
        return [after]
    if not before:
        return []
    gap = view.text[before.end : quantity.start]
    if "均" in gap:
        return chain_before(view, before)
    if "分别" in gap:
        return _in_order(view, before, order, shared)
    return [before, *_same_end(view, before)]


def _in_order(view: View, last: Item, order: int, shared: dict[int, list[Item]]) -> list[Item]:
    """Give the values of a row to the mentions of a list, one each, or all of them to a mention that stands alone (大小分别约4mm、9mm)."""
    row = _row(view, order)
    chain = chain_before(view, last)
    if len(chain) == len(row) > 1 and all(_takes(last.role, one.dimension, one.kind) for one in row):
        owners = [[one] for one in chain]
    elif len(chain) < len(row) and view.text[chain[0].start - 1 : chain[0].start] in _JOINTS:
        # Names that nothing knows stand at the head of the list.
        owners = [*([] for _ in row[len(chain) :]), *([one] for one in chain)]
    else:
        owners = [[last, *_same_end(view, last)]] * len(row)
    shared.update({order + step: some for step, some in enumerate(owners) if step})
    return owners[0]


def _row(view: View, order: int) -> list[Quantity]:
    """Return a quantity and those that nothing but the signs of a list parts from it."""
    row = [view.quantities[order][0]]
    for following, _ in view.quantities[order + 1 :]:
        if not _LISTED.fullmatch(view.text, row[-1].end, following.start):
            break
        row.append(following)
    return row


def _named_in(view: View, quantity: Quantity) -> Item | None:
    """Find the mention that a quantity's span takes in (高血压病3级) or runs out of (载脂蛋白A[1:1.1g/L])."""
    graded = quantity.kind in ("stage", "score")
    at = bisect_left(view.items, (quantity.end,))
    for item in view.items[max(0, at - 3) : at]:
        if item.end > quantity.start and ((graded and item.role in _GRADED) or (item.start < quantity.start and item.end < quantity.end)):
            return item
    return None


def _same_end(view: View, item: Item) -> list[Item]:
    """Return the mentions nested in another that end where it does: 肺结节 and the 结节 in it have one size."""
    if not view.nested:
        return []
    return [one for one in view.around(item.start, item.end) if one.end == item.end and one.role == item.role and one.place != item.place]


def _points_on(view: View, before: Item, quantity: Quantity) -> bool:
    """Whether 见一8mm结节 reads on to what follows, though something stands before it."""
    gap = view.text[before.end : quantity.start]
    return before.role in _BODIES and bool(_STOPS.search(gap) or _BEFORE_SIZE.search(gap)) and stripper("size_words").sub("", gap) != ""


def _after(view: View, quantity: Quantity) -> Item | None:
    """Find the mention that a size or a count stands in front of: 8mm结节, 2枚肿大淋巴结."""
    if quantity.dimension not in ("length", "area", "volume", "count"):
        return None
    at = bisect_left(view.items, (quantity.end,))
    for item in view.items[at : at + 3]:
        if item.start - quantity.end > 8:
            return None
        if item.role in _BODIES and _takes(item.role, quantity.dimension, quantity.kind):
            if _in_a_row(view, quantity, item):
                return None
            return item if _FOLLOWING.fullmatch(view.text, quantity.end, item.start) else None
        if item.role != "anatomy":
            return None
    return None


def _in_a_row(view: View, quantity: Quantity, item: Item) -> bool:
    """Whether names and values take turns without any sign (LV 47mm RA 35mm): what follows a value has a value of its own, or none."""
    if view.text[quantity.end] != " ":
        return False
    if _NAMED.search(view.text[max(view.start, quantity.start - 4) : quantity.start]):
        return True
    at = bisect_left(view.quantities, item.end, key=lambda pair: pair[0].start)
    return at < len(view.quantities) and view.text[item.end : view.quantities[at][0].start] in _DIRECT


def _before(view: View, quantity: Quantity, bound: list) -> Item | None:
    """Find the mention whose value follows it."""
    size = None
    for item in islice(_preceding(view, quantity.start), 6):
        if _takes(item.role, quantity.dimension, quantity.kind) and _linked(view, item, quantity, bound):
            if item.role == "anatomy":
                size = size or item
                continue
            return item
        if item.role in ("test", "drug"):
            break
    return size


def _preceding(view: View, start: int) -> Iterator[Item]:
    """Give the mentions that end before a place, the last first; of those that end together the longest."""
    at = bisect_left(view.items, (start,))
    before = view.items[max(0, at - 12) : at]
    if view.nested:
        before.sort(key=lambda one: (one.end, -one.start))
    inner = -1
    for item in reversed(before):
        if item.end <= start and item.end != inner:
            yield item
            inner = item.end


def _linked(view: View, item: Item, quantity: Quantity, bound: list) -> bool:
    gap = view.text[item.end : quantity.start]
    if gap in _DIRECT:
        return True
    last = bound[-1] if bound and bound[-1][0].start >= item.end else None
    if last:
        return item in last[1] and _goes_on(view, item, last[0], quantity)
    if quantity.system == "plus" and "," in gap:
        return False
    if quantity.kind in ("stage", "score"):
        return len(gap) <= 20 and not _LIST_NUMBER.search(gap)
    if item.role == "habit":
        return len(gap) <= 14 and not _LIST_NUMBER.search(gap)
    if item.role == "test":
        return _test_link(gap) and not another_measure(view.text, item.end, quantity.start)
    if item.role == "drug":
        return _short(stripper("drug_words").sub("", gap), 4)
    return _size_link(view, item, quantity, gap)


def _short(rest: str, most: int) -> bool:
    return len(rest) <= most and not _STOPS.search(rest)


def _test_link(gap: str) -> bool:
    if len(gap) > 40:
        return False
    rest = stripper("test_words").sub("", gap)
    if "," in gap and rest.count(",") == 1 and gap.startswith((",", "升高,", "偏高,", "增高,", "降低,")):
        return any(word in gap for word in rules()["more_words"]) and _short(rest.replace(",", ""), 2)
    return _short(rest, 6)


def another_measure(text: str, start: int, end: int) -> bool:
    """Tell whether what lies between a name and a number gives the number to another name: EF:60 FS:33%, EF正常，FS 33%.

    A number right behind the name is its own, and an abbreviation right before the number names it, unless it repeats a Chinese name
    beside it (癌胚抗原 CEA 5.2).

    Parameters
    ----------
    text : str
        A note.
    start, end : int
        The end of the name and the start of the number.

    Returns
    -------
    bool
        Whether the number is not the name's.

    Examples
    --------
    >>> another_measure("EF:60 FS:33%", 2, 9), another_measure("EF (Simpson) 60%", 2, 13)
    (True, False)
    """
    if _OWN_NUMBER.match(text, start, end):
        return True
    named = _ABBREVIATION.search(text, start, end)
    return bool(named) and not repeats(text, start, named.start())


def repeats(text: str, end: int, start: int) -> bool:
    """Tell whether a Latin name that starts at a place repeats a Chinese one that ends at another: 癌胚抗原 CEA, 射血分数(LVEF)."""
    return "一" <= text[end - 1 : end] <= "龥" and text[start : start + 1].isascii() and text[end:start].strip(" (") == ""


def _goes_on(view: View, item: Item, last: Quantity, quantity: Quantity) -> bool:
    """Whether a further quantity belongs to the same mention: 最高180/110mmHg, 大者8mm, 100mg 1片."""
    between = view.text[last.end : quantity.start]
    if item.role in ("test", "habit"):
        if last.dimension != quantity.dimension or len(between) > 16:
            return False
        rest = stripper("more_words").sub("", between).strip(",、-/约为达至")
        return not rest and (between != rest or not between)
    if item.role == "drug":
        return len(between) <= 2 and between.strip(" (+*×x)/") == "" and quantity.dimension != last.dimension
    head = between.lstrip(",、;(")
    if _ANOTHER_ONE.search(head):
        head = _LYING.sub("", head)
    return (_size_head(head) and "、" not in between.strip(",")) or between.strip(" ,") == ""


def _size_head(words: str) -> bool:
    return stripper("size_words").sub("", words).strip(",的在于") == ""


def _size_link(view: View, item: Item, quantity: Quantity, gap: str) -> bool:
    if item.role == "anatomy":
        return "," not in gap and _short(stripper("size_words").sub("", gap), 3)
    start, _ = view.clause(quantity.start)
    if start <= item.end:
        return len(gap) <= 24 and "。" not in gap and not re.search(r"\d", gap)
    return len(gap) <= 60 and _size_head(view.text[start : quantity.start]) and not _ANOTHER.search(gap)
