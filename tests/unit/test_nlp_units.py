"""Units: spellings, dimensions, conversion with and without an analyte, what an error says."""

import pytest

from nlp.errors import VariableError
from nlp.quantities.unit_places import match_unit
from nlp.quantities.units import convert, dimension_of, parse_unit, unit_data


@pytest.mark.parametrize(
    ("spelled", "name", "dimension"),
    [
        ("umol/L", "umol/L", "molar_concentration"),
        ("ΜMOL/L", "umol/L", "molar_concentration"),
        ("10E9/L", "10^9/L", "number_concentration"),
        ("10*9/L", "10^9/L", "number_concentration"),
        ("×10~9/L", "10^9/L", "number_concentration"),
        ("10^3/ul", "10^3/uL", "number_concentration"),
        ("个/HP", "个/HP", "number_by_high_field"),
        ("mIU/L", "mU/L", "catalytic_concentration"),
        ("ml/min/1.73m2", "mL/min/1.73m2", "filtration"),
        ("μg·kg-1·min-1", "ug/kg/min", "dose_rate_by_weight"),
        ("mg/(kg·d)", "mg/kg/d", "dose_rate_by_weight"),
        ("mM", "mmol/L", "molar_concentration"),
        ("MM", "mm", "length"),
        ("mg%", "mg/dL", "mass_concentration"),
        ("万U", "万U", "activity"),
        ("kg/m2", "kg/m2", "body_mass_index"),
        ("毫米汞柱", "mmHg", "pressure"),
    ],
)
def test_spellings(spelled, name, dimension):
    unit = parse_unit(spelled)
    assert (unit.name, unit.dimension) == (name, dimension)


@pytest.mark.parametrize("entry", unit_data()["units"], ids=lambda entry: entry["name"])
def test_every_spelling_means_its_own_unit(entry):
    # 分, 时, 早 and the like mean a time only below a line.
    prefix = "1/" if entry.get("below") else ""
    for spelling in [*entry["as"], *entry.get("exact", ())]:
        unit = parse_unit(("g/" if prefix else "") + spelling)
        assert unit.name == ("g/" if prefix else "") + entry["name"], spelling


def test_every_canonical_unit_is_one():
    for dimension, unit in unit_data()["canonical"].items():
        if dimension not in ("high_power_field", "low_power_field", "body_surface", "resistance"):
            parsed = parse_unit(unit)
            assert (parsed.dimension, parsed.factor, parsed.canonical) == (dimension, pytest.approx(1.0), unit)


@pytest.mark.parametrize(
    ("value", "source", "target", "analyte", "wanted"),
    [
        (5.55, "mmol/L", "mg/dL", "血糖", 100.0),
        (88.4, "umol/L", "mg/dL", "肌酐", 1.0),
        (7.14, "mmol/L", "mg/dL", "BUN", 20.0),
        (5.17, "mmol/L", "mg/dL", "总胆固醇", 200.0),
        (1.13, "mmol/L", "mg/dL", "甘油三酯", 100.0),
        (416.4, "umol/L", "mg/dL", "尿酸", 7.0),
        (17.1, "umol/L", "mg/dL", "总胆红素", 1.0),
        (2.5, "mmol/L", "mg/dL", "钙", 10.02),
        (120, "g/L", "mmol/L", "Hb", 7.45),
        (2.5, "mmol/L", "mEq/L", "钙", 5.0),
        (10, "mIU/L", "pmol/L", "胰岛素", 60.0),
        (53, "mmol/mol", "%", "HbA1c", 7.0),
        (7.0, "%", "mmol/mol", "糖化血红蛋白", 53.0),
        (1, "kPa", "mmHg", "", 7.5006),
        (98.6, "℉", "℃", "", 37.0),
        (500, "个/ul", "10^9/L", "", 0.5),
        (3, "斤", "kg", "", 1.5),
        (12, "g/dL", "g/L", "", 120.0),
        (0.5, "g/24h", "mg/d", "", 500.0),
        (15, "mm/1h", "mm/h", "", 15.0),
        (400, "mL/8h", "mL/h", "", 50.0),
    ],
)
def test_conversion(value, source, target, analyte, wanted):
    assert convert(value, source, target, analyte=analyte) == pytest.approx(wanted, rel=3e-3)


@pytest.mark.parametrize(
    ("source", "target", "analyte", "says", "hint"),
    [
        ("mmoll/L", "mg/dL", "", "mmoll/L", "mmol/L"),
        ("mmol/L", "mg/dL", "", "different things", "analyte"),
        ("mmHg", "cm", "", "pressure", "dimension"),
        ("mmHg", "mg/dL", "血糖", "cannot join", "concentration"),
        ("mmol/L", "mg/dL", "葡萄塘", "葡萄塘", "葡萄糖"),
        ("mIU/L", "pmol/L", "血糖", "cannot be converted", "activity"),
        ("片", "支", "", "tablet", "dimension"),
    ],
)
def test_errors_say_what_was_found_and_wanted(source, target, analyte, says, hint):
    with pytest.raises(VariableError) as raised:
        convert(1.0, source, target, analyte=analyte)
    assert says in raised.value.message
    assert hint in raised.value.hint


def test_dimension():
    assert dimension_of("次/分") == "rate"


@pytest.mark.parametrize(
    ("text", "length", "name"),
    [("mgivgtt", 2, "mg"), ("个月前", 2, "mo"), ("个肿大", 1, "个"), ("mg/kg.d", 7, "mg/kg/d"), ("gy/30次", 2, "Gy"), ("gd1", 1, "g")],
)
def test_units_end_where_they_end(text, length, name):
    end, unit = match_unit(text, 0)
    assert (end, unit.name) == (length, name)


@pytest.mark.parametrize("text", ["支架", "年级", "月经", "H", "周围", "分叶", "Tc", ""])
def test_words_that_begin_like_units(text):
    assert match_unit(text, 0) is None
