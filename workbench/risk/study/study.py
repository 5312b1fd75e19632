"""A study: its protocol, and what is done with it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from workbench.errors import DataError, DefinitionError
from workbench.risk.extraction.dataset import extract
from workbench.risk.protocol.files import read_study, write_study
from workbench.risk.protocol.protocol import Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from workbench.risk.extraction.dataset import Source, StudyData
    from workbench.risk.guards.audit import Audit
    from workbench.risk.registry.form import FormItem
    from workbench.risk.registry.registry import Registry
    from workbench.risk.study.result import StudyResult

__all__ = ["Study"]


class Study(Protocol):
    """A disease-risk study; its parameters are those of :class:`~workbench.risk.protocol.protocol.Protocol`.

    Examples
    --------
    ``Study.read("study.yaml").run("patients.csv").report("out/")`` is a whole study. From a store it is
    ``Study(title=..., cohort=wb.cohort(...), outcome=..., predictors=[...]).run(wb.open_store())``.
    """

    @classmethod
    def read(cls, path: str | Path) -> Self:
        """Read a study from a YAML file; see :func:`workbench.risk.protocol.files.read_study`."""
        return read_study(path, cls)

    def write(self, path: str | Path) -> Path:
        """Write the study as a YAML file, whole or not at all."""
        return write_study(self, path)

    def source(self, data: Any) -> Source:
        """Return where data of the study come from.

        Parameters
        ----------
        data : Snapshot, path, sequence of paths, or Source
            A store's snapshot (``wb.open_store()``), or files of plain tables.

        Returns
        -------
        Source

        Raises
        ------
        DefinitionError
            If the study has no cohort for a store, or no tables for files.
        """
        if hasattr(data, "features") and hasattr(data, "cohort"):
            return data
        if isinstance(data, str | Path):
            data = [data]
        if isinstance(data, list | tuple):
            from workbench.risk.extraction.tables import read_tables

            return read_tables([Path(path) for path in data], self)
        if hasattr(data, "read"):
            from workbench.risk.extraction.store import StoreSource

            if self.cohort is None:
                raise DefinitionError("the study has no cohort to ask a store for", hint="cohort: the JSON file of a saved definition")
            return StoreSource(data)
        raise DefinitionError(f"no study can be run on {type(data).__name__}", hint="give wb.open_store(), or paths of tables")

    def extract(self, data: Any) -> StudyData:
        """Find who is in the study, what happened to them, and what was known of them before.

        Parameters
        ----------
        data : Snapshot, path, sequence of paths, or Source
            See :meth:`source`.

        Raises
        ------
        DataError
            If nobody is left, or a column or item is not there.
        """
        found = extract(self, self.source(data))
        if not len(found.rows):
            steps = "; ".join(f"{step.name}: {step.persons}" for step in found.cohort.flow)
            raise DataError(f"nobody is left in the study ({steps})", hint="look at the flow: which step leaves nobody?")
        return found

    def audit(self, data: Any) -> Audit:
        """Run the guards alone; see :func:`workbench.risk.guards.audit.audit`."""
        from workbench.risk.guards.audit import audit

        self._try_models()
        source = self.source(data)
        return audit(extract(self, source), source)

    def run(
        self, data: Any, *, models: Sequence[str] | None = None, progress: bool | None = None, workers: int | None = None
    ) -> StudyResult:
        """Run the study: extraction, guards, models, validation.

        Parameters
        ----------
        data : Snapshot, path, sequence of paths, or Source
            See :meth:`source`.
        models : sequence of str, optional
            Of the study's models, those that are run; all where None.
        progress : bool, optional
            Whether to show bars; on a terminal or in a notebook where None.
        workers : int, optional
            Processes; chosen by the work where None. Results do not depend on it.

        Returns
        -------
        StudyResult

        Raises
        ------
        DataError
            If a guard refuses, or no model can be fitted.
        """
        from workbench.risk.study.run import run

        self._try_models()
        return run(self, self.source(data), models=models, progress=progress, workers=workers)

    def registry(
        self,
        data: Any,
        *,
        folder: str | Path,
        editor: str,
        added: Sequence[FormItem] = (),
        follow_up_days: Sequence[int] = (),
        window_days: int = 30,
        today: date | None = None,
    ) -> Registry:
        """Open the registry of the study: a form for each patient, filled from the data, with the source of each value.

        Parameters
        ----------
        data : Snapshot, path, sequence of paths, or Source
            See :meth:`source`.
        folder : path
            Where corrections and entries are kept; the project's shared folder, where several people work on it.
        editor : str
            Who corrects and enters.
        added : sequence of FormItem
            Typed by hand, once (group ``added``) or at each visit (group ``visit``).
        follow_up_days : sequence of int
            When follow-up is due, in days from the index.
        window_days : int
            A visit so long before or after its day is that visit.
        today : date, optional
            Up to which follow-up is due; the latest index of the patients where None.

        Returns
        -------
        Registry
            ``registry.show()`` is its page in a notebook.

        Raises
        ------
        DataError
            If nobody is in the study.
        DefinitionError
            If the editor has no name, or follow-up is asked of data without dates.

        Examples
        --------
        >>> import pandas as pd
        >>> from tempfile import mkdtemp
        >>> folder = Path(mkdtemp())
        >>> patients = {"编号": [7, 8], "性别": ["男", "女"], "年龄": [61, 55], "入院": ["2024-03-01", "2024-03-05"], "结局": [0, 1]}
        >>> pd.DataFrame(patients).to_csv(folder / "patients.csv", index=False)
        >>> study = Study(
        ...     title="胰腺炎",
        ...     tables={"patient": "编号"},
        ...     index={"at": "入院"},
        ...     outcome={"label": "死亡", "kind": "binary", "status": "结局"},
        ...     predictors=[{"column": ["年龄", "性别"]}],
        ... )
        >>> registry = study.registry(folder / "patients.csv", folder=folder, editor="张三", follow_up_days=(30, 90))
        >>> registry.evidence("7", "年龄")[0].key, [visit.state for visit in registry.visits("7")]
        ('2', ['due', 'ahead'])
        >>> _ = registry.correct("7", "年龄", 62, reason="身份证为准")
        >>> registry.table()["年龄"].tolist(), registry.data.X["年龄"].tolist()
        ([62.0, 55.0], [61.0, 55.0])
        """
        from workbench.risk.registry.form import form_of
        from workbench.risk.registry.registry import Registry

        source = self.source(data)
        found = self.extract(source)
        form = form_of(found, added=added, follow_up_days=follow_up_days, window_days=window_days)
        return Registry(found, form, folder, editor, source=source if hasattr(source, "evidence") else None, today=today)

    def _try_models(self) -> None:
        """Refuse models that cannot be made, before any data are read."""
        from workbench.risk.models.catalogue import make_model

        binary, causes = self.outcome.kind == "binary", 1 + len(self.outcome.competing)
        for choice in self.all_models:
            make_model(choice, binary=binary, causes=causes, imputation=self.validation.imputation)
