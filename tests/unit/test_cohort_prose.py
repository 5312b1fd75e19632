"""Definitions in plain words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, seed, settings

from tests.lib.cohort_strategies import definitions
from workbench.codelists import icd10cn
from workbench.cohort.language import age, cohort, deaths, diagnoses, in_cohort, labs, medications, observed, procedures, sex
from workbench.cohort.prose import in_words
from workbench.locale import get_language, set_language

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workbench.cohort.query import Definition

BUILT = (
    cohort("住院糖尿病")
    .enter(diagnoses(icd10cn("E11", exclude=["E11.2"]), setting="inpatient"), limit="first")
    .require("成年", (age >= 18) & (sex == "female"))
    .require("前后90天", labs("HbA1c").where(value_ge=6.5, unit="%").within(days=(-90, 90)).at_least(2, distinct="day"))
    .require("观察", observed(before_days=365))
    .exclude("胰岛素", medications("胰岛素").before() | ~in_cohort(cohort("d").enter(deaths())))
    .exclude("术后", procedures().followed_by(deaths(), within_days=30))
    .exit_at(while_on=medications("胰岛素"), gap_days=30)
    .censor(deaths())
)


@pytest.fixture(autouse=True)
def _restore() -> Iterator[None]:
    before = get_language()
    yield
    set_language(before)


def test_chinese() -> None:
    set_language("zh")
    assert BUILT.in_words().splitlines() == [
        "队列“住院糖尿病”",
        "  进入：诊断〔E11*，除 E11.2*〕（setting = inpatient）；取首次",
        "  须满足“成年”：年龄 ≥ 18 岁 且 性别 = female",
        "  须满足“前后90天”：次数 ≥ 2（不同日期）的检验〔HbA1c〕（value ≥ 6.5，unit = %），开始于索引日期 -90 至 +90 天",
        "  须满足“观察”：索引日期前已观察 365 天、后观察 0 天",
        "  须排除“胰岛素”：（有用药〔胰岛素〕，开始于索引日期 −∞ 至 -1 天） 或 并非（属于队列“d”）",
        "  须排除“术后”：有手术操作（且围绕该事件：有死亡，开始于索引日期 +1 至 +30 天）",
        "  结束：用药〔胰岛素〕连续（间隔不超过 30 天）中断时",
        "  删失：死亡",
    ]


def test_english() -> None:
    set_language("en")
    assert BUILT.in_words().splitlines()[:4] == [
        'Cohort "住院糖尿病"',
        "  enter: diagnoses〔E11* but not E11.2*〕 (setting = inpatient); take the first",
        '  require "成年": age ≥ 18 years and sex = female',
        '  require "前后90天": ≥ 2 different days labs〔HbA1c〕 (value ≥ 6.5, unit = %), start -90 to +90 days from the index date',
    ]


@settings(max_examples=60, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@seed(20240131)
@given(definition=definitions(depth=2))
def test_every_definition_has_words(definition: Definition) -> None:
    assert in_words(definition)
