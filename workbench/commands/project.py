"""``workbench project``: provision a granted project's slice."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from tqdm import tqdm

from workbench.projects.project import read_project
from workbench.projects.provision import provision
from workbench.pseudonyms import PseudonymKey
from workbench.release.ledger import Ledger
from workbench.store import Store

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Provision a project's slice of the store.\n\nExample: workbench project show diabetes.toml",
)

_PROJECT = Annotated[Path, typer.Argument(help="Project file (TOML): [project], [slice], [approval].")]


@app.command()
def show(project: _PROJECT) -> None:
    """Check a project file and say what it grants.

    Example: workbench project show diabetes.toml

    Exit codes: 0 done, 3 the file is wrong.
    """
    found = read_project(project)
    typer.echo(f"{found.name}: {found.title}")
    typer.echo(f"lead {found.lead}, members {', '.join(found.members)}")
    typer.echo(f"slice: persons of {found.slice.cohort or 'the whole store'}, tables {', '.join(found.slice.tables) or 'all'}")
    typer.echo(f"dates move by up to {found.slice.shift_days} days")
    typer.echo(f"approved by {found.approval.by} on {found.approval.on} ({found.approval.reference})")
    typer.echo(f"next: workbench project provision {project} --store DIR --slices DIR --keys DIR")


@app.command(name="provision")
def _provision(
    project: _PROJECT,
    store: Annotated[Path, typer.Option(help="The de-identified store.")],
    slices: Annotated[Path, typer.Option(help="Folder of all slices; this project's is made or given a new snapshot there.")],
    keys: Annotated[Path, typer.Option(help="Folder of the projects' pseudonym keys, for staff alone; a missing key is made.")],
    snapshot: Annotated[str | None, typer.Option(help="Snapshot of the store; the latest if not given.")] = None,
    ledger: Annotated[Path | None, typer.Option(help="Ledger in which the provision is recorded.")] = None,
    actor: Annotated[str, typer.Option(help="Who provisions, for the ledger.")] = "staff",
) -> None:
    """Cut the project's slice out of the store, under the project's own pseudonyms and dates.

    Example: workbench project provision diabetes.toml --store /srv/store --slices /srv/slices --keys /srv/keys

    Exit codes: 0 done, 3 the project file or its cohort is wrong, 4 the store cannot be read, 6 no patient is granted.
    """
    found = read_project(project)
    source = Store(store).open(snapshot)
    key = PseudonymKey.load(keys / f"{found.name}.key")
    with tqdm(desc=f"provision {found.name}", unit=" tables") as bar:

        def step(name: str) -> None:
            bar.set_postfix_str(name)
            bar.update()

        made = provision(found, source, slices=slices, key=key, progress=step)
    if ledger is not None:
        detail = {"store": source.id, "slice": made.id, "approval": found.approval.reference}
        Ledger(ledger).append(actor, "project.provisioned", found.name, detail)
    typer.echo(f"slice {made.id} of project {found.name} in {slices / found.name}")
    typer.echo(f"next: name the project and its members in the centre's settings; check with workbench store verify {slices / found.name}")
