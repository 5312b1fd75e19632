"""DICOMweb: search (QIDO-RS), retrieve (WADO-RS) and store (STOW-RS), byte for byte.

dicomweb-client finds and parses; files travel as they are, since what is parsed and written again is another file, and one part of a
message is in flight at a time, since what a server sends has no end that it must keep to. Source: DICOM PS3.18 section 10.
"""

from __future__ import annotations

import re
from collections import Counter
from contextlib import contextmanager
from email.message import Message
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from uuid import uuid4

import requests
from dicomweb_client import DICOMwebClient
from pydicom.datadict import keyword_for_tag, tag_for_keyword

from imaging.dicom.header import read_header
from imaging.errors import ImageDataError, PlaceError, TaskError

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from imaging.dicom.arrival import Arrival
    from imaging.dicom.inbox import Inbox, Outcome
    from imaging.errors import ImagingError

__all__ = ["LEVELS", "AnswersError", "DicomWeb", "Retrieved", "Stored"]

#: What can be searched for.
LEVELS = ("studies", "series", "instances")

_UID = re.compile(r"[0-9]+(\.[0-9]+)*")
_LONGEST_UID = 64
_CHUNK = 1 << 20
_MOST_HEAD_BYTES = 16 << 10  # of one part of a message
_MOST_ANSWER_BYTES = 4 << 20
_PAGE = 500
_CLOSED = (401, 403, 407)  # nobody is let in: asking again is of no use
_WARNINGS = frozenset(range(0xB000, 0xC000))  # stored, with changes (PS3.18 Table 10.5.3-2)


class Retrieved(NamedTuple):
    """What a retrieval did: instances that the server has, those that were here before, and how often each outcome was."""

    instances: int
    known: int
    outcomes: dict[str, int]


class Stored(NamedTuple):
    """What a server said of one file: whether it keeps it, and else the failure reason (0008,1197), 0 where it gave none."""

    path: str
    instance: str
    kept: bool
    reason: int


class AnswersError(PlaceError):
    """A service that answers with an error.

    Parameters
    ----------
    url : str
        The service.
    status : int
        Of HTTP.
    """

    def __init__(self, url: str, status: int) -> None:
        self.status = status
        why = "it lets in only whom it knows: check the credentials" if status in _CLOSED else "ask who runs the service"
        super().__init__(f"{url}: answers {status}", hint=why)


