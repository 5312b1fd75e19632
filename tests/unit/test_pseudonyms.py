"""Pseudonyms follow from the key and tell nothing without it."""

import pytest

from workbench.errors import EnvironmentFault, PolicyError
from workbench.pseudonyms import PseudonymKey

ONE, OTHER = PseudonymKey(b"1" * 32), PseudonymKey(b"2" * 32)


def test_same_key_same_pseudonym_other_key_another():
    assert ONE.person(7) == PseudonymKey(b"1" * 32).person(7)
    assert ONE.person(7) != OTHER.person(7)
    assert ONE.uid("1.2.3") != OTHER.uid("1.2.3")


def test_pseudonyms_are_distinct_and_exact_in_a_float():
    made = {ONE.person(person) for person in range(20_000)}
    assert len(made) == 20_000
    assert all(0 < pseudonym == int(float(pseudonym)) for pseudonym in made)


def test_shifts_are_whole_weeks_within_bounds_and_spread():
    shifts = {ONE.shift_days(person, at_most=182) for person in range(5_000)}
    assert shifts == set(range(-182, 183, 7))


def test_no_shift_where_none_is_allowed():
    assert ONE.shift_days(7, at_most=0) == 0


def test_a_uid_stays_a_valid_uid():
    uid = ONE.uid("1.2.840.10008.1")
    assert uid.startswith("2.25.")
    assert len(uid) <= 64


def test_key_file_is_made_once_for_its_owner_alone(tmp_path):
    path = tmp_path / "keys" / "store.key"
    first = PseudonymKey.load(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert PseudonymKey.load(path) == first


def test_key_that_others_can_read_is_refused(tmp_path):
    path = tmp_path / "store.key"
    PseudonymKey.load(path)
    path.chmod(0o644)
    with pytest.raises(EnvironmentFault, match="read by others"):
        PseudonymKey.load(path)


def test_short_key_is_refused():
    with pytest.raises(PolicyError, match="3 bytes"):
        PseudonymKey(b"abc")


def test_key_is_not_shown():
    assert "1111" not in repr(ONE)
