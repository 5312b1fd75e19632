"""Taking the value from round a hit, by the variable's kind."""

from __future__ import annotations

import re
from functools import lru_cache
from statistics import fmean
from typing import TYPE_CHECKING, NamedTuple

from nlp.errors import VariableError
from nlp.numerals import number_of
from nlp.quantities.units import convert
from nlp.relations.values import another_measure, repeats
from nlp.variables.answers import Taken
from nlp.variables.words import literal, words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from nlp.annotations import Quantity, TimeExpression
    from nlp.variables.catalogue import Found
    from nlp.variables.definition import Category, Value, Variable
    from nlp.variables.view import Hit, NoteView

__all__ = ["Place", "fit_found", "in_unit", "iso", "one_of", "other_specimen", "take"]

_NUMBER = re.compile(
    r"(?<![0-9.A-Za-z])[0-9]{1,9}(?:\.[0-9]{1,6})?(?!\.?[0-9]|[年月日:时%])|[一二两三四五六七八九十]{1,3}(?=[枚个处颗只条块粒次]|\Z)"
)
# Of another specimen than blood; a variable that means it has it in its words.
_SPECIMEN = re.compile(r"(?:尿液?|脑脊液|[胸腹]水|穿刺液|引流液|灌洗液|关节液|胃液|羊水|粪便?|大便|痰液?)中?$")
_RANGE_IN_BRACKETS = re.compile(r"[(\[]\s?[0-9.]+\s?[-~]\s?[0-9.]+\s?[)\]]")
# Between the parts of one list of values: 5mm、8mm; 分别为3cm和4cm.
_LISTED = re.compile(r"[、,，及和与/;\s~-]{1,3}")
# Names of a measure, not of the thing measured: a value bound to one of them is still free for the thing.
_MEASURES = re.compile(r"大小|直径|[长短横前上]径|径|厚度?|范围|体积|最大|约|长度?|宽度?|高度?")


class Place(NamedTuple):
    """A hit with where its value may stand: from `low` to `high`, which ends where the next hit of the variable begins."""

    hit: Hit
    low: int
    high: int
    category: int = -1


def _inside(variable: Variable, hit: Hit) -> tuple[int, int] | None:
    """Return the stretch that the value has to lie in, where it lies inside the hit."""
    if hit.inner[0] >= 0:
        return hit.inner
    return (hit.start, hit.end) if variable.value.side == "inside" else None


class _Candidate(NamedTuple):
    start: int
    end: int
    values: tuple[float, ...]
    comparator: str = ""
    doubts: tuple[str, ...] = ()


def take(view: NoteView, variable: Variable, place: Place) -> Iterator[Taken]:
    """Take the values that belong to a hit.

    Parameters
    ----------
    view : NoteView
        The note.
    variable : Variable
        Says what to take.
    place : Place
        The hit.

    Yields
    ------
    Taken
        At least one.
    """
    return _TAKERS[variable.value.kind](view, variable, place)


def _presence(view: NoteView, variable: Variable, place: Place) -> Iterator[Taken]:  # noqa: ARG001  (a taker like the others)
    yield Taken(str(place.hit.assertion), place.hit.start, place.hit.end)


# --- quantities ---
def in_unit(quantity: Quantity, value: Value) -> tuple[float, ...] | None:
    """Return the numbers of a quantity in the unit of a variable's value.

    Parameters
    ----------
    quantity : Quantity
        As found.
    value : Value
        With the unit and, where mass and amount have to be joined, the analyte.

    Returns
    -------
    tuple of float or None
        None where the unit does not fit.

    Examples
    --------
    >>> from nlp.annotations import Quantity
    >>> from nlp.variables.definition import Value
    >>> in_unit(Quantity(0, 5, "scalar", (1.2,), "cm"), Value(kind="quantity", unit="mm"))
    (12.0,)
    """
    if not value.unit:
        counted = not quantity.unit or quantity.dimension in ("", "count") or quantity.kind in ("score", "stage")
        return quantity.values if counted and quantity.values else None
    if not quantity.unit:
        return _plain(quantity.values, value) if value.bare and quantity.values and quantity.kind not in ("score", "stage") else None
    if not _convertible(quantity.unit, value.unit, value.analyte):
        return None
    return tuple(convert(number, quantity.unit, value.unit, analyte=value.analyte) for number in quantity.values) or None