class DicomWeb:
    """A DICOMweb service.

    Parameters
    ----------
    url : str
        Of the service, ``http://archive:8042/dicom-web`` for instance; its last part leads to ``/studies``.
    session : requests.Session, optional
        With whatever the service asks of who may enter.
    wait_s : float, default 60
        For the next bytes.

    Raises
    ------
    TaskError
        If the address is none.
    """

    def __init__(self, url: str, *, session: requests.Session | None = None, wait_s: float = 60) -> None:
        self.url, self._wait_s = url.rstrip("/"), wait_s
        self._session = session or requests.Session()
        try:
            self._client = DICOMwebClient(self.url, session=self._session, timeout=wait_s)
        except (ValueError, AttributeError) as error:
            raise TaskError(f"found {url!r} as the address of a DICOMweb service", hint="http://HOST:PORT/dicom-web") from error
        self._client.set_http_retry_params(retry=False)

    def search(
        self, level: str, *, study: str = "", series: str = "", fields: Sequence[str] = (), most: int = 100_000, **filters: str
    ) -> list[dict[str, object]]:
        """Search.

        Parameters
        ----------
        level : str
            One of :data:`LEVELS`.
        study, series : str, optional
            UIDs of what is searched within.
        fields : sequence of str, optional
            Keywords that are asked for beside those that every server gives.
        most : int, default 100000
            Results beyond which the search is refused.
        **filters
            Keyword and what it has to match, ``StudyDate="20240101-20240131"`` for instance.

        Returns
        -------
        list of dict
            Keyword -> value, a list where there are several, for each result.

        Raises
        ------
        TaskError
            If a keyword, level or UID is none.
        PlaceError
            If the service does not answer, or refuses.
        ImageDataError
            If its answer is none, or has more results than wanted.
        """
        if level not in LEVELS:
            raise TaskError(f"found {level!r}", hint=f"one of {', '.join(LEVELS)}")
        for keyword in (*fields, *filters):
            if tag_for_keyword(keyword) is None:
                raise TaskError(f"found no attribute {keyword!r}", hint="a keyword of DICOM PS3.6")
        within = {name: _uid(value) for name, value in (("study_instance_uid", study), ("series_instance_uid", series)) if value}
        ask = getattr(self._client, f"search_for_{level}")
        found: list[dict[str, object]] = []
        while True:
            with self._answering():
                page = ask(**within, limit=_PAGE, offset=len(found), fields=list(fields) or None, search_filters=filters or None)
            rows = [_plain(row) for row in page]
            if rows and found[-len(rows) :] == rows:
                raise ImageDataError(
                    f"{self.url}: gives the same page of results again", hint="the server does not know offsets: narrow the search"
                )
            found += rows
            if len(found) > most:
                raise ImageDataError(f"{self.url}: gives more than {most} results", hint="narrow the search, or allow more")
            if len(rows) < _PAGE:
                return found

    def retrieve_series(
        self,
        study: str,
        series: str,
        inbox: Inbox,
        *,
        told: Callable[[Outcome], object] = lambda _: None,
        failed: Callable[[str, ImagingError], object] | None = None,
    ) -> Retrieved:
        """Retrieve what a folder does not have of a series; broken off at any time, the next call goes on.

        Parameters
        ----------
        study, series : str
            UIDs.
        inbox : Inbox
            Where instances go, checked to be those that were asked for.
        told : callable, optional
            Called with the outcome of each instance.
        failed : callable, optional
            Called with the UID of an instance that the service cannot give, and why, before the next one is asked for; without it the
            first ends the retrieval.

        Returns
        -------
        Retrieved
            Counts.

        Raises
        ------
        PlaceError
            If the service does not answer, refuses, or breaks off.
        ImageDataError
            If its answer is no multipart message of one instance.
        """
        uids = [_uid(str(row.get("SOPInstanceUID", ""))) for row in self.search("instances", study=study, series=series)]
        missing = [uid for uid in uids if not inbox.has(uid)]
        outcomes: Counter[str] = Counter()
        for uid in missing:
            try:
                outcome = self._retrieve(f"{self.url}/studies/{_uid(study)}/series/{_uid(series)}/instances/{uid}", uid, inbox)
            except (AnswersError, ImageDataError) as error:
                if failed is None or getattr(error, "status", 0) in _CLOSED:
                    raise
                failed(uid, error)
                continue
            outcomes[outcome.code] += 1
            told(outcome)
        return Retrieved(len(uids), len(uids) - len(missing), dict(outcomes))

    def store(self, paths: Iterable[str | os.PathLike[str]]) -> Iterator[Stored]:
        """Store files, each in a message of its own, so that each has its own answer.

        Parameters
        ----------
        paths : iterable of path
            DICOM files.

        Yields
        ------
        Stored
            For each file, once the server has answered.

        Raises
        ------
        PlaceError
            If the service does not answer, or takes nothing.
        ImageDataError
            If a file is no DICOM file, or the service's answer is none.
        """
        for path in paths:
            instance = str(read_header(path).values.get("sop_instance_uid", ""))
            boundary = uuid4().hex
            headers = {
                "Content-Type": f'multipart/related; type="application/dicom"; boundary={boundary}',
                "Accept": "application/dicom+json",
            }
            with (
                self._answering(),
                self._session.post(
                    f"{self.url}/studies", data=_message(Path(path), boundary), headers=headers, timeout=self._wait_s, stream=True
                ) as answer,
            ):
                if answer.status_code not in (200, 202, 409):
                    answer.raise_for_status()
                    raise AnswersError(self.url, answer.status_code)
                yield _result(str(path), instance, self._json(answer))

    def _retrieve(self, url: str, uid: str, inbox: Inbox) -> Outcome:
        arrival = inbox.arrival()
        try:
            headers = {"Accept": 'multipart/related; type="application/dicom"; transfer-syntax=*'}
            with self._answering(), self._session.get(url, headers=headers, timeout=self._wait_s, stream=True) as answer:
                answer.raise_for_status()
                _receive(answer, arrival, self.url)
        except BaseException:
            inbox.cut_off(arrival, instance=uid, sender=self.url)
            raise
        return inbox.keep(arrival, instance=uid, sender=self.url)

    def _json(self, answer: requests.Response) -> Mapping:
        data = answer.raw.read(_MOST_ANSWER_BYTES + 1, decode_content=True)
        answer._content = data[:_MOST_ANSWER_BYTES]
        found = answer.json() if len(data) <= _MOST_ANSWER_BYTES else None
        found = found[0] if isinstance(found, list) and found else found
        if not isinstance(found, dict):
            raise ImageDataError(f"{self.url}: the answer is no data set", hint="the address may be that of another service")
        return found

    @contextmanager
    def _answering(self) -> Iterator[None]:
        """Tell what goes wrong on the way as errors of ours."""
        try:
            yield
        except requests.HTTPError as error:
            raise AnswersError(self.url, error.response.status_code) from error
        except requests.JSONDecodeError as error:
            raise ImageDataError(f"{self.url}: the answer is no JSON", hint="the address may be that of another service") from error
        except requests.RequestException as error:
            hint = "run again when it is there: what has come stays"
            raise PlaceError(f"{self.url}: does not answer ({type(error).__name__})", hint=hint) from error


