"""Studies in which nothing leaks, and leaks to put into them: the battery that the guards of risk models are tried on.

Patients have a severity that nobody sees. Predictors, whether they are missing, and the outcome follow it, so that honest predictors have
AUROCs up to 0.9 and honest absence tells something too.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from workbench.risk.extraction.dataset import CohortRows, Feature, Features, FlowStep, StudyData
from workbench.risk.protocol.protocol import Protocol
from workbench.risk.survival.outcome import outcome

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["CLEAN_KINDS", "LEAKS", "Leak", "Trial", "clean_study", "with_X", "with_column"]

CLEAN_KINDS = ("binary", "survival", "competing", "landmarks", "landmarks_binary")


@dataclass(frozen=True, eq=False)
class Trial:
    """What an audit is asked."""

    data: StudyData
    source: Any = None
    model: Any = None
    split: tuple[np.ndarray, np.ndarray] | None = None
    looks: int = 0
    expected: frozenset[str] = field(default_factory=frozenset)

    def arguments(self) -> dict[str, Any]:
        return {"source": self.source, "model": self.model, "split": self.split, "looks": self.looks}


# clean studies ---------------------------------------------------------------------------------------------------------------


def clean_study(kind: str, n: int, seed: int) -> StudyData:
    """Return a study in which nothing leaks."""
    draw = np.random.default_rng([seed, CLEAN_KINDS.index(kind)])
    severity = draw.normal(size=n)
    X = _predictors(draw, severity)
    index_at = pd.Timestamp("2021-01-01") + pd.to_timedelta(draw.uniform(0, 700, n), "D").round("min")
    rows = pd.DataFrame({"person": np.arange(n) + 1000, "index_at": index_at, "predicted_at": index_at})
    rows["site"] = draw.choice(list("ABC"), n)
    if kind == "binary":
        rate = draw.uniform(0.12, 0.45)
        y = draw.uniform(size=n) < _sigmoid(3 * severity + 3.2 * np.log(rate / (1 - rate)) / 1.6)
        return _study(rows, X, y, {"kind": "binary"})
    time, cause = _followed(draw, severity, competing=kind == "competing")
    if kind in ("survival", "competing"):
        asked = {"kind": "survival", "horizons_days": (365.0,)}
        return _study(rows, X, outcome(time, cause), asked, causes=2 if kind == "competing" else 1)
    return _landmarks(draw, rows, X, severity, binary=kind == "landmarks_binary")


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def _predictors(draw: np.random.Generator, severity: np.ndarray) -> pd.DataFrame:
    """Draw what is known of patients: numbers of several shapes and digits, scores, counts, words, yes and no."""
    n = len(severity)

    def sign(weight: float) -> np.ndarray:
        return weight * severity + np.sqrt(1 - weight**2) * draw.normal(size=n)

    X = pd.DataFrame(
        {
            "age": np.clip(np.round(62 + 13 * sign(0.3)), 18, 100),
            "ldh": np.round(np.exp(5.6 + 0.5 * sign(draw.uniform(0.85, 0.97)))),
            "crp": np.round(np.exp(2.5 + 1.2 * sign(0.6)), 1),
            "albumin": np.round(36 - 5 * sign(0.5), 1),
            "lymphocytes": np.round(np.exp(0.2 - 0.6 * sign(0.55)), 2),
            "sodium": np.round(139 + 4 * sign(0.0)),
            "temperature": np.round(36.8 + 0.6 * sign(0.15), 1),
            "creatinine": np.round(np.exp(4.3 + 0.4 * sign(0.35)), 1),
            "score": np.clip(np.round(5 + 3 * sign(0.65)), 0, 20),
            "earlier_stays": draw.poisson(np.exp(0.3 * severity - 0.5)).astype(float),
            "pain": np.where(draw.uniform(size=n) < 0.6, 0.0, np.round(np.abs(3 * sign(0.3)))),
        }
    )
    X["diabetes"] = (sign(0.25) > 0.7).astype(float)
    X["ventilated"] = (sign(0.6) > 1.2).astype(float)
    X["sex"] = pd.Categorical(draw.choice(["男", "女"], n))
    X["ward"] = pd.Categorical(np.array(list("ABCDEFGH"))[np.clip(np.round(3.5 + 2 * sign(0.3)), 0, 7).astype(int)])
    for name, share, follows in (("crp", 0.2, -0.6), ("ldh", 0.1, -0.4), ("lymphocytes", 0.05, 0.0), ("creatinine", 0.3, 0.5)):
        X.loc[draw.uniform(size=n) < _sigmoid(np.log(share / (1 - share)) + follows * severity), name] = np.nan
    return X


def _followed(draw: np.random.Generator, severity: np.ndarray, *, competing: bool) -> tuple[np.ndarray, np.ndarray]:
    """Draw events, a competing cause, and censoring by the end of the study and by leaving; times in whole days or finer."""
    n = len(severity)
    latent = draw.weibull(draw.uniform(0.9, 1.3), n) * 900 * np.exp(-1.3 * severity)
    other = draw.exponential(1500, n) * np.exp(-0.4 * severity) if competing else np.full(n, np.inf)
    end = np.minimum(draw.uniform(30, 1400, n), draw.exponential(4000, n))
    time = np.minimum(np.minimum(latent, other), end)
    cause = np.where(time == latent, 1, np.where(time == other, 2, 0))
    if draw.uniform() < 0.5:
        time = np.maximum(np.ceil(time), 1)
    return np.maximum(time, 0.01), cause if competing else cause.astype(bool)


def _landmarks(draw: np.random.Generator, rows: pd.DataFrame, X: pd.DataFrame, severity: np.ndarray, *, binary: bool) -> StudyData:
    """Predict every day of a stay, while the patient is there and free of the outcome."""
    happens = draw.exponential(14 * np.exp(-1.2 * severity))
    leaves = 1 + draw.exponential(7, len(rows))
    count = np.ceil(np.minimum(np.minimum(happens, leaves), 10)).astype(int)
    person = np.repeat(np.arange(len(rows)), count)
    day = np.concatenate([np.arange(k) for k in count]).astype(float)
    X = X.iloc[person].reset_index(drop=True)
    for name, digits in (("crp", 1), ("ldh", 0), ("creatinine", 1)):
        X[name] = np.round(X[name] * np.exp(draw.normal(0, 0.15, len(X)) + 0.04 * day), digits)
    X["hours_since_admission"] = 24 * day
    rows = rows.iloc[person].reset_index(drop=True)
    rows["predicted_at"] = rows["index_at"] + pd.to_timedelta(24 * day, "h")
    rows["landmark_hours"] = 24 * day
    left, event = np.minimum(happens, leaves)[person] - day, (happens <= leaves)[person]
    if binary:
        return _study(rows, X, event & (left <= 2), {"kind": "binary", "horizons_days": (2.0,)})
    return _study(rows, X, outcome(np.maximum(left, 0.001), event), {"kind": "survival", "horizons_days": (2.0,), "blackout_hours": 0.0})


def _study(rows: pd.DataFrame, X: pd.DataFrame, y: np.ndarray, asked: dict[str, Any], *, causes: int = 1) -> StudyData:
    protocol = Protocol(
        title="battery",
        tables={"patient": "编号"},
        index={"at": "入院时间"},
        outcome={"label": "结局", "status": "结局列", **asked},
        predictors=[{"column": list(X.columns)}],
    )
    flow = (FlowStep("all", len(rows), rows["person"].nunique()),)
    cohort = CohortRows(rows, y, ("结局", "其他")[:causes], flow)
    return StudyData(protocol, cohort, _features(X), "battery")


def _features(X: pd.DataFrame) -> Features:
    kinds = ["category" if isinstance(X[name].dtype, pd.CategoricalDtype) else "number" for name in X]
    columns = tuple(Feature(str(name), str(name), "", kind, "column") for name, kind in zip(X, kinds, strict=True))
    provenance = pd.DataFrame(
        {
            "feature": list(X.columns),
            "source": "column",
            "asked": list(X.columns),
            "pick": "",
            "look_back_hours": np.nan,
            "gap_hours": 0.0,
            "clock": "index",
            "known": X.notna().sum().to_numpy(),
            "records": X.notna().sum().to_numpy(),
            "nearest_hours": np.nan,
        }
    )
    return Features(X, columns, provenance)


# leaks -----------------------------------------------------------------------------------------------------------------------


def with_column(data: StudyData, name: str, values: Any) -> StudyData:
    """Return the study with one more predictor."""
    return with_X(data, data.X.assign(**{name: values}))


def with_X(data: StudyData, X: pd.DataFrame, *, known: pd.Series | None = None) -> StudyData:
    features = _features(X)
    if known is not None:
        features.provenance["known"] = known.reindex(features.provenance["feature"]).to_numpy()
    return replace(data, features=features)


def _event(data: StudyData) -> np.ndarray:
    return np.asarray(data.y if data.binary else data.y["event"]).astype(int) == 1


@dataclass(frozen=True)
class Leak:
    """A leak to put into a clean study."""

    name: str
    kinds: tuple[str, ...]
    expected: frozenset[str]
    put: Callable[[np.random.Generator, StudyData], Trial]
    n: tuple[int, int] = (300, 3000)
    times: int = 8

    def trial(self, seed: int) -> Trial:
        draw = np.random.default_rng([seed, *self.name.encode()])
        kind = self.kinds[seed % len(self.kinds)]
        data = clean_study(kind, int(draw.integers(*self.n, endpoint=True)), 10_000 + seed)
        return replace(self.put(draw, data), expected=self.expected)


LEAKS: list[Leak] = []

_FLAT = ("binary", "survival", "competing")


def _leak(*expected: str, kinds: tuple[str, ...] = _FLAT, n: tuple[int, int] = (300, 3000), times: int = 8) -> Callable:
    def add(put: Callable) -> Callable:
        LEAKS.append(Leak(put.__name__, kinds, frozenset(expected), put, n, times))
        return put

    return add


_PROXY = ("proxy", "pure_values", "outcome_copy")


@_leak(*_PROXY)
def proxy(draw, data):
    """The outcome with a little noise."""
    return Trial(with_column(data, "biomarker", _event(data) + draw.normal(0, 0.2, len(data.y))))


@_leak(*_PROXY, n=(1000, 3000))
def proxy_with_20_percent_noise(draw, data):
    """The outcome as a number, another patient's in a fifth of the rows."""
    values = _event(data) + draw.normal(0, 0.15, len(data.y))
    return Trial(with_column(data, "biomarker", np.where(draw.uniform(size=len(values)) < 0.2, draw.permutation(values), values)))


