"""The message that stands in for an output that the guard holds back."""

from __future__ import annotations

import json
import struct
from itertools import pairwise

import pytest

from hub_config.guard_notice import PROTOCOL_V1, _write_v1, notice

REQUEST = "0d3f1c9e-12ab_7"


def refused(parent: object) -> dict:
    return {"header": {"msg_id": "x"}, "parent_header": parent, "metadata": {}, "content": {"data": {"text/plain": "患者" * 1000}}}


def read_v1(data: bytes) -> list[bytes]:
    (count,) = struct.unpack_from("<Q", data)
    offsets = struct.unpack_from(f"<{count}Q", data, 8)
    return [data[a:b] for a, b in pairwise(offsets)]


def test_it_goes_to_the_cell_that_asked_and_holds_nothing_of_the_output():
    written = notice(json.dumps(refused({"msg_id": REQUEST, "leak": "患者"})), protocol=None, words="太大")
    message = json.loads(written)
    assert message["parent_header"] == {"msg_id": REQUEST}
    assert message["content"] == {"name": "stderr", "text": "太大\n"}
    assert (message["header"]["msg_type"], message["msg_type"], message["channel"]) == ("stream", "stream", "iopub")
    assert "患者" not in written


def test_it_speaks_the_binary_protocol_too():
    written = notice(_write_v1(refused({"msg_id": REQUEST})), protocol=PROTOCOL_V1, words="太大")
    channel, header, parent, metadata, content = read_v1(written)
    assert channel == b"iopub"
    assert json.loads(header)["msg_type"] == "stream"
    assert json.loads(parent) == {"msg_id": REQUEST}
    assert json.loads(metadata) == {}
    assert json.loads(content)["text"] == "太大\n"


def test_the_binary_protocol_is_the_server_s_own():
    serialise = pytest.importorskip("jupyter_server.services.kernels.connection.base").deserialize_msg_from_ws_v1
    channel, parts = serialise(notice(_write_v1(refused({"msg_id": REQUEST})), protocol=PROTOCOL_V1, words="w"))
    assert channel == "iopub"
    assert json.loads(bytes(parts[1])) == {"msg_id": REQUEST}


@pytest.mark.parametrize("parent", [{}, {"msg_id": 7}, {"msg_id": "a" * 81}, {"msg_id": "张三"}, {"msg_id": "a b"}, [], None])
def test_a_message_that_answers_no_request_gets_no_stand_in(parent):
    assert notice(json.dumps(refused(parent)), protocol=None, words="w") is None
    assert notice(_write_v1(refused(parent)), protocol=PROTOCOL_V1, words="w") is None


@pytest.mark.parametrize("data", [b"", b"\x00", b"\xff" * 64, struct.pack("<Q", 6), struct.pack("<QQ", 1 << 62, 1), "not json", "[]", "7"])
def test_broken_messages_get_no_stand_in(data):
    assert notice(data, protocol=PROTOCOL_V1, words="w") is None
    assert notice(data, protocol=None, words="w") is None
