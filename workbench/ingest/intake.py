"""Taking in one table at a time: judge its rows, settle repeated keys, count what happened, set aside what is refused."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import duckdb

from workbench.errors import DataError
from workbench.ingest.quality import BORN, judge_sql, repeats_sql
from workbench.ingest.report import ImportReport, TableCount
from workbench.ingest.sources import identifier, is_source_fault
from workbench.store.arrange import parquet_relation, quoted
from workbench.tables import TABLES, Table

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa

    from workbench.ingest.omop import Prepared

__all__ = ["Intake"]

_BATCH_ROWS = 122_880
_ACCEPTED = "len(_refused) = 0"

#: Tables that others refer to by key: a new number would cut the reference.
_REFERENCED = frozenset(column.references for table in TABLES.values() for column in table.columns if column.references)


class Intake:
    """Judges tables and remembers the result of each on the disk.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        Where the SQL runs; its results are always fetched whole, or DuckDB would refuse the next query.
    work : Path
        Folder for judged rows.
    quarantine : Path
        Folder under which refused rows are kept; one folder an import.
    report : ImportReport
        Where everything is counted.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, work: Path, quarantine: Path, report: ImportReport) -> None:
        self.report = report
        self.quarantine = quarantine / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{uuid.uuid4().hex[:8]}"
        self._connection = connection
        self._work = work / "judged"
        self._work.mkdir()
        self._judged: dict[str, Path] = {}

    @property
    def tables(self) -> list[Table]:
        """Tables taken in so far."""
        return [TABLES[name] for name in self._judged]

    def accepted(self, name: str) -> str:
        """Give the relation of a table's accepted rows, to stand after FROM."""
        return f"(SELECT * FROM {parquet_relation(self._judged[name])} WHERE {_ACCEPTED})"

    def fetch(self, query: str) -> list[tuple]:
        """Run a query and give all its rows."""
        return self._connection.execute(query).fetchall()

    def take(self, prepared: Prepared) -> pa.RecordBatchReader:
        """Judge a table and give its accepted rows in the order of the snapshot; read them before taking the next one.

        Raises
        ------
        DataError
            If the source cannot be read to its end, or not one person can be accepted.
        """
        declared = prepared.declared
        try:
            judged = self._judge(prepared)
        except duckdb.Error as error:
            if not is_source_fault(error):
                raise
            raise DataError(
                f"{prepared.source.origin} cannot be read to its end ({type(error).__name__})",
                hint="is the file whole? write it again from the source",
            ) from error
        self._judged[declared.name] = judged
        self._set_aside(prepared, judged)
        taken = self._count(prepared, judged)
        if declared.name == "person":
            self._remember_births(taken)
        names = ", ".join(identifier(name) for name in declared.names)
        order = f"ORDER BY {', '.join(identifier(name) for name in declared.sort)}" if declared.sort else ""
        return self._connection.sql(f"SELECT {names} FROM {self.accepted(declared.name)} {order}").to_arrow_reader(_BATCH_ROWS)

    def _judge(self, prepared: Prepared) -> Path:
        declared = prepared.declared
        judged = self._work / f"{declared.name}.parquet"
        self._connection.execute(f"COPY ({judge_sql(prepared)}) TO {quoted(judged)} (FORMAT parquet)")
        return self._settle_repeats(declared, judged) if declared.key else judged

    def _settle_repeats(self, declared: Table, judged: Path) -> Path:
        key = ", ".join(identifier(name) for name in declared.key)
        rows = f"SELECT {key} FROM {parquet_relation(judged)} WHERE {_ACCEPTED} GROUP BY {key} HAVING count(*) > 1"
        self._connection.execute(f"CREATE OR REPLACE TEMP TABLE repeated AS {rows}")
        if self.fetch("SELECT count(*) FROM repeated") == [(0,)]:
            return judged
        settled = judged.with_suffix(".settled.parquet")
        query = repeats_sql(declared, parquet_relation(judged), "repeated", referenced=declared.name in _REFERENCED)
        self._connection.execute(f"COPY ({query}) TO {quoted(settled)} (FORMAT parquet)")
        judged.unlink()
        return settled

    def _count(self, prepared: Prepared, judged: Path) -> int:
        """Count rows by rule, and give how many are accepted."""
        name = prepared.declared.name
        ((read, taken),) = self.fetch(f"SELECT count(*), count(*) FILTER ({_ACCEPTED}) FROM {parquet_relation(judged)}")
        for action in ("refused", "emptied", "mended"):
            where = "true" if action == "refused" else _ACCEPTED
            reasons = f"SELECT unnest(_{action}) AS reason FROM {parquet_relation(judged)} WHERE {where}"
            for reason, rows in self.fetch(f"SELECT reason, count(*) FROM ({reasons}) GROUP BY reason"):
                column, _, rule = reason.partition("|")
                self.report.add(action, name, column, rule, rows)
        lost = prepared.source.unreadable
        unreadable = self.fetch(f"SELECT count(*) FROM {parquet_relation(lost)}")[0][0] if lost else 0
        self.report.add("refused", name, "", "line cannot be read", unreadable)
        self.report.tables.append(TableCount(name, prepared.source.origin, read + unreadable, taken, read - taken + unreadable))
        return taken

    def _set_aside(self, prepared: Prepared, judged: Path) -> None:
        """Copy refused rows, and rows that lost a value, with their reasons to the quarantine: for the staff only."""
        name = prepared.declared.name
        aside = f"""SELECT CASE WHEN {_ACCEPTED} THEN 'emptied' ELSE 'refused' END AS action,
                           array_to_string(list_concat(_refused, _emptied), '; ') AS reasons, _source AS source_row
                    FROM {parquet_relation(judged)} WHERE _source IS NOT NULL"""
        if self.fetch(f"SELECT count(*) FROM {parquet_relation(judged)} WHERE _source IS NOT NULL") != [(0,)]:
            self._quarantined(aside, name)
        if prepared.source.unreadable:
            self._quarantined(f"SELECT * FROM {parquet_relation(prepared.source.unreadable)}", f"{name}.unreadable")

    def _quarantined(self, query: str, name: str) -> None:
        for folder in (self.quarantine.parent, self.quarantine):
            folder.mkdir(mode=0o700, exist_ok=True)
        self._connection.execute(f"COPY ({query}) TO {quoted(self.quarantine / f'{name}.parquet')} (FORMAT parquet)")

    def _remember_births(self, taken: int) -> None:
        if not taken:
            where = f"the reasons are in {self.quarantine}" if self.quarantine.is_dir() else "the table is empty"
            raise DataError("no row of table person can be accepted", hint=where)
        day = "coalesce(month_of_birth, 1), CASE WHEN month_of_birth IS NULL THEN 1 ELSE coalesce(day_of_birth, 1) END"
        self._connection.execute(
            f"""CREATE TABLE {BORN} AS
                SELECT person_id AS person,
                       coalesce(try_cast(format('{{}}-{{}}-{{}}', year_of_birth, {day}) AS DATE),
                                make_date(year_of_birth, 1, 1)) AS earliest
                FROM {self.accepted("person")}"""
        )