@_leak(*_PROXY, n=(600, 3000))
def yes_or_no_with_20_percent_noise(draw, data):
    """The outcome as yes or no, another patient's in a fifth of the rows."""
    values = _event(data).astype(float)
    return Trial(with_column(data, "palliative", np.where(draw.uniform(size=len(values)) < 0.2, draw.permutation(values), values)))


@_leak(*_PROXY)
def renamed_outcome(draw, data):
    """The outcome in words, under a name that tells nothing."""
    return Trial(with_column(data, "组别", pd.Categorical(np.where(_event(data), "甲", "乙"))))


@_leak(*_PROXY)
def absence_alone(draw, data):
    """A value that is there, of those with the outcome, and of one in twenty others."""
    there = _event(data) | (draw.uniform(size=len(data.y)) < 0.05)
    return Trial(with_column(data, "lactate", np.where(there, draw.normal(2, 1, len(data.y)).round(1), np.nan)))


@_leak(*_PROXY, n=(800, 3000))
def absence_of_some(draw, data):
    """A value that is there of half of those with the outcome, and of nobody else."""
    there = _event(data) & (draw.uniform(size=len(data.y)) < 0.5)
    return Trial(with_column(data, "autopsy_weight", np.where(there, draw.normal(70, 9, len(data.y)).round(1), np.nan)))


