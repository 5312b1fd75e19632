"""Functions that variables are composed of (函数复用): a catalogue with description, parameters, examples and scores.

A function takes a :class:`~nlp.variables.view.NoteView` and parameters by keyword, and gives :class:`Found` values. It is registered in a
:class:`Catalogue` by decorator; nothing global is changed. The variable that calls it applies its own documents, sections, assertion,
window, unit and range to what the function found.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from nlp.errors import VariableError
from nlp.quantities.units import dimension_of
from nlp.variables.vocabulary import nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from nlp.variables.definition import Bilingual
    from nlp.variables.view import Hit, NoteView

__all__ = ["Catalogue", "Example", "Found", "Function", "Parameter"]


class Found(NamedTuple):
    """A value that a function found, with its span in the view and what the note says of it."""

    value: float | str
    start: int
    end: int
    unit: str = ""
    assertion: str = "present"
    experiencer: str = "patient"
    confidence: float = 1.0
    comparator: str = ""

    @classmethod
    def at(cls, hit: Hit, value: float | str, *, span: tuple | None = None, unit: str = "", comparator: str = "") -> Found:
        """Return a value with the assertion of a hit, at the hit's place or at another span."""
        start, end = (span or hit)[:2]
        return cls(value, start, end, unit, str(hit.assertion), hit.experiencer, hit.score, comparator)


class Parameter(NamedTuple):
    """What a parameter of a function means.

    `kind` is words, word, number, unit, choice or flag; `default` is None where it has to be given; a choice lists its `choices`.
    """

    kind: str
    description: Bilingual
    default: Any = None
    choices: tuple[str, ...] = ()


