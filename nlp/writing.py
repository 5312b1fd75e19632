"""Files that are there whole or not at all."""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["whole_file"]


@contextmanager
def whole_file(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a place beside a file to write to: what was written takes the file's place in one step, or nothing is left of it.

    Parameters
    ----------
    path : path
        The file; its folder exists.

    Yields
    ------
    Path
        In the same folder, hidden.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with whole_file(f"{folder}/a.txt") as aside:
    ...         _ = aside.write_text("all of it", encoding="utf-8")
    ...     print(Path(folder, "a.txt").read_text(encoding="utf-8"))
    all of it
    """
    path = Path(path)
    aside = path.with_name(f".{path.name}.{uuid4().hex[:12]}")
    try:
        yield aside
        with aside.open("rb") as written:
            os.fsync(written.fileno())
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
