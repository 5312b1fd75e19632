"""The guards of risk models against leaks of all kinds, and against studies in which nothing leaks."""

import numpy as np
import pandas as pd
import pytest

from tests.lib import timed_leaks
from tests.lib.leaks import CLEAN_KINDS, LEAKS, Trial, clean_study, with_column
from tests.lib.paths import shared
from workbench.errors import DataError
from workbench.locale import set_language
from workbench.risk.extraction.dataset import extract
from workbench.risk.guards import audit as register
from workbench.risk.guards.audit import GUARDS, audit, check_model, check_split
from workbench.risk.guards.columns import late_name
from workbench.risk.guards.findings import SEVERITIES

BY_NAME = {leak.name: leak for leak in LEAKS}


def told(trial: Trial) -> set[str]:
    """Guards that refuse or warn."""
    return {finding.guard for finding in audit(trial.data, **trial.arguments()).findings if finding.severity != "note"}


def missed(name: str, seeds: range) -> list[int]:
    trials = {seed: BY_NAME[name].trial(seed) for seed in seeds}
    return [seed for seed, trial in trials.items() if not told(trial) & trial.expected]


# the battery -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", list(BY_NAME))
def test_a_leak_is_found(name):
    assert missed(name, range(1)) == []


def test_a_code_is_no_point_of_a_trend():
    """A sentinel at the end of the range, where the four bands beside it happened to fall steeply, passed for their trend."""
    assert missed("sentinel_in_part", range(1011, 1012)) == []


@pytest.mark.nightly
@pytest.mark.parametrize("name", list(BY_NAME))
def test_none_of_many_leaks_is_missed(name):
    assert missed(name, range(1, BY_NAME[name].times)) == []


def test_the_battery_is_as_large_as_was_asked():
    assert sum(leak.times for leak in LEAKS) >= 200
    assert len(LEAKS) >= 12


def alarms(seed: int) -> list[str]:
    kind = CLEAN_KINDS[seed % len(CLEAN_KINDS)]
    n = (300, 700, 1500, 3000)[seed % 4]
    data = clean_study(kind, min(n, 800) if kind.startswith("landmarks") else n, seed)
    return [f"{finding.guard}: {finding.subject}" for finding in audit(data).findings if finding.severity != "note"]


@pytest.mark.parametrize("seed", [0, 1, 2, 48, 1071, 1088], ids=str)
def test_a_clean_study_raises_no_alarm(seed):
    """The last three did: chance among early deaths that honest frailty makes likelier, twice, and 104 patients as old as the mean."""
    assert alarms(seed) == []


def test_a_sign_of_which_four_in_ten_die_is_honest_and_so_is_a_ward_where_nobody_does():
    draw = np.random.default_rng(5)
    ventilated, ward = draw.uniform(size=20_000) < 0.12, draw.choice(["内科", "外科", "产科"], 20_000)
    died = draw.uniform(size=20_000) < np.where(ward == "产科", 0, np.where(ventilated, 0.4, 0.04))
    table = pd.DataFrame({"ventilated": ventilated.astype(float), "ward": ward, "age": draw.normal(60, 9, 20_000).round()})
    assert audit(_plain(table, died)).of("pure_values") == ()


def test_a_column_that_is_the_outcome_is_told_once():
    found = audit(BY_NAME["renamed_outcome"].trial(0).data)
    assert [finding.guard for finding in found.findings if finding.subject == "组别"] == ["outcome_copy"]


def test_a_mean_of_whole_numbers_that_is_whole_is_no_imputation_and_one_with_decimals_is():
    data = clean_study("binary", 300, 1)
    ages = np.repeat(np.arange(40.0, 81.0), 8)[:300]
    ages = np.r_[ages[:-1], 60 * 300 - ages[:-1].sum()]
    assert ages.mean() == 60
    assert audit(with_column(data, "years", ages)).of("imputed_before") == ()
    years = np.where(np.arange(300) % 20 == 0, np.nan, ages)
    filled = np.where(np.isnan(years), np.nanmean(years), years)
    assert [found.severity for found in audit(with_column(data, "years", filled)).of("imputed_before")] == ["warn"]


@pytest.mark.nightly
@pytest.mark.parametrize("seed", range(3, 60))
def test_many_clean_studies_raise_no_alarm(seed):
    assert alarms(seed) == []


# timed tables, through the source that studies use -------------------------------------------------------------------------------


