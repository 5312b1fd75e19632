"""``make demo``: the whole story without a click, through the same doors that people use.

Staff build and publish a store and provision a project; a researcher opens a sealed session through the proxy, runs a
template in it, fails to get anything out by three forbidden ways, and asks for a release; a reviewer approves it. Nothing
here reaches into another component: it types commands and speaks to the hub as a browser does.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tomli_w
import typer

from hub_config.client import ChannelClosed, HubClient, KernelError
from hub_config.errors import HubError
from hub_config.layout import account_id
from hub_config.settings import load
from hub_config.supervisor import PR_SET_PDEATHSIG

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Story", "main"]

CHECKOUT = Path(__file__).resolve().parents[1]
PROJECT, RESEARCHER, STUDENT, REVIEWER = "demo", "lin", "chen", "zhao"
PROJECT_TITLE = {"synthetic": "2型糖尿病住院患者的临床特征", "tongji": "入院24小时检验与住院结局"}
FIRST_ID = 200_000
NOBODY = 65534
#: The environment, by the path that every account can read; `.venv` in the checkout only points to it.
IMAGE = Path(sys.prefix).resolve()


@dataclass
class Story:
    """One telling of the story.

    Parameters
    ----------
    place : Path
        Folder in which everything happens; sessions' accounts must be able to pass through it.
    data : Path or None
        Folder with real input; None builds the synthetic hospital.
    patients : int
        Size of the synthetic hospital.
    english : bool
        Speak English instead of Chinese.
    """

    place: Path
    data: Path | None
    patients: int
    english: bool
    began: float = field(default_factory=time.monotonic)
    step: int = 0

    @property
    def state(self) -> Path:
        """The hub's state directory."""
        return self.place / "state"

    @property
    def config(self) -> Path:
        """The centre's settings that the story writes."""
        return self.place / "centre.toml"

    @property
    def input(self) -> str:
        """What the story is built from."""
        return f"{self.data or self.patients} {'en' if self.english else 'zh'}"

    def say(self, zh: str, en: str) -> None:
        """Print a line of the story."""
        print(en if self.english else zh, flush=True)  # noqa: T201  (the demonstration speaks)

    def chapter(self, zh: str, en: str) -> None:
        """Begin a numbered step."""
        self.step += 1
        text = f"[{self.step}] {en if self.english else zh}"
        print(f"\n\033[1m{text}\033[0m  ({time.monotonic() - self.began:.0f} s)", flush=True)  # noqa: T201

    def run(self, *words: str | Path, account: str = "", refused: bool = False, lines: int = 12) -> str:
        """Type a ``workbench`` command and show the end of what it prints.

        Parameters
        ----------
        *words : str or Path
            The command's arguments.
        account : str
            Service account that types it; empty for whoever tells the story.
        refused : bool
            Whether the command is to fail; the story ends if it does otherwise.
        lines : int
            How many of the last lines to show.

        Returns
        -------
        str
            Everything it printed.

        Raises
        ------
        HubError
            If the command fails, or does not fail although a refusal was wanted.
        """
        arguments = [str(word) for word in words]
        print(f"  $ workbench {' '.join(_short(word, self.place) for word in arguments)}", flush=True)  # noqa: T201
        settings = {
            "WORKBENCH_LANGUAGE": "en" if self.english else "zh",
            "WORKBENCH_POLICY": str(self.place / "policy.toml"),
            "WORKBENCH_REVIEWERS": str(self.config),
            "WORKBENCH_AIRLOCK": str(self.state / "airlock"),
            "WORKBENCH_STATUS": str(self.state / "airlock-status"),
        }
        done = subprocess.run(
            [sys.executable, "-m", "workbench.cli", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if refused else None,
            text=True,
            check=False,
            **self._as(account, settings),
        )
        for line in done.stdout.splitlines()[-lines:]:
            print(f"    {line}", flush=True)  # noqa: T201
        if refused == (done.returncode == 0):
            message = f"workbench {' '.join(arguments)} ended with {done.returncode}"
            raise HubError(message, hint="the lines above say why")
        return done.stdout

    def _as(self, account: str, settings: dict[str, str]) -> dict[str, Any]:
        """Return what makes a subprocess run as a service account, with the library's copy instead of the checkout."""
        if not account:
            return {"cwd": CHECKOUT, "env": {**os.environ, **settings}}
        number = account_id(FIRST_ID, account)
        (library,) = sorted((self.state / "library").iterdir(), key=lambda path: path.stat().st_mtime)[-1:]
        environment = {
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
            "HOME": str(self.state / account),
            "PYTHONPATH": str(library),
            **settings,
        }
        return {"cwd": "/", "env": environment, "user": number, "group": number, "extra_groups": []}

    # Staff

    def build_store(self) -> None:
        """Make the store: from the synthetic hospital's raw extract, or from the real input."""
        store = self.place / "store"
        if self.data is None:
            self.chapter(
                f"建一所{self.patients:,}名患者的合成医院（含真值与植入的身份标识）",
                f"Build a synthetic hospital of {self.patients:,} patients, with planted identifiers",
            )
            self.run("synthetic", "build", "--patients", str(self.patients), "--seed", "2026", "--out", self.place / "raw")
            self.chapter("关联、核查、去标识化，发布快照", "Link, check, de-identify and publish a snapshot")
            self.run("store", "ingest", self.place / "raw", "--out", store, "--key", self.place / "keys" / "store.key")
        else:
            self.chapter("按映射文件导入真实数据，发布快照", "Import the real input by a mapping, and publish a snapshot")
            self.run("store", "import", *_input(self.data), "--out", store, lines=25)
        self.run("store", "verify", store, lines=3)

    def provision(self) -> None:
        """Grant the project and cut its slice."""
        self.chapter("为课题切出数据切片（课题自己的假名与日期平移）", "Cut the project's slice: its own pseudonyms and dates")
        today = time.strftime("%Y-%m-%d")
        file = self.place / "project.toml"
        file.write_text(
            f'[project]\nname = "{PROJECT}"\ntitle = "{self.title}"\nlead = "{RESEARCHER}"\nmembers = ["{RESEARCHER}", "{STUDENT}"]\n\n'
            f'[slice]\nshift_days = 182\n\n[approval]\nby = "data committee"\non = {today}\nreference = "demo-1"\n',
            encoding="utf-8",
        )
        self.run(
            "project", "provision", file, "--store", self.place / "store", "--slices", self.place / "slices", "--keys", self.place / "keys"
        )

    @property
    def title(self) -> str:
        """Title of the project."""
        return PROJECT_TITLE["tongji" if self.data else "synthetic"]

    def write_settings(self) -> None:
        """Write the centre's settings and its policy."""
        policy = {"disclosure": {"threshold": 10, "rounding": 5}, "release": {"approvals": 1}}
        (self.place / "policy.toml").write_text(tomli_w.dumps(policy), encoding="utf-8")
        table = {
            "language": "en" if self.english else "zh",
            "first_id": FIRST_ID,
            "paths": {"state": str(self.state), "slices": str(self.place / "slices"), "node": str(IMAGE.parent / "node")},
            "public": {"port": _free_port()},
            "image": {"python": str(IMAGE / "bin" / "python"), "prefixes": _prefixes()},
            "disclosure": policy["disclosure"],
            "users": [
                {"name": RESEARCHER, "role": "researcher", "display": "林医生"},
                {"name": STUDENT, "role": "student", "display": "陈同学"},
                {"name": REVIEWER, "role": "reviewer", "display": "赵审查员"},
            ],
            "projects": [{"name": PROJECT, "title": self.title, "members": [RESEARCHER, STUDENT]}],
            "services": self._services(),
        }
        self.config.write_text(tomli_w.dumps(table), encoding="utf-8")

    def _services(self) -> list[dict[str, Any]]:
        python = ["{python}", "-P", "-m", "workbench.cli"]
        policy = ["--policy", str(self.place / "policy.toml")]
        watch = ["release", "watch", "--outbox", "{state}/outbox", "--airlock", "{own}", "--status", "{state}/airlock-status", *policy]
        count = ["broker", "serve", "--store", str(self.place / "store"), "--home", "{own}", *policy]
        return [
            {"name": "airlock", "command": python + watch, "account": "airlock"},
            {"name": "broker", "command": python + count, "account": "broker"},
        ]

    @contextlib.contextmanager
    def hub(self) -> Iterator[str]:
        """Run the hub for as long as the block lasts; gives its address."""
        self.chapter(
            "启动 JupyterHub、代理、会话代理、出口守卫、枢纽网关、气闸",
            "Start JupyterHub with proxy, agent, guard, gate, airlock and broker",
        )
        process = subprocess.Popen(
            [sys.executable, "-m", "hub_config", "up", "--config", str(self.config)],
            cwd=CHECKOUT,
            stdout=subprocess.PIPE,
            text=True,
            preexec_fn=_stop_with_story,
        )
        try:
            for line in process.stdout or ():
                print(f"    {line}", end="", flush=True)  # noqa: T201
                if line.startswith("stop with"):
                    break
            else:
                message = "the hub did not start"
                raise HubError(message, hint=f"see {self.state}/logs")
            yield load(self.config).public.url
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)

    def passwords(self) -> dict[str, str]:
        """Return the generated passwords."""
        return tomllib.loads((self.state / "first-passwords.toml").read_text(encoding="utf-8"))

    # Researcher

    def research(self, client: HubClient) -> str:
        """Work in a sealed session; returns the id of the release request."""
        self.chapter(
            f"研究者 {RESEARCHER} 经代理登录，打开封闭会话",
            f"Researcher {RESEARCHER} signs in through the proxy and opens a sealed session",
        )
        client.login()
        took = client.spawn(PROJECT, progress=lambda line: print(f"    {line}"))  # noqa: T201
        self.say(f"    会话就绪，用时 {took:.1f} 秒", f"    ready in {took:.1f} s")
        self.chapter("在会话内运行模板", "Run the template inside the session")
        self.execute(client, _TEMPLATE.format(name="inpatient_outcome" if self.data else "cohort_description"))
        self.chapter(
            "全库可行性计数：只送出定义，只取回抑制后的计数",
            "Feasibility on the whole store: a definition goes out, a suppressed count comes back",
        )
        self.execute(client, _FEASIBILITY)
        self.chapter("三种被禁止的带出方式，逐一尝试", "Three forbidden ways out, each tried")
        self.try_ways_out(client)
        self.chapter("提出出域申请", "Ask for a release")
        answer = self.execute(client, _REQUEST.format(title=self.title))
        return re.findall(r"^request (\S+)$", answer, re.MULTILINE)[0]

    def execute(self, client: HubClient, code: str) -> str:
        """Run code in the session's kernel and show what it prints."""
        return client.execute(code, on_output=lambda text: print(_indented(text), end="", flush=True))  # noqa: T201

    def try_ways_out(self, client: HubClient) -> None:
        """Try a download, the network and a flood of output; each must be refused."""
        answer = client.request("GET", "files/report/report.html")
        self._refused(
            "浏览器下载 /files/report/report.html",
            "browser download of /files/report/report.html",
            answer.status_code in (403, 404),
            f"HTTP {answer.status_code}",
        )
        told = client.execute(_NETWORK.format(port=load(self.config).public.port))
        self._refused(
            "内核内直连网络", "network from the kernel", told.count("OPEN") == 0 and told.count("\n") == 3, "; ".join(told.split("\n")[:3])
        )
        try:
            client.execute("from IPython.display import display\ndisplay({'text/plain': 'x' * 12_000_000}, raw=True)")
            closed = ""
        except ChannelClosed as error:
            closed = str(error)
        self._refused("通过输出通道倾倒 12 MB", "12 MB through the output channel", bool(closed), closed)

    def _refused(self, zh: str, en: str, refused: bool, how: str) -> None:
        if not refused:
            message = f"{en} was NOT refused: {how}"
            raise HubError(message)
        self.say(f"    ✗ {zh} —— 被拒绝：{how}", f"    ✗ {en}: refused: {how}")

    # Reviewer

    def review(self, request: str) -> Path:
        """Try to approve as the author, approve as the reviewer, release; returns the released report."""
        airlock = self.state / "airlock"
        self.chapter("气闸在会话外取得副本并自动检查", "The airlock takes its copy outside the session and checks it")
        self._wait_for_request(request)
        self.run("release", "show", request, account="airlock", lines=40)
        self.chapter("作者批准自己的申请：拒绝；审查员批准：通过", "The author approves: refused. A reviewer approves: accepted")
        self.run("release", "approve", request, "--as", RESEARCHER, account="airlock", refused=True)
        self.run("release", "approve", request, "--as", REVIEWER, account="airlock")
        self.run("release", "release", request, "--as", REVIEWER, account="airlock")
        self.chapter("校验台账", "Verify the ledger")
        self.run("ledger", "verify", airlock / "ledger.jsonl", account="airlock")
        return next((airlock / "released").rglob("report.html"))

    def _wait_for_request(self, request: str) -> None:
        status = self.state / "airlock-status" / PROJECT / RESEARCHER / f"{request}.json"
        deadline = time.monotonic() + 60
        while not status.exists():
            if time.monotonic() > deadline:
                message = "the airlock did not take the request within a minute"
                raise HubError(message, hint=f"see {self.state}/logs/service-airlock.log")
            time.sleep(0.2)

    def picture(self, report: Path) -> Path:
        """Take a picture of the released report with a real browser."""
        target = self.place / "report.png"
        nobody = self.place / "browser"  # the page was made in a session: no browser of root's opens it
        nobody.mkdir(mode=0o755)
        shutil.copy(report, nobody / "report.html")
        os.chown(nobody, NOBODY, NOBODY)
        words = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--hide-scrollbars"]
        words += ["--window-size=1100,2600", f"--screenshot={nobody / 'report.png'}", (nobody / "report.html").as_uri()]
        environment = {"PATH": os.environ["PATH"], "HOME": str(nobody), "LANG": "C.UTF-8"}
        done = subprocess.run(
            words, capture_output=True, check=False, timeout=120, user=NOBODY, group=NOBODY, extra_groups=[], env=environment, cwd=nobody
        )
        if done.returncode:
            message = f"the browser could not show {report}"
            raise HubError(message, hint="apt install chromium")
        shutil.move(nobody / "report.png", target)
        return target

    def nothing_left(self) -> None:
        """Make sure that no process of the story is alive.

        Raises
        ------
        HubError
            If one is.
        """
        alive = [line.name for line in Path("/proc").iterdir() if line.name.isdigit() and str(self.state).encode() in _command_line(line)]
        if alive:
            message = f"processes {', '.join(alive)} are still alive"
            raise HubError(message)
        self.say("    没有留下任何进程", "    nothing is left running")


