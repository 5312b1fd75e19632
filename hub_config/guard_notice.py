"""What a person reads in a notebook when the guard holds back an output: a Jupyter message in place of the refused one. Pure.

Of the refused message only the id of the request it answers is kept, and only if it looks like an id.
"""

from __future__ import annotations

import json
import re
import struct
from typing import Any

__all__ = ["PROTOCOL_V1", "notice"]

PROTOCOL_V1 = "v1.kernel.websocket.jupyter.org"
_ID = re.compile(r"[0-9A-Za-z_-]{1,80}")
_OFFSET_BYTES = 8
_MOST_PARTS = 64


def notice(message: str | bytes, *, protocol: str | None, words: str) -> str | bytes | None:
    """Write the message that stands in for a refused one.

    Parameters
    ----------
    message : str or bytes
        The refused message, as the session sent it.
    protocol : str or None
        The websocket's subprotocol.
    words : str
        What the person is to read.

    Returns
    -------
    str, bytes or None
        A ``stream`` message to the cell that asked, in the same protocol; None if the refused one answers no request.

    References
    ----------
    .. [1] jupyter_server documentation, "WebSocket kernel wire protocols".
    """
    try:
        parent = _parent_v1(message) if protocol == PROTOCOL_V1 else json.loads(message)["parent_header"]
        identity = parent["msg_id"]
    except (ValueError, KeyError, TypeError, IndexError, struct.error):
        return None
    if not isinstance(identity, str) or not _ID.fullmatch(identity):
        return None
    header = {"msg_id": f"guard-{identity}", "msg_type": "stream", "username": "", "session": "guard", "date": "", "version": "5.3"}
    body = {"header": header, "parent_header": {"msg_id": identity}, "metadata": {}, "content": {"name": "stderr", "text": f"{words}\n"}}
    if protocol == PROTOCOL_V1:
        return _write_v1(body)
    top = {"channel": "iopub", "buffers": [], "msg_id": header["msg_id"], "msg_type": header["msg_type"]}
    return json.dumps({**body, **top}, ensure_ascii=False)


def _parent_v1(message: str | bytes) -> dict[str, Any]:
    """Read the parent header: offsets of 8 bytes each, then channel, header, parent header, metadata, content, buffers."""
    data = message.encode() if isinstance(message, str) else bytes(message)
    (count,) = struct.unpack_from("<Q", data)
    if not 6 <= count <= _MOST_PARTS:
        raise ValueError(count)
    offsets = struct.unpack_from(f"<{count}Q", data, _OFFSET_BYTES)
    return json.loads(data[offsets[2] : offsets[3]])


def _write_v1(body: dict[str, Any]) -> bytes:
    parts = [b"iopub", *(json.dumps(part, ensure_ascii=False).encode() for part in body.values())]
    offsets = [_OFFSET_BYTES * (len(parts) + 2)]
    for part in parts:
        offsets.append(offsets[-1] + len(part))
    return b"".join((struct.pack(f"<{len(offsets) + 1}Q", len(offsets), *offsets), *parts))
