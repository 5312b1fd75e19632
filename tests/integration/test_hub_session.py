"""A real hub: proxy, agent, gate, guard and sandbox; attempts from inside a kernel and through the browser's address."""

from __future__ import annotations

import http.client
import json
import signal
import socket
import time
from pathlib import Path

import psutil
import pytest

from hub_config.client import ChannelClosed, HubClient, KernelError
from hub_config.errors import Refused
from tests.lib.hub_client import FIRST_ID, RunningHub, start_hub

pytestmark = pytest.mark.integration

PROBE = (Path(__file__).resolve().parents[1] / "lib" / "isolation_probe.py").read_text(encoding="utf-8")
ZERO = "0000000000000000"


@pytest.fixture(scope="module")
def hub():
    yield from start_hub()


@pytest.fixture(scope="module")
def alice(hub: RunningHub):
    with hub.client("alice") as client:
        client.login()
        client.spawn("heart")
        yield client


@pytest.fixture(scope="module")
def found(hub: RunningHub, alice: HubClient) -> dict:
    """What the probe found inside, while another person's session runs beside it."""
    with (
        hub.client("bob") as bob,
        socket.socket() as listener,
        socket.socket(socket.AF_UNIX) as abstract,
    ):
        bob.login()
        bob.spawn("heart")
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        abstract.bind(f"\0{hub.layout.instance}-probe")
        abstract.listen()
        targets = {
            "public_port": hub.table["public"]["port"],
            "tcp_port": listener.getsockname()[1],
            "abstract": f"{hub.layout.instance}-probe",
        }
        # The same attempts succeed from the host: what fails inside fails because of the sandbox.
        socket.create_connection(("127.0.0.1", targets["tcp_port"]), 3).close()
        with socket.socket(socket.AF_UNIX) as control:
            control.connect("\0" + targets["abstract"])
        output = alice.execute(f"import os\nos.environ['PROBE_TARGETS'] = {json.dumps(targets)!r}\n{PROBE}")
        bob.stop()
    return json.loads(output.splitlines()[-1])


def one_of(*values):
    return lambda value: value in values


def between(low, high):
    return lambda value: low <= value <= high


REFUSED_WRITES = ("/", "/usr", "/etc", "/run", "/run/hub", "/run/airlock", "/run/workbench", "/data", "/opt/workbench/library", "image")
EXPECTED = {
    "ids": lambda ids: ids[0] > FIRST_ID and ids[1] > FIRST_ID and ids[2] == [],
    "capabilities": one_of([ZERO] * 5),
    "no_new_privileges, seccomp": one_of(["1", "2"]),
    "interfaces": one_of(["lo"]),
    "routes": one_of([]),
    "internet": one_of("ENETUNREACH"),
    "name service": one_of("gaierror"),
    "hub's public port": one_of("ECONNREFUSED"),
    "host's loopback": one_of("ECONNREFUSED"),
    "host's loopback, IPv6": one_of("ECONNREFUSED", "EADDRNOTAVAIL"),
    "host's abstract socket": one_of("ECONNREFUSED"),
    "AF_VSOCK": one_of("EAFNOSUPPORT"),
    "AF_ALG": one_of("EAFNOSUPPORT"),
    "AF_PACKET": one_of("EAFNOSUPPORT"),
    "raw socket": one_of("EPERM"),
    "processes": between(2, 4),
    "/": lambda names: not set(names) & {"root", "var", "srv", "mnt", "boot", "sys", "work"},
    "/root": one_of("ENOENT"),
    "/home": one_of(["work"]),
    "/etc": lambda names: "shadow" not in names and "passwd" in names,
    "/run": one_of(["airlock", "hub", "workbench"]),
    "/run/hub": one_of(["gate.sock"]),
    "devices": one_of(["full", "null", "random", "tty", "urandom", "zero"]),
    "data": one_of("heart"),
    **{f"write {place}": one_of("EROFS") for place in REFUSED_WRITES},
    "write /home/work": one_of("written"),
    "write /shared": one_of("written"),
    "write /outbox": one_of("written"),
    "write /tmp": one_of("written"),
    "change manifest": one_of("EROFS", "EACCES"),
    "manifest's owner": one_of(65534),  # root of the host, who has no number inside
    "chmod data": one_of("EROFS", "EPERM"),
    "fill /tmp": one_of("ENOSPC"),
    "symlink in outbox": one_of("ENOENT"),
    "unshare": one_of("EPERM"),
    "mount": one_of("EPERM"),
    "ptrace parent": one_of("EPERM"),
    "chroot": one_of("EPERM"),
    "io_uring": one_of("EPERM"),
    "keyctl": one_of("EPERM"),
    "open_by_handle_at": one_of("EPERM"),
    "setuid 0": one_of("EPERM", "EINVAL"),
    "mknod": one_of("EPERM"),
    "server's environment": one_of("EACCES", "EPERM"),
    "server's memory": one_of("EACCES", "EPERM"),
    "server's descriptors": one_of("EACCES", "EPERM"),
    "first process's arguments": lambda text: "TOKEN" not in text and "/var/" not in text and "bind" not in text,
    "sysrq": one_of("EROFS", "EACCES", "EPERM", "ENOENT"),
    "kernel log": one_of("-1"),
    "secrets": one_of(["JUPYTERHUB_API_TOKEN"]),
    "hub who am I": one_of(200),
    "hub GET /hub/api/users": one_of(403),
    "hub GET /hub/api/user/../users": one_of(403),
    "hub GET /hub/api/user%2f..%2fusers": one_of(403),
    "hub POST /hub/login": one_of(403),
    "hub POST /hub/api/users/alice/servers/lung": one_of(403),
    "hub DELETE /hub/api/users/bob/servers/heart": one_of(403),
    "hub POST /hub/api/users/alice/tokens": one_of(403),
    "hub GET /hub/api/proxy": one_of(403),
    "hub POST /hub/api/batchspawner": one_of(403),
    "memory": one_of(-signal.SIGKILL),
    "threads": between(20, 128),
    "library": one_of([f"/opt/workbench/library/{name}" for name in ("workbench", "nlp", "imaging", "templates")]),
}


