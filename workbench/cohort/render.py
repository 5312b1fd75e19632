"""Pages and parts of pages from the templates beside this module; every value is escaped."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from workbench.locale import get_language, tr

__all__ = ["render"]


def render(template: str, **values: object) -> Markup:
    """Fill one template of the folder ``pages``.

    Parameters
    ----------
    template : str
        Name of the file, such as ``baseline.html.j2``.
    **values
        What it shows; text is escaped, Markup is taken as it is. A name that the template asks for and nobody gave is an error.

    Returns
    -------
    Markup
        HTML, in the language in force.
    """
    return Markup(_environment().get_template(template).render(language=get_language(), **values))  # noqa: S704 - Jinja escaped every value


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["tr"] = tr
    return environment
