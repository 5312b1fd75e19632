"""Trained models on disk: a folder with a card, the hash of each file and no pickle.

A folder is written aside and renamed, so that a killed process leaves the old model or the new one. Replacing a model takes two renames;
killed between them, the old model lies aside, and whoever opens or writes the model next puts it back. Opening checks every byte.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import re
import shutil
import time
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, fields, replace
from importlib import import_module, metadata
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from nlp.errors import ModelError, PlaceError, TextDataError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from nlp.entities import Example, Tagger

__all__ = [
    "CARD",
    "KINDS",
    "ModelCard",
    "check_files",
    "check_free",
    "describe_data",
    "open_card",
    "open_model",
    "package_versions",
    "read_card",
    "write_model",
]

#: The card's name in a model's folder.
CARD = "card.json"

#: Kind -> class that opens it, by ``Class.open(folder, card)``. Imported on use only: the encoder's needs torch.
KINDS: dict[str, str] = {
    "crf": "nlp.entities.crf:CrfTagger",
    "encoder": "nlp.entities.encoder:EncoderTagger",
    "ensemble": "nlp.entities.ensemble:EnsembleTagger",
}

#: How long a writer that is alive may take between its two renames.
_GAP = 0.5

_RETRAIN = "copy the model's folder again from where it was trained, or train it anew"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCard:
    """What a model is, what it learnt from, how good it is and what it is for.

    Parameters
    ----------
    name : str
        Short name, part of every result's source.
    kind : str
        A key of :data:`KINDS`.
    labels : tuple of str
        Labels that it can give, sorted.
    data : dict
        What it learnt from: name, n_texts, n_entities, groups, sha256 (see :func:`describe_data`).
    metrics : dict
        How it was measured and the scores with their intervals, as ``nlp.entities.evaluation`` writes them.
    licence : str
        Of the model; that of its corpus where it is not known.
    intended_use : str
        One sentence.
    settings : dict
        Everything besides the data that decides the model's bytes, seed included.
    packages : dict
        Package -> version it was trained with.
    version : str
        First 12 hexadecimal digits of the hash over the files; set by :func:`write_model`.
    files : dict
        File relative to the folder -> SHA-256; set by :func:`write_model`.
    """

    name: str
    kind: str
    labels: tuple[str, ...]
    data: dict = field(default_factory=dict)
    metrics: dict = field(default_factory=dict)
    licence: str = ""
    intended_use: str = ""
    settings: dict = field(default_factory=dict)
    packages: dict = field(default_factory=dict)
    version: str = ""
    files: dict[str, str] = field(default_factory=dict)

    @property
    def source(self) -> str:
        """Name and hash, as written into results."""
        return f"{self.name}@{self.version}"


def describe_data(examples: Sequence[Example], *, name: str) -> dict:
    """Return what a card says of a corpus.

    Parameters
    ----------
    examples : sequence of Example
        The corpus.
    name : str
        What it is called.

    Returns
    -------
    dict
        name, n_texts, n_entities, n_characters, groups and the SHA-256 of all texts and entities in their order.

    Examples
    --------
    >>> from nlp.entities import Example
    >>> describe_data([Example("腹痛")], name="one")["n_characters"]
    2
    """
    digest = hashlib.sha256()
    for example in examples:
        spans = [entity[:3] for entity in example.entities]
        digest.update(json.dumps([example.text, spans, example.group]).encode("ascii") + b"\n")
    return {
        "name": name,
        "n_texts": len(examples),
        "n_entities": sum(len(example.entities) for example in examples),
        "n_characters": sum(len(example.text) for example in examples),
        "groups": len({example.group or number for number, example in enumerate(examples)}),
        "sha256": digest.hexdigest(),
    }


def package_versions(names: Iterable[str]) -> dict[str, str]:
    """Return the installed version of each package that is there.

    Parameters
    ----------
    names : iterable of str
        Distribution names.

    Returns
    -------
    dict
        Name -> version.
    """
    return {name: version for name in names if (version := _version_of(name))}


def write_model(folder: Path | str, card: ModelCard, write_files: Callable[[Path], None], *, force: bool = False) -> ModelCard:
    """Write a model's folder in one step.

    Parameters
    ----------
    folder : Path or str
        Where the model is to lie; its parent is made.
    card : ModelCard
        Without `version` and `files`, which are set here.
    write_files : callable
        Takes an empty folder and writes the model's files into it, sub-folders included.
    force : bool, default False
        Whether a model that lies there is replaced.

    Returns
    -------
    ModelCard
        As written.

    Raises
    ------
    TextDataError
        If something lies at `folder` that is no model, or is one and `force` is False.
    PlaceError
        If the place cannot be written.
    """
    folder = Path(folder)
    check_free(folder, force=force)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        _sweep(folder)
        with _aside(folder) as aside:
            write_files(aside)
            card = _sealed(card, aside)
            (aside / CARD).write_text(_card_text(card), encoding="utf-8")
            _sync(aside)
            check_free(folder, force=force)
            _move(aside, folder)
    except OSError as error:
        raise _unwritable(folder, error) from error
    return card


@contextmanager
def _aside(folder: Path) -> Iterator[Path]:
    """Give an empty folder beside the model's place, locked while its writer lives; what is left of it at the end is removed."""
    aside = folder.parent / f".{folder.name}.{uuid4().hex}.part"
    aside.mkdir()
    with _opened(aside) as lock:
        with suppress(OSError):  # some network file systems cannot lock a folder: it is then never swept
            fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            yield aside
        finally:
            shutil.rmtree(aside, ignore_errors=True)