@pytest.mark.parametrize("attempt", EXPECTED)
def test_attempt_from_inside_a_kernel(found, attempt):
    assert EXPECTED[attempt](found[attempt]), f"{attempt}: {found[attempt]!r}"


def test_every_attempt_has_an_expectation(found):
    assert set(found) == set(EXPECTED)


EXPORTS = (
    ("GET", "files/notes.txt"),
    ("GET", "files/notes.txt?download=1"),
    ("GET", "nbconvert/html/book.ipynb?download=true"),
    ("POST", "nbconvert/html"),
    ("GET", "view/notes.txt"),
    ("GET", "api/terminals"),
    ("POST", "api/terminals"),
    ("GET", "metrics"),
    ("GET", "lsp/status"),
    ("GET", "api/contents/../../hub/api/users"),
    ("GET", "api/contents/%2e%2e/%2e%2e/secret"),
    ("GET", "static/../../../etc/passwd"),
    ("GET", "static/%2e%2e/%2e%2e/x"),
    ("GET", "custom/../files/notes.txt"),
    ("OPTIONS", "api/contents"),
    ("POST", "api/shutdown"),
    ("GET", "proxy/8888/"),
)


@pytest.mark.parametrize(("method", "path"), EXPORTS, ids=[f"{m} {p}" for m, p in EXPORTS])
def test_export_routes_are_refused_outside_the_session(hub, alice, method, path):
    """The path goes out as it is written here: a client library would tidy the dots away."""
    connection = http.client.HTTPConnection("127.0.0.1", hub.table["public"]["port"], timeout=30)
    connection.request(method, alice.prefix + path, headers={"Cookie": alice._cookies(), "Referer": f"{hub.address}{alice.prefix}lab"})
    answer = connection.getresponse()
    answer.read()
    sent_to_the_hub = answer.status == 302 and answer.headers["Location"].startswith("/hub/")  # the proxy resolves dots itself
    assert answer.status in {403, 404} or sent_to_the_hub
    connection.close()


def test_responses_carry_the_policy_and_no_attachment(alice):
    for path in ("lab", "api/contents?content=1", "static/logo/logo.png"):
        answer = alice.request("GET", path)
        assert answer.status_code == 200
        assert "allow-downloads" not in answer.headers["content-security-policy"]
        assert "sandbox" in answer.headers["content-security-policy"]
        assert "content-disposition" not in answer.headers


def test_someone_elses_session_is_closed_to_a_member_of_the_same_project(hub, alice):
    with hub.client("bob") as bob:
        bob.login()
        answer = bob.http.get(f"{alice.prefix}api/contents")
        assert answer.status_code in {403, 404}


@pytest.mark.parametrize(("user", "project"), [("bob", "lung"), ("rui", "heart"), ("alice", "nowhere"), ("alice", "")])
def test_who_is_not_a_member_is_refused(hub, user, project):
    with hub.client(user) as client:
        client.login()
        with pytest.raises(Refused):
            client.spawn(project)


POWERS = {
    ("alice", "GET", "users"): 403,
    ("alice", "POST", "users/alice/tokens"): 403,
    ("alice", "POST", "users/bob/servers/heart"): 404,
    ("alice", "POST", "shares/alice/heart"): 403,
    ("rui", "GET", "users"): 403,
    ("sun", "GET", "users"): 200,
    ("sun", "POST", "users/alice/tokens"): 403,
    ("sun", "POST", "users/alice/servers/heart"): 403,
    ("sun", "POST", "users/mallory"): 403,
    ("sun", "POST", "shutdown"): 403,
    ("sun", "POST", "groups/heart"): 403,
}