_TEMPLATE = """
!workbench template run {name} --out report
if _exit_code:
    raise SystemExit(f"the template ended with {{_exit_code}}")
"""

_FEASIBILITY = """
import workbench as wb
asked = wb.cohort("住院患者").enter(wb.encounters(setting="inpatient"), limit="first").require("成年", wb.age >= 18)
print("whole store:", wb.feasibility(asked)["persons"], "patients")
"""

_NETWORK = """
import socket
for address in (("1.1.1.1", 443), ("127.0.0.1", {port}), ("pypi.org", 443)):
    try:
        socket.create_connection(address, timeout=3).close()
        print("OPEN", address)
    except OSError as error:
        print("refused", address[0], error.strerror or error)
"""

_REQUEST = """
import workbench as wb
asked = wb.release.request(["report/report.html"], title="{title}", purpose="论文初稿的图表")
print("request", asked.id)
"""


def _stop_with_story() -> None:
    """Between fork and exec: have the hub stopped when the story is killed."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


def _input(folder: Path) -> tuple[str | Path, ...]:
    """Say how to import a folder: its own mapping, the one that fits a known workbook, or as OMOP."""
    mappings = [*sorted(folder.glob("*.yaml")), *sorted((CHECKOUT / "templates" / "mappings").glob("*.yaml"))]
    for mapping in mappings:
        named = re.findall(r"[\w.-]+\.(?:xlsx|csv|parquet)", mapping.read_text(encoding="utf-8"))
        if any((folder / name).exists() for name in named):
            return folder, "--mapping", mapping
    return (folder,)


def _prefixes() -> list[str]:
    """Trees that a session needs besides /usr: the environment, and its base interpreter where that lies elsewhere."""
    return [prefix for prefix in dict.fromkeys((str(IMAGE), sys.base_prefix)) if not prefix.startswith("/usr")]


def _free_port(first: int = 8000) -> int:
    for port in range(first, first + 100):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return port
    message = f"no free port from {first} to {first + 99}"
    raise HubError(message)


def _indented(text: str) -> str:
    return "".join(f"    {line}" for line in text.splitlines(keepends=True))


def _short(word: str, place: Path) -> str:
    return word.replace(f"{place}/", "").replace(f"{CHECKOUT}/", "")


def _command_line(process: Path) -> bytes:
    with contextlib.suppress(OSError):
        return (process / "cmdline").read_bytes()
    return b""


def tell(story: Story) -> None:
    """Tell the whole story."""
    prepare(story)
    with story.hub() as address:
        with HubClient(address, RESEARCHER, story.passwords()[RESEARCHER]) as client:
            request = story.research(client)
            report = story.review(request)
            client.stop()
        picture = story.picture(report)
    story.chapter("收场", "The end")
    story.nothing_left()
    released, shown = CHECKOUT / ".demo" / "report.html", CHECKOUT / ".demo" / "report.png"
    released.parent.mkdir(exist_ok=True)
    shutil.copy(report, released)
    shutil.copy(picture, shown)
    if "SUDO_UID" in os.environ:  # the checkout is its owner's, not root's
        for path in (released.parent, released, shown):
            os.chown(path, int(os.environ["SUDO_UID"]), int(os.environ.get("SUDO_GID", -1)))
    story.say(f"\n已出域的报告：{released}\n报告的图片：  {shown}", f"\nreleased report: {released}\nits picture:     {shown}")


def stay(story: Story) -> None:
    """Leave a hub up until Ctrl-C."""
    built = story.place / "built"  # written last: an earlier story is served again only if it is whole and the one asked for
    if not built.exists() or built.read_text(encoding="utf-8") != story.input:
        prepare(story)
    os.execv(sys.executable, [sys.executable, "-m", "hub_config", "up", "--config", str(story.config)])  # noqa: S606  (no shell is wanted)


def prepare(story: Story) -> None:
    """Start from an empty folder; build the store, the slice and the settings."""
    if story.config.exists():
        subprocess.run(
            [sys.executable, "-m", "hub_config", "down", "--config", str(story.config)], cwd=CHECKOUT, capture_output=True, check=False
        )
    if story.place.exists() and any(story.place.iterdir()) and not story.config.exists():
        message = f"{story.place} is not empty and holds no earlier story"
        raise HubError(message, hint="name an empty folder: what is in it would be lost")
    shutil.rmtree(story.place, ignore_errors=True)
    story.place.mkdir(parents=True)
    story.write_settings()
    story.build_store()
    story.provision()
    (story.place / "built").write_text(story.input, encoding="utf-8")


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def demo(
    data: Annotated[
        Path | None, typer.Option(help="Folder with real input; the synthetic hospital without it.", exists=True, file_okay=False)
    ] = None,
    patients: Annotated[int, typer.Option(help="Size of the synthetic hospital.", min=100)] = 5000,
    language: Annotated[str, typer.Option(help="zh or en.")] = "zh",
    place: Annotated[Path | None, typer.Option(help="Folder in which everything happens.")] = None,
    stay_up: Annotated[bool, typer.Option("--stay", help="Leave the hub up and print its address and accounts.")] = False,
) -> None:
    """Tell the whole story: store, sealed session, template, refused ways out, reviewed release, ledger."""
    if os.geteuid() != 0:
        os.execvp("sudo", ["sudo", "-E", sys.executable, "-m", "hub_config.demo", *sys.argv[1:]])  # noqa: S606  (the agent needs root)
    story = Story(place or IMAGE.parent / "demo", data.resolve() if data else None, patients, language == "en")
    (stay if stay_up else tell)(story)


def main() -> None:
    """Run the demonstration; errors that are meant to be read are printed without a traceback."""
    try:
        app()
    except (HubError, KernelError) as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201
        raise SystemExit(getattr(error, "exit_code", 1)) from None


if __name__ == "__main__":
    main()