def _unwritable(folder: Path, error: OSError) -> PlaceError:
    return PlaceError(f"{folder} cannot be written ({error.strerror or error})", hint="choose another place, or make room")


def check_free(folder: Path, *, force: bool = False) -> None:
    """Refuse a place where something lies that must not be written over.

    Parameters
    ----------
    folder : Path
        Where a model is to lie.
    force : bool, default False
        Whether a model may be replaced; anything else never is.

    Raises
    ------
    TextDataError
        If the place is taken.
    PlaceError
        If nothing can be written there, which is better known before a training than after it.
    """
    try:
        _restore(folder)
        _check_writable(folder)
    except OSError as error:
        raise _unwritable(folder, error) from error
    if not folder.exists() and not folder.is_symlink():
        return
    if folder.is_dir() and not folder.is_symlink() and not any(folder.iterdir()):
        return
    if not (folder / CARD).is_file():
        raise TextDataError(f"{folder} is taken by something that is no model", hint="choose another place")
    if not force:
        raise TextDataError(f"{folder} is a model already", hint="choose another place, or replace it with --force")


def read_card(folder: Path | str) -> ModelCard:
    """Read and check a model's card, not its files.

    Parameters
    ----------
    folder : Path or str
        The model.

    Returns
    -------
    ModelCard
        As written.

    Raises
    ------
    ModelError
        If there is no card, or it was changed.
    """
    path = Path(folder) / CARD
    with suppress(OSError):
        _restore(path.parent)
    try:
        text = path.read_text(encoding="utf-8")
        record = json.loads(text)
    except OSError as error:
        raise ModelError(
            f"{folder} is no model: {CARD} cannot be read ({type(error).__name__})", hint="give the folder that training wrote"
        ) from error
    except ValueError as error:
        raise ModelError(f"{path} is no JSON: it was changed after training", hint=_RETRAIN) from error
    names = {each.name for each in fields(ModelCard)}
    if not isinstance(record, dict) or set(record) != names | {"sha256"}:
        raise ModelError(
            f"{path} has other fields than a model's card of this version",
            hint="it was changed, or another version of the workbench wrote it: train it anew",
        )
    seal = record.pop("sha256")
    if not isinstance(record["labels"], list):
        raise ModelError(f"{path} was changed after training", hint=_RETRAIN)
    card = ModelCard(**record | {"labels": tuple(record["labels"])})
    if seal != _seal(card):
        raise ModelError(f"{path} was changed after training", hint=_RETRAIN)
    return card


def open_card(folder: Path | str) -> ModelCard:
    """Read a model's card and check every byte that it speaks of.

    Parameters
    ----------
    folder : Path or str
        As :func:`write_model` left it.

    Returns
    -------
    ModelCard
        As written.

    Raises
    ------
    ModelError
        If the card or a file is missing or changed, or a file is not in the card.
    """
    card = read_card(folder)
    check_files(Path(folder), card)
    return card


