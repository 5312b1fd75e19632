"""Who is at the other end of a unix socket, as the kernel knows it."""

from __future__ import annotations

import socket
import struct

__all__ = ["peer_uid"]


def peer_uid(connection: socket.socket) -> int:
    """Return the uid of the process that connected."""
    return struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")))[1]
