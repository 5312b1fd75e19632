"""Records of one patient are joined on strong agreement only."""

from tests.unit.test_identifiers import BODY, identity
from workbench.ingest.patient_index import link

KEYS = [["identity_number"], ["name", "birth_date", "phone"]]
OTHER = identity(BODY[:-1] + "5")


def record(person, *, number=None, name=None, born=None, phone=None):
    return {"person_id": person, "identity_number": number, "name": name, "birth_date": born, "phone": phone}


def test_same_identity_number_is_one_patient():
    found = link([record(5, number=identity()), record(3, number=identity()), record(9)], keys=KEYS)
    assert found.patient == {5: 3, 3: 3, 9: 9}
    assert found.joined == 1


def test_joins_close_transitively():
    rows = [
        record(1, number=identity()),
        record(2, number=identity()),
        record(2, name="甲", born="1990", phone="1"),
        record(3, name="甲", born="1990", phone="1"),
    ]
    assert set(link(rows, keys=KEYS).patient.values()) == {1}


def test_a_name_alone_joins_nothing():
    assert link([record(1, name="甲", born="1990"), record(2, name="甲", born="1990")], keys=KEYS).joined == 0


def test_two_identity_numbers_are_never_joined():
    rows = [record(1, number=identity(), name="甲", born="1990", phone="1"), record(2, number=OTHER, name="甲", born="1990", phone="1")]
    found = link(rows, keys=KEYS)
    assert (found.joined, found.refused) == (0, 1)


def test_full_width_and_blanks_do_not_hide_agreement():
    wide = identity().translate({ord(str(d)): chr(0xFF10 + d) for d in range(10)})
    assert link([record(1, number=identity()), record(2, number=f" {wide} ")], keys=KEYS).joined == 1
