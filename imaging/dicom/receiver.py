"""A C-STORE and C-ECHO service: instances from scanners and archives into a folder, acknowledged once they are safe on the disk.

Bytes are written as they arrive, unread and unchanged; what is wrong with them is found afterwards. Sources: DICOM PS3.4 B.2.3 (statuses of
C-STORE), PS3.7 C.5 (those of any service), PS3.8 9.3 (association).
"""

from __future__ import annotations

import signal
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pynetdicom import AE, ALL_TRANSFER_SYNTAXES, AllStoragePresentationContexts, evt
from pynetdicom.sop_class import Verification

from imaging.dicom.inbox import Inbox, Outcome
from imaging.dicom.wire import LONGEST_PDU_BYTES, StoreProvider, close, guard
from imaging.errors import PlaceError, TaskError

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Collection, Iterator

    from pynetdicom.association import Association
    from pynetdicom.events import Event
    from pynetdicom.transport import ThreadedAssociationServer

__all__ = ["STATUS", "Receiver", "receive", "serve"]

#: What a sender is answered: outcome of :data:`imaging.dicom.inbox.OUTCOMES` -> status. Both versions of a conflict are kept: success.
STATUS = {
    "stored": 0x0000,
    "duplicate": 0x0000,
    "conflict": 0x0000,
    "quarantined": 0xC000,  # Error: Cannot understand
    "mismatch": 0xA900,  # Error: Data Set does not match SOP Class
    "no-room": 0xA700,  # Refused: Out of Resources
    "too-long": 0xA700,
    "cut-off": 0xC000,
    "unwritable": 0x0110,  # Processing failure
}

_LONGEST_TITLE = 16  # PS3.5 6.2, AE
_POLL_S = 0.05
#: A peer has this long to ask for an association; of those that have not yet asked, so many are held: the oldest one goes first.
_ASK_S, _MOST_SILENT = 10.0, 64


class Entity(AE):
    """Ours: what counts towards its limit is associations, not every connection that somebody holds open."""

    @property
    def active_associations(self) -> list[Association]:
        """Those that were agreed on."""
        return [each for each in self.connections if each.is_established]

    @property
    def connections(self) -> list[Association]:
        """All, from the oldest on."""
        return super().active_associations


class _Contexts(list):
    """What we take, the same for all: pynetdicom copies thousands of names for each connection, a tenth of a second."""

    def __deepcopy__(self, _: dict) -> _Contexts:
        return self


class Receiver:
    """A running service.

    Parameters
    ----------
    inbox : Inbox
        Where instances go.
    told : callable
        Called with each outcome, from the thread of its association.
    """

    def __init__(self, inbox: Inbox, told: Callable[[Outcome], object]) -> None:
        self.inbox = inbox
        self.port = 0
        self._told = told
        self._server: ThreadedAssociationServer | None = None

    def start(self, ae: Entity, host: str, port: int, title: str) -> None:
        """Listen.

        Parameters
        ----------
        ae : Entity
            Ours.
        host : str
            Address of the network that is listened to.
        port : int
            0 for any that is free.
        title : str
            Ours.
        """
        handlers = [
            (evt.EVT_CONN_OPEN, self._opened, [ae]),
            (evt.EVT_C_ECHO, lambda _: 0x0000),
            (evt.EVT_C_STORE, self._stored),
        ]
        try:
            self._server = ae.start_server((host, port), block=False, evt_handlers=handlers, ae_title=title)
        except OSError as error:
            raise PlaceError(f"{host}:{port} cannot be listened to ({error.strerror})", hint="choose another port or address") from error
        self._server.contexts = _Contexts(self._server.contexts)
        self.port = self._server.server_address[1]

    def stop(self, ae: Entity, grace_s: float) -> None:
        """Take no new associations, let messages that have begun come to their answer, then end.

        Parameters
        ----------
        ae : Entity
            Ours.
        grace_s : float
            How long messages may take.
        """
        self._server.shutdown()
        associations = ae.connections
        for association in associations:
            association.dimse.ending = True
            if not association.is_established:
                close(association)
        until = time.monotonic() + grace_s
        while time.monotonic() < until and any(each.is_established and each.dimse.busy for each in associations):
            time.sleep(_POLL_S)
        for association in associations:
            association.abort()
            association.join(grace_s)

    def _opened(self, event: Event, ae: Entity) -> None:
        event.assoc.dimse = StoreProvider(event.assoc, self.inbox.arrival)
        guard(event.assoc, ae.acse_timeout, ae.network_timeout, self._clear)
        silent = [each for each in ae.connections if not each.is_established]
        for each in silent[: max(len(silent) - _MOST_SILENT, 0)]:
            close(each)

    def _clear(self, association: Association) -> None:
        """Forget what an association left unfinished."""
        for message in association.dimse.left():
            if not message.whole:
                self._told(self.inbox.cut_off(message.arrival, instance=message.instance, sender=_caller(association)))
            message.arrival.discard()

    def _stored(self, event: Event) -> int:
        message = event.assoc.dimse.taken(event.request)
        if message is None:
            return STATUS["cut-off"]
        outcome = self.inbox.keep(message.arrival, instance=message.instance, sop_class=message.sop_class, sender=_caller(event.assoc))
        self._told(outcome)
        mismatch = outcome.problem is not None and outcome.problem.reason == "mismatch"
        return STATUS["mismatch" if mismatch else outcome.code]


