"""Files sent to a DICOMweb server, each once: what the server acknowledged is in a journal, and a run that was killed goes on."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

import requests

from imaging.dicom.dicomweb import DicomWeb
from imaging.dicom.header import read_header
from imaging.dicom.refusals import Refusal
from workbench.errors import DataError, DefinitionError, EnvironmentFault
from workbench.journal import append_entry, read_entries
from workbench.locale import tr
from workbench.series.words import file_words
from workbench.session import in_session

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["CREDENTIALS", "FAILURES", "JOURNAL", "Sent", "check_target", "files_of", "send", "service"]

#: Environment variable that holds credentials where no file is named.
CREDENTIALS = "WORKBENCH_DICOMWEB_CREDENTIALS"

#: Journal in the folder that is sent.
JOURNAL = "sent.jsonl"

#: Failure reason (DICOM PS3.18, Table 10.5.3-2; PS3.7 C) -> Chinese, English.
FAILURES = {
    0x0000: ("服务器未说明原因", "the server gave no reason"),
    0x0110: ("处理失败", "processing failure"),
    0x0122: ("不接受这类对象", "SOP class not supported"),
    0x0124: ("未获授权", "not authorised"),
    0xA700: ("资源不足", "out of resources"),
    0xA900: ("内容与对象类别不符", "the data set does not match its SOP class"),
    0xC000: ("无法理解", "cannot be understood"),
    0xC122: ("不接受其传输语法", "transfer syntax not supported"),
}

#: Reasons of a file that is none, rather than a broken one.
_NO_DICOM = ("not-dicom", "empty", "archive")

_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_TOKEN = re.compile(r"Bearer [!-~]+")


class Sent(NamedTuple):
    """What became of a file: sent, refused, unchanged (sent before), broken or not_dicom; the instance, and why it was not sent."""

    path: Path
    outcome: str
    instance: str = ""
    why: str = ""


def check_target(url: str, credentials: Path | None) -> requests.Session:
    """Return a session for a server that may be sent to, with its credentials.

    Parameters
    ----------
    url : str
        Of the DICOMweb service.
    credentials : Path, optional
        File that only its owner can read, with ``USER:PASSWORD`` or ``Bearer TOKEN``; the variable :data:`CREDENTIALS` else, if any.

    Raises
    ------
    EnvironmentFault
        In a sealed session, which has no network.
    DefinitionError
        If the address holds credentials, or they would travel unencrypted.
    DataError
        If the file cannot be read, others can read it, or it holds something else.
    """
    if in_session():
        raise EnvironmentFault(
            tr("封闭会话没有网络，不能发送影像", "a sealed session has no network: nothing can be sent from it"),
            hint=tr("申请出域；由数据中心在会话外发送", "ask for a release; the data centre sends from outside"),
        )
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.password:
        raise DefinitionError(
            tr("地址应为不含用户名的 http(s) 地址", "wanted an http or https address without a user in it"),
            hint=f"https://archive:8443/dicom-web; --credentials FILE, {CREDENTIALS}",
        )
    session, secret = requests.Session(), _secret(credentials)
    if secret and parts.scheme == "http" and parts.hostname not in _LOOPBACK:
        raise DefinitionError(
            tr("用户名与密码不能经未加密的 http 发送", "credentials are not sent over http, unencrypted"), hint="https://..."
        )
    if _TOKEN.fullmatch(secret):
        session.headers["Authorization"] = secret
    elif secret:
        user, colon, password = secret.partition(":")
        if not (user and colon):
            raise DataError(tr("凭据格式不对", "the credentials are of another form"), hint="USER:PASSWORD, or Bearer TOKEN")
        session.auth = (user.encode(), password.encode())
    return session


def _secret(file: Path | None) -> str:
    if file is None:
        return os.environ.get(CREDENTIALS, "").strip()
    try:
        if file.stat().st_mode & 0o077:
            raise DataError(tr(f"{file} 可被他人读取", f"{file} can be read by others"), hint=f"chmod 600 {file}")
        return file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(tr(f"无法读取 {file}", f"{file} cannot be read")) from error


def service(url: str, session: requests.Session) -> DicomWeb:
    """Return the service at an address.

    Parameters
    ----------
    url : str
        Of the DICOMweb service.
    session : Session
        Of :func:`check_target`.
    """
    return DicomWeb(url, session=session)


def files_of(places: Iterable[Path]) -> list[Path]:
    """Return files, those of folders with them, hidden ones left out.

    Parameters
    ----------
    places : iterable of Path
        Files and folders.

    Raises
    ------
    DataError
        If one is not there.
    """
    found: dict[Path, None] = {}
    for place in places:
        if not place.exists():
            raise DataError(tr(f"{place} 不存在", f"{place} is not there"))
        inside = sorted(path for path in place.rglob("[!.]*") if path.is_file()) if place.is_dir() else [place]
        found |= dict.fromkeys(inside)
    return list(found)


def send(files: Iterable[Path], web: DicomWeb, journal: Path) -> Iterator[Sent]:
    """Send files that the server has not acknowledged before.

    Parameters
    ----------
    files : iterable of Path
        DICOM files; others are passed over.
    web : DicomWeb
        The server.
    journal : Path
        What it acknowledged, by its address, instance and the file's SHA-256.

    Yields
    ------
    Sent
        For each file, once it is settled.

    Raises
    ------
    PlaceError
        If the server does not answer: the journal stays, and the next run goes on.
    """
    done = {(entry.get("to"), entry.get("instance"), entry.get("sha256")) for entry in read_entries(journal).entries if entry.get("kept")}
    for path in files:
        try:
            instance = str(read_header(path).values.get("sop_instance_uid", ""))
        except Refusal as refusal:
            yield Sent(path, "not_dicom") if refusal.reason in _NO_DICOM else Sent(path, "broken", why=file_words(refusal.reason))
            continue
        digest = _digest(path)
        if (web.url, instance, digest) in done:
            yield Sent(path, "unchanged", instance)
            continue
        (answer,) = web.store([path])
        append_entry(journal, {"to": web.url, "instance": instance, "sha256": digest, "kept": answer.kept, "reason": answer.reason})
        if answer.kept:
            done.add((web.url, instance, digest))
        why = "" if answer.kept else tr(*FAILURES.get(answer.reason, FAILURES[0])) + f" ({answer.reason:04X})"
        yield Sent(path, "sent" if answer.kept else "refused", instance, why)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
