"""The hazards planted behind the deaths are found again, from the truth and from the hospital's own tables."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from lifelines import CoxPHFitter

from workbench.synthetic.hospital import draw_block
from workbench.synthetic.omop import tables
from workbench.synthetic.people import draw_people
from workbench.synthetic.truth import hazards, survival
from workbench.synthetic.visits import draw_visits

BLOCKS = 12


class Drawn:
    """As much of a block as the truth of survival needs."""

    def __init__(self, block):
        self.people = draw_people(5, block, 2000)
        self.visits, self.deaths = draw_visits(5, self.people)


@pytest.fixture(scope="module")
def truth():
    return pa.concat_tables([survival(Drawn(block)) for block in range(BLOCKS)]).to_pandas()


def test_cox_finds_the_planted_coefficients(truth):
    planted = hazards().to_pandas().set_index("term").log_hr
    model = CoxPHFitter().fit(truth[["time_days", "event", *planted.index]], "time_days", "event")
    low, high = model.confidence_intervals_.to_numpy().T
    covered = pd.Series((low <= planted) & (planted <= high), planted.index)
    assert len(truth) > 9000
    assert covered.sum() >= len(planted) - 2, covered
    assert np.abs(model.params_ - planted).max() < 0.5


def test_the_truth_can_be_read_off_the_tables():
    block = draw_block(5, 0, 2000)
    made, known = tables(block), survival(block).to_pandas().set_index("person_id")
    codes = made["condition_occurrence"].to_pandas()
    visits = made["visit_occurrence"].to_pandas()
    first = visits[visits.visit_concept_id == 9201].sort_values("visit_start_datetime").drop_duplicates("person_id").set_index("person_id")
    assert (first.visit_start_date == known.index_date.reindex(first.index)).all()
    for term, prefix in (("t2dm", "E11"), ("ckd", ("N18", "Z49")), ("copd", "J44"), ("chf", "I50")):
        own = codes[codes.condition_source_value.str.startswith(prefix) & codes.visit_occurrence_id.isin(first.visit_occurrence_id)]
        assert known.loc[list(set(own.person_id))][term].eq(1).mean() > 0.97, term
        assert known[known[term] == 1].index.isin(own.person_id).mean() > 0.97, term
    deaths = made["death"].to_pandas()
    assert set(deaths.person_id) == set(known[known.event == 1].index)


def test_hazard_ratios_are_the_exponentials(truth):
    table = hazards().to_pandas()
    assert np.allclose(table.hazard_ratio, np.exp(table.log_hr), atol=1e-4)
    assert set(table.term) <= set(truth.columns)
