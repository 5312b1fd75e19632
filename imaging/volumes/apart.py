"""Decoding in a process of its own: a broken stream may end or hold up that process, not the one that asks.

The process is started when it is first needed and kept for the next file. One that died, or took longer than it may, is replaced.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import math
import os
import select
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import numpy as np

from imaging.errors import ImageDataError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from imaging.volumes.formats import PixelFormat

__all__ = ["FRAME_SECONDS", "decode_apart"]

#: One frame that takes longer is taken for one that never ends.
FRAME_SECONDS = 120.0

_idle: list[_Decoder] = []


def decode_apart(path: str, form: PixelFormat, numbers: Sequence[int]) -> Iterator[np.ndarray]:
    """Yield what :func:`imaging.volumes.decoding.decode` yields, from another process.

    Parameters
    ----------
    path, form, numbers : object
        See there.

    Yields
    ------
    ndarray
        See there.

    Raises
    ------
    ImageDataError
        As there; or if the decoder ended or did not end.
    """
    decoder = _take()
    whole = False
    try:
        decoder.ask({"path": os.path.abspath(path), "form": list(form), "numbers": list(numbers)})  # noqa: PTH100 - bytes that are no UTF-8
        for number in numbers:
            try:
                answer = decoder.answer()
            except (EOFError, TimeoutError) as error:
                what = "took too long" if isinstance(error, TimeoutError) else "ended"
                raise ImageDataError(
                    f"{path}: frame {number} cannot be decoded (the decoder of transfer syntax {form.syntax} {what})",
                    hint="the compressed stream is broken",
                    code="undecodable",
                ) from error
            if isinstance(answer, dict):
                whole = True
                raise ImageDataError(answer["error"], hint=answer["hint"], code=answer["code"])
            yield answer
        whole = True
    finally:
        if whole:
            _idle.append(decoder)
        else:
            decoder.stop()


class _Decoder:
    """The other process and the pipe to it."""

    def __init__(self) -> None:
        # -P: a file of the folder that a user stands in must not take the place of a module.
        command = [sys.executable, "-P", "-m", "imaging.volumes.decoding"]
        places = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "bufsize": 0}
        self.process = subprocess.Popen(command, env=places, **pipes)
        self.owner = os.getpid()
        self.rest = bytearray()

    def ask(self, question: dict) -> None:
        # Where nobody listens any more, there will be no answer either.
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(json.dumps(question).encode() + b"\n")

    def answer(self) -> np.ndarray | dict:
        """Return a frame, or the error that came instead."""
        deadline = time.monotonic() + FRAME_SECONDS
        while (end := self.rest.find(b"\n")) < 0:
            self._more(deadline)
        head = json.loads(self.rest[:end])
        del self.rest[: end + 1]
        if "error" in head:
            return head
        dtype = np.dtype(head["dtype"])
        size = math.prod(head["shape"]) * dtype.itemsize
        while len(self.rest) < size:
            self._more(deadline)
        values = np.frombuffer(bytes(self.rest[:size]), dtype).reshape(head["shape"])
        del self.rest[:size]
        return values

    def _more(self, deadline: float) -> None:
        pipe = self.process.stdout.fileno()
        if not select.select([pipe], [], [], max(deadline - time.monotonic(), 0))[0]:
            raise TimeoutError
        found = os.read(pipe, 1 << 20)
        if not found:
            raise EOFError
        self.rest += found

    def stop(self) -> None:
        """End the process; of one that a fork inherited only the pipe's copies are closed."""
        if self.owner == os.getpid():
            self.process.kill()
            self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


def _take() -> _Decoder:
    """Return a decoder of this process that is alive."""
    while _idle:
        decoder = _idle.pop()
        if decoder.owner == os.getpid() and decoder.process.poll() is None:
            return decoder
        decoder.stop()
    return _Decoder()


@atexit.register
def _stop_all() -> None:
    while _idle:
        _idle.pop().stop()
