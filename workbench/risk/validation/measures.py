"""The measures of performance: what each is called, where it is told, and what it is worked out from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
from scipy.special import expit, logit
from sklearn.metrics import average_precision_score

from workbench.errors import DataError
from workbench.locale import tr
from workbench.risk.evaluation.accuracy import integrated_brier, weighted_auc
from workbench.risk.evaluation.calibration import linear_predictor
from workbench.risk.evaluation.calibration_curve import calibration_curve
from workbench.risk.evaluation.classification import at_thresholds
from workbench.risk.evaluation.d_calibration import d_calibration
from workbench.risk.evaluation.horizon import binary, watched
from workbench.risk.evaluation.net_benefit import decision_curve
from workbench.risk.evaluation.probability_regression import CLOGLOG, LOGIT, regress
from workbench.risk.survival.concordance import harrell, uno
from workbench.risk.survival.outcome import outcome

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike

    from workbench.risk.evaluation.probability_regression import Link
    from workbench.risk.validation.known import Known

__all__ = ["FAMILIES", "MEASURES", "TIE_RULE", "Family", "Judged", "Measure"]

#: How ties count in every concordance and area under a curve.
TIE_RULE = (
    "of two events at one time neither is earlier; who is censored at the time of an event outlived it; equal risks count one half "
    "(as in R's survival package)"
)


class Measure(NamedTuple):
    """What a measure is called, and where it is best.

    Parameters
    ----------
    zh, en : str
        On the screen and in print.
    best : float
        The value of a perfect model; not a number where there is none that holds everywhere.
    scale : {"identity", "positive", "logit", "log"}
        On which it is about normal, where values of several places are joined (Snell et al. 2018, Stat Methods Med Res 27:3505);
        ``positive`` is the identity of what is never below 0, and neither are its intervals.
    """

    zh: str
    en: str
    best: float
    scale: Literal["identity", "positive", "logit", "log"] = "identity"

    @property
    def label(self) -> str:
        """In the language of the session."""
        return tr(self.zh, self.en)

    def on_scale(self, values: ArrayLike) -> np.ndarray:
        """Return values on the scale on which they are about normal; infinite or not a number where they have no place there."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return _SCALES[self.scale][0](np.asarray(values, float))

    def off_scale(self, values: ArrayLike) -> np.ndarray:
        """Return values from that scale."""
        return _SCALES[self.scale][1](np.asarray(values, float))


#: Scale -> the way there and back.
_SCALES = {
    "identity": (np.positive, np.positive),
    "positive": (np.positive, lambda values: np.maximum(values, 0)),
    "log": (np.log, np.exp),
    "logit": (logit, expit),
}

#: Each measure by its key.
MEASURES: dict[str, Measure] = {
    "harrell_c": Measure("Harrell C 指数", "Harrell's C", 1, "logit"),
    "uno_c": Measure("Uno C 指数", "Uno's C", 1, "logit"),
    "antolini_c": Measure("Antolini C 指数", "Antolini's C", 1, "logit"),
    "auc": Measure("时间依赖 AUC", "time-dependent AUC", 1, "logit"),
    "auroc": Measure("AUROC", "AUROC", 1, "logit"),
    "auprc": Measure("AUPRC", "AUPRC", 1, "logit"),
    "brier": Measure("Brier 评分", "Brier score", 0, "positive"),
    "scaled_brier": Measure("标化 Brier 评分", "scaled Brier score", 1),
    "ibs": Measure("积分 Brier 评分", "integrated Brier score", 0, "positive"),
    "scaled_ibs": Measure("标化积分 Brier 评分", "scaled integrated Brier score", 1),
    "observed_expected": Measure("观察/预期比 O/E", "observed/expected ratio", 1, "log"),
    "intercept": Measure("校准截距", "calibration intercept", 0),
    "slope": Measure("校准斜率", "calibration slope", 1),
    "ici": Measure("ICI", "ICI", 0, "positive"),
    "e50": Measure("E50", "E50", 0, "positive"),
    "e90": Measure("E90", "E90", 0, "positive"),
    "d_calibration_p": Measure("分布校准 P 值", "D-calibration p", np.nan),
    "net_benefit": Measure("净获益", "net benefit", np.nan),
    "sensitivity": Measure("灵敏度", "sensitivity", 1, "logit"),
    "specificity": Measure("特异度", "specificity", 1, "logit"),
    "ppv": Measure("阳性预测值", "positive predictive value", 1, "logit"),
    "npv": Measure("阴性预测值", "negative predictive value", 1, "logit"),
}


