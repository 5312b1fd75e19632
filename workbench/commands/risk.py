"""``workbench risk``: run a disease-risk study from its file, or its guards alone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workbench.commands.help import command_help
from workbench.commands.store import StoreOption  # noqa: TC001  (typer reads annotations at run time)
from workbench.errors import DefinitionError
from workbench.locale import tr

if TYPE_CHECKING:
    from workbench.risk.study.study import Study

__all__ = ["app"]

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help=command_help(
        "Disease-risk studies: from a study file to a TRIPOD+AI report.",
        "workbench risk run study.yaml --table patients.csv --out out",
        codes=(3, 4, 5, 7, 8),
    ),
)

File = Annotated[
    Path, typer.Argument(metavar="STUDY.yaml", help="The study's protocol; `workbench risk example` prints one to start from.")
]
Tables = Annotated[
    list[Path] | None,
    typer.Option("--table", help="File with a plain table (csv, tsv, xlsx, parquet); may be given more than once."),
]
Snapshot = Annotated[str | None, typer.Option(help="Snapshot of the store; the newest by default.")]


@app.command(
    "run",
    help=command_help(
        "Run a study and write its report: report.html, report.docx, metrics.csv and card.json.\n\nThe guards against leaks run first; "
        "what they refuse stops the study. Figures are shown only under a disclosure policy: the session's, the one named by "
        "WORKBENCH_POLICY, or --policy.",
        "workbench risk run study.yaml --table patients.csv --out out",
        "workbench risk run study.yaml --store store --policy policy.toml --out out",
        codes=(3, 4, 5, 7, 8),
    ),
)
def run_study(
    file: File,
    out: Annotated[Path, typer.Option(help="Folder to write to; its four files are replaced together.")],
    store: StoreOption = None,
    table: Tables = None,
    snapshot: Snapshot = None,
    policy: Annotated[Path | None, typer.Option(help="TOML file with [disclosure] threshold and rounding.")] = None,
    workers: Annotated[int | None, typer.Option(help="Processes; chosen by the work by default.")] = None,
) -> None:
    """Run a study and write its report."""
    from workbench import disclosure
    from workbench.outfile import check_folder
    from workbench.risk.study.study import Study

    rule = disclosure.load_policy(policy)  # without one no figure could be shown: say so before hours of work
    check_folder(out)
    study = Study.read(file)
    result = study.run(_data(study, store, snapshot, table), workers=workers)
    for path in result.report(out, policy=rule):
        typer.echo(path)
    typer.echo(result.told(rule))


@app.command(
    "check",
    help=command_help(
        "Run the guards of a study alone: what would leak the future, or the outcome, into its predictors.",
        "workbench risk check study.yaml --table patients.csv",
        codes=(3, 4, 5, 7),
    ),
)
def check(file: File, store: StoreOption = None, table: Tables = None, snapshot: Snapshot = None) -> None:
    """Run the guards of a study alone."""
    from workbench.risk.study.study import Study

    study = Study.read(file)
    audit = study.audit(_data(study, store, snapshot, table))
    typer.echo(audit)
    audit.check()
    typer.echo(tr("检查项全部通过。", "The guards found nothing to refuse."))


@app.command(
    "example", help=command_help("Print a study file to start from, with a comment for each key.", "workbench risk example > study.yaml")
)
def example() -> None:
    """Print a study file to start from."""
    import workbench.risk.protocol

    typer.echo((Path(workbench.risk.protocol.__file__).parent / "example.yaml").read_text(encoding="utf-8"))


def _data(study: Study, store: Path | None, snapshot: str | None, tables: list[Path] | None) -> Any:
    """Return what the study is run on: tables where they are given, else the store."""
    if tables and store is not None:
        raise DefinitionError("--store and --table are both given", hint="give the one that the study is to be run on")
    if tables:
        return list(tables)
    if study.cohort is None:
        raise DefinitionError("the study reads plain tables and none is given", hint="--table FILE")
    from workbench.store.snapshots import open_store

    return open_store(store, snapshot)
