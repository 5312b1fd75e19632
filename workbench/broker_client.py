"""Ask, from inside a session, how many patients of the whole store meet a definition."""

from __future__ import annotations

import http.client
import json
import os
import socket
from typing import TYPE_CHECKING, Any

from workbench import session
from workbench.cohort.serial import write_definition
from workbench.errors import DefinitionError, EnvironmentFault, Refusal

if TYPE_CHECKING:
    from workbench.cohort.query import Definition

__all__ = ["feasibility"]


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over the gate's unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__("gate", timeout=600)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def feasibility(definition: Definition | Any) -> dict[str, Any]:
    """Return how many patients of the whole store meet a definition, suppressed by the centre's policy.

    Parameters
    ----------
    definition : Cohort, Combination or the language's cohort
        Only its canonical JSON leaves the session; no code does.

    Returns
    -------
    dict
        ``persons`` (text, such as "1,230" or "<10"), ``snapshot`` and ``definition`` (hash).

    Raises
    ------
    Refusal
        If the broker refuses; the message says why.
    EnvironmentFault
        If no broker can be reached.
    """
    query = getattr(definition, "definition", definition)
    connection = _UnixConnection(str(session.current().broker.socket))
    headers = {"Authorization": f"token {os.environ.get('JUPYTERHUB_API_TOKEN', '')}", "Content-Type": "application/json"}
    try:
        connection.request("POST", "/workbench/feasibility", json.dumps({"definition": write_definition(query)}).encode(), headers)
        response = connection.getresponse()
        reply = json.loads(response.read())
    except (OSError, ValueError) as error:
        raise EnvironmentFault("the broker of whole-store counts cannot be reached", hint="ask the data centre whether it runs") from error
    finally:
        connection.close()
    if response.status == http.client.SERVICE_UNAVAILABLE:
        raise EnvironmentFault("the broker of whole-store counts does not answer", hint="ask the data centre whether it runs")
    if "answer" not in reply:
        raise (DefinitionError if reply.get("exit_code") == DefinitionError.exit_code else Refusal)(
            reply.get("error") or reply.get("message") or f"the gate answered {response.status}"
        )
    return dict(reply["answer"])
