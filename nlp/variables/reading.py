"""Variables in YAML: read with the place of every mistake, written so that reading gives the same again.

A broken variable is refused with its place, and the rest of the file goes on. Anchors, tags and keys that stand twice are refused; only
true, false, null and numbers are anything but text, so that 否, no and 2024-03-05 stay what they are.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import yaml

from nlp.errors import VariableError
from nlp.variables.checks import check_variable
from nlp.variables.definition import SCHEMA, Bilingual, Variable, plain
from nlp.variables.sets import VariableSet
from nlp.variables.shapes import Problem, read_title, read_variable
from nlp.variables.vocabulary import Vocabulary, nearest, standard_vocabulary
from nlp.writing import whole_file

if TYPE_CHECKING:
    import os

__all__ = ["MAX_BYTES", "Loaded", "dump_yaml", "load_set", "parse_set", "save_set"]

#: Largest file that is read.
MAX_BYTES = 8 * 2**20

_MAX_DEPTH = 12
_HEADER = ("schema", "name", "version", "title", "variables")


class Loaded(NamedTuple):
    """A set as far as it could be read, and an error for each variable that could not."""

    set: VariableSet
    refused: tuple[VariableError, ...] = ()


class _Loader(yaml.SafeLoader):
    """Text stays text but for true, false, null and numbers; no anchors; no key twice."""

    yaml_implicit_resolvers: dict = {}  # noqa: RUF012  (filled below, as yaml wants it)

    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.peek_event()
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise yaml.MarkedYAMLError(problem="anchors and aliases are not read", problem_mark=event.start_mark)
        self.depth = getattr(self, "depth", 0) + 1
        if self.depth > _MAX_DEPTH:
            raise yaml.MarkedYAMLError(problem="nested too deep", problem_mark=event.start_mark)
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        seen = set()
        for key, _ in node.value:
            name = self.construct_object(key, deep=True)
            if not isinstance(name, str | int | float | bool | None) or name in seen:
                raise yaml.MarkedYAMLError(problem="a key stands twice, or is no plain text", problem_mark=key.start_mark)
            seen.add(name)
        return super().construct_mapping(node, deep)


# Fewer than YAML 1.1 knows: no yes and no, no octal, no 12:30 in sixties, no dates.
for _tag, _pattern, _first in (
    ("bool", r"true|false", "tf"),
    ("null", r"null|~|", ["n", "~", ""]),
    ("int", r"-?(?:0|[1-9][0-9]{0,17})", "-0123456789"),
    ("float", r"-?(?:0|[1-9][0-9]{0,17})\.[0-9]{1,18}(?:e[-+][0-9]{1,3})?", "-0123456789"),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(rf"(?:{_pattern})\Z"), _first)


def load_set(path: str | os.PathLike[str], *, vocabulary: Vocabulary | None = None) -> Loaded:
    """Read a set of variables from a file.

    Parameters
    ----------
    path : path
        UTF-8, by the form that :mod:`nlp.variables` describes.
    vocabulary : Vocabulary, optional
        The names that variables may use; those of this package if not said.

    Returns
    -------
    Loaded
        The set, and what was refused.

    Raises
    ------
    VariableError
        If the file as a whole cannot be read.
    """
    path = Path(path)
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise VariableError(f"{path.name}: found {size} bytes, wanted at most {MAX_BYTES}")
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as reason:
        raise VariableError(f"{path.name}: cannot be read as UTF-8 text ({type(reason).__name__})") from None
    return parse_set(text, source=path.name, vocabulary=vocabulary)


def parse_set(text: str, *, source: str = "variables", vocabulary: Vocabulary | None = None) -> Loaded:
    r"""Read a set of variables from YAML text.

    Parameters
    ----------
    text : str
        The YAML.
    source : str
        How errors name it.
    vocabulary : Vocabulary, optional
        The names that variables may use; those of this package if not said.

    Returns
    -------
    Loaded
        The set, and what was refused.

    Raises
    ------
    VariableError
        If the text as a whole cannot be read.

    Examples
    --------
    >>> loaded = parse_set("schema: clinical-variables/1\nname: x\nvariables:\n- {name: cough, target: {term: [咳嗽]}}")
    >>> print(loaded.refused[0])
    variables:4: variable 'cough', target.term: no such field
      -> did you mean terms?
    """
    try:
        loader = _Loader(text)
        header, items = _split(loader, loader.get_single_node())
    except yaml.YAMLError as error:
        raise VariableError(f"{source}:{_line(error)}: {_yaml_problem(error)}") from None
    except Problem as problem:
        raise VariableError(f"{source}: {problem.path}: {problem.message}", hint=problem.hint) from None
    vocabulary = vocabulary or standard_vocabulary()
    variables: dict[str, Variable] = {}
    refused = []
    for item in items:
        raw = None
        try:
            raw = loader.construct_document(item)
            variable = _variable(raw, vocabulary, variables)
        except yaml.YAMLError as error:
            refused.append(VariableError(f"{source}:{_line(error)}: {_yaml_problem(error)}"))
        except Problem as problem:
            refused.append(_refusal(f"{source}:{item.start_mark.line + 1}", raw, problem))
        else:
            variables[variable.name] = variable
    return Loaded(VariableSet(variables=tuple(variables.values()), **header), tuple(refused))


def _variable(raw: Any, vocabulary: Vocabulary, before: dict[str, Variable]) -> Variable:
    variable = read_variable(raw)
    if variable.name in before:
        raise Problem("name", "another variable before it has the same name")
    check_variable(variable, vocabulary=vocabulary)
    return variable


def _refusal(place: str, raw: Any, problem: Problem) -> VariableError:
    name = raw.get("name") if isinstance(raw, dict) else None
    who = f"variable {name!r}" if isinstance(name, str) else "a variable without a name"
    return VariableError(f"{place}: {who}, {problem.path or 'as a whole'}: {problem.message}", hint=problem.hint)


def _split(loader: _Loader, root: yaml.Node | None) -> tuple[dict[str, Any], list[yaml.Node]]:
    """Return the header, and the node of each variable: each is made on its own, so that one mistake costs one variable."""
    if not isinstance(root, yaml.MappingNode):
        raise Problem("the file", f"wanted a mapping with {', '.join(_HEADER)}")
    parts: dict[str, yaml.Node] = {}
    for key, node in root.value:
        if not isinstance(key, yaml.ScalarNode):
            raise Problem(f"line {key.start_mark.line + 1}", f"found a list or a mapping as a field, wanted one of {', '.join(_HEADER)}")
        if key.value not in _HEADER or key.value in parts:
            raise Problem(str(key.value), "stands twice" if key.value in parts else "no such field", nearest(str(key.value), _HEADER))
        parts[key.value] = node
    plain_text = {name: node.value for name, node in parts.items() if isinstance(node, yaml.ScalarNode)}
    if plain_text.get("schema") != SCHEMA:
        raise Problem("schema", f"wanted {SCHEMA}", f"write  schema: {SCHEMA}  on the first line")
    if not plain_text.get("name"):
        raise Problem("name", "is missing")
    listed = parts.get("variables")
    if not isinstance(listed, yaml.SequenceNode):
        raise Problem("variables", "wanted a list of variables")
    try:
        title = read_title(loader.construct_document(parts["title"])) if "title" in parts else Bilingual()
    except Problem as problem:
        raise problem.below("title") from None
    return {"name": plain_text["name"], "version": plain_text.get("version", ""), "title": title}, listed.value


def _line(error: yaml.YAMLError) -> int:
    mark = getattr(error, "problem_mark", None)
    return mark.line + 1 if mark else 1


def _yaml_problem(error: yaml.YAMLError) -> str:
    """Say what is wrong without a word of the file."""
    return getattr(error, "problem", None) or "characters that YAML does not allow"


def dump_yaml(variables: VariableSet) -> str:
    """Write a set as YAML; reading it gives an equal set.

    Parameters
    ----------
    variables : VariableSet
        What to write.

    Returns
    -------
    str
        The YAML.
    """
    whole: dict[str, Any] = {"schema": SCHEMA, "name": variables.name}
    if variables.version:
        whole["version"] = variables.version
    if any(variables.title):
        whole["title"] = {key: text for key, text in variables.title._asdict().items() if text}
    whole["variables"] = [_form(variable) for variable in variables]
    return yaml.dump(whole, Dumper=_Dumper, allow_unicode=True, sort_keys=False, width=140)


def _form(variable: Variable) -> dict[str, Any]:
    """Return the mapping of a variable as the form has it: the name first, categories by name."""
    out = plain(variable)
    if "categories" in out.get("value", {}):
        categories = out["value"]["categories"]
        out["value"]["categories"] = {
            item["name"]: {key: value for key, value in item.items() if key != "name"} if "assertion" in item else item["words"]
            for item in categories
        }
    return out


class _Dumper(yaml.SafeDumper):
    """Never writes anchors."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002  (the signature is yaml's)
        return True


def save_set(variables: VariableSet, path: str | os.PathLike[str]) -> None:
    """Write a set to a file in one step: a reader sees the old file or the new one.

    Parameters
    ----------
    variables : VariableSet
        What to write.
    path : path
        The file; its folder exists.
    """
    with whole_file(path) as aside:
        aside.write_text(dump_yaml(variables), encoding="utf-8")
