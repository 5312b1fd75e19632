"""Whether a variable of the right shape can mean anything: fields that fit together, names that exist, patterns that run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nlp.errors import VariableError
from nlp.variables.definition import RULES
from nlp.variables.patterns import is_pattern, probe
from nlp.variables.shapes import Problem
from nlp.variables.vocabulary import Vocabulary, nearest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nlp.variables.definition import Variable

__all__ = ["check_variable"]

_ALONE = ("section", "system", "function")
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
    _check_rule(variable)
    _check_names(variable, vocabulary)
    for path, pattern in _patterns(variable):
        try:
            probe(pattern)
        except VariableError as error:
            raise Problem(path, error.message, error.hint) from None


def _check_target(variable: Variable) -> None:
    target = variable.target
    kinds = target.kinds
    alone = [kind for kind in kinds if kind in _ALONE]
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