@contextmanager
def receive(
    port: int,
    out: str | os.PathLike[str],
    *,
    host: str = "127.0.0.1",
    title: str = "WORKBENCH",
    callers: Collection[str] = (),
    most_bytes: int = 8 << 30,
    room_bytes: int = 1 << 30,
    associations: int = 32,
    wait_s: float = 60,
    grace_s: float = 30,
    told: Callable[[Outcome], object] = lambda _: None,
) -> Iterator[Receiver]:
    """Receive instances for as long as the context lasts.

    Parameters
    ----------
    port : int
        0 for any that is free; see ``Receiver.port``.
    out : path
        Folder of an :class:`~imaging.dicom.inbox.Inbox`.
    host : str, default "127.0.0.1"
        Address of the network that is listened to; "0.0.0.0" for all.
    title : str, default "WORKBENCH"
        Our AE title, which senders have to call.
    callers : collection of str, default ()
        AE titles that may send; any where there is none. A title is a name, no proof: the network has to keep others away.
    most_bytes : int, default 8 GiB
        Of one instance.
    room_bytes : int, default 1 GiB
        That the disk keeps free.
    associations : int, default 32
        At once; a peer that asks for one more is told to try again.
    wait_s : float, default 60
        For a sender's next PDU; one that has not asked for an association within 10 s, or within this, goes.
    grace_s : float, default 30
        At the end, for messages that have begun.
    told : callable, optional
        Called with each :class:`~imaging.dicom.inbox.Outcome`.

    Yields
    ------
    Receiver
        Running.

    Raises
    ------
    PlaceError
        If the folder cannot be written or the port cannot be had.
    TaskError
        If a title is none.

    Examples
    --------
    >>> import tempfile
    >>> from pydicom import dcmread
    >>> from pydicom.data import get_testdata_file
    >>> image = dcmread(get_testdata_file("CT_small.dcm"))
    >>> with tempfile.TemporaryDirectory() as place, receive(0, place, room_bytes=0) as receiver:
    ...     ae = AE()
    ...     ae.add_requested_context(image.SOPClassUID, image.file_meta.TransferSyntaxUID)
    ...     association = ae.associate("127.0.0.1", receiver.port, ae_title="WORKBENCH")
    ...     status = association.send_c_store(image).Status
    ...     association.release()
    ...     counts = receiver.inbox.counts()
    >>> status, counts
    (0, {'stored': 1})
    """
    for name in (title, *callers):
        if not name.strip() or len(name) > _LONGEST_TITLE or not name.isascii() or "\\" in name:
            raise TaskError(f"found {name!r} as an AE title", hint=f"1 to {_LONGEST_TITLE} ASCII characters without a backslash")
    with Inbox(out, most_bytes=most_bytes, room_bytes=room_bytes) as inbox:
        ae = _entity(title, callers, associations, wait_s)
        receiver = Receiver(inbox, told)
        receiver.start(ae, host, port, title)
        try:
            yield receiver
        finally:
            receiver.stop(ae, grace_s)


def serve(port: int, out: str | os.PathLike[str], *, ready: Callable[[Receiver], object] = lambda _: None, **options: object) -> None:
    """Receive until SIGTERM or SIGINT; messages that have begun are finished. For a process's main thread.

    Parameters
    ----------
    port : int
        As in :func:`receive`.
    out : path
        As in :func:`receive`.
    ready : callable, optional
        Called once with the running receiver.
    **options
        As in :func:`receive`.
    """
    ended = threading.Event()
    before = {number: signal.signal(number, lambda *_: ended.set()) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        with receive(port, out, **options) as receiver:
            ready(receiver)
            ended.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _entity(title: str, callers: Collection[str], associations: int, wait_s: float) -> Entity:
    ae = Entity(ae_title=title)
    for context in AllStoragePresentationContexts:
        ae.add_supported_context(context.abstract_syntax, ALL_TRANSFER_SYNTAXES)
    ae.add_supported_context(Verification)
    # pynetdicom refuses the one after its limit, which is not yet counted here.
    ae.maximum_pdu_size, ae.maximum_associations = LONGEST_PDU_BYTES, max(associations - 1, 1)
    ae.acse_timeout, ae.dimse_timeout, ae.network_timeout = min(_ASK_S, wait_s), wait_s, wait_s
    ae.require_called_aet, ae.require_calling_aet = True, list(callers)
    return ae


def _caller(association: Association) -> str:
    return association.requestor.ae_title.strip()