@pytest.mark.parametrize(("user", "method", "path"), POWERS, ids=[" ".join(power) for power in POWERS])
def test_powers_on_the_hub(hub, user, method, path):
    with hub.client(user) as client:
        client.login()
        assert client._hub(method, path).status_code == POWERS[user, method, path]


def test_wrong_password_is_refused(hub):
    with HubClient(hub.address, "alice", "wrong") as client, pytest.raises(Refused, match="could not sign in"):
        client.login()


def test_a_code_error_comes_back_as_such(alice):
    with pytest.raises(KernelError, match="ZeroDivisionError"):
        alice.execute("1 / 0")


def test_a_new_session_shows_the_course_and_the_templates(alice):
    listed = alice.execute("import os\nprint(*(name for _, _, names in os.walk('/home/work') for name in names))")
    assert {"01_first_cohort.ipynb", "02_first_variables.ipynb", "note_structuring.ipynb"} <= set(listed.split())


def test_members_of_a_project_share_one_folder(hub, alice):
    alice.execute("open('/shared/set.yaml', 'w').write('x')")
    with hub.client("bob") as bob:
        bob.login()
        bob.spawn("heart")
        assert "x" in bob.execute("print(open('/shared/set.yaml').read())")
        bob.execute("open('/shared/answer.yaml', 'w').write('y')")
        bob.stop()
    assert "y" in alice.execute("print(open('/shared/answer.yaml').read())")


def test_outbox_on_the_host_says_whose_it_is(hub, alice):
    alice.execute("open('/outbox/report.txt', 'w').write('x')")
    path = hub.layout.outbox("heart", "alice") / "report.txt"
    airlock = FIRST_ID + 5
    assert path.read_text() == "x"
    assert path.stat().st_gid == airlock
    assert path.stat().st_mode & 0o040


def test_hub_and_guard_run_without_privileges(hub):
    settled = {process.pid: process for process in hub.processes()}
    commands = {" ".join(process.cmdline()): process for process in settled.values()}
    for word in ("jupyterhub -f", "hub_config.guard", "hub_config.hub_gate", "configurable-http-proxy"):
        process = next(process for command, process in commands.items() if word in command)
        status = dict(line.split(":", 1) for line in Path(f"/proc/{process.pid}/status").read_text().splitlines())
        assert status["CapEff"].strip() == ZERO
        assert status["NoNewPrivs"].strip() == "1"


def test_session_outlives_the_hub(hub, alice):
    alice.execute("kept = 41")
    process = next(p for p in hub.processes() if "jupyterhub" in " ".join(p.cmdline()) and "-f" in p.cmdline())
    process.kill()
    process.wait()
    deadline = time.monotonic() + 60
    while alice.http.get("/hub/api").status_code != 200:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert alice.execute("kept + 1") == "42"


def test_one_large_output_is_closed_by_the_guard(alice):
    said = []
    with pytest.raises(ChannelClosed, match="message-too-large"):
        alice.execute("from IPython.display import display\ndisplay({'text/plain': 'x' * (3 << 20)}, raw=True)", on_output=said.append)
    assert "这一个输出过大" in "".join(said)
    assert len("".join(said)) < 1000


def test_many_outputs_are_closed_when_the_budget_is_spent(hub, alice):
    seen = []
    alice.execute("open('big.txt', 'w').write('z' * (2 << 20))")
    code = "from IPython.display import display\nfor _ in range(60):\n    display({'text/plain': 'y' * (1 << 20)}, raw=True)"
    with pytest.raises(ChannelClosed, match="budget-spent"):
        alice.execute(code, on_output=lambda text: seen.append(len(text)))
    assert sum(seen) <= 24 << 20
    assert alice.request("GET", "api/contents/big.txt?content=1").status_code == 429
    events = [json.loads(line)["event"] for line in hub.layout.audit.read_text(encoding="utf-8").splitlines()]
    assert {"budget-spent", "message-too-large", "refused", "read", "channel"} <= set(events)


def test_down_and_a_kill_leave_nothing(hub):
    """The last test of the module: it ends the hub that the others used."""
    hub.down()
    assert "all stopped" in hub.said()
    assert (hub.processes(), hub.groups()) == ([], [])
    assert hub.run("status").returncode == 1

    hub.up()
    with hub.client("bob") as bob:
        bob.login()
        bob.spawn("heart")
        assert len(hub.groups()) >= 1
        assert "bob  heart" in hub.run("status").stdout
        hub.process.kill()
        hub.process.wait()
    psutil.wait_procs(hub.processes(), timeout=10)
    assert hub.processes() == []

    hub.up()
    assert hub.groups() == []
    assert hub.run("down").returncode == 0
    hub.process.wait(timeout=30)
    assert (hub.processes(), hub.groups()) == ([], [])