@_leak(*_PROXY, n=(1500, 3000))
def filled_in_part(draw, data):
    """An honest value that was overwritten by the outcome in 30 % of the rows."""
    values, filled = draw.normal(0, 1, len(data.y)), draw.uniform(size=len(data.y)) < 0.3
    return Trial(with_column(data, "correction", np.where(filled, _event(data) + draw.normal(0, 0.02, len(data.y)), values)))


@_leak(*_PROXY, n=(600, 3000))
def sentinel_in_part(draw, data):
    """A code that stands in 30 % of the rows with the outcome, and in no other."""
    values = np.round(np.exp(draw.normal(4, 0.5, len(data.y))))
    return Trial(with_column(data, "heart_rate", np.where(_event(data) & (draw.uniform(size=len(values)) < 0.3), 0.0, values)))


@_leak(*_PROXY, n=(800, 3000))
def yes_of_some(draw, data):
    """What was done to a third of those with the outcome, and to nobody else: their number is too small for an AUROC to tell."""
    done = _event(data) & (draw.uniform(size=len(data.y)) < 0.35)
    return Trial(with_column(data, "transfer_x", done.astype(float)))


@_leak(*_PROXY)
def count_of_the_stay(draw, data):
    """Tests counted over the whole stay, of which the dying have more."""
    return Trial(with_column(data, "检验项目数", draw.poisson(3 + 10 * _event(data)).astype(float)))


