"""The researcher's words for events: one function a domain, each an :class:`workbench.cohort.events.EventSet`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.cohort.events import Codes, EventSet, any_event, events

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "costs",
    "deaths",
    "devices",
    "diagnoses",
    "encounters",
    "findings",
    "images",
    "labs",
    "medications",
    "notes",
    "observations",
    "orders",
    "procedures",
    "reports",
    "vitals",
]

#: Record types of OMOP that say that something was ordered: EHR order, EHR prescription.
ORDER_TYPES = (32833, 32838)

_Words = str | tuple[str, ...] | list[str] | None


def encounters(codes: Codes | Iterable[Codes] = None, *, setting: _Words = None, department: _Words = None, **asked: object) -> EventSet:
    """Ask for visits to the hospital: admissions, outpatient and emergency visits.

    Parameters
    ----------
    codes : Codelist, str or several of them, optional
        Kinds of visit as the source writes them, or concepts; `setting` asks by word.
        A text is one source value, compared exactly; any where not given.
    setting : {"inpatient", "outpatient", "emergency", "icu"}, optional
        Kind of the event's visit.
    department : str, optional
        Department of the event's visit, as the source writes it.
    **asked
        Further conditions, as in :meth:`workbench.cohort.events.EventSet.where`.

    Examples
    --------
    >>> encounters(setting="inpatient").within(days=(-365, 0)).node.events[0].domain
    'encounters'
    """
    return events("encounters", codes, setting=setting, department=department, **asked)


def diagnoses(codes: Codes | Iterable[Codes] = None, *, setting: _Words = None, department: _Words = None, **asked: object) -> EventSet:
    """Ask for diagnoses.

    Parameters
    ----------
    codes : Codelist, str or several of them, optional
        Diagnosis codes, see :func:`workbench.codelists.icd10cn`. A text is one source value, compared exactly; any where not given.
    setting : {"inpatient", "outpatient", "emergency", "icu"}, optional
        Kind of the event's visit.
    department : str, optional
        Department of the event's visit, as the source writes it.
    **asked
        Further conditions, as in :meth:`workbench.cohort.events.EventSet.where`.

    Examples
    --------
    >>> diagnoses("E11.900", setting="inpatient").node.events[0].domain
    'diagnoses'
    """
    return events("diagnoses", codes, setting=setting, department=department, **asked)


def medications(codes: Codes | Iterable[Codes] = None, *, setting: _Words = None, department: _Words = None, **asked: object) -> EventSet:
    """Ask for drugs prescribed, dispensed or given.

    Parameters
    ----------
    codes : Codelist, str or several of them, optional
        Drug codes or names as the source writes them, or concepts. A text is one source value, compared exactly; any where not given.
    setting : {"inpatient", "outpatient", "emergency", "icu"}, optional
        Kind of the event's visit.
    department : str, optional
        Department of the event's visit, as the source writes it.
    **asked
        Further conditions, as in :meth:`workbench.cohort.events.EventSet.where`.

    Examples
    --------
    >>> medications("胰岛素").before().node.events[0].domain
    'medications'
    """
    return events("medications", codes, setting=setting, department=department, **asked)


def procedures(codes: Codes | Iterable[Codes] = None, *, setting: _Words = None, department: _Words = None, **asked: object) -> EventSet:
    """Ask for operations and other procedures.

    Parameters
    ----------
    codes : Codelist, str or several of them, optional
        Procedure codes, see :func:`workbench.codelists.icd9cm3`. A text is one source value, compared exactly; any where not given.
    setting : {"inpatient", "outpatient", "emergency", "icu"}, optional
        Kind of the event's visit.
    department : str, optional
        Department of the event's visit, as the source writes it.
    **asked
        Further conditions, as in :meth:`workbench.cohort.events.EventSet.where`.

    Examples
    --------
    >>> procedures("36.0601").on_index().node.events[0].domain
    'procedures'
    """
    return events("procedures", codes, setting=setting, department=department, **asked)


def labs(codes: Codes | Iterable[Codes] = None, *, setting: _Words = None, department: _Words = None, **asked: object) -> EventSet:
    """Ask for laboratory results.

    Parameters
    ----------
    codes : Codelist, str or several of them, optional
        Codes or names of tests. A text is one source value, compared exactly; any where not given.
    setting : {"inpatient", "outpatient", "emergency", "icu"}, optional
        Kind of the event's visit.
    department : str, optional
        Department of the event's visit, as the source writes it.
    **asked
        Further conditions, as in :meth:`workbench.cohort.events.EventSet.where`.

    Examples
    --------
    >>> labs("HbA1c").where(value_ge=6.5, unit="%").node.events[0].domain
    'labs'
    """
    return events("labs", codes, setting=setting, department=department, **asked)


def vitals(codes: Codes | Iterable[Codes] = None, *, setting: _Words = None, department: _Words = None, **asked: object) -> EventSet:
    """Ask for vital signs.

    Parameters
    ----------
    codes : Codelist, str or several of them, optional
        Codes or names of signs. A text is one source value, compared exactly; any where not given.
    setting : {"inpatient", "outpatient", "emergency", "icu"}, optional
        Kind of the event's visit.
    department : str, optional
        Department of the event's visit, as the source writes it.
    **asked
        Further conditions, as in :meth:`workbench.cohort.events.EventSet.where`.

    Examples
    --------
    >>> vitals("体温").where(value_gt=38.5).node.events[0].domain
    'vitals'
    """
    return events("vitals", codes, setting=setting, department=department, **asked)


def observations(codes: Codes | Iterable[Codes] = None, *, setting: _Words = None, department: _Words = None, **asked: object) -> EventSet:
    """Ask for other facts: history, habits, answers to questions.

    Parameters
    ----------
    codes : Codelist, str or several of them, optional
        Codes or names of observations. A text is one source value, compared exactly; any where not given.
    setting : {"inpatient", "outpatient", "emergency", "icu"}, optional
        Kind of the event's visit.
    department : str, optional
        Department of the event's visit, as the source writes it.
    **asked
        Further conditions, as in :meth:`workbench.cohort.events.EventSet.where`.

    Examples
    --------
    >>> observations("吸烟史").node.events[0].domain
    'observations'
    """
    return events("observations", codes, setting=setting, department=department, **asked)


def devices(codes: Codes | Iterable[Codes] = None, *, setting: _Words = None, department: _Words = None, **asked: object) -> EventSet:
    """Ask for devices and consumables.

    Parameters
    ----------
    codes : Codelist, str or several of them, optional
        Codes or names of devices. A text is one source value, compared exactly; any where not given.
    setting : {"inpatient", "outpatient", "emergency", "icu"}, optional
        Kind of the event's visit.
    department : str, optional
        Department of the event's visit, as the source writes it.
    **asked
        Further conditions, as in :meth:`workbench.cohort.events.EventSet.where`.

    Examples
    --------
    >>> devices("起搏器").after().node.events[0].domain
    'devices'
    """
    return events("devices", codes, setting=setting, department=department, **asked)


def images(
    codes: Codes | Iterable[Codes] = None,
    *,
    setting: _Words = None,
    department: _Words = None,
    body_part: str | None = None,
    **asked: object,
) -> EventSet:
    """Ask for imaging series.

    Parameters
    ----------
    codes : Codelist, str or several of them, optional
        Modality as DICOM writes it (``CT``, ``MR``). A text is one source value, compared exactly; any where not given.
    setting : {"inpatient", "outpatient", "emergency", "icu"}, optional
        Kind of the event's visit.
    department : str, optional
        Department of the event's visit, as the source writes it.
    body_part : str, optional
        Body part as the source writes it.
    **asked
        Further conditions, as in :meth:`workbench.cohort.events.EventSet.where`.

    Examples
    --------
    >>> images("CT", body_part="胸部").node.events[0].domain
    'images'
    """
    return events("images", codes, setting=setting, department=department, body_part=body_part, **asked)


def costs(codes: Codes | Iterable[Codes] = None, *, setting: _Words = None, department: _Words = None, **asked: object) -> EventSet:
    """Ask for costs of encounters, dated by the encounter.

    Parameters
    ----------
    codes : Codelist, str or several of them, optional
        Kinds of cost as the source writes them. A text is one source value, compared exactly; any where not given.
    setting : {"inpatient", "outpatient", "emergency", "icu"}, optional
        Kind of the event's visit.
    department : str, optional
        Department of the event's visit, as the source writes it.
    **asked
        Further conditions, as in :meth:`workbench.cohort.events.EventSet.where`.

    Examples
    --------
    >>> costs("药费").where(total_gt=10000).node.events[0].domain
    'costs'
    """
    return events("costs", codes, setting=setting, department=department, **asked)


def deaths(codes: Codes | Iterable[Codes] = None, **asked: object) -> EventSet:
    """Ask for deaths.

    Parameters
    ----------
    codes : Codelist, str or several of them, optional
        Causes of death; any where not given.
    **asked
        Further conditions, as in :meth:`workbench.cohort.events.EventSet.where`.

    Examples
    --------
    >>> deaths().within(days=(0, 30)).node.windows[0].end
    30
    """
    return events("deaths", codes, **asked)


def notes(*, text: _Words = None, kind: _Words = None, title: _Words = None, **asked: object) -> EventSet:
    """Ask for clinical notes.

    Parameters
    ----------
    text : str or several, optional
        Words of which one must occur; full and half width, case and white space do not matter. Text search does not know
        negation (否认糖尿病 holds 糖尿病): ask for :func:`findings` where that matters.
    kind : str or several, optional
        Kind of note as the source writes it (入院记录, 出院小结).
    title : str or several, optional
        Title of the note, compared exactly.
    **asked
        Further conditions, as in :meth:`workbench.cohort.events.EventSet.where`.

    Examples
    --------
    >>> notes(text="糖尿病肾病", kind="出院小结").node.events[0].conditions[0].operator
    'contains'
    """
    return events("notes", None, text=text, kind=kind, title=title, **asked)


def reports(*, text: _Words = None, kind: _Words = None, title: _Words = None, **asked: object) -> EventSet:
    """Ask for examination reports (CT, ultrasound, pathology); see :func:`notes` for the parameters.

    They lie in the same table as notes: `kind` tells them apart.

    Examples
    --------
    >>> reports(kind="CT报告", text=["磨玻璃影", "实变"]).node.events[0].conditions[0].values
    ('磨玻璃影', '实变')
    """
    return events("reports", None, text=text, kind=kind, title=title, **asked)


def findings(
    term: Codes | Iterable[Codes] = None, *, assertion: _Words = "present", experiencer: _Words = "patient", **asked: object
) -> EventSet:
    """Ask for findings that were read out of notes.

    Parameters
    ----------
    term : str, Codelist or several of them, optional
        The term or code of the finding, compared exactly; any where not given.
    assertion : {"present", "absent", "possible", "hypothetical", "historical"} or several, optional
        What the note says of it; None for any.
    experiencer : {"patient", "family", "other"} or several, optional
        Whom it concerns; None for anybody.
    **asked
        Further conditions, as in :meth:`workbench.cohort.events.EventSet.where`.

    Examples
    --------
    >>> findings("糖尿病肾病").node.events[0].conditions[0]
    Condition(field='assertion', operator='eq', values=('present',), of='')
    """
    return events("findings", term, assertion=assertion, experiencer=experiencer, **asked)


def orders(codes: Codes | Iterable[Codes] = None, *, setting: _Words = None, department: _Words = None, **asked: object) -> EventSet:
    """Ask for orders: drugs and procedures whose record type says that they were ordered.

    Parameters
    ----------
    codes : Codelist, str or several of them, optional
        Codes of drugs or procedures; any where not given.
    setting, department, **asked
        As in :func:`medications`; fields must be those of both drugs and procedures.

    Examples
    --------
    >>> [each.domain for each in orders("阿司匹林").node.events]
    ['medications', 'procedures']
    """
    both = any_event(events("medications", codes), events("procedures", codes))
    given = {"setting": setting, "department": department, **asked}
    return both.where(type=ORDER_TYPES, **{name: value for name, value in given.items() if value is not None})
