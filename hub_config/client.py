"""A client of the hub as a browser is one: signs in by the form, opens a session, runs code over the websocket.

Used by the demonstration and the tests; it knows nothing that a person at a browser does not.
"""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from typing import TYPE_CHECKING, Any

import httpx
import websockets

from hub_config.errors import HubError, Refused

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["ChannelClosed", "HubClient", "KernelError"]

POLL_S = 0.1


class ChannelClosed(HubError):
    """The guard closed the channel to the kernel."""


class KernelError(HubError):
    """The code raised an error in the kernel.

    Parameters
    ----------
    name, value : str
        The error's class and message.
    traceback : list of str
        As the kernel sent it, with terminal colours.
    """

    def __init__(self, name: str, value: str, traceback: list[str]) -> None:
        super().__init__(f"{name}: {value}")
        self.name = name
        self.value = value
        self.traceback = traceback


class HubClient:
    """One person at the hub.

    Parameters
    ----------
    address : str
        For example ``http://127.0.0.1:8000``.
    user, password : str
        Whose account.

    Examples
    --------
    >>> client = HubClient("http://127.0.0.1:8000", "alice", "…")  # doctest: +SKIP
    >>> client.login()  # doctest: +SKIP
    >>> client.spawn("diabetes", progress=print)  # doctest: +SKIP
    >>> client.execute("print(6 * 7)", on_output=print)  # doctest: +SKIP
    """

    def __init__(self, address: str, user: str, password: str) -> None:
        self.address = address.rstrip("/")
        self.user = user
        self.password = password
        self.project = ""
        self.http = httpx.Client(base_url=self.address, follow_redirects=True, timeout=90)
        self._kernel = ""

    def __enter__(self) -> HubClient:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    @property
    def prefix(self) -> str:
        """Path below which the opened session lies."""
        return f"/user/{self.user}/{self.project}/"

    def login(self) -> None:
        """Sign in by the form.

        Raises
        ------
        Refused
            If the name or the password is wrong.
        """
        self.http.get("/hub/login")
        token = self._xsrf("/hub/")
        answer = self.http.post(
            "/hub/login", params={"_xsrf": token}, data={"username": self.user, "password": self.password, "_xsrf": token}
        )
        if answer.status_code != 200 or answer.url.path.endswith("/login"):
            message = f"{self.user} could not sign in at {self.address} (status {answer.status_code})"
            raise Refused(message, hint="check the password; after several failures wait half a minute")

    def spawn(self, project: str, *, progress: Callable[[str], None] | None = None, timeout_s: float = 120) -> float:
        """Open the session of a project and enter it.

        Parameters
        ----------
        project : str
            The project's name.
        progress : callable, optional
            Takes each line that the hub says while the session starts.
        timeout_s : float
            Longest wait, in seconds.

        Returns
        -------
        float
            Seconds until the session was ready.

        Raises
        ------
        Refused
            If the person may not open that project's session.
        HubError
            If it does not start in time.
        """
        began = time.monotonic()
        self.project, self._kernel = project, ""
        answer = self._hub("POST", f"users/{self.user}/servers/{project}")
        if answer.status_code == 403:
            raise Refused(_message(answer))
        if answer.status_code not in {201, 202} and "already running" not in answer.text:
            message = f"the hub answered {answer.status_code} to a start: {_message(answer)}"
            raise HubError(message)
        self._follow(project, progress or (lambda _line: None), began + timeout_s)
        took = time.monotonic() - began
        self._enter()
        return took

    def _follow(self, project: str, progress: Callable[[str], None], deadline: float) -> None:
        """Read the hub's event stream until the session is ready."""
        path = f"/hub/api/users/{self.user}/servers/{project}/progress"
        failure = "the session was not ready in time"
        with self.http.stream("GET", path, headers=self._hub_headers()) as stream:
            for line in stream.iter_lines():
                if time.monotonic() > deadline:
                    break
                event = json.loads(line[5:]) if line.startswith("data:") else {}
                if event.get("message"):
                    progress(event["message"])
                if event.get("ready"):
                    return
                if event.get("failed"):
                    failure = event.get("message", "the session did not start")
        raise HubError(failure)

    def _enter(self) -> None:
        """Walk through the hub's sign-in for the session, as a browser does."""
        answer = self.http.get(f"{self.prefix}lab")
        if answer.status_code != 200 or not answer.url.path.startswith(self.prefix):
            message = f"the session cannot be entered: {answer.status_code} at {answer.url.path}"
            raise HubError(message)

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Send a request to the opened session, with the cookies and headers that its pages would send.

        Parameters
        ----------
        method : str
            HTTP method.
        path : str
            Below the session's prefix, for example ``api/contents``; or absolute.
        **options
            Passed to ``httpx.Client.request``.

        Returns
        -------
        httpx.Response
            The answer, whatever its status.
        """
        headers = {"X-XSRFToken": self._xsrf(self.prefix), "Referer": f"{self.address}{self.prefix}lab", **options.pop("headers", {})}
        return self.http.request(method, path if path.startswith("/") else self.prefix + path, headers=headers, **options)

    def execute(self, code: str, *, on_output: Callable[[str], None] | None = None, timeout_s: float = 600) -> str:
        """Run code in the session's kernel, which is started at the first call.

        Parameters
        ----------
        code : str
            Python.
        on_output : callable, optional
            Takes each piece of text as it comes.
        timeout_s : float
            Longest wait, in seconds.

        Returns
        -------
        str
            All text that was printed or displayed.

        Raises
        ------
        KernelError
            If the code raised.
        ChannelClosed
            If the guard closed the channel.
        """
        if not self._kernel:
            answer = self.request("POST", "api/kernels", json={"name": "python3"})
            if answer.status_code != 201:
                message = f"no kernel: {answer.status_code} {_message(answer)}"
                raise HubError(message)
            self._kernel = answer.json()["id"]
        return asyncio.run(self._run(code, on_output or (lambda _text: None), timeout_s))

    async def _run(self, code: str, on_output: Callable[[str], None], timeout_s: float) -> str:
        url = f"{self.address.replace('http', 'ws', 1)}{self.prefix}api/kernels/{self._kernel}/channels?session_id={uuid.uuid4().hex}"
        headers = {"Cookie": self._cookies(), "Origin": self.address}
        async with asyncio.timeout(timeout_s), websockets.connect(url, additional_headers=headers, max_size=None) as channel:
            request = _execute_request(code)
            await channel.send(json.dumps(request))
            try:
                return await _collect(channel, request["header"]["msg_id"], on_output)
            except websockets.ConnectionClosed as closed:
                reason = closed.rcvd.reason if closed.rcvd else ""
                message = f"the channel to the kernel was closed: {reason or 'no reason given'}"
                raise ChannelClosed(message) from closed

    def stop(self) -> None:
        """End the opened session and wait until it is gone."""
        answer = self._hub("DELETE", f"users/{self.user}/servers/{self.project}")
        while answer.status_code == 202:
            time.sleep(POLL_S)
            model = self._hub("GET", f"users/{self.user}").json()
            if self.project not in model.get("servers", {}):
                break
        self._kernel = ""

    def close(self) -> None:
        """Close the connections; the session goes on."""
        self.http.close()

    def _hub(self, method: str, path: str) -> httpx.Response:
        return self.http.request(method, f"/hub/api/{path}", headers=self._hub_headers(), json={} if method == "POST" else None)

    def _hub_headers(self) -> dict[str, str]:
        return {"X-XSRFToken": self._xsrf("/hub/"), "Referer": f"{self.address}/hub/home"}

    def _xsrf(self, path: str) -> str:
        return next((cookie.value or "" for cookie in self.http.cookies.jar if cookie.name == "_xsrf" and cookie.path == path), "")

    def _cookies(self) -> str:
        return "; ".join(f"{cookie.name}={cookie.value}" for cookie in self.http.cookies.jar if self.prefix.startswith(cookie.path))


def _execute_request(code: str) -> dict[str, Any]:
    header = {
        "msg_id": uuid.uuid4().hex,
        "username": "",
        "session": uuid.uuid4().hex,
        "msg_type": "execute_request",
        "version": "5.3",
        "date": "",
    }
    content = {"code": code, "silent": False, "store_history": False, "user_expressions": {}, "allow_stdin": False}
    return {"header": header, "parent_header": {}, "metadata": {}, "content": content, "channel": "shell", "buffers": []}


async def _collect(channel: websockets.ClientConnection, request_id: str, on_output: Callable[[str], None]) -> str:
    """Gather the output of one request until the kernel is idle again."""
    pieces: list[str] = []
    while True:
        message = json.loads(await channel.recv())
        if message["parent_header"].get("msg_id") != request_id:
            continue
        kind, content = message["msg_type"], message["content"]
        if kind == "error":
            raise KernelError(content["ename"], content["evalue"], content["traceback"])
        if kind == "status" and content["execution_state"] == "idle":
            return "".join(pieces)
        if output := _text(kind, content):
            pieces.append(output)
            on_output(output)


def _text(kind: str, content: dict[str, Any]) -> str:
    if kind == "stream":
        return content["text"]
    if kind in {"execute_result", "display_data"}:
        return str(content["data"].get("text/plain", ""))
    return ""


def _message(answer: httpx.Response) -> str:
    try:
        return str(answer.json().get("message", ""))
    except (ValueError, AttributeError):
        return answer.text[:200]
