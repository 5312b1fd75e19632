"""Units of clinical text: what they measure, how they are spelled, how one becomes another.

The table is ``nlp/data/units.yaml``. A unit is an atom (mg, 毫升, 次) or a quotient of atoms (mg/kg/d, 10^9/L, 次/分); its dimension has
one canonical unit, so that values written in any spelling can be compared.
"""

from __future__ import annotations

import difflib
import re
from functools import cache, lru_cache
from typing import NamedTuple

from nlp.errors import VariableError
from nlp.reading import own_table

__all__ = ["Unit", "convert", "dimension_of", "find_unit", "parse_unit", "unit_data"]

_SPLIT = re.compile(r"[/／·.*]")
_POWER = re.compile(r"(?:[x×*]\s*)?10\s*[\^~～e*]?\s*([1-9]\d?)(?=$|\s*/)", re.IGNORECASE)
_TIMED = re.compile(r"(\d{1,2})\s?(h|小时|hr|min|分钟)", re.IGNORECASE)
_POWER_OF_TEN = {"百": 1e2, "千": 1e3, "万": 1e4, "百万": 1e6, "亿": 1e8}


class Unit(NamedTuple):
    """A unit by its one name.

    `factor` and `offset` turn a value into the canonical unit of its dimension: canonical = value × factor + offset. `signed` tells that
    negative values are usual, `decimal` that the spelling is a unit only after a decimal or a sign (D for dioptre).
    """

    name: str
    dimension: str
    factor: float
    offset: float = 0.0
    canonical: str = ""
    signed: bool = False
    decimal: bool = False


class _Atom(NamedTuple):
    name: str
    dimension: str
    factor: float
    offset: float
    signed: bool
    decimal: bool


class _Table(NamedTuple):
    exact: dict[str, _Atom]
    folded: dict[str, _Atom]
    below: dict[str, _Atom]
    words: dict[str, str]
    canonical: dict[str, str]
    quotients: dict[str, str]
    analytes: dict[str, dict]


def unit_data() -> dict:
    """Return the table of units as the file has it."""
    return own_table("units.yaml")


@cache
def _table() -> _Table:
    data = unit_data()
    table = _Table({}, {}, {}, data["words"], data["canonical"], data["quotients"], {})
    for entry in data["units"]:
        atom = _Atom(
            entry["name"], entry["of"], entry["to"], entry.get("plus", 0.0), entry.get("signed", False), entry.get("decimal", False)
        )
        _file_spellings(table, entry, atom)
    for analyte in data["analytes"]:
        table.analytes.update({name.casefold(): analyte for name in [analyte["name"], *analyte["names"]]})
    return table


def _file_spellings(table: _Table, entry: dict, atom: _Atom) -> None:
    place = table.below if entry.get("below") else table.folded
    for spelling in entry["as"]:
        place.setdefault(spelling.casefold(), atom)
    for spelling in entry.get("exact", ()):
        table.exact[spelling] = atom
    if not entry.get("below"):
        table.exact.setdefault(entry["name"], atom)


def _find_atom(text: str, *, below: bool = False) -> tuple[_Atom, float] | None:
    """Return an atom and how many of it the text means (24 h below a line)."""
    table = _table()
    text = text.strip(" ()（）")
    folded = text.casefold()
    if below and (atom := table.below.get(folded)):
        return atom, 1.0
    if atom := table.exact.get(text) or table.folded.get(folded):
        return atom, 1.0
    if below and (timed := _TIMED.fullmatch(text)):
        unit = timed[2].casefold()
        return table.exact.get(unit) or table.folded[unit], float(timed[1])
    return _find_multiple(text) if text[:1] in _POWER_OF_TEN else None


def _find_multiple(text: str) -> tuple[_Atom, float] | None:
    """Read 万U or 百万; alone it counts things."""
    bare = text.lstrip("百千万亿")
    many = _POWER_OF_TEN.get(text[: len(text) - len(bare)])
    atom = _table().folded.get(bare.casefold() or "个")
    return (atom, many) if atom and many else None


@lru_cache(maxsize=4096)
def find_unit(text: str) -> Unit | None:
    """Return the unit that is spelled so, None if there is none."""
    table = _table()
    text = table.words.get(text, text)
    found = _find_atom(text)
    if found:
        atom, many = found
        name = atom.name if many == 1.0 else text
        canonical = table.canonical.get(atom.dimension, atom.name)
        return Unit(name, atom.dimension, atom.factor * many, atom.offset, canonical, atom.signed, atom.decimal)
    return _parse_quotient(text)