class Judged(NamedTuple):
    """Predictions and what came of them.

    Parameters
    ----------
    y : structured ndarray or ndarray of bool, shape (n,)
        Outcomes.
    risk : ndarray of float, shape (n, m)
        Predicted probabilities by each of `times`; one column where the outcome is binary.
    times : ndarray of float, shape (m,)
        In days, rising; none where the outcome is binary.
    thresholds : ndarray of float
        Rising; may be empty.
    known : Known or None
        What follows from the outcomes alone; None where the outcome is binary.
    """

    y: np.ndarray
    risk: np.ndarray
    times: np.ndarray
    thresholds: np.ndarray
    known: Known | None

    def at(self, horizon: float | None) -> np.ndarray:
        """Return the risks by a horizon, of shape (n,)."""
        return self.risk[:, 0 if horizon is None else int(np.searchsorted(self.times, horizon))]


class Family(NamedTuple):
    """Measures that are worked out together.

    Parameters
    ----------
    names : tuple of str
        Of :data:`MEASURES`.
    per : {"study", "horizon", "threshold"}
        Whether each is one number; or one at each horizon; or one at each horizon and threshold. A binary outcome has no horizons.
    outcome : {"times", "binary", "any"}
        What kind of outcome they are for.
    work : callable
        From the predictions and a horizon (None of a study's or of a binary outcome's measures) to a value for each name; to an array of
        them by threshold.
    quick : bool
        Whether a resample can afford it.
    """

    names: tuple[str, ...]
    per: Literal["study", "horizon", "threshold"]
    outcome: Literal["times", "binary", "any"]
    work: Callable[[Judged, float | None], tuple]
    quick: bool = True


def _ranked(given: Judged) -> np.ndarray:
    """Return outcomes in which who had another cause stays at risk for ever (Wolbers et al. 2009, Epidemiology 20:555)."""
    if not given.known.competing:
        return given.y
    event, time, *_ = (given.y[name] for name in given.y.dtype.names)
    return outcome(np.where(event > 1, time.max() + 1, time), event == 1)


def _harrell(given: Judged, _: float | None) -> tuple[float]:
    return (harrell(_ranked(given), given.risk[:, -1]),)


def _uno(given: Judged, _: float | None) -> tuple[float]:
    if given.known.competing:
        raise DataError(
            "Uno's C has no form for competing risks here; the AUC at the horizon weighs for censoring",
            zh="有竞争事件时不计算 Uno C 指数；预测时点的 AUC 已按删失加权",
        )
    return (uno(given.y, given.risk[:, -1], train=given.known.train, tau=float(given.times[-1])),)


def _curves(given: Judged, wanted: int = 2) -> np.ndarray:
    if len(given.times) < wanted:
        raise DataError(
            f"needs risks at {wanted} times or more, found {len(given.times)}",
            zh=f"需要 {wanted} 个以上时间点的风险，现有 {len(given.times)} 个",
        )
    return 1 - given.risk


def _antolini(given: Judged, _: float | None) -> tuple[float]:
    """Return Antolini's C, where between two times a curve counts with its value at the later.

    Up to the next time ranks do not change, so that the pairs of its events are counted as Harrell's are, in O(n log n) a time; with the
    value at the earlier time, all would be equal up to the first.
    """
    _curves(given)
    time, event, _ = watched(_ranked(given))
    event, place = event.astype(bool), np.searchsorted(given.times[:-1], time)
    order, deaths = np.sort(time), np.sort(time[event])
    # outlived: who was there later, or was censored at the same time
    outlived = len(time) - np.searchsorted(order, time) - (np.searchsorted(deaths, time, "right") - np.searchsorted(deaths, time))
    pairs = np.bincount(place[event], outlived[event], minlength=len(given.times))
    parts = [count * harrell(outcome(time, event & (place == k)), given.risk[:, k]) for k, count in enumerate(pairs) if count]
    if not parts:
        raise DataError("no pair of persons can be compared", zh="没有可以比较先后的两人")
    return (float(sum(parts) / pairs.sum()),)


def _integrated(given: Judged, _: float | None) -> tuple[float, float]:
    _curves(given)
    found = integrated_brier(given.y, given.risk, given.times, train=given.known.train)
    return found.brier, found.scaled


def _d_calibration(given: Judged, _: float | None) -> tuple[float]:
    if given.known.competing:
        raise DataError(
            "D-calibration needs curves of all causes together, and the risks are of one",
            zh="分布校准需要合并各种事件的生存曲线，而这里是一种事件的风险",
        )
    return (d_calibration(given.y, _curves(given, 5), given.times).p,)


