"""Definitions that our query cannot say, run as circepy compiles them: SQL text on DuckDB.

circepy [1]_ writes the SQL of circe-be in OHDSI's dialect, which is that of SQL Server with conditional text; sqlglot turns it
into DuckDB's (circepy's own translator gives the same answers and takes 20 times as long). The text is a chain of temporary
tables; each definition gets a cursor of its own, so that whatever it leaves behind goes with the cursor.

References
----------
.. [1] https://github.com/OHDSI/Circepy (``ohdsi-circepy`` 0.3.0, import name ``circe``).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import sqlglot
from circe.api import BuildExpressionQueryOptions, build_cohort_query, cohort_expression_from_json
from circe.sqlrender import render

from workbench.cohort.engine import ROW_SCHEMA
from workbench.errors import DefinitionError

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

__all__ = ["check_model", "circe_rows", "circe_sql"]

_TARGET = "workbench_circe_rows"

# A hint to the optimiser of SQL Server, and the one statement of circe's that sqlglot does not know.
_STATISTICS = re.compile(r"UPDATE STATISTICS [^;]*;", re.IGNORECASE)


def check_model(text: str) -> None:
    """Read circe JSON through circepy's model.

    Raises
    ------
    DefinitionError
        If the model refuses it; the message is the model's own.
    """
    try:
        cohort_expression_from_json(text)
    except (ValueError, TypeError, AttributeError) as error:
        raise DefinitionError(f"circepy's model refuses the definition: {error}", hint="check it in ATLAS") from error


def circe_sql(text: str) -> list[str]:
    """Compile circe JSON to statements for DuckDB.

    Parameters
    ----------
    text : str
        Circe JSON without WebAPI's wrapping.

    Returns
    -------
    list of str
        To be run in order over tables of the schema ``main``; the last fill the table ``workbench_circe_rows``.

    Raises
    ------
    DefinitionError
        If circepy cannot compile it.
    """
    options = BuildExpressionQueryOptions()
    options.cdm_schema = options.vocabulary_schema = "main"
    options.target_table = _TARGET
    options.cohort_id = 0
    try:
        sql = build_cohort_query(cohort_expression_from_json(text), options)
        parsed = sqlglot.parse(_STATISTICS.sub("", render(sql)), read="tsql")
        return [statement.sql("duckdb", comments=False) for statement in parsed if statement is not None]
    except Exception as error:
        # circepy raises whatever its model, its builders or plain Python raise; all of them mean the same here.
        raise DefinitionError(f"circepy cannot compile the definition ({type(error).__name__}: {error})") from error


def circe_rows(connection: duckdb.DuckDBPyConnection, text: str) -> pa.Table:
    """Run circe JSON as circepy compiles it.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        Holds the OMOP tables, or views of them, in the schema ``main``.
    text : str
        Circe JSON without WebAPI's wrapping.

    Returns
    -------
    pyarrow.Table
        Of :data:`workbench.cohort.engine.ROW_SCHEMA`, ordered by person, start and end.

    Raises
    ------
    DefinitionError
        If circepy cannot compile it.
    duckdb.Error
        If DuckDB cannot run what circepy wrote.
    """
    statements = circe_sql(text)
    with connection.cursor() as cursor:
        cursor.execute(
            f"CREATE TEMP TABLE {_TARGET} (cohort_definition_id BIGINT, subject_id BIGINT, cohort_start_date DATE, cohort_end_date DATE)"
        )
        for statement in statements:
            cursor.execute(statement)
        found = cursor.sql(
            f"SELECT subject_id AS person_id, cohort_start_date AS start_date, cohort_end_date AS end_date FROM {_TARGET} ORDER BY ALL"
        )
        return found.to_arrow_table().cast(ROW_SCHEMA)
