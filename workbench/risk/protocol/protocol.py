"""A study's protocol as a whole: frozen, with a hash that names it."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import Field, ValidationError, field_validator

from workbench.cohort.query import Cohort, Combination
from workbench.cohort.serial import read_definition, write_definition
from workbench.errors import DefinitionError
from workbench.risk.protocol.parts import Index, ModelChoice, Outcome, Part, Predictor, Rule, Tables, Validation

if TYPE_CHECKING:
    from workbench.cohort.query import Definition

__all__ = ["SCHEMA", "Protocol"]

#: Name and version of the form; it is part of the hash.
SCHEMA = "workbench-study/1"


class Protocol(Part):
    """What a study asks, settled before it sees an answer.

    Parameters
    ----------
    title : str
        What the report is called.
    outcome : Outcome
        What is predicted.
    predictors : sequence of Predictor
        What is known of a patient when the prediction is made.
    cohort : Definition, CohortBuilder or its canonical JSON, optional
        Who belongs to the study, asked of a store; its index date is the study's.
    tables : Tables, optional
        How plain tables are read. A study has a cohort or tables, or both, and then runs on either.
    index : Index
        When a prediction is made.
    rules : sequence of Rule
        Who of the plain tables belongs to the study, in order.
    models : sequence of ModelChoice or str
        The first is the study's model; the others are compared with it.
    validation : Validation
        How models are tried.
    thresholds : sequence of float
        Probabilities at which somebody would act: for net benefit, classification, alarms.
    subgroups : sequence of str
        Predictors or columns by which performance is told; age bands, sex, department, hospital and year where there are any.
    seed : int
        Of everything that is drawn.

    Raises
    ------
    DefinitionError
        If a key is unknown, a value impossible, or neither a cohort nor tables are given.

    Examples
    --------
    >>> study = Protocol(
    ...     title="院内死亡",
    ...     tables={"patient": "编号"},
    ...     outcome={"label": "死亡", "kind": "binary", "status": "结局"},
    ...     predictors=[{"column": ["年龄", "性别"]}],
    ... )
    >>> study.main_model.name, len(study.hash)
    ('logistic', 64)
    """

    title: str = Field(min_length=1)
    outcome: Outcome
    predictors: tuple[Predictor, ...] = Field(min_length=1)
    cohort: dict[str, Any] | None = None
    tables: Tables | None = None
    index: Index = Index()
    rules: tuple[Rule, ...] = ()
    models: tuple[ModelChoice, ...] = ()
    validation: Validation = Validation()
    thresholds: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = ()
    subgroups: tuple[str, ...] = ()
    seed: int = Field(0, ge=0)

    def __init__(self, **given: Any) -> None:
        try:
            super().__init__(**given)
        except ValidationError as error:
            raise DefinitionError(_plain_errors(error), hint="see the reference of the study file for its keys") from None
        if self.cohort is None and self.tables is None:
            raise DefinitionError("the study has neither a cohort nor tables", hint="give cohort (for a store) or tables (for files)")

    @field_validator("cohort", mode="before")
    @classmethod
    def _read_cohort(cls, given: Any) -> Any:
        """Take a definition, its builder or its JSON; keep its canonical JSON."""
        if given is None:
            return None
        if isinstance(given, Cohort | Combination):
            text = write_definition(given)
        elif hasattr(given, "to_json"):
            text = given.to_json()
        elif isinstance(given, dict):
            text = json.dumps(given, ensure_ascii=False)
        else:
            raise DefinitionError(f"the cohort is a {type(given).__name__}", hint="wb.cohort(...), its definition, or its JSON as a dict")
        read_definition(text)  # refuses what is no definition
        return json.loads(text)

    @field_validator("models")
    @classmethod
    def _refuse_twice(cls, given: tuple[ModelChoice, ...]) -> tuple[ModelChoice, ...]:
        """Refuse a model that stands twice: what is told of a model is told by its name."""
        names = [choice.name for choice in given]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"{', '.join(twice)} stands there twice; keep one of them")
        return given

    @property
    def definition(self) -> Definition | None:
        """The cohort's definition; None where the study reads plain tables only."""
        return None if self.cohort is None else read_definition(json.dumps(self.cohort, ensure_ascii=False))

    @property
    def main_model(self) -> ModelChoice:
        """The study's model: the first named, else logistic regression or, with times, Cox regression with splines."""
        if self.models:
            return self.models[0]
        if self.outcome.kind == "binary":
            return ModelChoice(name="logistic")
        return ModelChoice(name="cause_specific" if self.outcome.competing else "spline_cox")

    @property
    def all_models(self) -> tuple[ModelChoice, ...]:
        """The study's model and those compared with it."""
        return self.models or (self.main_model,)

    def plain(self) -> dict[str, Any]:
        """Return the protocol as plain values, without what equals its default."""
        return self.model_dump(mode="json", exclude_defaults=True)

    @property
    def hash(self) -> str:
        """SHA-256 of the canonical JSON: the protocol's version. The order of keys and the spelling of defaults do not change it."""
        canonical = json.dumps({"schema": SCHEMA, **self.plain()}, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()

    def __hash__(self) -> int:
        return hash(self.hash)

    def changed(self, **parts: Any) -> Self:
        """Return a study with some parts changed; checked like a new one."""
        return type(self)(**{**self.plain(), **parts})


def _plain_errors(error: ValidationError) -> str:
    """Return pydantic's findings as lines: where, and what is wrong there."""
    found = error.errors(include_url=False)
    places = [one["loc"] for one in found]
    # A list whose one member is wrong is not too short as well.
    within = [any(place != one["loc"] and place[: len(one["loc"])] == one["loc"] for place in places) for one in found]
    own = [one for one, more in zip(found, within, strict=True) if one["type"] != "too_short" or not more]
    lines = [f"{'.'.join(map(str, one['loc'])) or 'study'}: {one['msg'].removeprefix('Value error, ')}" for one in own]
    return f"the study's protocol has {len(lines)} error{'s'[: len(lines) != 1]}: " + "; ".join(lines)