def _plain(numbers: tuple[float, ...], value: Value) -> tuple[float, ...]:
    """Return numbers without a unit as a variable counts them: EF 0.62 is a share, where per cent begin higher (range 5 to 90)."""
    low = value.range[0] or 0.0
    if value.unit == "%" and low >= 1 and all(0 < number < 1 for number in numbers):
        return tuple(round(number * 100, 6) for number in numbers)
    return numbers


@lru_cache(maxsize=4096)
def _convertible(unit: str, wanted: str, analyte: str) -> bool:
    try:
        convert(1.0, unit, wanted, analyte=analyte)
    except VariableError:
        return False
    return True


def _quantity(view: NoteView, variable: Variable, place: Place) -> Iterator[Taken]:
    value, hit = variable.value, place.hit
    if hit.inner[0] < 0 and other_specimen(view, hit):
        yield Taken(None, hit.start, hit.end, why_not="no value")
        return
    bound = [view.quantities[relation.target] for relation in view.related(hit, "value")]
    fitting = [candidate for quantity in bound if (candidate := _candidate(quantity, value))]
    inside = _inside(variable, hit)
    if fitting and not inside:
        for candidate in fitting:
            yield _taken(candidate, value, ())
        return
    found = _candidates_inside(view, value, hit, inside) if inside else _candidates(view, value, place)
    if inside and found:
        for candidate in found:
            yield _taken(candidate, value, ())
    elif not found:
        yield Taken(None, hit.start, hit.end, why_not="unit" if bound else "no value")
    else:
        yield from _nearest_of(view, value, hit, found)


def other_specimen(view: NoteView, hit: Hit) -> bool:
    """Tell whether a specimen other than blood stands right before a hit: 尿肌酐 is another test than 肌酐."""
    return _SPECIMEN.search(view.text, max(0, hit.start - 6), hit.start) is not None


def _nearest_of(view: NoteView, value: Value, hit: Hit, found: list[_Candidate]) -> Iterator[Taken]:
    """Give the candidate nearest to the hit, and those that go on with it as one list."""
    nearest = min(range(len(found)), key=lambda at: (view.gap(hit, found[at]), found[at].start < hit.start))
    doubts = _distance_doubts(view, hit, found[nearest])
    yield _taken(found[nearest], value, doubts)
    for at in range(nearest + 1, len(found)):
        if not _LISTED.fullmatch(view.text, found[at - 1].end, found[at].start):
            break
        yield _taken(found[at], value, doubts)


def _candidate(quantity: Quantity, value: Value) -> _Candidate | None:
    numbers = in_unit(quantity, value)
    if numbers is None:
        return None
    doubts = ("number without a unit",) if value.unit and not quantity.unit else ()
    return _Candidate(quantity.start, quantity.end, numbers, quantity.comparator, doubts)


def _candidates(view: NoteView, value: Value, place: Place) -> list[_Candidate]:
    """Return what could be the value, in order: quantities that fit, and bare numbers where they are allowed."""
    hit, low, high = place.hit, place.low, place.high
    spans = [view.quantities[at] for at in view.between(view.quantities, low, high) if not _owned_by_other(view, at, hit)]
    found = [candidate for quantity in spans if (candidate := _candidate(quantity, value))]
    if value.bare or not value.unit:
        found += _bare(view, value, low, high)
    found.sort(key=lambda candidate: candidate.start)
    near = [candidate for candidate in found if view.gap(hit, candidate) <= value.gap and _on_side(hit, candidate, value.side)]
    return [candidate for candidate in near if candidate.start < hit.end or not another_measure(view.text, hit.end, candidate.start)]


def _candidates_inside(view: NoteView, value: Value, hit: Hit, inside: tuple[int, int]) -> list[_Candidate]:
    """Return what could be the value inside a hit; the group of a pattern may hold a bare number."""
    spans = [view.quantities[at] for at in view.between(view.quantities, *inside)]
    found = [candidate for quantity in spans if (candidate := _candidate(quantity, value))]
    if value.bare or not value.unit or (hit.inner[0] >= 0 and not found):
        found += _bare(view, value, *inside)
    text = view.text[slice(*inside)]
    if not found and hit.inner[0] >= 0 and _NUMBER.fullmatch(text) and (number := number_of(text)) is not None:
        # The pattern itself cut it out, whatever letters stand beside it: G3P1.
        found = [_Candidate(*inside, (number,), doubts=("number without a unit",))]
    return sorted(found, key=lambda candidate: candidate.start)