class Example(NamedTuple):
    """A sentence, the parameters, and the values that the function has to find in it."""

    text: str
    parameters: tuple[tuple[str, Any], ...]
    expect: tuple[float | str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """An entry of the catalogue.

    Parameters
    ----------
    name : str
        As variables call it.
    call : callable
        Takes a view and the parameters by keyword, gives Found values.
    description : Bilingual
        One sentence.
    parameters : mapping of str to Parameter
        By name.
    examples : tuple of Example
        Runnable; tests run them.
    scores : mapping of str to float
        Measured scores by the name of what they were measured on.
    version : str
        Part of the version of a set that calls it; changed whenever the function answers differently.
    unit : str
        Unit of the values, or the name of the parameter that says it; empty for words and counts.
    """

    name: str
    call: Callable[..., Iterator[Found]]
    description: Bilingual
    parameters: Mapping[str, Parameter]
    examples: tuple[Example, ...] = ()
    scores: Mapping[str, float] = field(default_factory=dict)
    version: str = "1"
    unit: str = ""

    def check(self, given: Mapping[str, Any]) -> None:
        """Check the names and the kinds of parameters.

        Raises
        ------
        VariableError
            If one is unknown, missing, or of another kind.
        """
        for name, value in given.items():
            if name not in self.parameters:
                raise VariableError(f"function {self.name} has no parameter {name!r}", hint=nearest(name, self.parameters))
            if not _fits(self.parameters[name].kind, value):
                raise VariableError(f"function {self.name}: parameter {name!r} has to be {_KINDS[self.parameters[name].kind]}")
            self._check_choice(name, value)
            if name == self.unit:
                self._check_unit(name, value)
        for name, parameter in self.parameters.items():
            if parameter.default is None and name not in given:
                raise VariableError(f"function {self.name} needs the parameter {name!r}")

    def _check_choice(self, name: str, given: Any) -> None:
        choices = self.parameters[name].choices
        if choices and given not in choices:
            message = f"function {self.name}: parameter {name!r} is {given!r}, wanted one of {', '.join(choices)}"
            raise VariableError(message, hint=nearest(given, choices))

    def _check_unit(self, name: str, given: str) -> None:
        usual = self.parameters[name].default
        if usual and dimension_of(given) != dimension_of(usual):
            raise VariableError(f"function {self.name}: found the unit {given!r}, wanted one that {usual!r} converts to")
        dimension_of(given)

    def unit_of(self, given: Mapping[str, Any]) -> str:
        """Return the unit of the values that the function gives with these parameters."""
        if self.unit in self.parameters:
            return str(given.get(self.unit) or self.parameters[self.unit].default or "")
        return self.unit

    def find(self, view: NoteView, given: Mapping[str, Any]) -> Iterator[Found]:
        """Give what the function finds in a note."""
        defaults = {name: parameter.default for name, parameter in self.parameters.items()}
        yield from self.call(view, **(defaults | dict(given)))


_KINDS = {
    "words": "a list of words",
    "word": "a word",
    "number": "a number",
    "unit": "a unit",
    "choice": "a word",
    "flag": "true or false",
}


def _fits(kind: str, value: Any) -> bool:
    if kind == "words":
        return isinstance(value, tuple) and bool(value) and all(isinstance(item, str) for item in value)
    if kind == "flag":
        return isinstance(value, bool)
    if kind == "number":
        return isinstance(value, int | float) and not isinstance(value, bool)
    return isinstance(value, str)


class Catalogue:
    """Functions by name.

    Parameters
    ----------
    functions : iterable of Function
        What it holds at first; :func:`nlp.variables.functions.builtin` gives the built-in ones.

    Examples
    --------
    >>> from nlp.variables.definition import Bilingual
    >>> mine = Catalogue()
    >>> words = Parameter("words", Bilingual("词", "words"))
    >>> @mine.function(description=Bilingual("计数", "Counts"), parameters={"terms": words})
    ... def how_often(view, *, terms):
    ...     hits = list(view.find(terms))
    ...     if hits:
    ...         yield Found.at(hits[0], len(hits))
    >>> list(mine)
    ['how_often']
    """

    def __init__(self, functions: tuple[Function, ...] = ()) -> None:
        self._functions: dict[str, Function] = {}
        for function in functions:
            self.add(function)

    def __iter__(self) -> Iterator[str]:
        return iter(self._functions)

    def __len__(self) -> int:
        return len(self._functions)

    def __contains__(self, name: object) -> bool:
        return name in self._functions

    def __getitem__(self, name: str) -> Function:
        if name not in self._functions:
            raise VariableError(f"there is no function {name!r} in the catalogue", hint=nearest(name, self._functions))
        return self._functions[name]

    def add(self, function: Function) -> None:
        """Register a function.

        Parameters
        ----------
        function : Function
            What to register.

        Raises
        ------
        VariableError
            If the name is taken, the function takes other parameters than are described, or a choice lists nothing to choose from.
        """
        if function.name in self._functions:
            raise VariableError(f"the catalogue has a function {function.name!r} already", hint="choose another name")
        for name, parameter in function.parameters.items():
            if (parameter.kind == "choice") != bool(parameter.choices):
                raise VariableError(f"function {function.name!r}: parameter {name!r} lists choices exactly where it is a choice")
        taken = [item.name for item in inspect.signature(function.call).parameters.values() if item.kind is inspect.Parameter.KEYWORD_ONLY]
        if sorted(taken) != sorted(function.parameters):
            described = ", ".join(function.parameters) or "none"
            raise VariableError(
                f"function {function.name!r} takes the keywords {', '.join(taken) or 'none'}, but {described} are described"
            )
        self._functions[function.name] = function

    def function(
        self,
        *,
        description: Bilingual,
        parameters: Mapping[str, Parameter],
        name: str = "",
        examples: tuple[Example, ...] = (),
        scores: Mapping[str, float] | None = None,
        version: str = "1",
    ) -> Callable[[Callable], Callable]:
        """Return a decorator that registers a function here.

        Parameters
        ----------
        description : Bilingual
            One sentence.
        parameters : mapping of str to Parameter
            By name; the function takes them by keyword.
        name : str, optional
            The function's own name if empty.
        examples : tuple of Example
            Runnable.
        scores : mapping of str to float, optional
            Measured scores.
        version : str
            Changed whenever the function answers differently.

        Returns
        -------
        callable
            Gives the function back unchanged.

        Raises
        ------
        VariableError
            If the name is taken, or the function takes other parameters than are described.
        """

        def register(call: Callable) -> Callable:
            self.add(
                Function(
                    name=name or call.__name__,
                    call=call,
                    description=description,
                    parameters=dict(parameters),
                    examples=examples,
                    scores=dict(scores or {}),
                    version=version,
                )
            )
            return call

        return register

    def copy(self) -> Catalogue:
        """Return a catalogue of its own with the same functions."""
        return Catalogue(tuple(self._functions.values()))
