"""Which series to look at: those of a cohort, by modality, body part, geometry and time; read as volumes, shown, listed."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from imaging.dicom.body_parts import body_part as standard_part
from imaging.dicom.files import path_from_text
from imaging.geometry import Verdict
from imaging.volumes import Policy, Volume, open_series, read_volume
from workbench.cohort.language import CohortBuilder, CombinationBuilder
from workbench.cohort.language import images as images_criterion
from workbench.disclosure import DisclosurePolicy, load_policy, suppress_table
from workbench.errors import DataError, DefinitionError
from workbench.locale import get_language, tr
from workbench.series.occurrences import IMAGES
from workbench.series.words import verdict_words
from workbench.store.overlay import SnapshotWithRows
from workbench.store.snapshots import Snapshot, open_store
from workbench.tables import arrow_schema

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import pandas as pd

    from imaging.viewer.exhibits import Exhibit
    from imaging.viewer.widget import Viewer
    from workbench.cohort.events import EventSet
    from workbench.cohort.result import CohortResult
    from workbench.series.looking import Mask

__all__ = ["ImageSet", "images"]

#: Series in a viewer, where each is held in memory, and on a contact sheet.
_WATCHED, _ON_A_SHEET = 4, 12

#: Series of the cohort's patients, each once however many index dates it is near to.
_CHOSEN = """
SELECT image.* FROM (SELECT * FROM contract UNION ALL BY NAME SELECT * FROM read_parquet($files, union_by_name = true)) AS image
WHERE (len($modality) = 0 OR list_contains($modality, modality_source_value))
  AND (len($body_part) = 0 OR list_contains($body_part, anatomic_site_source_value))
  AND (len($verdict) = 0 OR list_has_any($verdict, string_split(geometry_verdict, ' ')))
  AND ($least IS NULL OR slice_mm >= $least) AND ($most IS NULL OR slice_mm <= $most)
  AND ($everybody OR EXISTS (
    SELECT 1 FROM entries WHERE entries.person_id = image.person_id
    AND ($first IS NULL OR date_diff('day', entries.index_date, image_occurrence_date) BETWEEN $first AND $last)))
