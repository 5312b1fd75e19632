"""How well models rank patients of public sets, in the folds of the measurements before the work began."""

import pytest

from tests.bench.bench_risk_quality import MEASURED, SETS, SLACK, measured
from tests.lib.paths import shared


@pytest.mark.parametrize(
    ("name", "model", "file"),
    [
        ("WHAS500", "spline_cox", ""),
        ("GBSG2", "spline_cox", ""),
        ("SUPPORT2, 14", "spline_cox", "support2/support2.csv"),
        ("Tongji, 24 h", "logistic", "tongji_covid/time_series_375_prerpocess_en.xlsx"),
    ],
)
def test_models_rank_as_well_as_was_measured(name, model, file):
    """``python tests/bench/bench_risk_quality.py`` tries all sets and models."""
    if file:
        shared(f"risk/{file}")
    try:
        X, y = SETS[name]()
    except ImportError as reason:
        pytest.skip(str(reason))
    assert measured(model, X, y)[0] >= MEASURED[name][model][0] - SLACK
