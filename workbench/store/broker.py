"""Whole-store feasibility counts: definitions in, suppressed counts out, every question recorded.

A session sees its project's slice only. To learn whether a study could work at all, it may ask the broker how many
patients of the whole store meet a definition. The broker runs outside the session and takes nothing but a definition's
canonical JSON, so no code of the asker's ever runs on the store.

Differencing is refused over history: a count is not answered when the persons it is about differ, by fewer persons than
the threshold, from those of a question that the same project asked before.
"""

from __future__ import annotations

import json
import os
import socket
import socketserver
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.cohort.serial import definition_hash, read_definition
from workbench.disclosure import DisclosurePolicy, suppress_count
from workbench.errors import Refusal, WorkbenchError

if TYPE_CHECKING:
    from collections.abc import Callable

    from workbench.cohort.engine import Engine

__all__ = ["MAX_REQUEST", "Broker", "serve"]

#: Longest request, in bytes.
MAX_REQUEST = 2**20


@dataclass
class Broker:
    """Answer definitions on one snapshot.

    Parameters
    ----------
    engine : Engine
        Over the whole store.
    snapshot : str
        Id of the snapshot, told with each answer.
    policy : DisclosurePolicy
        The centre's.
    history : Path
        Folder, for the broker alone, of the person sets already answered for.
    record : callable
        Called as ``record(actor, action, subject, detail)`` for each question, answered or refused.
    """

    engine: Engine
    snapshot: str
    policy: DisclosurePolicy
    history: Path
    record: Callable[[str, str, str, dict[str, Any]], object]
    _lock: Lock = field(default_factory=Lock, repr=False)

    def answer(self, definition: str, *, user: str, project: str) -> dict[str, Any]:
        """Return the suppressed number of persons that meet a definition.

        Parameters
        ----------
        definition : str
            Canonical JSON of a cohort or a combination.
        user, project : str
            Who asks, as the hub vouches for it.

        Returns
        -------
        dict
            ``persons`` (text, such as "1,230" or "<10"), ``snapshot`` and ``definition`` (hash).

        Raises
        ------
        DefinitionError
            If the text is no definition.
        Refusal
            If the answer, beside an earlier one, would tell about fewer persons than the threshold.
        """
        query = read_definition(definition)
        name = definition_hash(query)
        with self._lock:
            persons = np.unique(self.engine.run(query).rows["person_id"].to_numpy())
            close = self._too_close(persons, project)
            self.record(
                user, "feasibility.refused" if close else "feasibility.answered", project, {"definition": name, "snapshot": self.snapshot}
            )
            if close:
                raise Refusal(
                    f"the count differs from one answered before by fewer than {self.policy.threshold} patients",
                    hint="ask with rules that differ more, or apply for a slice and count in it",
                )
            if len(persons) >= self.policy.threshold:  # a smaller set was not told, and would block every other small one
                self._remember(persons, project, name)
        return {"persons": str(suppress_count(len(persons), policy=self.policy)), "snapshot": self.snapshot, "definition": name}

    def _too_close(self, persons: np.ndarray, project: str) -> bool:
        for earlier in sorted(self._folder(project).glob("*.npy")):
            apart = len(np.setxor1d(persons, np.load(earlier, allow_pickle=False), assume_unique=True))
            if 0 < apart < self.policy.threshold:
                return True
        return False

    def _remember(self, persons: np.ndarray, project: str, name: str) -> None:
        target = self._folder(project) / f"{self.snapshot}-{name[:32]}.npy"
        aside = target.with_suffix(".part")
        with aside.open("wb") as file:
            np.save(file, persons, allow_pickle=False)
        aside.replace(target)

    def _folder(self, project: str) -> Path:
        if not project or project != Path(project).name or project.startswith("."):
            raise Refusal(f"project {project!r} is not a project's name")
        folder = self.history / project
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return folder


def serve(broker: Broker, path: Path) -> socketserver.ThreadingUnixStreamServer:
    """Return a server on a unix socket: one JSON line in (`user`, `project`, `definition`), one out (`answer` or `error`).

    The caller starts it with ``serve_forever``. Only the socket's owner and group may connect: the hub gate, which has asked
    the hub who speaks.
    """

    class Handler(socketserver.StreamRequestHandler):
        timeout = 600

        def handle(self) -> None:
            reply = _reply(broker, self.rfile.readline(MAX_REQUEST + 1))
            self.wfile.write(json.dumps(reply, ensure_ascii=False).encode() + b"\n")

    path.unlink(missing_ok=True)
    before = os.umask(0o117)
    try:
        return _Server(str(path), Handler)
    finally:
        os.umask(before)


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    request_queue_size = socket.SOMAXCONN


def _reply(broker: Broker, line: bytes) -> dict[str, Any]:
    if len(line) > MAX_REQUEST:
        return {"error": f"the question is longer than {MAX_REQUEST} bytes", "exit_code": Refusal.exit_code}
    try:
        request = json.loads(line)
        definition = request["definition"]
        text = definition if isinstance(definition, str) else json.dumps(definition, ensure_ascii=False)
        user, project = str(request["user"]), str(request["project"])
    except (ValueError, KeyError, TypeError):
        return {"error": "the question is not a JSON object with user, project and definition", "exit_code": Refusal.exit_code}
    try:
        return {"answer": broker.answer(text, user=user, project=project)}
    except WorkbenchError as error:
        return {"error": str(error), "exit_code": error.exit_code}