@_leak("outcome_copy", "proxy", kinds=("survival", "competing"))
def count_of_the_follow_up(draw, data):
    """Visits counted over the follow-up."""
    time = data.y["time"]
    return Trial(with_column(data, "visits", draw.poisson(40 * time / time.mean()).astype(float)))


@_leak("outcome_copy", kinds=("survival", "competing"))
def follow_up_in_another_unit(draw, data):
    """The length of follow-up, as a score."""
    return Trial(with_column(data, "index_b", np.log(data.y["time"]) + draw.normal(0, 0.02, len(data.y))))


def _other(data):
    """Return who had the competing event."""
    return np.asarray(data.y["event"]).astype(int) == 2


@_leak("outcome_copy", "proxy", kinds=("competing",))
def competing_event_renamed(draw, data):
    """How it ended for those who had the competing event, under a name that tells nothing; who was discharged alive has another way."""
    ways = np.where(_other(data), "丙", draw.choice(["甲", "乙"], len(data.y)))
    return Trial(with_column(data, "去向", pd.Categorical(ways)))


@_leak("proxy", "pure_values", kinds=("competing",), n=(800, 3000))
def competing_event_with_20_percent_noise(draw, data):
    """The competing event as yes or no, another patient's in a fifth of the rows."""
    values = _other(data).astype(float)
    return Trial(with_column(data, "code_x", np.where(draw.uniform(size=len(values)) < 0.2, draw.permutation(values), values)))


@_leak("outcome_copy", "proxy", "pure_values", kinds=("competing",))
def time_of_the_competing_event(draw, data):
    """Days to the competing event, missing of all others."""
    return Trial(with_column(data, "days_x", np.where(_other(data), np.round(data.y["time"]), np.nan)))


@_leak("outcome_copy", kinds=("competing",))
def column_of_the_competing_event(draw, data):
    """The column that the study itself reads the competing event from."""
    asked = {**data.protocol.plain()["outcome"], "competing": {"其他": {"去世": "是"}}}
    data = replace(data, protocol=data.protocol.changed(outcome=asked))
    return Trial(with_column(data, "去世", draw.normal(size=len(data.y))))


