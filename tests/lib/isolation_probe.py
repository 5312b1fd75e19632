"""Runs inside a sealed session's kernel: tries what must not work and prints one JSON object of what happened."""

import contextlib
import ctypes
import errno
import http.client
import json
import os
import socket
import stat
import subprocess
import sys
from pathlib import Path

TARGETS = json.loads(os.environ["PROBE_TARGETS"])
libc = ctypes.CDLL(None, use_errno=True)
RESULT = {}


def attempt(name, action):
    try:
        RESULT[name] = action()
    except OSError as error:
        RESULT[name] = errno.errorcode.get(error.errno, type(error).__name__)
    except Exception as error:
        RESULT[name] = type(error).__name__


def connect(address, family=socket.AF_INET):
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.settimeout(3)
        probe.connect(address)
    return "connected"


def raw_call(function, *arguments):
    return "done" if function(*arguments) >= 0 else errno.errorcode[ctypes.get_errno()]


def status(*names):
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return [lines[name].strip() for name in names]


def write(path):
    Path(path).write_text("x")
    return "written"


def hub(method, path):
    class UnixConnection(http.client.HTTPConnection):
        def connect(self):
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.connect("/run/hub/gate.sock")

    connection = UnixConnection("hub")
    connection.request(method, path, headers={"Authorization": "token " + os.environ["JUPYTERHUB_API_TOKEN"]})
    return connection.getresponse().status


def child(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


THREADS = """
import os, threading
number, never = 0, threading.Event()
try:
    while number < 5000:
        threading.Thread(target=never.wait, daemon=True).start()
        number += 1
except RuntimeError:
    pass
print(number, flush=True)
os._exit(0)
"""


def names(folder):
    return sorted(path.name for path in Path(folder).iterdir())


def threads():
    """How many threads can be started before the limit of processes is met."""
    return int(child(THREADS).stdout)


def devices():
    return sorted(path.name for path in Path("/dev").iterdir() if stat.S_ISCHR(path.lstat().st_mode) or stat.S_ISBLK(path.lstat().st_mode))


def symbolic_outbox():
    link = Path("/outbox/link")
    with contextlib.suppress(FileNotFoundError):
        link.unlink()
    link.symlink_to("/etc/shadow")
    return link.read_text()


attempt("ids", lambda: [os.getuid(), os.getgid(), os.getgroups()])
attempt("capabilities", lambda: status("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"))
attempt("no_new_privileges, seccomp", lambda: status("NoNewPrivs", "Seccomp"))
attempt("interfaces", lambda: [name for _, name in socket.if_nameindex()])
attempt("routes", lambda: Path("/proc/net/route").read_text().splitlines()[1:])
attempt("internet", lambda: connect(("1.1.1.1", 443)))
attempt("name service", lambda: socket.gethostbyname("pypi.org"))
attempt("hub's public port", lambda: connect(("127.0.0.1", TARGETS["public_port"])))
attempt("host's loopback", lambda: connect(("127.0.0.1", TARGETS["tcp_port"])))
attempt("host's loopback, IPv6", lambda: connect(("::1", TARGETS["public_port"]), socket.AF_INET6))
attempt("host's abstract socket", lambda: connect("\0" + TARGETS["abstract"], socket.AF_UNIX))
attempt("AF_VSOCK", lambda: socket.socket(40, socket.SOCK_STREAM).close() or "opened")
attempt("AF_ALG", lambda: socket.socket(38, socket.SOCK_SEQPACKET).close() or "opened")
attempt("AF_PACKET", lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW).close() or "opened")
attempt("raw socket", lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1).close() or "opened")
attempt("processes", lambda: len([name for name in names("/proc") if name.isdigit()]))
attempt("/", lambda: names("/"))
attempt("/root", lambda: names("/root"))
attempt("/home", lambda: names("/home"))
attempt("/etc", lambda: names("/etc"))
attempt("/run", lambda: names("/run"))
attempt("/run/hub", lambda: names("/run/hub"))
attempt("devices", devices)
attempt("data", lambda: Path("/data/patients.csv").read_text().split()[1])
for place in ("/", "/usr", "/etc", "/run", "/run/hub", "/run/airlock", "/run/workbench", "/data", "/opt/workbench/library"):
    attempt(f"write {place}", lambda place=place: write(f"{place}/x"))
