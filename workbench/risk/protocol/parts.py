"""The parts of a study's protocol: when, who, what happens, what is known of a patient, and how a model is made and tried."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_serializer, model_validator

__all__ = ["Index", "Landmarks", "ModelChoice", "Outcome", "Part", "Predictor", "Rule", "Scalar", "Source", "Tables", "Validation"]

Scalar = bool | int | float | str

#: Words, or one word for a list of one.
Words = Annotated[tuple[str, ...], BeforeValidator(lambda given: (given,) if isinstance(given, str) else given)]

#: Hours, 0 or more, and never without end.
Hours = Annotated[float, Field(ge=0, allow_inf_nan=False)]

#: Predictions of one patient at the most.
_MOST_LANDMARKS = 10_000

Values = tuple[Scalar, ...] | Scalar

#: Where a predictor comes from: facts of the person; timed numbers; timed events; a column that is known at the index.
Source = Literal[
    "person", "labs", "vitals", "images", "diagnoses", "medications", "procedures", "encounters", "findings", "observations", "column"
]

#: Sources that give numbers: each word is an item, and a predictor of its own.
NUMBERS = ("labs", "vitals", "images")

#: Sources that give events: all words together are the codes of one predictor.
EVENTS = ("diagnoses", "medications", "procedures", "encounters", "findings", "observations")


class Part(BaseModel):
    """A part of a protocol: frozen; an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")


class Tables(Part):
    """How plain tables are read, whatever their number; a column counts in each table that has it.

    A table with `item` and `value` holds a result a row; else one with `time` holds a row a patient and time, an item a column; else a
    row a patient.
    """

    patient: str  # empty: each row of the one table is a patient
    time: str = ""  # when the values of a row were taken
    available: str = ""  # when they were available, where that is recorded; `time` else
    item: str = ""
    value: str = ""
    unit: str = ""
    fill_down: bool = False  # a blank patient is the one above, as spreadsheets write it
    names: dict[str, str] = {}  # what a column or an item is called here -> key of the item; for what is ambiguous or unknown
    units: dict[str, str] = {}  # unit of a column, where its name does not say
    codes: dict[str, dict[Scalar, Scalar]] = {}  # column -> code -> meaning
    clean: bool = True  # units, spellings and limits by the table of items
    sheet: str = ""  # of a workbook; the first where empty

    @model_validator(mode="after")
    def _know_patients(self) -> Tables:
        if not self.patient and (self.time or self.item or self.fill_down):
            raise ValueError("patient is empty, so each row is a patient, and time, item and fill_down mean nothing; name its column")
        return self


class Rule(Part):
    """Who belongs to the study, by one column of the plain tables; what is missing does not belong."""

    name: str
    column: str
    at_least: float | None = None
    at_most: float | None = None
    one_of: tuple[Scalar, ...] = ()

    @model_validator(mode="after")
    def _know_asked(self) -> Rule:
        if self.at_least is None and self.at_most is None and not self.one_of:
            raise ValueError(f"rule {self.name} asks nothing: at_least, at_most or one_of")
        return self


class Landmarks(Part):
    """Predictions made again and again while the patient is at risk: every so many hours from the first one on."""

    every_hours: float = Field(gt=0, allow_inf_nan=False)
    until_hours: float = Field(gt=0, allow_inf_nan=False)  # from the index, as plus_hours counts

    @model_validator(mode="after")
    def _know_many(self) -> Landmarks:
        if self.until_hours > _MOST_LANDMARKS * self.every_hours:
            raise ValueError(f"{self.until_hours / self.every_hours:,.0f} predictions a patient; at most {_MOST_LANDMARKS:,}")
        return self


class Index(Part):
    """When a prediction is made. Of the store it counts from the index of the cohort; of tables from a column."""

    at: str = ""  # column of the tables; empty: rows of one table, all known at the index
    plus_hours: Hours = 0.0  # the (first) prediction is made so long after it
    landmarks: Landmarks | None = None

    @model_validator(mode="after")
    def _know_landmarks(self) -> Index:
        if self.landmarks and self.plus_hours > self.landmarks.until_hours:
            raise ValueError("landmarks end before the first prediction: until_hours counts from the index, as plus_hours does")
        return self


