"""Which circe attribute is which field of ours: tables that the reader and the writer both walk.

An attribute stands here only where circe-be's SQL [1]_ and our own query mean the same in any data; what is missing has no
counterpart. Noted on purpose as missing:

- ``DrugEra.GapDays``: circe-be compares ``gap_days`` with the *era length*, which nobody means.
- ``OccurrenceEndDate`` of measurements, observations, procedures, specimens and deaths: in the model, read by no SQL builder.
- ``VisitDetail.Age`` and ``AgeAtEnd`` of eras and periods: counted at the end of the event; ours at its start.
- ``PayerPlanPeriod.PayerConcept`` and its like: circe-be takes the first period before it looks at them, we after.
- ``*CS``: a concept set on an attribute; a condition of ours lists concepts one by one.

References
----------
.. [1] https://github.com/OHDSI/circe-be, ``org.ohdsi.circe.cohortdefinition.builders``.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from workbench.domains import DOMAINS

__all__ = ["CRITERIA", "DISTINCT", "NUMBER_OPERATORS", "OCCURRENCE_TYPES", "Attribute", "Kind", "kind_of"]


@dataclass(frozen=True)
class Attribute:
    """One attribute of a circe criterion that is one condition of ours.

    Parameters
    ----------
    field : str
        Field of the domain.
    type : {"concepts", "integer", "decimal", "date", "text"}
        How circe writes the value. It compares integers cut to whole numbers and decimals rounded to four places.
    exclude : str
        Attribute that turns "one of" into "none of"; empty where circe has none.
    of : str
        Field that the field is divided by first.
    """

    field: str
    type: str
    exclude: str = ""
    of: str = ""


@dataclass(frozen=True)
class Kind:
    """One kind of circe criterion and the domain that answers it.

    Parameters
    ----------
    domain : str
        Word of :data:`workbench.domains.DOMAINS`.
    source : str
        Attribute that holds the concept set of the source concept; empty where there is none.
    attributes : dict of str to Attribute
        Every attribute with a counterpart.
    codes : str
        Attribute that holds the concept set of the standard concept; empty where circe has none.
    first : bool
        Whether circe knows ``First``.
    """

    domain: str
    source: str = ""
    attributes: dict[str, Attribute] = field(default_factory=dict)
    codes: str = "CodesetId"
    first: bool = True


_PERSON = {"Age": Attribute("calendar_age", "integer"), "Gender": Attribute("sex", "concepts")}
_START = {"OccurrenceStartDate": Attribute("start", "date")}
_DATES = _START | {"OccurrenceEndDate": Attribute("end", "date")}
_SPECIALTY = {"ProviderSpecialty": Attribute("specialty", "concepts")}
_VISIT = _SPECIALTY | {"VisitType": Attribute("setting", "concepts")}
_ERA = {
    "EraStartDate": Attribute("start", "date"),
    "EraEndDate": Attribute("end", "date"),
    "EraLength": Attribute("duration_days", "integer"),
    "AgeAtStart": Attribute("calendar_age", "integer"),
    "Gender": Attribute("sex", "concepts"),
}
_PERIOD = {
    "PeriodStartDate": Attribute("start", "date"),
    "PeriodEndDate": Attribute("end", "date"),
    "PeriodLength": Attribute("duration_days", "integer"),
    "AgeAtStart": Attribute("calendar_age", "integer"),
}


def _type(name: str) -> dict[str, Attribute]:
    return {f"{name}Type": Attribute("type", "concepts", exclude=f"{name}TypeExclude")}


#: Name of a circe criterion -> how it is ours.
CRITERIA: dict[str, Kind] = {
    "ConditionOccurrence": Kind(
        "diagnoses",
        "ConditionSourceConcept",
        _DATES | _PERSON | _VISIT | _type("Condition") | {"ConditionStatus": Attribute("status", "concepts")},
    ),
    "DrugExposure": Kind(
        "medications",
        "DrugSourceConcept",
        _START
        | _PERSON
        | _VISIT
        | _type("Drug")
        | {
            "OccurrenceEndDate": Attribute("start", "date"),  # so says circe-be: it compares the start
            "Refills": Attribute("refills", "integer"),
            "Quantity": Attribute("quantity", "decimal"),
            "DaysSupply": Attribute("days_supply", "integer"),
            "RouteConcept": Attribute("route", "concepts"),
        },
    ),
    "ProcedureOccurrence": Kind(
        "procedures",
        "ProcedureSourceConcept",
        _START
        | _PERSON
        | _VISIT
        | _type("Procedure")
        | {"Quantity": Attribute("quantity", "integer"), "Modifier": Attribute("modifier", "concepts")},
    ),
    "Measurement": Kind(
        "labs",
        "MeasurementSourceConcept",
        _START
        | _PERSON
        | _VISIT
        | _type("Measurement")
        | {
            "Operator": Attribute("operator", "concepts"),
            "ValueAsNumber": Attribute("value", "decimal"),
            "ValueAsConcept": Attribute("value_concept", "concepts"),
            "Unit": Attribute("unit_concept", "concepts"),
            "RangeLow": Attribute("range_low", "decimal"),
            "RangeHigh": Attribute("range_high", "decimal"),
            "RangeLowRatio": Attribute("value", "decimal", of="range_low"),
            "RangeHighRatio": Attribute("value", "decimal", of="range_high"),
        },
    ),
    "Observation": Kind(
        "observations",
        "ObservationSourceConcept",
        _START
        | _PERSON
        | _VISIT
        | _type("Observation")
        | {
            "ValueAsNumber": Attribute("value", "decimal"),
            "ValueAsString": Attribute("value_text", "text"),
            "ValueAsConcept": Attribute("value_concept", "concepts"),
            "Qualifier": Attribute("qualifier", "concepts"),
            "Unit": Attribute("unit_concept", "concepts"),
        },
    ),
    "VisitOccurrence": Kind(
        "encounters",
        "VisitSourceConcept",
        _DATES | _PERSON | _SPECIALTY | _type("Visit") | {"VisitLength": Attribute("duration_days", "integer")},
    ),
    "DeviceExposure": Kind(
        "devices",
        "DeviceSourceConcept",
        _DATES | _PERSON | _VISIT | _type("Device") | {"Quantity": Attribute("quantity", "integer")},
    ),
    "Specimen": Kind("specimens", "", _START | _PERSON | _type("Specimen") | {"Quantity": Attribute("quantity", "decimal")}),
    "Death": Kind("deaths", "DeathSourceConcept", _START | _PERSON | _type("Death"), first=False),
    "VisitDetail": Kind(
        "encounter_details",
        "VisitDetailSourceConcept",
        {
            "VisitDetailStartDate": Attribute("start", "date"),
            "VisitDetailEndDate": Attribute("end", "date"),
            "VisitDetailLength": Attribute("duration_days", "integer"),
        },
    ),
    "ConditionEra": Kind("diagnosis_eras", "", _ERA | {"OccurrenceCount": Attribute("occurrences", "integer")}),
    "DrugEra": Kind("medication_eras", "", _ERA | {"OccurrenceCount": Attribute("exposures", "integer")}),
    "DoseEra": Kind("dose_eras", "", _ERA | {"Unit": Attribute("unit_concept", "concepts"), "DoseValue": Attribute("dose", "decimal")}),
    "ObservationPeriod": Kind("observation_periods", "", _PERIOD, codes=""),
    "PayerPlanPeriod": Kind("payer_plan_periods", "", _PERIOD | {"Gender": Attribute("sex", "concepts")}, codes=""),
}

#: Operator of a circe range -> ours.
NUMBER_OPERATORS = {
    "lt": "lt",
    "lte": "le",
    "eq": "eq",
    "!eq": "ne",
    "gt": "gt",
    "gte": "ge",
    "bt": "between",
    "!bt": "not_between",
}

#: ``Occurrence.Type`` -> comparison with the count.
OCCURRENCE_TYPES = {0: "eq", 1: "le", 2: "ge"}

#: ``Occurrence.CountColumn`` -> what we count. Other columns have no counterpart.
DISTINCT = {
    "DOMAIN_CONCEPT": "concept",
    "START_DATE": "day",
    "VISIT_ID": "visit",
}


def kind_of(domain: str) -> tuple[str, Kind] | None:
    """Return the circe criterion that asks for a domain; None where there is none.

    Examples
    --------
    >>> kind_of("vitals")[0]
    'Measurement'
    >>> kind_of("notes") is None
    True
    """
    table = DOMAINS[domain].table
    return next(((name, kind) for name, kind in CRITERIA.items() if DOMAINS[kind.domain].table == table), None)