@pytest.mark.parametrize("landmarks", [False, True], ids=["once", "landmarks"])
def test_a_clean_source_passes_and_one_that_reads_past_the_prediction_does_not(tmp_path, landmarks):
    protocol, source = timed_leaks.timed_study(tmp_path, 300, 1, landmarks=landmarks)
    clean = audit(extract(protocol, source), source)
    assert [finding for finding in clean.findings if finding.severity != "note"] == []
    assert {"truncation", "poison", "same_again"} <= set(clean.ran)
    for name, (hours, columns) in timed_leaks.LATE.items():
        late = timed_leaks.LateSource(source, hours, columns)
        found = audit(extract(protocol, late), late)
        changed = {finding.subject for finding in found.of("truncation") if finding.severity == "refuse"}
        assert changed, name
        assert not columns or changed == set(columns), name


@pytest.mark.nightly
@pytest.mark.parametrize("seed", range(2, 8))
def test_no_late_reading_is_missed_in_many_tables(tmp_path, seed):
    protocol, source = timed_leaks.timed_study(tmp_path, 400, seed, landmarks=bool(seed % 2))
    assert [finding for finding in audit(extract(protocol, source), source).findings if finding.severity != "note"] == []
    for hours, columns in timed_leaks.LATE.values():
        late = timed_leaks.LateSource(source, hours, columns)
        assert audit(extract(protocol, late), late).of("truncation")


def test_without_a_source_what_extracts_again_is_said_to_be_skipped():
    found = audit(clean_study("binary", 300, 3))
    assert {"truncation", "poison", "same_again"} <= set(found.skipped)


# each guard of the register ------------------------------------------------------------------------------------------------------


def _few(draw):
    data = clean_study("binary", 300, 1)
    return Trial(data.take(np.r_[np.flatnonzero(data.y)[:5], np.flatnonzero(~data.y)[:100]]))


def _infinite(draw):
    data = clean_study("binary", 300, 1)
    return Trial(with_column(data, "ratio", np.where(np.arange(300) == 7, np.inf, draw.normal(size=300))))


def _at_once(draw):
    data = clean_study("survival", 300, 1)
    data.y["time"][np.flatnonzero(data.y["event"])[:20]] = 0.01
    return Trial(data)


def _at_random(draw):
    data = clean_study("binary", 300, 1)
    object.__setattr__(data, "protocol", data.protocol.changed(validation={"split": "random"}))
    return Trial(data)


#: Guard -> what it alone is there for, where no leak of the battery is.
OTHERS = {
    "enough_events": _few,
    "finite_values": _infinite,
    "soon_outcomes": _at_once,
    "split_promise": _at_random,
    "holdout_looks": lambda draw: Trial(clean_study("binary", 300, 1), looks=3),
}

#: Guard -> a leak that it finds, where the first that expects it is found by another.
SHOWN = {
    "proxy": "proxy",
    "pure_values": "sentinel_in_part",
    "outcome_copy": "renamed_outcome",
    "identifier": "patient_number",
    "late_rules": "rule_on_follow_up",
    "after_discharge": "late_column",
}


def _trial_for(guard, tmp_path):
    if guard in ("truncation", "poison", "same_again"):
        protocol, source = timed_leaks.timed_study(tmp_path, 300, 1)
        late = timed_leaks.LateSource(source, 24.0)
        return Trial(extract(protocol, late), source=source if guard == "same_again" else late)
    if guard in OTHERS:
        return OTHERS[guard](np.random.default_rng(1))
    return BY_NAME[SHOWN.get(guard) or next(leak.name for leak in LEAKS if guard in leak.expected)].trial(0)


@pytest.mark.parametrize("guard", [guard.name for guard in GUARDS])
def test_each_guard_finds_what_is_not_found_without_it(guard, tmp_path, monkeypatch):
    trial = _trial_for(guard, tmp_path)
    monkeypatch.setattr(register, "GUARDS", tuple(one for one in GUARDS if one.name == guard))
    alone = audit(trial.data, **trial.arguments())
    assert alone.of(guard), f"{guard} finds nothing in what it is there for"
    monkeypatch.setattr(register, "GUARDS", tuple(one for one in register.GUARDS if one.name != guard))
    assert audit(trial.data, **trial.arguments()).of(guard) == ()


# names ---------------------------------------------------------------------------------------------------------------------------

LATE = [
    "出院方式",
    "住院天数",
    "实际住院天数",
    "总费用",
    "住院总费用（元）",
    "死亡时间",
    "转归",
    "hospdead",
    "slos",
    "d.time",
    "charges",
    "totcst",
]
LATE += ["LOS", "icu_los", "lengthOfStay", "Length of stay (days)", "discharge_disposition", "DischargeDate", "surv2m", "prg2m", "TIMEDTH"]
LATE += [
    "出院时肌酐",
    "GCS at discharge",
    "Discharge GCS",
    "尸体料理",
    "死亡诊断",
    "病案归档天数",
    "最低收缩压(住院期间)",
    "随访肌酐",
    "alive",
]
KNOWN = [
    "blast_count",
    "last_glucose",
    "肿瘤坏死因子α",
    "既往住院天数",
    "glucose",
    "vaginal_discharge",
    "入院方式",
    "closure",
    "costal_angle",
]
KNOWN += ["mother_died", "预后营养指数", "上次出院时间", "num.co", "aps", "scoma", "dosage", "年龄", "血小板计数"]