def _parse_quotient(text: str) -> Unit | None:
    table = _table()
    numerator, factor, dimension, rest = _numerator(text)
    if not dimension:
        return None
    name, dimensions = numerator, [dimension]
    for part in rest:
        found = _find_atom(part, below=True)
        if found is None:
            return None
        atom, many = found
        factor /= atom.factor * many
        name += f"/{atom.name if many == 1.0 else f'{many:g}{atom.name}'}"
        dimensions.append(atom.dimension)
    joined = "/".join(dimensions)
    return _named(name, factor, table.quotients.get(joined, joined))


def _numerator(text: str) -> tuple[str, float, str, list[str]]:
    """Split a quotient: name, factor and dimension of its upper part, and the parts below."""
    if power := _POWER.match(text):
        exponent = int(power[1])
        rest = _parts(text[power.end() :])
        return f"10^{exponent}", 10.0**exponent, "count", [part for part in rest if part]
    parts = _parts(text)
    if parts[0].strip() == "" and len(parts) > 1:
        return "", 1.0, "count", parts[1:]
    found = _find_atom(parts[0])
    if not found or len(parts) < 2:
        return "", 0.0, "", []
    atom, many = found
    name = "" if atom.name == "次" and len(parts) == 2 else atom.name
    return name if many == 1.0 else parts[0].strip(), atom.factor * many, atom.dimension, parts[1:]


def _parts(text: str) -> list[str]:
    return [part.replace("#", ".").removesuffix("-1") for part in _SPLIT.split(text.replace("1.73", "1#73"))]


def _named(name: str, factor: float, dimension: str) -> Unit:
    canonical = _table().canonical.get(dimension, "")
    if not canonical:
        return Unit(name, dimension, factor, 0.0, "")
    return Unit(name, dimension, factor / _raw_factor(canonical), 0.0, canonical)


@cache
def _raw_factor(canonical: str) -> float:
    """Return what a quotient's canonical unit is worth in the canonical units of its parts."""
    if _find_atom(canonical):
        return 1.0
    _, factor, _, rest = _numerator(canonical)
    for part in rest:
        atom, many = _find_atom(part, below=True)
        factor /= atom.factor * many
    return factor


def parse_unit(text: str) -> Unit:
    """Read a unit in any of its spellings.

    Parameters
    ----------
    text : str
        Such as ``umol/L``, ``×10~9/L``, ``次/分``, ``毫米汞柱``.

    Returns
    -------
    Unit
        With its one name, dimension and factor to the dimension's canonical unit.

    Raises
    ------
    VariableError
        If no unit is spelled so.

    Examples
    --------
    >>> parse_unit("UMOL/L").name, parse_unit("×10~9/L").name, parse_unit("毫米汞柱").name
    ('umol/L', '10^9/L', 'mmHg')
    >>> parse_unit("次/分").dimension
    'rate'
    """
    unit = find_unit(text.strip())
    if unit is None:
        near = difflib.get_close_matches(text.strip().casefold(), _spellings(), n=1, cutoff=0.5)
        hint = f"the nearest unit that is known is {_spellings()[near[0]]!r}" if near else "units are listed in nlp/data/units.yaml"
        raise VariableError(f"found the unit {text.strip()!r}, wanted one that is known", hint=hint)
    return unit


@cache
def _spellings() -> dict[str, str]:
    data, table = unit_data(), _table()
    composed = [unit for unit in table.canonical.values() if "/" in unit]
    common = ["umol/L", "nmol/L", "pmol/L", "mg/dL", "ug/L", "ng/mL", "pg/mL", "mIU/L", "IU/mL", "10^12/L", "mL/min", "ug/kg/min", "次/分"]
    single = [str(spelling) for entry in data["units"] for spelling in entry["as"]]
    # The commonest first: of two that are equally near the first is named.
    return {spelling.casefold(): spelling for spelling in [*composed, *common, *single, *table.words]}


def dimension_of(unit: str) -> str:
    """Return the dimension of a unit, such as length or mass_concentration.

    Parameters
    ----------
    unit : str
        In any of its spellings.

    Returns
    -------
    str
        Name of the dimension in ``nlp/data/units.yaml``.

    Examples
    --------
    >>> dimension_of("ng/ml")
    'mass_concentration'
    """
    return parse_unit(unit).dimension


