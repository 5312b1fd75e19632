"""Series found at a DICOMweb server and fetched into a folder: what is here whole is not asked for again."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from imaging.dicom.inbox import KEPT
from workbench.errors import DefinitionError, EnvironmentFault
from workbench.locale import tr
from workbench.session import in_session

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

    from imaging.dicom.dicomweb import DicomWeb
    from imaging.dicom.inbox import Inbox, Outcome
    from imaging.errors import ImagingError

__all__ = ["FILTERS", "Fetched", "Wanted", "check_outside", "fetch", "find_series"]

#: What studies are searched by: option -> attribute.
FILTERS = {"patient": "PatientID", "accession": "AccessionNumber", "date": "StudyDate", "modality": "ModalitiesInStudy"}


class Wanted(NamedTuple):
    """A series at the server: its UIDs, and what it says of it."""

    study: str
    series: str
    modality: str = ""


class Fetched(NamedTuple):
    """What became of a series: instances that the server has, that were here before, that were kept now, and that could not be had."""

    wanted: Wanted
    instances: int
    known: int
    kept: int
    failed: int


def check_outside() -> None:
    """Refuse to fetch within a sealed session.

    Raises
    ------
    EnvironmentFault
        In one: it has no network.
    """
    if in_session():
        raise EnvironmentFault(
            tr("封闭会话没有网络，不能取影像", "a sealed session has no network: nothing can be fetched into it"),
            hint=tr("课题的影像由数据中心放入数据切片", "the data centre puts a project's images into its slice"),
        )


def find_series(web: DicomWeb, *, studies: Collection[str], series: Collection[str] = (), **filters: str) -> list[Wanted]:
    """Return the series that are wanted.

    Parameters
    ----------
    web : DicomWeb
        The server.
    studies, series : collection of str
        UIDs; all series of the studies unless some are named.
    **filters
        Names of :data:`FILTERS`, by which studies are searched where none is named.

    Raises
    ------
    DefinitionError
        If nothing narrows the search, or series are named without their study.
    PlaceError
        If the server does not answer, or refuses.
    ImageDataError
        If its answer is none.
    """
    asked = {FILTERS[name]: value for name, value in filters.items() if value}
    if not studies and not asked:
        raise DefinitionError(
            tr("未指定要取什么", "nothing says what to fetch"), hint=tr("--study UID，或其他条件", "--study UID, or another condition")
        )
    if series and not studies:
        raise DefinitionError(tr("--series 需要同时指定 --study", "--series wants its --study"), hint="--study UID --series UID")
    found = list(studies) or [str(row["StudyInstanceUID"]) for row in web.search("studies", **asked) if "StudyInstanceUID" in row]
    return [one for study in dict.fromkeys(found) for one in _within(web, study, series, filters.get("modality", ""))]


def _within(web: DicomWeb, study: str, series: Collection[str], modality: str) -> Iterator[Wanted]:
    """Yield the wanted series of a study."""
    for row in web.search("series", study=study):
        one = Wanted(study, str(row.get("SeriesInstanceUID", "")), str(row.get("Modality", "")))
        if one.series and (not series or one.series in series) and (not modality or one.modality == modality):
            yield one


def fetch(
    web: DicomWeb,
    inbox: Inbox,
    wanted: Iterable[Wanted],
    *,
    told: Callable[[Outcome], object],
    failed: Callable[[str, ImagingError], object],
) -> Iterator[Fetched]:
    """Fetch series; an instance that cannot be had is told, and the others come all the same.

    Parameters
    ----------
    web : DicomWeb
        The server.
    inbox : Inbox
        Where instances go.
    wanted : iterable of Wanted
        Of :func:`find_series`.
    told : callable
        Called with the outcome of each instance that came.
    failed : callable
        Called with the UID of each instance that did not come, and why.

    Yields
    ------
    Fetched
        For each series.

    Raises
    ------
    PlaceError
        If the server does not answer, or lets nobody in: what has come stays, and the next run goes on.
    """
    for one in wanted:
        found = web.retrieve_series(one.study, one.series, inbox, told=told, failed=failed)
        kept = sum(count for code, count in found.outcomes.items() if code in KEPT)
        yield Fetched(one, found.instances, found.known, kept, found.instances - found.known - kept)