@pytest.mark.parametrize("name", LATE)
def test_names_of_what_is_known_after_the_stay(name):
    assert late_name(name) is not None


@pytest.mark.parametrize("name", KNOWN)
def test_names_that_only_look_alike(name):
    assert late_name(name) is None


# real data -----------------------------------------------------------------------------------------------------------------------


def _plain(X: pd.DataFrame, y: np.ndarray):
    """A study of a table as it is."""
    from dataclasses import replace

    from tests.lib.leaks import with_X

    data = clean_study("binary", 60, 1)
    rows = pd.DataFrame({"person": np.arange(len(X)), "index_at": pd.NaT, "predicted_at": pd.NaT})
    X = X.reset_index(drop=True).apply(lambda column: column.astype(float if pd.api.types.is_numeric_dtype(column) else "category"))
    return with_X(replace(data, cohort=replace(data.cohort, rows=rows, y=y)), X)


@pytest.fixture(scope="module")
def tongji():
    table = pd.read_excel(shared("risk/tongji_covid/time_series_375_prerpocess.xlsx"))
    table["PATIENT_ID"] = table["PATIENT_ID"].ffill()
    labs = list(table.columns[7:])
    table[labs] = table[labs].apply(pd.to_numeric, errors="coerce")
    stay = table.groupby("PATIENT_ID")
    early = table[table["RE_DATE"] <= stay["入院时间"].transform("first") + pd.Timedelta("24h")].groupby("PATIENT_ID")
    return {
        "early": stay[["年龄"]].first().join(early[labs].last()),
        "whole": stay[["年龄"]].first().join(stay[labs].last()),
        "counts": stay[labs].count().add_suffix("_n").astype(float),
        "died": stay["出院方式"].first().to_numpy(bool),
    }


def test_tongji_results_of_the_first_day_pass(tongji):
    assert [f for f in audit(_plain(tongji["early"], tongji["died"])).findings if f.severity != "note"] == []


def test_tongji_results_of_the_whole_stay_are_refused(tongji):
    assert "乳酸脱氢酶" in {finding.subject for finding in audit(_plain(tongji["whole"], tongji["died"])).refused}


def test_tongji_counts_of_the_whole_stay_are_told(tongji):
    found = audit(_plain(tongji["early"].join(tongji["counts"]), tongji["died"])).of("counts")
    assert [finding.severity for finding in found] == ["warn"]


def test_support2_alarms_for_what_came_later_and_for_nothing_else():
    table = pd.read_csv(shared("risk/support2/support2.csv"), skipinitialspace=True)
    late = ["hospdead", "slos", "charges", "totcst", "totmcst", "avtisst", "sfdm2", "dnr", "dnrday", "surv2m", "surv6m", "prg2m", "prg6m"]
    other = ["death", "sno", "d.time", "adlp", "adls", "hday"]
    found = audit(_plain(table.drop(columns=other), table["hospdead"].to_numpy(bool)))
    assert {finding.subject for finding in found.findings if finding.severity != "note"} == set(late)


# the audit as people see it --------------------------------------------------------------------------------------------------------


def test_an_audit_refuses_by_an_error_that_names_each_finding():
    found = audit(BY_NAME["renamed_outcome"].trial(0).data)
    with pytest.raises(DataError, match="组别"):
        found.check()
    clean = audit(clean_study("binary", 300, 5))
    assert clean.check() is clean


def test_an_audit_speaks_both_languages_and_puts_the_gravest_first():
    found = audit(BY_NAME["late_column"].trial(0).data)
    ranks = [list(SEVERITIES).index(finding.severity) for finding in found.findings]
    assert ranks == sorted(ranks)
    try:
        set_language("zh")
        assert "拒绝" in found._repr_html_()
        assert list(found.table().columns) == ["检查项", "级别", "对象", "发现", "处理建议"]
        set_language("en")
        assert "refused" in found._repr_html_()
        assert "refused" in str(found)
    finally:
        set_language("zh")


def test_a_split_and_a_model_can_be_checked_alone():
    trial = BY_NAME["twins_across_a_split"].trial(0)
    assert check_split(trial.data, *trial.split).of("split_duplicates")
    assert check_model(trial.data, BY_NAME["fitted_scaler"].trial(0).model).refused
    with pytest.raises(DataError, match="positions"):
        check_split(trial.data, np.array([0, 10**6]), np.array([1]))