def _uid(value: str) -> str:
    if len(value) > _LONGEST_UID or not _UID.fullmatch(value):
        raise TaskError("found a UID that is none", hint="numbers and points, 64 characters at most")
    return value


def _plain(row: Mapping) -> dict[str, object]:
    """Return a result as keyword -> value (PS3.18 F.2)."""
    found: dict[str, object] = {}
    for tag, element in row.items():
        values = [_text(value) for value in element.get("Value", ())]
        if values:
            found[keyword_for_tag(int(tag, 16)) or tag] = values[0] if len(values) == 1 else values
    return found


def _text(value: object) -> object:
    return (
        "=".join(filter(None, (value.get(part) for part in ("Alphabetic", "Ideographic", "Phonetic"))))
        if isinstance(value, dict)
        else value
    )


def _receive(answer: requests.Response, arrival: Arrival, url: str) -> None:
    """Write the one instance of an answer, until its end or a limit."""
    kind = Message()
    kind["Content-Type"] = answer.headers.get("Content-Type", "")
    chunks = answer.iter_content(_CHUNK)
    if kind.get_content_type() == "multipart/related" and kind.get_param("boundary"):
        chunks = _only_part(chunks, str(kind.get_param("boundary")).encode(), url)
    elif kind.get_content_type() != "application/dicom":
        raise ImageDataError(f"{url}: answers {kind.get_content_type()}, wanted application/dicom")
    for data in chunks:
        arrival.write(data)
        if arrival.refused:
            return


def _only_part(chunks: Iterator[bytes], boundary: bytes, url: str) -> Iterator[bytes]:
    """Yield the bytes of the only part of a multipart message (RFC 2046, 5.1).

    Raises
    ------
    ImageDataError
        If the message has no part, another one, or ends within it.
    """
    held = b""
    while b"\r\n\r\n" not in held:
        data = next(chunks, b"")
        if not data or len(held) > _MOST_HEAD_BYTES:
            raise ImageDataError(f"{url}: the answer has no part that begins")
        held += data
    head, _, held = held.partition(b"\r\n\r\n")
    if b"--" + boundary not in head:
        raise ImageDataError(f"{url}: the answer does not begin with its boundary")
    end = b"\r\n--" + boundary
    while end not in held:
        keep = max(len(held) - len(end) + 1, 0)
        yield held[:keep]
        data = next(chunks, b"")
        if not data:
            raise ImageDataError(f"{url}: the answer ends within an instance", hint="run again: it goes on")
        held = held[keep:] + data
    last, _, after = held.partition(end)
    yield last
    after += b"".join(chunks) if len(after) < len(b"--") else b""
    if not after.startswith(b"--"):
        raise ImageDataError(f"{url}: the answer has more than the one instance that was asked for")


def _message(path: Path, boundary: str) -> Iterator[bytes]:
    yield f"--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode()
    with path.open("rb") as file:
        while data := file.read(_CHUNK):
            yield data
    yield f"\r\n--{boundary}--\r\n".encode()


def _result(path: str, instance: str, answer: Mapping) -> Stored:
    """Read what a server says of one instance (PS3.18 10.5.3): it is kept only where it is named as kept."""
    kept = any(_value(item, "00081155") == instance for item in answer.get("00081199", {}).get("Value", ()))
    failed = [_value(item, "00081197") for item in answer.get("00081198", {}).get("Value", ())]
    reason = next((int(each) for each in failed if isinstance(each, int)), 0)
    return Stored(path, instance, kept and (not failed or reason in _WARNINGS), reason)


def _value(item: Mapping, tag: str) -> object:
    return next(iter(item.get(tag, {}).get("Value", ())), None)