def convert(value: float, from_unit: str, to_unit: str, *, analyte: str = "") -> float:
    """Convert a value from one unit to another.

    Parameters
    ----------
    value : float
        In `from_unit`.
    from_unit, to_unit : str
        In any of their spellings.
    analyte : str, optional
        What was measured, in Chinese or English; needed between mass and amount of substance.

    Returns
    -------
    float
        In `to_unit`.

    Raises
    ------
    VariableError
        If a unit or the analyte is unknown, or the two units measure different things.

    References
    ----------
    .. [1] Molar masses: IUPAC standard atomic weights; HbA1c: Hoelzel et al., Clin Chem 2004;50:166 (IFCC to NGSP).

    Examples
    --------
    >>> round(convert(5.6, "mmol/L", "mg/dL", analyte="血糖"), 1)
    100.9
    >>> convert(38.5, "摄氏度", "℉")
    101.3
    """
    source, target = parse_unit(from_unit), parse_unit(to_unit)
    if source.dimension == target.dimension:
        return round((value * source.factor + source.offset - target.offset) / target.factor, 12)
    if analyte:
        return _convert_analyte(value, source, target, analyte)
    hint = "name the analyte to convert between mass and amount" if _related(source, target) else "choose a unit of the same dimension"
    raise VariableError(
        f"found {from_unit!r} ({source.dimension}), wanted {to_unit!r} ({target.dimension}): they measure different things", hint=hint
    )


_BRIDGES = {"amount": "N", "mass": "M", "equivalents": "E", "activity": "A"}


def _bridged(dimension: str) -> tuple[str, str] | None:
    """Return the kind of the upper part (N, M, E, A) and what stands below, for the dimensions that an analyte joins."""
    table = {
        "molar_concentration": "amount/volume",
        "mass_concentration": "mass/volume",
        "catalytic_concentration": "activity/volume",
        "equivalent_concentration": "equivalents/volume",
        "mass_flow": "mass/time",
        "molar_flow": "amount/time",
    }
    upper, _, below = table.get(dimension, dimension).partition("/")
    return (_BRIDGES[upper], below) if upper in _BRIDGES else None


def _related(source: Unit, target: Unit) -> bool:
    one, other = _bridged(source.dimension), _bridged(target.dimension)
    return one is not None and other is not None and one[1] == other[1]


def _convert_analyte(value: float, source: Unit, target: Unit, analyte: str) -> float:
    known = _table().analytes.get(analyte.casefold())
    if known is None:
        near = difflib.get_close_matches(analyte.casefold(), list(_table().analytes), n=1, cutoff=0.4)
        hint = f"the nearest that is known is {near[0]!r}" if near else "analytes are listed in nlp/data/units.yaml"
        raise VariableError(f"found the analyte {analyte!r}, wanted one whose molar mass is known", hint=hint)
    if "linear" in known:
        return _convert_linear(value, source, target, known)
    if not _related(source, target):
        raise VariableError(
            f"found {source.name} ({source.dimension}), wanted {target.name} ({target.dimension}): {known['name']} cannot join them",
            hint="choose a concentration by mass or by amount of substance",
        )
    per_mmol = {"N": 1.0, "M": known["molar_mass"] / 1000, "E": known.get("equivalents"), "A": _units_per_mmol(known)}
    above_from, above_to = per_mmol[_bridged(source.dimension)[0]], per_mmol[_bridged(target.dimension)[0]]
    if not above_from or not above_to:
        raise VariableError(
            f"{known['name']} cannot be converted from {source.name} to {target.name}",
            hint="its activity or valence is not in nlp/data/units.yaml",
        )
    base = value * source.factor * _raw_factor(source.canonical) / above_from
    return round(base * above_to / (target.factor * _raw_factor(target.canonical)), 12)


def _units_per_mmol(analyte: dict) -> float | None:
    return 1 / analyte["activity"] if "activity" in analyte else None


def _convert_linear(value: float, source: Unit, target: Unit, known: dict) -> float:
    line = known["linear"]
    if source.dimension == "amount_by_amount" and target.dimension == "fraction":
        return round((value * source.factor * line["factor"] + line["plus"]) / target.factor, 12)
    if source.dimension == "fraction" and target.dimension == "amount_by_amount":
        return round((value * source.factor - line["plus"]) / line["factor"] / target.factor, 12)
    raise VariableError(f"{known['name']} converts between {line['from']} and {line['to']} only", hint="choose one of the two")
