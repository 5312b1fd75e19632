"""Start the session's server on the inherited listening socket, with the export routes taken out.

Runs inside the sandbox as the user, so nothing here is a boundary: it is what an honest user sees. The boundary is the
guard outside. What is removed here is removed so that the menus, the routes and the guard tell the same story.
"""

from __future__ import annotations

import ctypes
import os
import socket
import sys
from pathlib import Path

from jupyter_server.base.handlers import JupyterHandler
from jupyter_server.serverapp import ServerApp
from jupyterhub.singleuser import main
from tornado import web

from hub_config.session.lessons import put_lessons

PR_SET_DUMPABLE = 4
EXPORT_SERVICES = frozenset({"files", "nbconvert", "view", "shutdown"})


class DeniedHandler(JupyterHandler):
    """Refuses files that a contents manager would serve whole."""

    def initialize(self, **_options: object) -> None:
        """Take no options."""

    @web.authenticated
    def get(self, *_path: str) -> None:
        """Refuse."""
        raise web.HTTPError(403, "files leave a session only by a release request")

    head = get


def take_listener(descriptor: int) -> None:
    """Make the server use the listening socket that the agent handed in, instead of opening a port of its own."""
    os.set_inheritable(descriptor, False)

    def bind(server: ServerApp) -> bool:
        listener = socket.socket(fileno=descriptor)
        listener.setblocking(False)
        server.http_server.add_socket(listener)
        return True

    ServerApp._bind_http_server = bind


def hide_memory() -> None:
    """Keep kernels, which run as the same user, from reading this process's memory, environment and descriptors."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)


def start() -> None:
    """Prepare the server class and hand over to JupyterHub's own start."""
    hide_memory()
    ServerApp.default_services = tuple(name for name in ServerApp.default_services if name not in EXPORT_SERVICES)
    take_listener(int(os.environ.pop("LISTEN_FD")))
    try:
        put_lessons(Path(__file__).parents[2], Path.home(), os.environ.get("WORKBENCH_LANGUAGE", "zh"))
    except OSError as error:  # a full disk must not keep the user out
        sys.stderr.write(f"the course could not be put into the home: {error}\n")
    sys.argv = ["jupyterhub-singleuser"]
    main()


if __name__ == "__main__":
    # The configuration names this class by module; under `-m` the module would otherwise be loaded a second time.
    sys.modules["hub_config.session.__main__"] = sys.modules["__main__"]
    start()
