"""What is read off a nomogram is what its equation says."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from workbench.disclosure import DisclosurePolicy
from workbench.errors import DefinitionError
from workbench.locale import set_language
from workbench.risk.extraction.dataset import Feature
from workbench.risk.interpretation.nomogram import nomogram, safe_spans
from workbench.risk.models.equation import Equation, Factor, Term

POLICY = DisclosurePolicy(threshold=10, rounding=5)
KNOTS = (25.0, 33.0, 38.0, 45.0)
FEATURES = [Feature("age", "年龄", "岁", "number", "person"), Feature("htn", "高血压", "", "yes_no", "diagnoses")]


def terms() -> tuple[Term, ...]:
    spline = [Term((Factor("alb", "spline", knots=KNOTS, basis=b),), c) for b, c in enumerate((-0.12, 0.35, -0.5))]
    return (
        Term((Factor("age", centre=60, scale=10),), 0.45),
        Term((Factor("ldh", "log"),), 0.8),
        *spline,
        Term((Factor("sex", "level", level="男"),), 0.3),
        Term((Factor("htn"),), 0.2),
        Term((Factor("ldh", "missing"),), 0.4),
    )


@pytest.fixture
def patients() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "age": rng.normal(60, 12, 500),
            "ldh": rng.gamma(4, 80, 500),
            "alb": rng.normal(35, 6, 500),
            "sex": pd.Categorical(["男", "女"] * 247 + ["不详"] * 6),
            "htn": rng.integers(0, 2, 500).astype(float),
        }
    )


@pytest.mark.parametrize("kind", ["cox", "logistic"])
def test_points_add_up_to_the_risk(patients, kind):
    equation = Equation("e", terms(), kind, intercept=-6.0, mean=4.0, baseline=((30.0, 0.95), (365.0, 0.8)))
    drawn = nomogram(equation, safe_spans(patients, policy=POLICY), features=FEATURES)
    rng = np.random.default_rng(1)
    for _ in range(50):
        at = [int(rng.integers(len(scale.values))) for scale in drawn.scales]
        points = sum(scale.points[k] for scale, k in zip(drawn.scales, at, strict=True))
        patient = pd.DataFrame({scale.feature: [scale.values[k]] for scale, k in zip(drawn.scales, at, strict=True)})
        read = [np.interp(points, drawn.total, drawn.risks[column]) for column in drawn.risks]
        np.testing.assert_allclose(read, equation.predict_risk(patient)[0], atol=1e-3)
    assert max(scale.points.max() for scale in drawn.scales) == pytest.approx(100)
    assert min(scale.points.min() for scale in drawn.scales) == 0


def test_levels_that_were_joined_have_the_points_of_their_coefficient():
    joined = Factor("ward", "level", level="其他（2 类）", words=("B", "C"))
    drawn = nomogram(Equation("e", (Term((Factor("age"),), 0.01), Term((joined,), 0.2)), "logistic"), {"age": (40, 80), "ward": ("A", "B")})
    assert drawn.scales[1].values == ("A", "其他（2 类）")
    assert drawn.scales[1].points.tolist() == pytest.approx([0, 50])


def test_scales_show_no_single_patient(patients):
    patients.loc[0, "age"] = 119.0
    spans = safe_spans(patients, policy=POLICY)
    drawn = nomogram(Equation("e", terms(), "logistic"), spans)
    assert max(value for scale in drawn.scales if scale.feature == "age" for value in scale.values) < 100
    assert "不详" not in spans["sex"]
    assert safe_spans(patients.head(9), policy=POLICY) == {}


def test_the_reference_has_its_name_and_yes_its_word(patients):
    drawn = nomogram(Equation("e", terms(), "logistic"), safe_spans(patients, policy=POLICY), features=FEATURES)
    table = drawn.scores()
    assert table.loc[table["预测因子"] == "sex", "取值水平"].tolist() == ["女", "男"]
    assert table.loc[table["预测因子"] == "高血压", "取值水平"].tolist() == ["否", "是"]
    set_language("en")
    try:
        assert list(drawn.sums().columns) == ["Total points", "Risk"]
    finally:
        set_language("zh")


def test_a_scale_that_turns_back_has_marks_on_both_sides(patients):
    drawn = nomogram(Equation("e", terms(), "logistic"), safe_spans(patients, policy=POLICY))
    points = next(scale.points for scale in drawn.scales if scale.feature == "alb")
    assert (np.diff(points) > 0).any()
    assert (np.diff(points) < 0).any()
    svg = drawn.chart(policy=POLICY).svg()
    assert svg.startswith("<svg")
    assert "总分" in svg


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ((Term((Factor("age"), Factor("ldh")), 1.0),), "interaction"),
        ((), "no effect"),
        ((Term((Factor("age"),), 0.0),), "no effect"),
        ((Term((Factor("unknown"),), 1.0),), "no span"),
    ],
)
def test_what_cannot_be_drawn_is_refused(patients, given, words):
    with pytest.raises(DefinitionError, match=words):
        nomogram(Equation("e", given, "logistic"), safe_spans(patients, policy=POLICY))
