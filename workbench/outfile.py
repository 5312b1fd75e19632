"""Files that a command writes: there whole or not at all, and never over what it read."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from workbench.errors import DefinitionError, EnvironmentFault
from workbench.locale import tr

__all__ = ["check_folder", "check_target", "write_whole"]


def check_target(target: Path | None, *sources: Path | None) -> None:
    """Refuse, before any work is done, a file that cannot be written or that is one of those read.

    Parameters
    ----------
    target : Path or None
        What is to be written, if anything.
    *sources : Path or None
        What is read.

    Raises
    ------
    DefinitionError
        If the target is a source.
    EnvironmentFault
        If it is a folder, or its folder is not there or cannot be written to.
    """
    if target is None:
        return
    if any(source is not None and target.exists() and source.exists() and target.samefile(source) for source in sources):
        raise DefinitionError(
            tr(f"{target} 是输入文件，写入会将其覆盖", f"{target} is read by this command: writing would replace it"),
            hint=tr("请指定另一个文件", "name another file"),
        )
    if target.is_dir():
        raise EnvironmentFault(tr(f"{target} 是文件夹", f"{target} is a folder"), hint=tr("请指定一个文件", "name a file"))
    if not target.parent.is_dir() or not os.access(target.parent, os.W_OK | os.X_OK):
        raise EnvironmentFault(
            tr(f"文件夹 {target.parent} 不存在或不可写", f"the folder {target.parent} is not there or cannot be written to"),
            hint=tr("请先建立文件夹，或指定其他位置", "make it first, or name another place"),
        )


def check_folder(folder: Path) -> None:
    """Refuse, before any work is done, a folder that cannot be made or written to.

    Parameters
    ----------
    folder : Path
        What is to hold the files; it need not be there.

    Raises
    ------
    EnvironmentFault
        If it, or what it would be made in, is no folder or cannot be written to.
    """
    nearest = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    if not nearest.is_dir() or not os.access(nearest, os.W_OK | os.X_OK):
        raise EnvironmentFault(
            tr(f"{nearest} 不是可写的文件夹", f"{nearest} is no folder that can be written to"),
            hint=tr("请指定另一个文件夹", "name another folder"),
        )


def write_whole(target: Path, text: str, *, encoding: str = "utf-8") -> None:
    """Write a file in one step; a killed process or a full disk leaves the old one.

    Parameters
    ----------
    target : Path
        The file; its folder exists.
    text : str
        Its content; lone surrogates, which cannot be written, become question marks.
    encoding : str, default "utf-8"
        The encoding.

    Raises
    ------
    EnvironmentFault
        If it cannot be written.
    """
    try:
        with tempfile.NamedTemporaryFile(
            "w", encoding=encoding, errors="replace", newline="", dir=target.parent, prefix=".part.", delete=False
        ) as aside:
            try:
                aside.write(text)
                aside.flush()
                os.fsync(aside.fileno())
                Path(aside.name).replace(target)
            except BaseException:
                Path(aside.name).unlink(missing_ok=True)
                raise
    except OSError as error:
        raise EnvironmentFault(
            tr(f"无法写入 {target}：{error.strerror}", f"{target} cannot be written: {error.strerror}"),
            hint=tr("请指定其他位置或腾出空间", "name another place, or make room"),
        ) from error