def _on_side(hit: Hit, span: tuple, side: str) -> bool:
    if side == "after":
        return span[0] >= hit.end
    return span[1] <= hit.start if side == "before" else True


def _owned_by_other(view: NoteView, quantity: int, hit: Hit) -> bool:
    """Tell whether a quantity is the value of something else that stands after the hit: 肝大小正常，脾厚40mm."""
    for owner in view.owners.get(quantity, ()):
        mention = view.mentions[owner]
        named = _MEASURES.fullmatch(view.text, mention.start, mention.end) or repeats(view.text, hit.end, mention.start)
        if mention.start >= hit.end and not named:
            return True
    return False


def _bare(view: NoteView, value: Value, low: int, high: int) -> Iterator[_Candidate]:
    """Give the numbers that belong to no quantity, no time and no range in brackets."""
    records = [view.quantities[at] for at in view.between(view.quantities, low, high)]
    records += [view.times[at] for at in view.between(view.times, low, high)]
    taken = [(record.start, record.end) for record in records]
    taken += [match.span() for match in _RANGE_IN_BRACKETS.finditer(view.text, low, high)]
    for match in _NUMBER.finditer(view.text, low, high):
        start, end = match.span()
        number = number_of(match.group())
        if number is not None and all(end <= first or last <= start for first, last in taken):
            yield _Candidate(start, end, _plain((number,), value), doubts=("number without a unit",))


def _distance_doubts(view: NoteView, hit: Hit, span: tuple) -> tuple[str, ...]:
    low, high = view.scope("clause", hit.start, hit.end)
    return ("value not bound by a relation",) if low <= span[0] and span[1] <= high else ("value in another clause",)


_TAKE: dict[str, Callable[[tuple[float, ...]], float]] = {
    "max": max,
    "min": min,
    "first": lambda numbers: numbers[0],
    "last": lambda numbers: numbers[-1],
    "mean": fmean,
}


def one_of(numbers: tuple[float, ...], value: Value) -> float:
    """Return the number of a size, a range or a ratio that a variable takes.

    Examples
    --------
    >>> from nlp.variables.definition import Value
    >>> one_of((5.0, 10.0), Value(kind="quantity"))
    10.0
    """
    return float(_TAKE[value.take](numbers))


def _taken(candidate: _Candidate, value: Value, doubts: tuple[str, ...]) -> Taken:
    number = one_of(candidate.values, value)
    low, high = value.range
    start, end = candidate.start, candidate.end
    if (low is not None and number < low) or (high is not None and number > high):
        return Taken(None, start, end, value.unit, why_not="implausible")
    about = ("about",) if candidate.comparator == "~" else ()
    return Taken(number, start, end, value.unit, candidate.comparator, (*doubts, *candidate.doubts, *about))


# --- categories ---
def _category(view: NoteView, variable: Variable, place: Place) -> Iterator[Taken]:
    hit, categories = place.hit, variable.value.categories
    if place.category >= 0:
        yield Taken(categories[place.category].name, hit.start, hit.end)
        return
    if inside := _inside(variable, hit):
        spans = list(_category_words(view, categories, *inside))
    else:
        near = _category_words(view, categories, place.low, place.high)
        spans = [span for span in near if view.gap(hit, span) <= variable.value.gap and _on_side(hit, span, variable.value.side)]
    if not spans:
        yield Taken(None, hit.start, hit.end, why_not="no value")
    for start, end, category in spans:
        yield Taken(categories[category].name, start, end, doubts=_category_doubts(view, variable, hit, (start, end)))


def _category_doubts(view: NoteView, variable: Variable, hit: Hit, span: tuple[int, int]) -> tuple[str, ...]:
    far = not _inside(variable, hit) and _distance_doubts(view, hit, span) == ("value in another clause",)
    return ("value in another clause",) if far else ()


def _category_words(view: NoteView, categories: tuple[Category, ...], low: int, high: int) -> Iterator[tuple[int, int, int]]:
    """Give the words of categories in a stretch: longest at each place, of equal ones the first listed; asserted as their category asks."""
    spans = [
        (start, end, order)
        for order, category in enumerate(categories)
        for start, end in words(category.words).find(view.folded, low, high)
    ]
    spans.sort(key=lambda span: (span[0], -span[1], span[2]))
    reach = -1
    for start, end, order in spans:
        allowed = categories[order].assertion or ("present", "possible", "historical")
        if start < reach or view.hit(start, end).assertion not in allowed:
            continue
        yield start, end, order
        reach = end


