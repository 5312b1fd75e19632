"""The airlock's tables. Only :mod:`workbench.release.requests` writes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["audit", "file", "finding", "open_engine", "request", "vote"]

_metadata = sa.MetaData()

request = sa.Table(
    "request",
    _metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("project", sa.String(64), nullable=False),
    sa.Column("author", sa.String(64), nullable=False),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("purpose", sa.Text, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("manifest", sa.String(64), nullable=False),
    sa.Column("received", sa.String(32), nullable=False),
)

file = sa.Table(
    "file",
    _metadata,
    sa.Column("request", sa.ForeignKey("request.id"), primary_key=True),
    sa.Column("name", sa.String(200), primary_key=True),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("sha256", sa.String(64), nullable=False),
    sa.Column("size_bytes", sa.BigInteger, nullable=False),
)

finding = sa.Table(
    "finding",
    _metadata,
    sa.Column("request", sa.ForeignKey("request.id"), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("check", sa.String(64), nullable=False),
    sa.Column("severity", sa.String(8), nullable=False),
    sa.Column("file", sa.String(200), nullable=False),
    sa.Column("place", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("advice", sa.Text, nullable=False),
)

#: One vote a reviewer, on the manifest as it was seen; the key keeps a second one out.
vote = sa.Table(
    "vote",
    _metadata,
    sa.Column("request", sa.ForeignKey("request.id"), primary_key=True),
    sa.Column("reviewer", sa.String(64), primary_key=True),
    sa.Column("decision", sa.String(16), nullable=False),
    sa.Column("manifest", sa.String(64), nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("time", sa.String(32), nullable=False),
)

#: What happened, written in the same transaction as the state; `ledger_seq` is the ledger's entry, None until it has one.
audit = sa.Table(
    "audit",
    _metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("time", sa.String(32), nullable=False),
    sa.Column("actor", sa.String(64), nullable=False),
    sa.Column("action", sa.String(32), nullable=False),
    sa.Column("request", sa.ForeignKey("request.id"), nullable=False),
    sa.Column("detail", sa.JSON, nullable=False),
    sa.Column("ledger_seq", sa.Integer, nullable=True),
)


def open_engine(path: Path) -> sa.Engine:
    """Open the airlock's SQLite file, made with its tables if it is not there, so that one writer waits for another."""
    engine = sa.create_engine(f"sqlite:///{path}", connect_args={"timeout": 30})
    sa.event.listen(engine, "connect", _on_connect)
    sa.event.listen(engine, "begin", _on_begin)
    _metadata.create_all(engine)
    return engine


def _on_connect(connection: object, _record: object) -> None:
    connection.isolation_level = None  # the driver must not open transactions of its own
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA synchronous = FULL")


def _on_begin(connection: sa.Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")
