"""``workbench broker``: answer feasibility questions on the whole store."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from typing import Annotated

import typer

from workbench.disclosure import load_policy
from workbench.release.ledger import Ledger
from workbench.store import Store
from workbench.store.broker import Broker, serve
from workbench.store.duckdb import DuckDBEngine

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Whole-store feasibility counts.\n\nExample: workbench broker serve --store DIR --home DIR",
)


@app.callback()
def _broker() -> None:
    """Whole-store feasibility counts."""


@app.command(name="serve")
def _serve(
    store: Annotated[Path, typer.Option(help="The de-identified store.")],
    home: Annotated[Path, typer.Option(help="Folder of the broker alone: its socket, the history of answers and its ledger.")],
    policy: Annotated[Path | None, typer.Option(help="TOML file with [disclosure]; WORKBENCH_POLICY if not given.")] = None,
    snapshot: Annotated[str | None, typer.Option(help="Snapshot of the store; the latest if not given.")] = None,
) -> None:
    """Answer definitions on a unix socket until stopped; the hub gate is the only one that may connect.

    Example: workbench broker serve --store /srv/store --home /srv/broker --policy centre.toml

    Exit codes: 0 stopped, 4 the store cannot be read, 5 there is no disclosure policy.
    """
    source = Store(store).open(snapshot)
    ledger = Ledger(home / "ledger.jsonl")
    broker = Broker(DuckDBEngine(source), source.id, load_policy(policy), home / "history", ledger.append)
    server = serve(broker, home / "broker.sock")
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    threading.Thread(target=server.serve_forever, daemon=True).start()
    typer.echo(f"answering on {home / 'broker.sock'} for snapshot {source.id}; stop with Ctrl-C")
    stopped.wait()
    server.shutdown()
    server.server_close()
