"""Studies as YAML files."""

from __future__ import annotations

import json
from collections.abc import Hashable
from pathlib import Path
from typing import Any, TypeVar

import yaml

from workbench.errors import DataError, DefinitionError
from workbench.outfile import write_whole
from workbench.risk.protocol.protocol import Protocol

__all__ = ["read_study", "write_study"]

_P = TypeVar("_P", bound=Protocol)


class _Loader(yaml.SafeLoader):
    """Refuses a key that stands twice, which YAML would let win silently."""


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    keys = [loader.construct_object(key, deep=True) for key, _ in node.value]
    if not all(isinstance(key, Hashable) for key in keys):
        raise DefinitionError(f"line {node.start_mark.line + 1} has a list or a mapping as a key", hint="a key is a word: key: value")
    twice = sorted({str(key) for key in keys if keys.count(key) > 1})
    if twice:
        raise DefinitionError(f"line {node.start_mark.line + 1} has {', '.join(twice)} twice", hint="keep one of them")
    return dict(zip(keys, (loader.construct_object(value, deep=True) for _, value in node.value), strict=True))


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def read_study(path: str | Path, kind: type[_P] = Protocol) -> _P:
    """Read a study from a YAML file.

    Parameters
    ----------
    path : str or Path
        The file; ``cohort`` may name the JSON file of a saved definition, beside it.
    kind : type
        What is made of it.

    Returns
    -------
    Protocol

    Raises
    ------
    DataError
        If a file cannot be read.
    DefinitionError
        If it is no study; the path of each wrong key is named.
    """
    path = Path(path)
    given = _parsed(path)
    if isinstance(given.get("cohort"), str):
        given["cohort"] = _cohort(path.parent / given["cohort"])
    return kind(**given)


def write_study(study: Protocol, path: str | Path) -> Path:
    """Write a study as YAML, whole or not at all; :func:`read_study` gives an equal one back."""
    text = yaml.safe_dump(study.plain(), allow_unicode=True, sort_keys=False, width=120)
    write_whole(Path(path), text)
    return Path(path)


def _parsed(path: Path) -> dict[str, Any]:
    try:
        given = yaml.load(path.read_text(encoding="utf-8"), _Loader)  # noqa: S506 - a SafeLoader
    except UnicodeDecodeError:
        raise DataError(f"the study {path} is not UTF-8 text", hint="save it as UTF-8") from None
    except OSError as error:
        raise DataError(f"the study {path} cannot be read: {error}") from error
    except yaml.YAMLError as error:
        raise DefinitionError(f"the study {path} is no YAML: {error}") from error
    if not isinstance(given, dict) or not all(isinstance(key, str) for key in given):
        raise DefinitionError(f"the study {path} holds no keys and values", hint="it begins with title:, outcome:, predictors:")
    return given


def _cohort(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"the cohort {path} cannot be read: {error}", hint="wb.cohort(...).save(file) writes one") from error
