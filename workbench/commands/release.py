"""``workbench release``: collect requests, look at them, decide, release."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from workbench.commands.help import command_help
from workbench.errors import DefinitionError, PolicyError, Refusal
from workbench.release.collector import collect, write_answer
from workbench.release.names import is_account
from workbench.release.people import read_person
from workbench.release.policy import load_release_policy
from workbench.release.records import Person, Request
from workbench.release.requests import Airlock
from workbench.release.states import GRANTED, State, diagram

__all__ = ["app"]

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help=command_help(
        "Requests to release results: collect, review, decide, package.", "workbench release list --airlock airlock --policy policy.toml"
    ),
)

AirlockOption = Annotated[Path, typer.Option("--airlock", envvar="WORKBENCH_AIRLOCK", help="Folder of the airlock.")]
PolicyOption = Annotated[
    Path | None,
    typer.Option("--policy", envvar="WORKBENCH_POLICY", help="TOML file with [disclosure] and [release]. Without it nothing is done."),
]
AsOption = Annotated[
    str, typer.Option("--as", help="The account that acts. The command believes it: only the airlock's account may run this.")
]
ReviewersOption = Annotated[
    Path | None,
    typer.Option(
        "--reviewers", envvar="WORKBENCH_REVIEWERS", help="The centre's configuration: [[users]] with roles, [[projects]] with members."
    ),
]
RolesOption = Annotated[str, typer.Option("--roles", help="Roles of the account, comma-separated, where there is no --reviewers file.")]
StatusOption = Annotated[Path | None, typer.Option("--status", envvar="WORKBENCH_STATUS", help="Folder of the answers that sessions read.")]
Identifier = Annotated[str, typer.Argument(metavar="REQUEST", help="Identifier of the request.")]


@app.command(
    "watch",
    help=command_help(
        "Take in requests from the outboxes, check and record them.",
        "workbench release watch --outbox outbox --airlock airlock --status status --policy policy.toml --once",
        codes=(5, 7, 8),
    ),
)
def watch(
    outbox: Annotated[Path, typer.Option(help="Folder of the outboxes, PROJECT/USER/REQUEST.")],
    airlock: AirlockOption,
    status: Annotated[Path, typer.Option(help="Folder of the answers that sessions read.")],
    policy: PolicyOption = None,
    canaries: Annotated[Path | None, typer.Option(help="File of planted tokens, one a line, that must never leave.")] = None,
    once: Annotated[bool, typer.Option("--once", help="Look once instead of going on.")] = False,
    every_seconds: Annotated[float, typer.Option("--every", min=0.1, help="Seconds between two looks.")] = 2.0,
) -> None:
    """Take in requests from the outboxes, check and record them."""
    opened = _open(airlock, policy)
    planted = _tokens(canaries)
    while True:
        for request in collect(outbox, airlock=opened, answers=status, canaries=planted):
            typer.echo(_line(request))
        if once:
            break
        time.sleep(every_seconds)
    typer.echo(f"Next: workbench release list --airlock {airlock}")


@app.command(
    "list", help=command_help("List requests, those that wait for a vote first.", "workbench release list --airlock airlock", codes=(5, 8))
)
def list_requests(
    airlock: AirlockOption, policy: PolicyOption = None, state: Annotated[State | None, typer.Option(help="Only this state.")] = None
) -> None:
    """List requests, those that wait for a vote first."""
    requests = sorted(_open(airlock, policy).requests(state=state), key=lambda request: request.state is not State.IN_REVIEW)
    for request in requests:
        typer.echo(_line(request))
    typer.echo(f"{len(requests)} requests. Next: workbench release show REQUEST")


@app.command(
    "show",
    help=command_help(
        "Show one request: files, findings, votes, and where the reviewer reads the files.",
        "workbench release show 20260102-030405-0011223344556677 --airlock airlock",
        codes=(4, 5, 8),
    ),
)
def show(identifier: Identifier, airlock: AirlockOption, policy: PolicyOption = None) -> None:
    """Show one request: files, findings, votes, and where the reviewer reads the files."""
    opened = _open(airlock, policy)
    request = opened.request(identifier)
    typer.echo(_line(request))
    typer.echo(f"purpose:  {request.purpose}\nmanifest: {request.manifest}\napprovals: {request.approvals()} of {opened.policy.approvals}")
    for file in request.files:
        typer.echo(f"  {file.kind:<10} {file.stored.size_bytes:>10,} B  {file.name}  {opened.objects.path(file.stored.sha256)}")
    for finding in request.findings:
        typer.echo(
            f"  {finding.severity.upper():<5} {finding.check}: {finding.file}: {finding.place}: {finding.reason} -> {finding.advice}"
        )
    for vote in request.votes:
        typer.echo(f"  {vote.decision} by {vote.reviewer} at {vote.time} {vote.reason}")
    if request.state is State.RELEASED:
        typer.echo(f"released: {opened.package_path(identifier)}")
    typer.echo(f"Next: workbench release approve {identifier} --as USER --manifest {request.manifest[:12]}")


@app.command(
    "approve",
    help=command_help(
        "Approve exactly the files as shown.",
        "workbench release approve REQUEST --as li --reviewers centre.toml --airlock airlock",
        codes=(4, 5, 6, 7, 8),
    ),
)
def approve(
    identifier: Identifier, airlock: AirlockOption, name: AsOption,
    manifest: Annotated[str | None, typer.Option(help="Hash of the manifest that was shown, or its start.")] = None,
    policy: PolicyOption = None, reviewers: ReviewersOption = None, roles: RolesOption = "", status: StatusOption = None,
    reason: Annotated[str, typer.Option(help="A remark for the record.")] = "",
) -> None:  # fmt: skip
    """Approve exactly the files as shown."""
    opened = _open(airlock, policy)
    seen = _seen(opened.request(identifier), manifest)
    request = opened.approve(identifier, person=_person(name, reviewers, roles), manifest=seen, reason=reason)
    _report(
        request,
        status,
        f"{request.approvals()} of {opened.policy.approvals} approvals. Next: workbench release release {identifier} --as USER",
    )


@app.command(
    "reject",
    help=command_help(
        "Reject a request, with a reason for its author.",
        "workbench release reject REQUEST --as li --reviewers centre.toml --reason 'round the counts' --airlock airlock",
        codes=(4, 5, 6, 7, 8),
    ),
)
def reject(
    identifier: Identifier, airlock: AirlockOption, name: AsOption,
    reason: Annotated[str, typer.Option(help="What the author is to change.")],
    policy: PolicyOption = None, reviewers: ReviewersOption = None, roles: RolesOption = "", status: StatusOption = None,
) -> None:  # fmt: skip
    """Reject a request, with a reason for its author."""
    opened = _open(airlock, policy)
    person = _person(name, reviewers, roles)
    request = opened.reject(identifier, person=person, manifest=opened.request(identifier).manifest, reason=reason)
    _report(request, status, "The author reads the reason in the session and makes a new request.")


@app.command(
    "withdraw",
    help=command_help("Take back one's own request.", "workbench release withdraw REQUEST --as wang --airlock airlock", codes=(4, 5, 6, 8)),
)
def withdraw(
    identifier: Identifier, airlock: AirlockOption, name: AsOption, policy: PolicyOption = None, status: StatusOption = None
) -> None:  # fmt: skip
    """Take back one's own request."""
    opened = _open(airlock, policy)
    _report(opened.withdraw(identifier, person=_person(name, None, "")), status, "Next: mend the files and request again.")