ORDER BY person_id, image_occurrence_date, image_study_uid, image_series_uid
"""


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Series of a snapshot, chosen by patient, kind, geometry and date.

    Parameters
    ----------
    snapshot : Snapshot
        Whose table ``image_occurrence`` is asked.
    entries : pyarrow.Table, optional
        Patients with their index dates (``person_id``, ``index_date``); everybody where None.
    modality, body_part, verdict : tuple of str
        Those wanted; all where empty. Of the verdicts one has to hold.
    slice_mm : tuple of 2 (float or None)
        Least and greatest distance between slices.
    days : (int, int), optional
        Days around an index date, both ends included.
    """

    snapshot: Snapshot
    entries: pa.Table | None = field(default=None, repr=False)
    modality: tuple[str, ...] = ()
    body_part: tuple[str, ...] = ()
    verdict: tuple[str, ...] = ()
    slice_mm: tuple[float | None, float | None] = (None, None)
    days: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        unknown = [each for each in self.verdict if each not in set(Verdict)]
        if unknown:
            raise DefinitionError(f"there is no geometry verdict {unknown[0]!r}", hint=f"wanted one of: {', '.join(Verdict)}")
        if self.days is not None and self.entries is None:
            raise DefinitionError(
                "days around the index date are asked for, but there is no cohort", hint="wb.images(cohort.run(store), days=(-30, 0))"
            )
        for name in ("days", "slice_mm"):
            pair = getattr(self, name)
            if pair is not None and (len(pair) != 2 or (None not in pair and pair[0] > pair[1])):
                raise DefinitionError(f"{name} is {pair!r}; wanted two numbers, the smaller one first")

    def count(self) -> int:
        """Count the series."""
        return self._rows.num_rows

    def table(self) -> pd.DataFrame:
        """Return one row a series: patient, date, modality, body part, verdict, shape, spacing, scanner. Person-level: for the session."""
        return self._rows.drop_columns(["wadors_uri", "local_path", "procedure_occurrence_id"]).to_pandas()

    def paths(self, series: str | Mapping[str, Any]) -> list[str]:
        """Return the files of one of the series.

        Parameters
        ----------
        series : str or row of :meth:`table`
            Its Series Instance UID.

        Raises
        ------
        DataError
            If it is none of these, or its files are not known here.
        """
        uid = series if isinstance(series, str) else series["image_series_uid"]
        if uid not in self._rows["image_series_uid"].to_pylist():
            raise DataError("this is no series of the set", hint="take image_series_uid from .table()")
        for place in self._places:
            filters = [("series_instance_uid", "==", uid)]
            found = pq.read_table(place / "instances.parquet", columns=["path", "duplicate_of"], filters=filters).to_pylist()
            if found:
                return sorted(path_from_text(row["path"]) for row in found if row["duplicate_of"] is None)
        raise DataError("the files of this series are not known here", hint='wb.index_images("FOLDER", wb.open_store()) joins a folder')

    def volume(self, series: str | Mapping[str, Any], policy: Policy | str = Policy.REFUSE, **options: Any) -> Volume:
        """Return one of the series as an array with its geometry; see :func:`imaging.volumes.read_volume`.

        Parameters
        ----------
        series : str or row of :meth:`table`
            Its Series Instance UID.
        policy : Policy or str
            What to do about a verdict.
        **options
            As there.
        """
        return read_volume(open_series(self.paths(series)), policy, **options)

    def show(
        self,
        *series: str | Mapping[str, Any],
        mask: Mask | Sequence[Mask | None] | None = None,
        policy: Policy | str = Policy.REFUSE,
        window: tuple[float, float] | str | None = None,
        plane: str | None = None,
        **options: Any,
    ) -> Viewer:
        """Look at series in the notebook: slices are drawn here, so that no voxel reaches the browser.

        Parameters
        ----------
        *series : str or row of :meth:`table`
            At most four; the first of the set where none is given.
        mask : path, ndarray, Volume, or a list of them, optional
            Drawn over the series: the DICOM SEG of a prediction, the ``boxes.csv`` of a detection, a NIfTI file of labels, or labels on
            the volume's voxels. For several series one each, None for those without.
        policy : Policy or str
            What to do about a verdict.
        window : tuple of 2 float or str, optional
            Centre and width, or a preset's name, at first.
        plane : str, optional
            axial, coronal or sagittal, at first.
        **options
            As :class:`imaging.viewer.widget.Viewer` takes them: layout (one, three, side), language.

        Raises
        ------
        DefinitionError
            If there are more than four, or masks and series do not agree in number.
        DataError
            If the set is empty, or the mask is not there.
        """
        from imaging.viewer.widget import Viewer
        from workbench.series.looking import charge, masks_for, watermark

        chosen = self._chosen(series, first=1, most=_WATCHED)
        masks = masks_for(mask, len(chosen))
        exhibits = [self._exhibit(one, policy, each, window=window, plane=plane) for one, each in zip(chosen, masks, strict=True)]
        return Viewer(*exhibits, **({"watermark": watermark, "charge": charge, "language": get_language()} | options))

    def sheet(self, *series: str | Mapping[str, Any], each: int = 1, policy: Policy | str = Policy.KEEP, **options: Any) -> bytes:
        """Return a contact sheet of series: some slices of each on one page, with the watermark.

        Parameters
        ----------
        *series : str or row of :meth:`table`
            Where none is given, the first twelve of the set.
        each : int
            Slices of each.
        policy : Policy or str
            What to do about a verdict; kept as it is, most can be looked at.
        **options
            As :func:`imaging.viewer.sheet.contact_sheet` takes them: columns, size.

        Returns
        -------
        bytes
            A PNG file; ``IPython.display.Image(...)`` shows it.

        Raises
        ------
        DataError
            If the set is empty.
        """
        from imaging.viewer.sheet import contact_sheet
        from workbench.series.looking import watermark

        exhibits = (self._exhibit(one, policy) for one in self._chosen(series, first=_ON_A_SHEET, most=_ON_A_SHEET))
        return contact_sheet(exhibits, each=each, **({"watermark": watermark(), "language": get_language()} | options))

    def measure(self, series: str | Mapping[str, Any], mask: Mask, *, policy: Policy | str = Policy.REFUSE) -> pd.DataFrame:
        """Measure what a mask delineates in one of the series: volume, diameters, values; ``wb.publish_measurements`` takes the table.

        Parameters
        ----------
        series : str or row of :meth:`table`
            Its Series Instance UID.
        mask : path, ndarray or Volume
            A DICOM SEG of it, a NIfTI file of labels, or labels on the volume's voxels.
        policy : Policy or str
            What to do about a verdict.

        Returns
        -------
        DataFrame
            One row a value; see :func:`workbench.series.measurements.measured`.
        """
        from workbench.series.measurements import measured

        return measured(self.paths(series), self._row(series), mask, policy=policy)

    def counts(self, *by: str, policy: DisclosurePolicy | None = None) -> pd.DataFrame:
        """Count patients by what their series are, small counts hidden: text that may stand in a report.

        Parameters
        ----------
        *by : str
            Columns of :meth:`table`; modality, body part and verdict unless given.
        policy : DisclosurePolicy, optional
            The centre's where None.

        Returns
        -------
        DataFrame of str
            The columns, and ``patients``. A patient may stand in several rows; they are hidden as if none did, which is the worst case.

        Raises
        ------
        PolicyError
            If there is no policy.
        """
        policy = policy or load_policy()
        columns = list(by) or ["modality_source_value", "anatomic_site_source_value", "geometry_verdict"]
        found = self.table().astype(dict.fromkeys(columns, object)).fillna(dict.fromkeys(columns, ""))
        counted = found.groupby(columns)["person_id"].nunique().reset_index(name="patients")
        safe = suppress_table(counted["patients"].to_numpy(), policy=policy).cells[0] if len(counted) else ()
        shown = counted.astype(str).assign(patients=list(map(str, safe)))
        worded = {"geometry_verdict": lambda text: verdict_words(text.split()), "anatomic_site_source_value": _part_words}
        return shown.assign(**{name: list(map(words, shown[name])) for name, words in worded.items() if name in columns})

    # ------------------------------------------------------------------------------------------------------ internals

    @cached_property
    def _rows(self) -> pa.Table:
        files = [str(path).replace("[", "[[]") for path in self.snapshot.files(IMAGES)]
        contract = arrow_schema(IMAGES).empty_table()
        if not files:
            return contract
        entries = self.entries if self.entries is not None else _entries([], [])
        first, last = self.days or (None, None)
        least, most = self.slice_mm
        given = {name: list(getattr(self, name)) for name in ("modality", "body_part", "verdict")}
        given |= {"files": files, "everybody": self.entries is None, "first": first, "last": last, "least": least, "most": most}
        with duckdb.connect(config={"memory_limit": "512MB", "threads": 2}) as database:
            database.register("contract", contract)
            database.register("entries", entries)
            return database.sql(_CHOSEN, params=given).to_arrow_table()

    def _chosen(self, series: Sequence[str | Mapping[str, Any]], *, first: int, most: int) -> Sequence[str | Mapping[str, Any]]:
        chosen = series or self._rows["image_series_uid"].slice(0, first).to_pylist()
        if not chosen:
            raise DataError("no series was chosen: there is nothing to show", hint="ask for less: wb.images(cohort).table() lists them")
        if len(chosen) > most:
            raise DefinitionError(f"{len(chosen)} series are to be shown; wanted at most {most}", hint="name fewer")
        return chosen

    def _exhibit(self, series: str | Mapping[str, Any], policy: Policy | str, mask: Mask | None = None, **shown: Any) -> Exhibit:
        from workbench.series.looking import exhibit_of

        uid = self._row(series)["image_series_uid"]
        return exhibit_of(self.paths(series), self._label(series), policy, mask, uid=uid, **shown)

    @property
    def _places(self) -> list[Any]:
        """Folders of the catalogues that the series come from, the newest first."""
        added = self.snapshot.added_files(IMAGES) if isinstance(self.snapshot, SnapshotWithRows) else []
        return [file.parent for file in reversed(added)]

    def _row(self, series: str | Mapping[str, Any]) -> dict[str, Any]:
        uid = series if isinstance(series, str) else series["image_series_uid"]
        return self._rows.slice(self._rows["image_series_uid"].to_pylist().index(uid), 1).to_pylist()[0]

    def _label(self, series: str | Mapping[str, Any]) -> str:
        row = self._row(series)
        part = _part_words(row["anatomic_site_source_value"] or "")
        verdicts = (row["geometry_verdict"] or "").split()
        verdict = "" if verdicts == [Verdict.REGULAR] else verdict_words(verdicts)
        return " ".join(filter(None, (row["modality_source_value"], part, verdict, str(row["image_occurrence_date"]))))


