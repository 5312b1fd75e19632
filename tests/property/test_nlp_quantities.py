"""Laws of quantities: spans say what they cover, generated numbers are read back, conversion inverts, nothing raises."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlp.quantities import Quantities
from nlp.quantities.units import convert, parse_unit, unit_data

UNITS = [
    ("cm", "cm"), ("毫米", "mm"), ("㎝", "cm"), ("mg", "mg"), ("MG", "mg"), ("μg", "ug"), ("ug", "ug"), ("mcg", "ug"), ("公斤", "kg"),
    ("mmol/L", "mmol/L"), ("MMOL/L", "mmol/L"), ("μmol/l", "umol/L"), ("UMOL/L", "umol/L"), ("ng/ml", "ng/mL"), ("pg/mL", "pg/mL"),
    ("g/L", "g/L"), ("mg/dl", "mg/dL"), ("U/L", "U/L"), ("IU/L", "U/L"), ("mIU/L", "mU/L"), ("*10^9/L", "10^9/L"), ("×10^9/L", "10^9/L"),
    ("×10~9/L", "10^9/L"), ("x10E9/L", "10^9/L"), ("×10^12/L", "10^12/L"), ("X109/L", "10^9/L"), ("次/分", "/min"), ("bpm", "/min"),
    ("次/min", "/min"), ("mmHg", "mmHg"), ("MMHG", "mmHg"), ("kPa", "kPa"), ("cmH2O", "cmH2O"), ("%", "%"), ("‰", "‰"), ("ml", "mL"),
    ("毫升", "mL"), ("ml/min", "mL/min"), ("ml/min/1.73m2", "mL/min/1.73m2"), ("mg/kg", "mg/kg"), ("ug/kg/min", "ug/kg/min"),
    ("mg/24h", "mg/24h"), ("个/HP", "个/HP"), ("HU", "HU"), ("dB", "dB"), ("Gy", "Gy"), ("小时", "h"), ("分钟", "min"), ("kg/m2", "kg/m2"),
]  # fmt: skip
NUMBERS = st.decimals(min_value="0.01", max_value="999", places=2, allow_nan=False).map(lambda number: f"{number.normalize():f}")
SPACES = st.sampled_from(["", " "])
ANY = st.text(
    alphabet=st.one_of(
        st.sampled_from("0123456789.-~*x×/:,，。（()+↑%^ 约大于以上TNMpcⅡⅢ级期分一二三半年月日天次cmglLU参考值\n\ud800😀"), st.characters()
    ),
    max_size=60,
)


@given(number=NUMBERS, unit=st.sampled_from(UNITS), space=SPACES)
def test_a_number_with_a_unit_is_read_back(number, unit, space):
    text = f"结果为{number}{space}{unit[0]}。"
    (one,) = Quantities().predict(text)
    assert (text[one.start : one.end], one.values, one.unit) == (f"{number}{space}{unit[0]}", (float(number),), unit[1])


@given(low=NUMBERS, high=NUMBERS, unit=st.sampled_from(UNITS), joint=st.sampled_from(["-", "~", "～", "至", "—"]))
def test_a_range_is_read_back(low, high, unit, joint):
    (one,) = Quantities().predict(f"结果为{low}{joint}{high}{unit[0]}。")
    assert (one.kind, one.values, one.unit) == ("range", (float(low), float(high)), unit[1])


@given(sides=st.lists(NUMBERS, min_size=2, max_size=3), joint=st.sampled_from(["*", "×", "x", "X", " x ", " × "]), each=st.booleans())
def test_a_size_is_read_back(sides, joint, each):
    written = joint.join(side + ("cm" if each else "") for side in sides) + ("" if each else "cm")
    (one,) = Quantities().predict(f"肿物大小{written}，质硬")
    assert (one.kind, one.values, one.unit) == ("size", tuple(float(side) for side in sides), "cm")


@given(text=ANY)
def test_spans_lie_inside_in_order_and_nothing_raises(text):
    found = Quantities().predict(text)
    ends = [0]
    for one in found:
        assert ends[-1] <= one.start < one.end <= len(text)
        assert one.comparator in ("", "<", "<=", ">", ">=", "~")
        assert len(one.canonical) in (0, len(one.values))
        ends.append(one.end)


@given(
    value=st.floats(min_value=0.001, max_value=1e6),
    entry=st.sampled_from([entry for entry in unit_data()["units"] if not entry.get("below")]),
)
def test_conversion_inverts(value, entry):
    canonical = parse_unit(entry["as"][0]).canonical
    there = convert(value, entry["as"][0], canonical)
    if there > 1e-6:  # results are rounded to twelve decimals
        assert convert(there, canonical, entry["as"][0]) == pytest.approx(value, rel=1e-5)


@given(
    value=st.floats(min_value=0.01, max_value=1e4), analyte=st.sampled_from([one for one in unit_data()["analytes"] if "molar_mass" in one])
)
def test_conversion_by_an_analyte_inverts(value, analyte):
    there = convert(value, "mmol/L", "mg/dL", analyte=analyte["name"])
    assert convert(there, "mg/dL", "mmol/L", analyte=analyte["names"][-1]) == pytest.approx(value, rel=1e-6)
