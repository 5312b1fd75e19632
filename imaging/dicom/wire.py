"""C-STORE messages from the wire into files, within limits that pynetdicom does not set.

pynetdicom holds a data set in memory, or writes it to a temporary folder of its own choosing, however long it is; it reads as many bytes
of a PDU as its sender declares, and waits for them as long as its sender likes.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from contextlib import suppress
from functools import partial
from socket import SHUT_RDWR
from typing import TYPE_CHECKING, NamedTuple

from pynetdicom.dimse import DIMSEServiceProvider
from pynetdicom.dimse_messages import C_STORE_RQ
from pynetdicom.dsutils import create_file_meta, encode_file_meta
from pynetdicom.pdu_primitives import P_DATA

if TYPE_CHECKING:
    from collections.abc import Callable
    from socket import socket

    from pynetdicom.association import Association
    from pynetdicom.dimse_primitives import C_STORE, DimsePrimitiveType

    from imaging.dicom.arrival import Arrival

__all__ = ["LONGEST_PDU_BYTES", "Message", "StoreProvider", "close", "guard"]

_LOG = logging.getLogger(__name__)

#: What we tell a peer that a PDU may have, and what we read at most of one: an association's request may be longer.
LONGEST_PDU_BYTES, _MOST_PDU_BYTES = 256 << 10, 1 << 20
_MOST_COMMAND_BYTES = 64 << 10
_SHORTEST_S = 0.001
_COMMAND, _LAST = 1, 2  # message control header (PS3.8 E.2)
_PREAMBLE = bytes(128) + b"DICM"


class Message(NamedTuple):
    """One C-STORE request, its data set in a file; `whole` is false where the association ended before it."""

    arrival: Arrival
    instance: str
    sop_class: str
    number: int
    whole: bool = True


class StoreProvider(DIMSEServiceProvider):
    """Takes the fragments of data sets out of an association's messages and into files.

    Parameters
    ----------
    assoc : Association
        Whose messages these are.
    open_arrival : callable
        Returns a place for the bytes of one instance.
    """

    def __init__(self, assoc: Association, open_arrival: Callable[[], Arrival]) -> None:
        super().__init__(assoc)
        #: Whether no message may begin any more.
        self.ending = False
        self._open_arrival = open_arrival
        self._current: Message | None = None
        self._arrived: deque[Message] = deque()
        self._command_bytes = self._unanswered = 0

    @property
    def busy(self) -> bool:
        """Whether a message is coming in or waits for its answer."""
        return self.message is not None or self._unanswered > 0

    def send_msg(self, primitive: DimsePrimitiveType, context_id: int) -> None:
        """Send an answer.

        Parameters
        ----------
        primitive : DIMSE primitive
            The answer.
        context_id : int
            Of the presentation context.
        """
        super().send_msg(primitive, context_id)
        self._unanswered = 0

    def receive_primitive(self, primitive: P_DATA) -> None:
        """Take what came in one PDU; a message that makes no sense ends the association, as pynetdicom ends it.

        Parameters
        ----------
        primitive : P_DATA
            Fragments of messages.
        """
        try:
            for context_id, data in primitive.presentation_data_value_list:
                (self._take_command if data[0] & _COMMAND else self._take_data)(context_id, data)
        except Exception:  # pynetdicom's parsing of a command raises whatever it meets, and would end its thread without a word
            self.dul.event_queue.put("Evt19")

    def taken(self, request: C_STORE) -> Message | None:
        """Return the message that belongs to a request, once; None where there is none.

        Parameters
        ----------
        request : C_STORE
            What pynetdicom made of the command.
        """
        while self._arrived:
            message = self._arrived.popleft()
            if (message.number, message.instance) == (request.MessageID, request.AffectedSOPInstanceUID):
                return message
            message.arrival.discard()  # sent to a service that takes no data sets
        return None

    def left(self) -> list[Message]:
        """Return what came in and was never asked for, at the end of an association."""
        current, self._current = self._current, None
        found = [*self._arrived, *([current._replace(whole=False)] if current else [])]
        self._arrived.clear()
        return found

    def _take_command(self, context_id: int, data: bytes) -> None:
        if self._current is not None or (self.ending and self.message is None):
            raise ValueError("a command within a data set, or after the end")
        self._command_bytes += len(data)
        if self._command_bytes > _MOST_COMMAND_BYTES:
            raise ValueError("a command without an end")
        self._pass_on(context_id, data)
        if data[0] & _LAST:
            self._command_bytes = 0
            self._current = self._opened(self.message) if isinstance(self.message, C_STORE_RQ) else None

    def _take_data(self, context_id: int, data: bytes) -> None:
        if self._current is None or context_id != self.message.context_id:
            raise ValueError("a data set that belongs to no C-STORE request")
        self._current.arrival.write(memoryview(data)[1:])
        if data[0] & _LAST:
            self._arrived.append(self._current)
            self._unanswered += 1
            self._current = None
            self._pass_on(context_id, data[:1])

    def _pass_on(self, context_id: int, data: bytes) -> None:
        primitive = P_DATA()
        primitive.presentation_data_value_list = [[context_id, bytes(data)]]
        super().receive_primitive(primitive)

    def _opened(self, request: C_STORE_RQ) -> Message:
        command = request.command_set
        (context,) = (each for each in self.assoc.accepted_contexts if each.context_id == request.context_id)
        meta = create_file_meta(
            sop_class_uid=command.AffectedSOPClassUID,
            sop_instance_uid=command.AffectedSOPInstanceUID,
            transfer_syntax=context.transfer_syntax[0],
        )
        head = _PREAMBLE + encode_file_meta(meta)
        names = str(command.AffectedSOPInstanceUID), str(command.AffectedSOPClassUID), int(command.MessageID)
        message = Message(self._open_arrival(), *names)
        message.arrival.write(head)
        return message


def guard(assoc: Association, ask_s: float, wait_s: float, ended: Callable[[Association], object]) -> None:
    """Bound what a peer makes us hold: pynetdicom's threads end at what they cannot parse, and leave each other and a socket behind.

    Parameters
    ----------
    assoc : Association
        Not yet started.
    ask_s : float
        For the whole of a peer's request for an association.
    wait_s : float
        For the whole of a PDU that has begun: a byte now and then keeps nobody waiting.
    ended : callable
        Called once, when the association has ended in whatever way.
    """
    link = assoc.dul.socket
    link.socket.settimeout(wait_s)
    link.recv = lambda wanted: _received(link.socket, wanted, wait_s if assoc.is_established else ask_s)
    assoc.dul.run = partial(_run_provider, assoc, assoc.dul.run)
    # pynetdicom forgets a socket that it could not shut down; this is the one that is closed in the end.
    assoc.run = partial(_run_association, assoc, assoc.run, link.socket, ended)


def close(assoc: Association) -> None:
    """Close a connection on which nothing was asked for; its threads end at once.

    Parameters
    ----------
    assoc : Association
        Its own thread may have closed it already.
    """
    link = assoc.dul.socket
    if link is not None and link.socket is not None:
        with suppress(OSError):
            link.socket.shutdown(SHUT_RDWR)
    assoc.dul.to_user_queue.put(None)  # what pynetdicom makes of a peer that did not ask in time


def _run_provider(assoc: Association, run: Callable[[], None]) -> None:
    try:
        run()
    except Exception as error:
        _LOG.warning("an association ends: a PDU cannot be understood (%s)", type(error).__name__)
        assoc.is_aborted, assoc.is_established = True, False
        assoc._kill = True  # what pynetdicom does itself where it does not raise


def _run_association(assoc: Association, run: Callable[[], None], peer: socket, ended: Callable[[Association], object]) -> None:
    try:
        run()
    except Exception as error:
        _LOG.warning("an association ends: it cannot be negotiated (%s)", type(error).__name__)
    finally:
        assoc.dul.kill_dul()
        assoc.dul.socket.close()
        if assoc.dul.is_alive():
            assoc.dul.join()  # it takes what has come in already
        peer.close()
        ended(assoc)


def _received(link: socket, wanted: int, within_s: float) -> bytearray:
    """Return as many bytes as wanted, or fewer where the peer closed.

    Raises
    ------
    OSError
        If that is more than a PDU may have, or they did not come in time: pynetdicom then closes the connection.
    """
    if wanted > _MOST_PDU_BYTES:
        link.shutdown(SHUT_RDWR)
        raise OSError(f"a PDU declares {wanted} bytes, wanted {_MOST_PDU_BYTES} at most")
    data = bytearray(wanted)
    view, at, before = memoryview(data), 0, link.gettimeout()
    until = time.monotonic() + within_s
    try:
        while at < wanted:
            link.settimeout(max(until - time.monotonic(), _SHORTEST_S))
            got = link.recv_into(view[at:])
            if not got:
                break
            at += got
    finally:
        view.release()
        link.settimeout(before)
    del data[at:]
    return data
