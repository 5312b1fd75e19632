"""``python -m hub_config``: start, stop and look at a hub."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated

import typer

from hub_config.errors import HubError, SettingsError
from hub_config.layout import Layout
from hub_config.settings import Settings, load
from hub_config.supervisor import Supervisor, check, down, running_pid, set_password

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)
Config = Annotated[Path, typer.Option("--config", help="The centre's settings; see hub_config/centre.example.toml.")]
DEFAULT = Path("centre.toml")
EXIT_CODES = "Exit codes: 0 done, 1 failed, 5 settings or machine not fit."


@app.command(name="up", epilog=f"Example: python -m hub_config up --config centre.toml. {EXIT_CODES}")
def up_command(config: Config = DEFAULT) -> None:
    """Start the hub and everything beside it; runs until Ctrl-C, SIGTERM or `down`."""
    load(config)
    Supervisor(tomllib.loads(config.read_text(encoding="utf-8")), say=_progress).run(_announce)
    _progress("all stopped")


@app.command(name="down", epilog=f"Example: python -m hub_config down --config centre.toml. {EXIT_CODES}")
def down_command(config: Config = DEFAULT) -> None:
    """Stop a running hub with all its sessions."""
    typer.echo("stopped; `up` starts it again" if down(load(config)) else "no hub was running; `up` starts one")


@app.command(name="status", epilog=f"Example: python -m hub_config status. {EXIT_CODES} 1 also when no hub runs.")
def status_command(config: Config = DEFAULT) -> None:
    """Say whether the hub runs, where, and which sessions are open."""
    settings = load(config)
    layout = Layout(settings.paths.state, settings.first_id)
    pid = running_pid(layout)
    if pid is None:
        typer.echo("no hub runs; `up` starts one")
        raise typer.Exit(1)
    typer.echo(f"hub runs (pid {pid}) at {settings.public.url}")
    for session in _sessions(layout):
        typer.echo(f"session {session['sid']}  {session['user']}  {session['project']}")
    typer.echo("`down` stops it with all sessions")


@app.command(name="check", epilog=f"Example: sudo python -m hub_config check. {EXIT_CODES}")
def check_command(config: Config = DEFAULT) -> None:
    """Say what this machine lacks for sealed sessions."""
    faults = check(load(config))
    for fault in faults:
        typer.echo(f"- {fault}")
    typer.echo("mend the above, then check again" if faults else "nothing is missing; `up` starts the hub")
    raise typer.Exit(5 if faults else 0)


@app.command(name="password", epilog=f"Example: python -m hub_config password alice. {EXIT_CODES}")
def password_command(user: Annotated[str, typer.Argument(help="A name from [[users]].")], config: Config = DEFAULT) -> None:
    """Set a person's local password, asked for twice."""
    settings = load(config)
    _known(settings, user)
    set_password(settings, user, typer.prompt("new password", hide_input=True, confirmation_prompt=True))
    typer.echo(f"{user} signs in with it from now on")


def _known(settings: Settings, user: str) -> None:
    if user not in {item.name for item in settings.users}:
        message = f"{user!r} is not listed under [[users]]"
        raise SettingsError(message)


def _sessions(layout: Layout) -> list[dict[str, str]]:
    import asyncio

    from hub_config.engines.local import LocalEngine

    return asyncio.run(LocalEngine(layout.agent_socket).sessions())


def _progress(line: str) -> None:
    typer.echo(line, err=True)


def _announce(supervisor: Supervisor) -> None:
    """Print the address and who may sign in."""
    settings, passwords = supervisor.settings, supervisor.first_passwords()
    typer.echo(f"\nready at {settings.public.url}")
    for user in settings.users:
        projects = ", ".join(project.name for project in settings.projects if user.name in project.members)
        typer.echo(f"  {user.name:<16} {passwords.get(user.name, '(password set)'):<22} {user.role:<11} {projects}")
    if passwords:
        typer.echo(f"generated passwords stay in {supervisor.layout.first_passwords} (root only) until you delete it")
    typer.echo("stop with Ctrl-C or `python -m hub_config down`\n")


def main() -> None:
    """Run the command line; errors that are meant to be read are printed without a traceback."""
    try:
        app()
    except HubError as error:
        typer.echo(f"error: {error}", err=True)
        raise SystemExit(error.exit_code) from None


if __name__ == "__main__":
    main()