attempt("write image", lambda: write(f"{sys.prefix}/x"))
attempt("write /home/work", lambda: write("/home/work/x"))
attempt("write /shared", lambda: write("/shared/x.txt"))
attempt("write /outbox", lambda: write("/outbox/x.txt"))
attempt("write /tmp", lambda: write("/tmp/x"))
attempt("change manifest", lambda: write("/run/workbench/session.toml"))
attempt("manifest's owner", lambda: Path("/run/workbench/session.toml").stat().st_uid)
attempt("chmod data", lambda: Path("/data/patients.csv").chmod(0o777))
attempt("fill /tmp", lambda: Path("/tmp/big").write_bytes(b"x" * (80 << 20)))
Path("/tmp/big").unlink(missing_ok=True)
attempt("symlink in outbox", symbolic_outbox)
attempt("unshare", lambda: raw_call(libc.unshare, 0x10000000))
attempt("mount", lambda: raw_call(libc.mount, b"x", b"/tmp", b"tmpfs", 0, None))
attempt("ptrace parent", lambda: raw_call(libc.ptrace, 16, os.getppid(), 0, 0))
attempt("chroot", lambda: raw_call(libc.chroot, b"/tmp"))
attempt("io_uring", lambda: raw_call(libc.syscall, 425, 1, None))
attempt("keyctl", lambda: raw_call(libc.syscall, 250, 0, -3, 0))
attempt("open_by_handle_at", lambda: raw_call(libc.syscall, 304, 3, None, 0))
attempt("setuid 0", lambda: os.setuid(0))
attempt("mknod", lambda: os.mknod("/tmp/node", 0o600 | stat.S_IFBLK, os.makedev(8, 0)))
attempt("server's environment", lambda: Path(f"/proc/{os.getppid()}/environ").read_bytes() and "read")
attempt("server's memory", lambda: Path(f"/proc/{os.getppid()}/mem").open("rb").close() or "opened")
attempt("server's descriptors", lambda: names(f"/proc/{os.getppid()}/fd"))
attempt("first process's arguments", lambda: Path("/proc/1/cmdline").read_text())
attempt("sysrq", lambda: write("/proc/sysrq-trigger"))
attempt(
    "kernel log", lambda: child("import ctypes; print(ctypes.CDLL(None).klogctl(3, ctypes.create_string_buffer(10), 10))").stdout.strip()
)
attempt("secrets", lambda: sorted(name for name in os.environ if any(word in name for word in ("TOKEN", "SECRET", "KEY", "PASSWORD"))))
attempt("hub who am I", lambda: hub("GET", "/hub/api/user"))
for method, path in (
    ("GET", "/hub/api/users"),
    ("GET", "/hub/api/user/../users"),
    ("GET", "/hub/api/user%2f..%2fusers"),
    ("POST", "/hub/login"),
    ("POST", "/hub/api/users/alice/servers/lung"),
    ("DELETE", "/hub/api/users/bob/servers/heart"),
    ("POST", "/hub/api/users/alice/tokens"),
    ("GET", "/hub/api/proxy"),
    ("POST", "/hub/api/batchspawner"),
):
    attempt(f"hub {method} {path}", lambda method=method, path=path: hub(method, path))
attempt("memory", lambda: child("x = bytearray(700 << 20)\nprint(len(x))").returncode)
attempt("threads", threads)
attempt("library", lambda: [next(iter(__import__(name).__path__)) for name in ("workbench", "nlp", "imaging", "templates")])
print(json.dumps(RESULT))