def images(
    cohort: CohortResult | CohortBuilder | CombinationBuilder | Snapshot | Any = None,
    *,
    days: tuple[int, int] | None = None,
    **asked: Any,
) -> ImageSet | EventSet:
    """Choose the imaging series of a cohort to read and show them; or, without a cohort, ask for series in a rule.

    Parameters
    ----------
    cohort : CohortResult, cohort, or Snapshot, optional
        Whose series: a cohort that has run, one that is run here on the session's store, or everybody in a snapshot. With anything
        else, or nothing, the call is the criterion :func:`workbench.cohort.language.images` and takes its words.
    days : (int, int), optional
        Days around the index date, both ends included.
    **asked
        ``modality``, ``body_part``, ``verdict``: one or several; ``slice_mm``: least and greatest, either may be None.

    Returns
    -------
    ImageSet or EventSet

    Raises
    ------
    DefinitionError
        If what is asked for makes no sense.

    Examples
    --------
    ``wb.images(cohort, modality="CT", body_part="胸部", slice_mm=(None, 2)).table()``
    """
    if isinstance(cohort, CohortBuilder | CombinationBuilder):
        cohort = cohort.run(open_store())
    if not isinstance(cohort, Snapshot) and not (hasattr(cohort, "rows") and hasattr(cohort, "snapshot")):
        return images_criterion(cohort, **asked, **({} if days is None else {"days": days}))
    unknown = set(asked) - {"modality", "body_part", "verdict", "slice_mm"}
    if unknown:
        raise DefinitionError(
            f"{min(unknown)!r} does not choose the series of a cohort", hint="say modality=, body_part=, verdict=, slice_mm=, days="
        )
    chosen = {name: _several(asked.get(name)) for name in ("modality", "body_part", "verdict")}
    chosen["body_part"] = tuple(name for part in chosen["body_part"] for name in _names_of(part))
    chosen |= {"slice_mm": asked.get("slice_mm") or (None, None), "days": days}
    if isinstance(cohort, Snapshot):
        return ImageSet(cohort, **chosen)
    if not isinstance(cohort.snapshot, Snapshot):
        raise DataError(
            "the cohort was not run on a snapshot of a store, so its images cannot be read", hint="run it: cohort.run(wb.open_store())"
        )
    rows = cohort.rows
    return ImageSet(cohort.snapshot, _entries(rows.iloc[:, 0], rows.iloc[:, 1]), **chosen)


def _entries(persons: Iterable[int], dates: Any) -> pa.Table:
    days = np.asarray(dates, "datetime64[D]")
    return pa.table({"person_id": pa.array(np.asarray(persons, np.int64)), "index_date": pa.array(days, pa.date32())})


def _several(value: str | Iterable[str] | None) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value or ())


def _names_of(part: str) -> tuple[str, ...]:
    """Return a body part as it was given, and as the table of series names it."""
    standard = standard_part(part)
    return (part, standard.chinese) if standard else (part,)


def _part_words(part: str) -> str:
    """Return a body part in the language in force, as it stands where it is none that is known."""
    standard = standard_part(part)
    return tr(standard.chinese, standard.meaning) if standard else part
