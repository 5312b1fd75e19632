"""What a researcher holds after a cohort has run: its rows, and the ways to look at them."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from workbench import disclosure
from workbench.cohort import extract
from workbench.cohort.attrition import Attrition, compute_attrition
from workbench.cohort.baseline import BaselineTable, baseline_table
from workbench.cohort.defaults import default_variables
from workbench.cohort.evidence import PersonEvidence, read_notes
from workbench.cohort.query import Cohort
from workbench.cohort.render import render
from workbench.cohort.serial import definition_hash
from workbench.errors import DataError, DefinitionError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from matplotlib.figure import Figure

    from workbench.cohort.engine import Answer, Engine
    from workbench.cohort.extract import Tables, Variable
    from workbench.cohort.query import Definition

__all__ = ["CohortResult", "Explanation"]


@dataclass(frozen=True)
class Explanation:
    """How a cohort was answered.

    Parameters
    ----------
    name, definition_hash : str
        The cohort, and the SHA-256 of its canonical JSON.
    snapshot : str
        Id of the snapshot; empty where the data have none.
    engine : str
        Name of the engine's class.
    sql : str
        What the engine ran, where it compiles to SQL; else empty.
    """

    name: str
    definition_hash: str
    snapshot: str
    engine: str
    sql: str

    def __str__(self) -> str:
        """Give one fact a line, and the SQL last."""
        facts = [
            f"cohort      {self.name}",
            f"definition  {self.definition_hash}",
            f"snapshot    {self.snapshot or '-'}",
            f"engine      {self.engine}",
        ]
        return "\n".join([*facts, *(["", self.sql] if self.sql else [])])

    def _repr_html_(self) -> str:
        return render("explanation.html.j2", explanation=self, styled=True)


@dataclass(frozen=True, eq=False)
class CohortResult:
    """A cohort that has run.

    Parameters
    ----------
    definition : Definition
        What was asked.
    answer : Answer
        What was found.
    engine : Engine
        Where further events are read from.
    snapshot : Tables, optional
        Where persons and encounters are read from; needed to describe patients.
    """

    definition: Definition
    answer: Answer = field(repr=False)
    engine: Engine = field(repr=False)
    snapshot: Tables | None = field(default=None, repr=False)

    @cached_property
    def rows(self) -> pd.DataFrame:
        """Person, start and end of each cohort row. Person-level: for use inside the session."""
        return self.answer.rows.to_pandas(date_as_object=False)

    @cached_property
    def index(self) -> pd.DataFrame:
        """The rows with what is known of their index event; see :func:`workbench.cohort.extract.index_frame`."""
        return extract.index_frame(self.answer)

    def attrition(self, order: Sequence[str] | None = None) -> Attrition:
        """Count persons and index dates left after each rule, from what is already in memory.

        Parameters
        ----------
        order : sequence of str, optional
            Names of all rules in the order wanted; the definition's where None.

        Returns
        -------
        Attrition
            Drawn as a flow chart in a notebook.

        Raises
        ------
        DefinitionError
            If `order` does not name every rule once, or the definition is a combination of cohorts.
        """
        if not isinstance(self.definition, Cohort):
            raise DefinitionError(
                f"{self.definition.name!r} combines cohorts and has no rules of its own", hint="ask each of .parts for its attrition"
            )
        return compute_attrition(self.answer, self.definition, order=order)

    @property
    def parts(self) -> tuple[CohortResult, ...]:
        """Results of the cohorts that a combination joins; empty for a cohort."""
        pairs = zip(getattr(self.definition, "cohorts", ()), self.answer.parts, strict=True)
        return tuple(CohortResult(definition, answer, self.engine, self.snapshot) for definition, answer in pairs)

    def default_variables(self) -> tuple[Variable, ...]:
        """Return what `describe` tells where nothing is named; see :func:`workbench.cohort.defaults.default_variables`."""
        return default_variables(self.index, engine=self.engine, tables=self._tables())

    def frame(self, variables: Sequence[Variable] | None = None) -> pd.DataFrame:
        """Return one row a cohort row and one column a variable. Person-level: for use inside the session.

        Parameters
        ----------
        variables : sequence of Variable, optional
            As :mod:`workbench.cohort.extract` declares them; the default set where None.
        """
        return extract.extract(self._variables(variables), self.index, engine=self.engine, tables=self._tables())

    def describe(self, variables: Sequence[Variable] | None = None, *, by: Variable | None = None) -> BaselineTable:
        """Describe the patients at their index date.

        Parameters
        ----------
        variables : sequence of Variable, optional
            What to tell; where None, the set of :func:`workbench.cohort.defaults.default_variables`.
        by : Variable, optional
            Groups to compare.

        Returns
        -------
        BaselineTable
            One person counts once for each of the cohort's rows. Shown through the centre's disclosure policy.

        Raises
        ------
        DataError
            If the cohort is empty.
        DefinitionError
            If two variables have one name.
        """
        if not len(self.index):
            raise DataError(f"the cohort {self.definition.name!r} is empty", hint="look at .attrition(): which rule leaves nobody?")
        told = [variable for variable in self._variables(variables) if by is None or variable.name != by.name]
        frame = self.frame([*told, *([by] if by else [])])
        labels = {variable.name: variable.label for variable in (*told, *([by] if by else []))}
        units = {variable.name: variable.unit for variable in told}
        if variables is None:
            told = [variable for variable in told if frame[variable.name].notna().any()]
        return baseline_table(frame, by=by.name if by else "", columns=[variable.name for variable in told], labels=labels, units=units)

    def timeline(self, person: int, *, around_days: tuple[int, int] | None = None) -> Figure:
        """Draw one patient's record with the index dates marked. Person-level: for use inside the session.

        Parameters
        ----------
        person : int
            The person.
        around_days : (int, int), optional
            Days before (negative) and after the first index date; all of the record where None.

        Raises
        ------
        DataError
            If the person has no event to draw.
        """
        from workbench.cohort.timeline import draw_timeline  # matplotlib only where something is drawn

        dates = self.index.loc[self.index["person_id"] == person, "index_date"].tolist()
        return draw_timeline(self.engine, person, dates, around_days=around_days)

    def evidence(self, person: int) -> PersonEvidence:
        """Name the rows, and the words in notes, that made each rule true or not. Person-level: for use inside the session.

        Parameters
        ----------
        person : int
            Anyone with or without an entry event; without one there is nothing to name.

        Raises
        ------
        DefinitionError
            If the definition is a combination of cohorts.
        """
        if not isinstance(self.definition, Cohort):
            raise DefinitionError(
                f"{self.definition.name!r} combines cohorts and has no rules of its own", hint="ask one of .parts for the evidence"
            )
        entries = self.engine.evidence(self.definition, int(person))
        return PersonEvidence(int(person), entries, read_notes(entries, self.snapshot) if self.snapshot is not None else {})

    def explain(self) -> Explanation:
        """Say how the cohort was answered: definition, snapshot, engine and, where there is any, its SQL."""
        compile_sql = getattr(self.engine, "sql", None)
        return Explanation(
            name=self.definition.name,
            definition_hash=definition_hash(self.definition),
            snapshot=str(getattr(self.snapshot, "id", "")),
            engine=type(self.engine).__name__,
            sql=compile_sql(self.definition) if callable(compile_sql) else "",
        )

    def _tables(self) -> Tables:
        if self.snapshot is None:
            raise DataError("this result knows no snapshot to read persons from", hint="run the cohort on wb.open_store()")
        return self.snapshot

    def _variables(self, variables: Sequence[Variable] | None) -> tuple[Variable, ...]:
        return self.default_variables() if variables is None else tuple(variables)

    def _repr_html_(self) -> str:
        persons = disclosure.suppress_flow([int(self.rows["person_id"].nunique())], policy=disclosure.load_policy())[0].remaining
        chart = self.attrition().svg() if isinstance(self.definition, Cohort) else ""
        return render("result.html.j2", explanation=self.explain(), persons=persons, chart=chart, styled=True)