def _auc(given: Judged, horizon: float) -> tuple[float]:
    at = given.known.at(horizon)
    return (weighted_auc(at.case, at.weight, given.at(horizon), horizon=horizon),)


def _brier(given: Judged, horizon: float) -> tuple[float, float]:
    case, weight, share = given.known.at(horizon)
    error, null = (float((weight * (case - predicted) ** 2).mean()) for predicted in (given.at(horizon), share))
    return error, 1 - error / null


def _on_the_whole(given: Judged, horizon: float | None) -> tuple[float]:
    share = binary(given.y).mean() if horizon is None else given.known.at(horizon).share
    return (float(share / given.at(horizon).mean()),)


def _linked(given: Judged, horizon: float | None) -> tuple[np.ndarray, np.ndarray, Link]:
    """Return outcomes or pseudo-observations, the linear predictor, and the link between them."""
    observed, link = (binary(given.y).astype(float), LOGIT) if horizon is None else (given.known.pseudo(horizon), CLOGLOG)
    return observed, linear_predictor(given.at(horizon), link), link


def _intercept(given: Judged, horizon: float | None) -> tuple[float]:
    observed, x, link = _linked(given, horizon)
    return (float(regress(observed, np.ones((len(x), 1)), link, offset=x, start=np.zeros(1)).coefficients[0]),)


def _slope(given: Judged, horizon: float | None) -> tuple[float]:
    if horizon is not None and not given.known.competing:
        given.known.at(horizon)  # refuses a horizon that nobody reached
        return (given.known.slope(linear_predictor(given.at(horizon), CLOGLOG), horizon),)
    observed, x, link = _linked(given, horizon)
    if np.ptp(x) == 0:
        return (np.nan,)
    return (float(regress(observed, np.column_stack([np.ones(len(x)), x]), link, start=np.array([0.0, 1.0])).coefficients[1]),)


def _strong(given: Judged, horizon: float | None) -> tuple[float, float, float]:
    curve = calibration_curve(given.y, given.at(horizon), horizon=horizon, points=2)
    return curve.ici, curve.e50, curve.e90


def _auroc(given: Judged, _: float | None) -> tuple[float]:
    truth = binary(given.y)  # of two persons the one with the event had it first: counted so, it costs a fraction of a ROC curve
    return (harrell(outcome(np.where(truth, 1, 2), truth), given.risk[:, 0]),)


def _auprc(given: Judged, _: float | None) -> tuple[float]:
    return (float(average_precision_score(binary(given.y), given.risk[:, 0])),)


def _squared(given: Judged, _: float | None) -> tuple[float, float]:
    truth = binary(given.y)
    error = float(np.mean((given.risk[:, 0] - truth) ** 2))
    return error, 1 - error / float(truth.var())


_SHARES = ("sensitivity", "specificity", "ppv", "npv")


def _classified(given: Judged, _: float | None) -> tuple[np.ndarray, ...]:
    table = at_thresholds(given.y, given.risk[:, 0], given.thresholds)
    return tuple(table[name].to_numpy() for name in _SHARES)


def _benefit(given: Judged, horizon: float | None) -> tuple[np.ndarray]:
    return (decision_curve(given.y, given.at(horizon), given.thresholds, horizon=horizon)["net_benefit"].to_numpy(),)


#: All families, in the order in which they are told.
FAMILIES = (
    Family(("harrell_c",), "study", "times", _harrell),
    Family(("uno_c",), "study", "times", _uno),
    Family(("antolini_c",), "study", "times", _antolini, quick=False),
    Family(("ibs", "scaled_ibs"), "study", "times", _integrated, quick=False),
    Family(("d_calibration_p",), "study", "times", _d_calibration, quick=False),
    Family(("auc",), "horizon", "times", _auc),
    Family(("brier", "scaled_brier"), "horizon", "times", _brier),
    Family(("auroc",), "horizon", "binary", _auroc),
    Family(("auprc",), "horizon", "binary", _auprc),
    Family(("brier", "scaled_brier"), "horizon", "binary", _squared),
    Family(("observed_expected",), "horizon", "any", _on_the_whole),
    Family(("intercept",), "horizon", "any", _intercept),
    Family(("slope",), "horizon", "any", _slope),
    Family(("ici", "e50", "e90"), "horizon", "any", _strong, quick=False),
    Family(_SHARES, "threshold", "binary", _classified),
    Family(("net_benefit",), "threshold", "any", _benefit),
)