def open_model(folder: Path | str) -> Tagger:
    """Open a model after checking every byte of it.

    Parameters
    ----------
    folder : Path or str
        As :func:`write_model` left it.

    Returns
    -------
    Tagger
        The tagger of the card's kind.

    Raises
    ------
    ModelError
        If a file is missing, changed, or not in the card, naming it; or if the kind is not known.
    """
    folder = Path(folder)
    card = open_card(folder)
    if card.kind not in KINDS:
        raise ModelError(f"{folder} is of the kind {card.kind!r}, which this version cannot open", hint=f"it knows {', '.join(KINDS)}")
    module, name = KINDS[card.kind].split(":")
    return getattr(import_module(module), name).open(folder, card)


def check_files(folder: Path, card: ModelCard) -> None:
    """Compare every file of a folder with the card.

    Parameters
    ----------
    folder : Path
        The model.
    card : ModelCard
        Its card.

    Raises
    ------
    ModelError
        If one is missing, changed, or not in the card.
    """
    there = _files(folder)
    for name in sorted(card.files.keys() - there):
        raise ModelError(f"{folder / name} is missing", hint=_RETRAIN)
    for name in sorted(there - card.files.keys()):
        raise ModelError(f"{folder / name} is not in the model's card", hint="take it away: a model's folder holds nothing else")
    for name, wanted in card.files.items():
        if _hash(folder / name) != wanted:
            raise ModelError(f"{folder / name} was changed after training", hint=_RETRAIN)


def _version_of(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def _sealed(card: ModelCard, folder: Path) -> ModelCard:
    files = {name: _hash(folder / name) for name in sorted(_files(folder))}
    digest = hashlib.sha256("\n".join(f"{sha} {name}" for name, sha in files.items()).encode("utf-8")).hexdigest()
    return replace(card, version=digest[:12], files=files)


def _seal(card: ModelCard) -> str:
    return hashlib.sha256(json.dumps(asdict(card), sort_keys=True).encode("ascii")).hexdigest()


def _card_text(card: ModelCard) -> str:
    return json.dumps(asdict(card) | {"sha256": _seal(card)}, ensure_ascii=False, indent=2) + "\n"


def _files(folder: Path) -> set[str]:
    """Return every file below a folder but its card; a link counts as a file, so that it is refused."""
    found = (path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir())
    return {path.relative_to(folder).as_posix() for path in found} - {CARD}


def _hash(path: Path) -> str:
    if path.is_symlink():
        raise ModelError(f"{path} is a link", hint="a model's folder holds plain files only")
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(folder: Path) -> None:
    """Bring every file to the disk before the rename makes it the model."""
    for path in (*folder.rglob("*"), folder):
        with _opened(path) as descriptor:
            os.fsync(descriptor)


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    """Open a file or a folder, which ``open`` cannot."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _move(aside: Path, folder: Path) -> None:
    if not folder.exists():
        aside.rename(folder)
        return
    old = folder.parent / f".{folder.name}.{uuid4().hex}.old"
    folder.rename(old)
    try:
        aside.rename(folder)
    except OSError:
        old.rename(folder)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _beside(folder: Path, kind: str) -> list[Path]:
    """Return what writers of a model left beside it."""
    pattern = re.compile(rf"\.{re.escape(folder.name)}\.[0-9a-f]{{32}}\.{kind}")
    if not folder.parent.is_dir():
        return []
    return [path for path in folder.parent.iterdir() if pattern.fullmatch(path.name)]


def _restore(folder: Path) -> None:
    """Put the old model back where its writer was killed between the two renames that replace it."""
    if folder.exists() or not _beside(folder, "old"):
        return
    time.sleep(_GAP)  # a writer that is alive is through by then
    for old in sorted(_beside(folder, "old"), key=lambda path: -path.stat().st_mtime):
        if folder.exists():
            return
        with suppress(ModelError):
            open_card(old)
            old.rename(folder)


def _sweep(folder: Path) -> None:
    """Remove what killed writers left: folders that no living process locks, and models that were replaced."""
    for part in _beside(folder, "part"):
        with suppress(OSError), _opened(part) as lock:  # its writer lives, or folders cannot be locked here
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(part, ignore_errors=True)
    if (folder / CARD).is_file():
        for old in _beside(folder, "old"):
            shutil.rmtree(old, ignore_errors=True)


def _check_writable(folder: Path) -> None:
    """Raise the error that writing a model here will meet, as far as it can be foreseen without writing."""
    above = next(parent for parent in folder.absolute().parents if parent.exists())
    if not above.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
    if not os.access(above, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, "it is read-only or not permitted")
    (above / f".{folder.name}.{'0' * 32}.part").exists()  # raises where the name is too long