class Outcome(Part):
    """What is predicted.

    ``survival`` needs a time (`time`, or `at` counted from the prediction); ``binary`` asks only whether, by the horizon or by the end of
    the stay. In the store `events` names what happens, as a predictor does; `deaths` stands for dying.
    """

    label: str = Field(min_length=1)
    kind: Literal["survival", "binary"] = "survival"
    # plain tables
    status: str = ""  # column that says how it ended
    event: tuple[Scalar, ...] | Scalar = 1  # values of `status` that are the outcome
    # label -> values of `status`, or {another column: values} of those whose `status` is no event; in the store codes, or as `events`
    competing: dict[str, Values | dict[str, Values]] = {}
    time: str = ""  # column with the length of follow-up
    time_unit: Literal["hours", "days", "weeks", "months", "years"] = "days"
    at: str = ""  # column with the date and time of the outcome, or of the end of follow-up
    # store
    events: dict[str, Words] = {}  # e.g. {diagnoses: [I21]}, {deaths: all}, {labs: ...}
    end: Literal["observation", "stay"] = "observation"  # what ends follow-up
    codes: Words = ()  # codes that define the outcome, where `status` alone does not tell them: predictors with them are flagged
    # both
    horizons_days: tuple[Annotated[float, Field(gt=0, allow_inf_nan=False)], ...] = ()
    blackout_hours: Hours = 0.0  # an outcome so soon after the prediction is no prediction: such rows leave the study

    @model_validator(mode="after")
    def _know_labels(self) -> Outcome:
        if self.label in self.competing:
            raise ValueError(f"{self.label} is the outcome and a competing event; give them different labels")
        return self

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of plain tables that say how and when it ended, competing events included: no predictors, and no rules."""
        others = [name for meaning in self.competing.values() if isinstance(meaning, dict) for name in meaning]
        return tuple(name for name in (self.status, self.time, self.at, *others) if name)


class Predictor(Part):
    """What is known of a patient at the prediction.

    Parameters
    ----------
    source : str
        Where it comes from (:data:`Source`). In YAML and in ``Predictor(labs="LDH")`` the source is the key of `of`.
    of : tuple of str
        Items (each its own predictor, ``all`` for every one), codes (together one predictor), columns, or ``age`` and ``sex``.
    """

    source: Source
    of: Words = Field(min_length=1)
    name: str = ""
    label: str = ""
    unit: str = ""
    pick: Literal["last", "first", "min", "max", "mean", "slope", "count", "any"] | None = None  # last of numbers, any of events
    look_back_hours: float | None = Field(None, gt=0, allow_inf_nan=False)  # None: as far as the record goes
    look_back_days: float | None = Field(None, gt=0, allow_inf_nan=False)
    gap_hours: Hours = 0.0  # nothing so shortly before the prediction
    same_visit: bool = False  # of the index encounter only, in a store
    clock: Literal["available", "recorded"] = "available"  # the time it was known, or the time it is about (with a warning)
    kind: Literal["number", "category", "yes_no"] | None = None  # as the values say
    known_at: str = ""  # of a column: another column, that holds when its value was known
    assertion: str = "present"  # of findings

    @model_validator(mode="before")
    @classmethod
    def _read_shorthand(cls, given: Any) -> Any:
        """Take ``labs: LDH`` for ``source: labs, of: [LDH]``."""
        if not isinstance(given, dict):
            return given
        named = [key for key in given if key in Source.__args__]
        if len(named) != 1 or {"source", "of"} & given.keys():
            return given
        return {**{key: value for key, value in given.items() if key != named[0]}, "source": named[0], "of": given[named[0]]}

    @model_validator(mode="after")
    def _know_visit(self) -> Predictor:
        if self.same_visit and self.source not in (*NUMBERS, *EVENTS):
            raise ValueError(f"{self.source} belongs to no encounter: leave same_visit out")
        return self

    @model_validator(mode="after")
    def _know_window(self) -> Predictor:
        if self.look_back_hours is not None and self.look_back_days is not None:
            raise ValueError("look_back_hours and look_back_days are both given; keep one of them")
        if self.look_back is not None and self.gap_hours >= self.look_back:
            raise ValueError(f"a gap of {self.gap_hours:g} hours leaves nothing of a look-back of {self.look_back:g}")
        return self

    @model_serializer(mode="wrap")
    def _write_shorthand(self, write: Any) -> dict[str, Any]:
        kept = write(self)
        source, of = kept.pop("source"), kept.pop("of")
        return {source: of[0] if len(of) == 1 else of, **kept}

    @property
    def picked(self) -> str:
        """Which of several values counts."""
        return self.pick or ("last" if self.source in NUMBERS else "any" if self.source in EVENTS else "")

    @property
    def look_back(self) -> float | None:
        """Hours looked back; None as far as the record goes."""
        return self.look_back_hours if self.look_back_days is None else 24 * self.look_back_days


class ModelChoice(Part):
    """A model and its parameters; those that it does not know are an error when it is made."""

    name: str
    parameters: dict[str, Scalar | tuple[Scalar, ...]] = {}

    @model_validator(mode="before")
    @classmethod
    def _read_name(cls, given: Any) -> Any:
        return {"name": given} if isinstance(given, str) else given


class Validation(Part):
    """How a model is tried.

    ``split`` makes the hold-out: the latest patients (``time``), whole hospitals (``site``), patients at random (``random``), or none
    (``none``: by resampling alone). All by person; whoever is on one side is on no other. ``leave_one_site_out`` tries the study's model
    hospital by hospital beside that, within the development part.
    """

    split: Literal["time", "site", "random", "none"] | None = None  # None: time where the index has dates, else none
    holdout: float = Field(0.25, gt=0, lt=1)  # share of patients
    site: str = ""  # column; care_site of the store where empty
    leave_one_site_out: bool = False  # at each hospital a model made at the others (internal-external validation), joined over hospitals
    held_sites: tuple[Scalar, ...] = ()  # sites held out; the smallest that make up the share where empty
    bootstrap: int = Field(200, ge=0)  # resamples for optimism and intervals
    folds: int = Field(5, ge=2)
    imputation: Literal["single", "multiple"] = "single"
    imputations: int = Field(10, ge=2)