# --- dates and texts ---
def _date(view: NoteView, variable: Variable, place: Place) -> Iterator[Taken]:
    hit, value = place.hit, variable.value
    bound = [view.times[relation.target] for relation in view.related(hit, "time")]
    times = [time for time in bound if time.earliest and time.kind != "duration"]
    inside = _inside(variable, hit)
    if inside:
        times = [view.times[at] for at in view.between(view.times, *inside)]
    elif not times:
        near = [view.times[at] for at in view.between(view.times, place.low, place.high)]
        times = [time for time in near if view.gap(hit, time) <= value.gap and _on_side(hit, time, value.side)]
        times.sort(key=lambda time: view.gap(hit, time))
    known = next((time for time in times if time.earliest), None)
    if known is None:
        yield Taken(None, hit.start, hit.end, why_not="clock unknown" if times else "no value")
    else:
        yield Taken(iso(known), known.start, known.end)


def iso(time: TimeExpression) -> str:
    """Return a time as an ISO date, no finer than the note says it: of a day the day, of a stretch of days the first.

    Examples
    --------
    >>> from datetime import datetime
    >>> from nlp.annotations import TimeExpression
    >>> iso(TimeExpression(0, 7, "absolute", "month", datetime(2019, 5, 1), datetime(2019, 5, 31)))
    '2019-05'
    """
    if time.earliest is None:
        return ""
    if time.grain not in _COARSE:
        return time.earliest.isoformat()[:10]
    # 5年前 is bounded loosely: the middle of its bounds is the year meant.
    middle = time.earliest + ((time.latest or time.earliest) - time.earliest) / 2
    return middle.isoformat()[: _COARSE[time.grain]]


_COARSE = {"year": 4, "month": 7}


def _text(view: NoteView, variable: Variable, place: Place) -> Iterator[Taken]:
    hit, scope = place.hit, variable.value.scope
    if hit.inner[0] >= 0:
        start, end = hit.inner
    elif scope == "after":
        start, end = hit.end, view.scope("clause", hit.start, hit.end)[1]
    elif scope == "match":
        start, end = hit.start, hit.end
    else:
        start, end = view.scope(scope, hit.start, hit.end)
    while start < end and view.text[start] in _TRIMMED:
        start += 1
    while end > start and view.text[end - 1] in _TRIMMED:
        end -= 1
    if start == end:
        yield Taken(None, hit.start, hit.end, why_not="no value")
        return
    first, last = view.raw(start, end)
    yield Taken(view.note.text[first:last], start, end)


def fit_found(variable: Variable, found: Found) -> Taken:
    """Return what a function or a staging system found as a value of the variable's kind.

    Parameters
    ----------
    variable : Variable
        Says the kind, the unit, the range, the categories.
    found : Found
        What was found.

    Returns
    -------
    Taken
        With a `why_not` where it does not fit.
    """
    value, kind = variable.value, variable.value.kind
    if kind == "presence":
        return Taken(found.assertion, found.start, found.end)
    if kind == "quantity":
        return _fit_number(value, found)
    text = f"{found.value:g}" if isinstance(found.value, float) else str(found.value)
    if kind == "category" and value.categories:
        named = _category_named(value.categories, text)
        return Taken(named or None, found.start, found.end, why_not="" if named else "no value")
    return Taken(text, found.start, found.end)


def _fit_number(value: Value, found: Found) -> Taken:
    if isinstance(found.value, str):
        return Taken(None, found.start, found.end, why_not="no value")
    number = float(found.value)
    if found.unit and value.unit and found.unit != value.unit:
        if not _convertible(found.unit, value.unit, value.analyte):
            return Taken(None, found.start, found.end, why_not="unit")
        number = convert(number, found.unit, value.unit, analyte=value.analyte)
    return _taken(_Candidate(found.start, found.end, (number,), found.comparator), value, ())


def _category_named(categories: tuple[Category, ...], text: str) -> str:
    """Return the category of that name, or the first whose word or pattern is the text as a whole."""
    folded = literal(text)
    for category in categories:
        if category.name == text or any(span == (0, len(folded)) for span in words(category.words).find(folded, 0, len(folded))):
            return category.name
    return ""


_TRIMMED = frozenset(" \t\r\n，,。;；:：、")
_TAKERS = {"presence": _presence, "quantity": _quantity, "category": _category, "date": _date, "text": _text}