@_leak("outcome_copy", "proxy", kinds=("competing",))
def length_of_the_stay_renamed(draw, data):
    """The days until whatever ended the stay first, of some a day more or less."""
    return Trial(with_column(data, "index_c", np.maximum(np.round(data.y["time"] + draw.integers(-1, 2, len(data.y))), 0)))


@_leak("late_rules", kinds=("competing",))
def rule_on_the_competing_event(draw, data):
    """Patients chosen by that they did not die of something else."""
    asked = {**data.protocol.plain()["outcome"], "competing": {"其他": {"去世": "是"}}}
    rules = [{"name": "未因其他原因去世", "column": "去世", "one_of": ["否"]}]
    return Trial(replace(data, protocol=data.protocol.changed(outcome=asked, rules=rules)))


@_leak("shared_codes", kinds=("competing",))
def competing_code_among_predictors(draw, data):
    """A diagnosis that defines the competing event is read as a predictor."""
    asked = {**data.protocol.plain()["outcome"], "competing": {"其他": (["I63"], {"diagnoses": ["I63", "I64"]})[int(draw.integers(2))]}}
    predictors = [*data.protocol.plain()["predictors"], {"diagnoses": "I63.9", "name": "stroke"}]
    return Trial(replace(data, protocol=data.protocol.changed(outcome=asked, predictors=predictors)))


