"""The course and the templates as notebooks in the user's home: what a new session shows first."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

import jupytext

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["FOLDERS", "put_lessons"]

#: Folder of the library -> its name in the home, by language.
FOLDERS = {
    "notebooks": {"zh": "课程", "en": "course"},
    "templates": {"zh": "模板", "en": "templates"},
}
_KERNEL = {"name": "python3", "display_name": "Python 3", "language": "python"}


def put_lessons(library: Path, home: Path, language: str) -> list[Path]:
    """Put each lesson and each template that the home has not got yet into it, as a notebook.

    Parameters
    ----------
    library : Path
        The folder of our packages.
    home : Path
        The user's. What lies there already is the user's work and is left as it is.
    language : str
        "zh" or "en": names of the folders.

    Returns
    -------
    list of Path
        The notebooks that were written.
    """
    written = []
    for folder, names in FOLDERS.items():
        place = home / names.get(language, names["en"])
        for source in sorted((library / folder).glob("*.py")):
            target = place / f"{source.stem}.ipynb"
            if target.exists():
                continue
            notebook = jupytext.read(source, fmt="py:percent")
            notebook.metadata = {"kernelspec": _KERNEL}
            place.mkdir(exist_ok=True)
            aside = place / f".{uuid4().hex}.ipynb"  # a session that is stopped meanwhile leaves no half notebook
            jupytext.write(notebook, aside)
            aside.rename(target)
            written.append(target)
    return written
