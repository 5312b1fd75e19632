"""Whether a variable of the right shape can mean anything: fields that fit together, names that exist, patterns that run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nlp.errors import VariableError
from nlp.quantities.units import convert, dimension_of, parse_unit
from nlp.variables.definition import ALONE, ASSERTIONS, RULES
from nlp.variables.patterns import is_pattern, probe
from nlp.variables.shapes import Problem
from nlp.variables.vocabulary import Vocabulary, nearest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nlp.variables.definition import Variable

__all__ = ["check_variable"]

_RULES = {
    "presence": {"any", "first", "last", "count", "all", "nearest"},
    "category": {"any", "first", "last", "min", "max", "count", "all", "nearest"},
    "quantity": set(RULES) - {"any"},
    "date": {"first", "last", "min", "max", "count", "all", "nearest"},
    "text": {"first", "last", "count", "all", "nearest"},
}


def check_variable(variable: Variable, *, vocabulary: Vocabulary) -> None:
    """Check what the shape alone does not tell.

    Parameters
    ----------
    variable : Variable
        What to check.
    vocabulary : Vocabulary
        The names that are known.

    Raises
    ------
    Problem
        At the first field that is wrong.

    Examples
    --------
    >>> from nlp.variables.definition import Target, Value, Variable
    >>> check_variable(Variable(name="x", target=Target(terms=("咳嗽",)), value=Value(kind="category")), vocabulary=Vocabulary())
    Traceback (most recent call last):
        ...
    nlp.variables.shapes.Problem: value.categories: is missing
    """
    _check_target(variable)
    _check_value(variable)
    _check_unit(variable)
    _check_rule(variable)
    _check_names(variable, vocabulary)
    _check_function(variable, vocabulary)
    for number, test in enumerate(variable.tests, 1):
        _check_expectation(variable, f"tests[{number - 1}].expect", test.expect)
    for path, pattern in _patterns(variable):
        try:
            probe(pattern)
        except VariableError as error:
            raise Problem(path, error.message, error.hint) from None


def _check_target(variable: Variable) -> None:
    target = variable.target
    kinds = target.kinds
    alone = [kind for kind in kinds if kind in ALONE]
    if alone and len(kinds) > 1:
        raise Problem("target", f"found {', '.join(kinds)} together, wanted {alone[0]} alone")
    if not kinds and not (variable.value.kind == "category" and variable.value.categories):
        raise Problem("target", "is empty", "give terms, regex, labels, codes, section, system or function")
    if target.parameters and not target.function:
        raise Problem("target.parameters", "there is no function that takes them")


def _check_value(variable: Variable) -> None:
    value = variable.value
    if value.kind == "category" and not value.categories and not variable.target.system and not variable.target.function:
        raise Problem("value.categories", "is missing")
    if value.categories and value.kind != "category":
        raise Problem("value.categories", f"a {value.kind} has none")
    if value.kind != "quantity" and (value.unit or value.range != (None, None)):
        raise Problem("value.unit" if value.unit else "value.range", f"a {value.kind} has none")


def _check_unit(variable: Variable) -> None:
    value = variable.value
    if not value.unit:
        if value.analyte:
            raise Problem("value.analyte", "there is no unit to convert to")
        return
    try:
        parse_unit(value.unit)
    except VariableError as error:
        raise Problem("value.unit", error.message, error.hint) from None
    if not value.analyte:
        return
    for unit in ("g/L", "mol/L", "U/L", "%"):
        try:
            convert(1.0, unit, value.unit, analyte=value.analyte)
        except VariableError as error:
            last = error
        else:
            return
    raise Problem("value.analyte", last.message, last.hint)


def _check_function(variable: Variable, vocabulary: Vocabulary) -> None:
    if not variable.target.function or vocabulary.functions is None:
        return
    given = dict(variable.target.parameters)
    try:
        function = vocabulary.functions[variable.target.function]
    except VariableError as error:
        raise Problem("target.function", error.message, error.hint) from None
    try:
        function.check(given)
    except VariableError as error:
        raise Problem("target.parameters", error.message, error.hint) from None
    gives, wanted = function.unit_of(given), variable.value.unit
    if variable.value.kind == "quantity" and wanted and gives and dimension_of(gives) != dimension_of(wanted):
        raise Problem("value.unit", f"found {wanted!r}, wanted one that {gives!r} converts to: {function.name} gives that")


def _check_expectation(variable: Variable, path: str, expect: Any) -> None:
    """Check that what a test expects is a value that the variable can have."""
    if expect is None:
        return
    if variable.rule == "count":
        fits, wanted = _is_number(expect), "a number"
    elif variable.rule == "all":
        fits, wanted = isinstance(expect, tuple), "a list"
    elif variable.value.kind == "quantity":
        fits, wanted = _is_number(expect), "a number"
    elif variable.value.kind == "presence":
        fits, wanted = expect in ASSERTIONS, f"one of {', '.join(ASSERTIONS)}, or null"
    elif variable.value.categories:
        names = [category.name for category in variable.value.categories]
        fits, wanted = expect in names, f"one of {', '.join(names)}, or null"
    else:
        fits, wanted = isinstance(expect, str), "a text"
    if not fits:
        raise Problem(path, f"wanted {wanted}")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _check_rule(variable: Variable) -> None:
    allowed = _RULES[variable.value.kind]
    if variable.rule not in allowed:
        wanted = ", ".join(rule for rule in RULES if rule in allowed)
        raise Problem("aggregate.rule", f"found {variable.rule!r}, wanted for a {variable.value.kind} one of {wanted}")
    if variable.rule == "nearest" and variable.window is None:
        raise Problem("aggregate.rule", "nearest needs a window whose anchor says nearest to what")


def _check_names(variable: Variable, vocabulary: Vocabulary) -> None:
    asked = (
        ("documents", variable.documents, vocabulary.documents),
        ("sections", variable.sections, vocabulary.sections),
        ("target.section", variable.target.section, vocabulary.sections),
        ("target.system", filter(None, (variable.target.system,)), vocabulary.systems),
    )
    for path, names, known in asked:
        for name in names:
            if known is not None and name not in known:
                raise Problem(path, f"{name!r} is not known", nearest(name, known))


def _patterns(variable: Variable) -> Iterator[tuple[str, str]]:
    """Give every pattern that the variable holds, with its path."""
    for pattern in variable.target.regex:
        yield "target.regex", pattern
    near = variable.near
    lists = [("near.with", near.with_any), ("near.without", near.without), ("near.site", near.site)]
    lists += [(f"value.categories.{category.name}", category.words) for category in variable.value.categories]
    for path, words in lists:
        for word in words:
            if is_pattern(word):
                yield path, word[1:-1]