@_leak("outcome_encoding")
def target_encoding(draw, data):
    """The outcome's share by doctor, over all rows."""
    doctor = draw.integers(0, max(12, len(data.y) // 40), len(data.y))
    return Trial(with_column(data, "doctor", pd.Series(_event(data)).groupby(doctor).transform("mean").to_numpy()))


@_leak("outcome_encoding")
def smoothed_target_encoding(draw, data):
    """The same, drawn towards the mean by ten rows, and scaled."""
    doctor, event = draw.integers(0, 20, len(data.y)), pd.Series(_event(data).astype(float))
    shares = event.groupby(doctor).agg(["sum", "size"])
    smooth = (shares["sum"] + 10 * event.mean()) / (shares["size"] + 10)
    return Trial(with_column(data, "doctor", 100 * smooth.loc[doctor].to_numpy()))


LATE_NAMES = ("出院方式", "住院天数", "总费用", "死亡时间", "转归", "LOS", "hospdead", "discharge_disposition")


@_leak("after_discharge")
def late_column(draw, data):
    """A column whose name says that it is known only after the stay; it tells nothing by itself."""
    return Trial(with_column(data, LATE_NAMES[int(draw.integers(len(LATE_NAMES)))], np.round(draw.gamma(3, 3, len(data.y)), 2)))


@_leak("identifier")
def patient_number(draw, data):
    """Numbers that were given in the order of the file."""
    return Trial(with_column(data, "登记", 20_210_000.0 + np.arange(len(data.y))))


@_leak("identifier")
def patient_name(draw, data):
    """A word of its own for each patient."""
    return Trial(with_column(data, "签名", pd.Categorical([f"p{k}" for k in draw.permutation(len(data.y))])))


@_leak("date_number")
def date_of_report(draw, data):
    """A date as a number."""
    day = data.rows["index_at"] + pd.to_timedelta(draw.integers(0, 90, len(data.y)), "D")
    return Trial(with_column(data, "report_date", day.dt.strftime("%Y%m%d").astype(float)))


@_leak("row_order", "identifier", kinds=("binary",))
def sorted_by_outcome(draw, data):
    """A file sorted by its outcome, with the row number times three."""
    sorted_data = data.take(np.argsort(_event(data), kind="stable"))
    return Trial(with_column(sorted_data, "编码", 3.0 * np.arange(len(data.y)) + draw.normal(0, 5, len(data.y))))


def _twins(draw, data, changed):
    """Let a tenth of the patients stand again under a new id, some values changed, and part at random."""
    n = len(data.y)
    again = draw.choice(n, n // 10, replace=False)
    doubled = data.take(np.r_[np.arange(n), again])
    doubled.rows.loc[n:, "person"] = np.arange(len(again)) + 900_000
    doubled.rows.loc[n:, "index_at"] += pd.Timedelta("3D")
    X = doubled.X.copy()
    for row in range(n, len(X)):
        for name in draw.choice(["age", "crp", "albumin", "score", "sodium"], changed, replace=False):
            X.loc[row, name] = X[name].iloc[int(draw.integers(n))]
    order = draw.permutation(len(X))
    return Trial(with_X(doubled, X), split=(order[: len(X) // 2], order[len(X) // 2 :]))


@_leak("split_duplicates")
def twins_across_a_split(draw, data):
    """Patients on both sides of a split under two ids."""
    return _twins(draw, data, 0)


@_leak("split_duplicates")
def near_twins_across_a_split(draw, data):
    """The same with two values changed."""
    return _twins(draw, data, 2)


@_leak("duplicates")
def twins(draw, data):
    """Patients that stand twice in the data."""
    return replace(_twins(draw, data, 1), split=None)


@_leak("split_persons", kinds=("landmarks", "landmarks_binary"), n=(300, 600))
def landmarks_parted_by_row(draw, data):
    """Rows of a patient on both sides."""
    order = draw.permutation(len(data.y))
    return Trial(data, split=(order[: len(order) // 2], order[len(order) // 2 :]))


@_leak("split_times", kinds=("binary", "survival"))
def later_patients_learnt(draw, data):
    """A split at random where one by time was promised."""
    order = draw.permutation(len(data.y))
    data = replace(data, protocol=data.protocol.changed(validation={"split": "time"}))
    return Trial(data, split=(order[: len(order) // 2], order[len(order) // 2 :]))


@_leak("split_sites", kinds=("binary", "survival"))
def hospital_on_both_sides(draw, data):
    """A split at random where one by hospital was promised."""
    order = draw.permutation(len(data.y))
    data = replace(data, protocol=data.protocol.changed(validation={"split": "site", "site": "site"}))
    return Trial(data, split=(order[: len(order) // 2], order[len(order) // 2 :]))


def _numbers(data):
    return [name for name in data.X if data.X[name].dtype == float and data.X[name].nunique() > 12]


@_leak("scaled_before", kinds=CLEAN_KINDS[:4], n=(300, 1500))
def scaled_over_all_rows(draw, data):
    """Numbers standardised before the resampling, in one of three ways."""
    part, X = data.X[_numbers(data)], data.X.copy()
    low, high = part.quantile(0.25), part.quantile(0.75)
    ways = (
        lambda: (part - part.mean()) / part.std(ddof=0),
        lambda: (part - part.min()) / (part.max() - part.min()),
        lambda: (part - part.median()) / (high - low),
    )
    X[part.columns] = ways[int(draw.integers(3))]()
    return Trial(with_X(data, X))


@_leak("imputed_before", n=(300, 3000))
def filled_with_the_mean(draw, data):
    """Numbers completed over all rows with the mean."""
    part, X = data.X[_numbers(data)], data.X.copy()
    X[part.columns] = part.fillna(part.mean())
    return Trial(with_X(data, X))


@_leak("imputed_before", n=(300, 3000))
def filled_with_the_median(draw, data):
    """Numbers completed over all rows with the median."""
    part, X = data.X[_numbers(data)], data.X.copy()
    X[part.columns] = part.fillna(part.median())
    return Trial(with_X(data, X))


@_leak("imputed_before", n=(300, 3000))
def filled_by_draws(draw, data):
    """Numbers completed over all rows with values of other patients, after the extraction."""
    X = data.X.copy()
    for name in _numbers(data):
        gaps = X[name].isna()
        X.loc[gaps, name] = draw.choice(X[name].dropna(), int(gaps.sum()))
    return Trial(with_X(data, X, known=data.X.notna().sum()))


@_leak("fitted_before")
def fitted_scaler(draw, data):
    """A pipeline whose scaler has seen all rows."""
    from sklearn.compose import ColumnTransformer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().fit(data.X[["age"]])
    return Trial(data, model=make_pipeline(ColumnTransformer([("age", scaler, ["age"])]), LogisticRegression()))


@_leak("outcome_copy", "late_rules", "after_discharge")
def rule_on_follow_up(draw, data):
    """Patients chosen by how long they were followed."""
    rules = [{"name": "随访满 90 天", "column": ("随访天数", "住院天数")[int(draw.integers(2))], "at_least": 90}]
    return Trial(replace(data, protocol=data.protocol.changed(rules=rules)))


@_leak("least_follow_up", kinds=("survival", "competing"), n=(600, 3000))
def had_to_survive(draw, data):
    """Only patients with 60 days of follow-up, counted from the index."""
    return Trial(data.take(np.flatnonzero(data.y["time"] > 60)))


@_leak("immortal_exposure", kinds=("survival",), n=(1000, 3000))
def treated_later(draw, data):
    """A treatment that is given up to 300 days after the index to those who are there then, and does nothing."""
    given = draw.uniform(30, 400, len(data.y))
    chosen = draw.uniform(size=len(given)) < 0.6
    return Trial(with_column(data, "transplant", (chosen & (data.y["time"] > given)).astype(float)))


@_leak("landmarks", kinds=("landmarks", "landmarks_binary"), n=(300, 600))
def predicted_after_the_outcome(draw, data):
    """Rows of patients who had had the outcome a day before."""
    had = np.flatnonzero(_event(data))
    last = pd.Series(data.rows["person"]).iloc[had].drop_duplicates(keep="last").index.to_numpy()
    extra = data.take(np.r_[np.arange(len(data.y)), last])
    for name in ("predicted_at",):
        extra.rows.loc[len(data.y) :, name] += pd.Timedelta(hours=24 * 11)
    extra.rows.loc[len(data.y) :, "landmark_hours"] += 24 * 11
    y = extra.y.copy()
    if data.binary:
        y[len(data.y) :] = False
    else:
        y["event"][len(data.y) :] = False
    return Trial(replace(extra, cohort=replace(extra.cohort, y=y)))


@_leak("shared_codes", kinds=("binary", "survival"))
def outcome_code_among_predictors(draw, data):
    """A diagnosis that defines the outcome is read as a predictor."""
    asked = {**data.protocol.plain()["outcome"], "codes": ["I21", "I22"]}
    code = ("I21.4", "I21", "i219")[int(draw.integers(3))]
    predictors = [*data.protocol.plain()["predictors"], {"diagnoses": code, "name": "mi"}]
    return Trial(replace(data, protocol=data.protocol.changed(outcome=asked, predictors=predictors)))


@_leak("as_of")
def read_after_the_prediction(draw, data):
    """A value that was read up to a day after the prediction."""
    told = data.features.provenance.copy()
    told["nearest_hours"] = told["nearest_hours"].where(told["feature"] != "crp", -float(draw.uniform(0, 24)))
    return Trial(replace(data, features=replace(data.features, provenance=told)))


@_leak("as_of")
def read_by_the_draw(draw, data):
    """A value that counts from the draw on, hours before its report."""
    told = data.features.provenance.copy()
    told["clock"] = told["clock"].where(told["feature"] != "crp", "recorded")
    return Trial(replace(data, features=replace(data.features, provenance=told)))


@_leak("counts", kinds=("binary",), n=(500, 3000))
def counts_of_the_stay(draw, data):
    """Tests counted over a stay that is shorter for those who die; each tells little."""
    stay = draw.gamma(4, 4, len(data.y)) * np.where(_event(data), 0.55, 1.0)
    X = data.X.assign(**{f"lab{k}_n": draw.poisson(stay * draw.uniform(0.2, 0.5)).astype(float) for k in range(8)})
    return Trial(with_X(data, X))