@app.command(
    "release",
    help=command_help(
        "Put the approved files where they are picked up.",
        "workbench release release REQUEST --as li --reviewers centre.toml --airlock airlock",
        codes=(4, 5, 6, 7, 8),
    ),
)
def release(
    identifier: Identifier, airlock: AirlockOption, name: AsOption,
    policy: PolicyOption = None, reviewers: ReviewersOption = None, roles: RolesOption = "", status: StatusOption = None,
) -> None:  # fmt: skip
    """Put the approved files where they are picked up."""
    opened = _open(airlock, policy)
    package = opened.release(identifier, person=_person(name, reviewers, roles))
    _report(opened.request(identifier), status, f"package: {package}\nNext: workbench ledger verify {airlock}")


@app.command(
    "states",
    help=command_help(
        "Print the life of a request as a Mermaid diagram.",
        "workbench release states",
    ),
)
def states() -> None:
    """Print the life of a request as a Mermaid diagram."""
    typer.echo(diagram(), nl=False)


def _open(airlock: Path, policy: Path | None) -> Airlock:
    if policy is None:
        raise PolicyError("no policy is named, so nothing is done", hint="give --policy FILE with [disclosure] and [release]")
    return Airlock(airlock, policy=load_release_policy(policy))


def _person(name: str, reviewers: Path | None, roles: str) -> Person:
    if not is_account(name):
        raise DefinitionError(f"{name!a} is not the name of an account", hint="lower-case letters, digits, dot, dash, underscore")
    if reviewers is not None:
        if roles:
            raise DefinitionError("both --reviewers and --roles are given", hint="the file says which roles the account has")
        return read_person(name, reviewers)
    named = frozenset(filter(None, roles.split(",")))
    if not named <= {role.value for role in GRANTED}:
        raise DefinitionError(f"--roles is {roles!a}; wanted some of {', '.join(sorted(GRANTED))}")
    return Person(name=name, roles=named)


def _seen(request: Request, manifest: str | None) -> str:
    """Give the manifest that the vote is for: the one that was named, if it is this request's."""
    if manifest is not None and (len(manifest) < 12 or not request.manifest.startswith(manifest)):
        raise Refusal(
            f"the files of request {request.id} are not those of manifest {manifest!a}", hint=f"workbench release show {request.id}"
        )
    return request.manifest


def _tokens(path: Path | None) -> frozenset[str]:
    if path is None:
        return frozenset()
    try:
        return frozenset(filter(None, (line.strip() for line in path.read_text(encoding="utf-8").splitlines())))
    except (OSError, UnicodeDecodeError) as error:
        raise PolicyError(f"the planted tokens {path} cannot be read: {error}") from error


def _line(request: Request) -> str:
    blocked = sum(finding.severity == "block" for finding in request.findings)
    files = f"{len(request.files)} files, {blocked} blocks"
    return f"{request.id}  {request.state:<10} {request.project}/{request.author}  {files}  {request.title}"


def _report(request: Request, status: Path | None, then: str) -> None:
    if status is not None:
        write_answer(status, request)
    typer.echo(_line(request))
    typer.echo(then)
