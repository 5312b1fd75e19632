"""Chinese identity and mobile numbers are found by form, check digit, date and province."""

import random

import pytest

from workbench.identifiers import is_identity_number, scan

# Made for these tests: province 11, 1990-03-07; the check character follows from GB 11643.
BODY = "11010519900307123"
WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)


def identity(body: str = BODY) -> str:
    return body + "10X98765432"[sum(w * int(d) for w, d in zip(WEIGHTS, body, strict=True)) % 11]


def test_valid_number_is_recognised():
    assert is_identity_number(identity())


@pytest.mark.parametrize(
    "number",
    [
        pytest.param(identity()[:17] + ("1" if identity()[17] != "1" else "2"), id="check digit"),
        pytest.param(identity("00" + BODY[2:]), id="province"),
        pytest.param(identity("11010519901307123"), id="month"),
        pytest.param(identity("11010518000307123"), id="year"),
        pytest.param(identity()[:17], id="length"),
    ],
)
def test_wrong_number_is_not(number):
    assert not is_identity_number(number)


@pytest.mark.parametrize(
    "shape",
    [
        pytest.param(lambda number: number, id="plain"),
        pytest.param(lambda number: " ".join([number[:6], number[6:14], number[14:]]), id="spaced"),
        pytest.param(lambda number: number.translate({ord(str(d)): chr(0xFF10 + d) for d in range(10)}), id="full width"),
    ],
)
def test_scan_finds_every_shape_in_a_sentence(shape):
    written = shape(identity())
    text = f"患者身份证号{written}，入院。"
    (hit,) = scan(text)
    assert (text[hit.start : hit.end], hit.kind) == (written, "identity_number")


def test_scan_finds_a_mobile_number_and_no_laboratory_value():
    text = "电话13800138000，白细胞 12.34567 10^9/L，病案号 00123456789"
    assert [text[hit.start : hit.end] for hit in scan(text)] == ["13800138000"]


def test_random_18_digit_numbers_rarely_pass():
    draw = random.Random(1)
    passed = sum(is_identity_number("".join(draw.choices("0123456789", k=18))) for _ in range(100_000))
    assert passed < 10
