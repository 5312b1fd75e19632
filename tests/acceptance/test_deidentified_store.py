"""Staff turn a hospital's raw extract into a store: faults mended or refused, patients linked, no planted identifier left."""

from collections import Counter

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pytest
from ahocorasick_rs import AhoCorasick
from typer.testing import CliRunner

from workbench.cli import app
from workbench.errors import DataError
from workbench.ingest.hospital import ingest_hospital
from workbench.pseudonyms import PseudonymKey
from workbench.store import Store
from workbench.synthetic.extract import build

KEY = PseudonymKey(b"k" * 32)


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hospital") / "raw"
    build(folder, n_patients=300, seed=11)
    return folder


@pytest.fixture(scope="module")
def ingested(raw):
    return ingest_hospital(raw, raw.parent / "store", key=KEY)


@pytest.fixture(scope="module")
def snapshot(raw, ingested):
    return Store(raw.parent / "store").open(ingested.snapshot_id)


def texts(snapshot):
    for name in sorted(snapshot.tables):
        table = snapshot.read(name)
        for field in table.schema:
            if pa.types.is_string(field.type):
                yield f"{name}.{field.name}", table[field.name].drop_null().to_pylist()


def test_no_planted_identifier_is_left_anywhere_in_the_store(raw, snapshot):
    planted = ds.dataset(raw / "truth" / "canaries").to_table()
    kinds = dict(zip(planted["token"].to_pylist(), planted["kind"].to_pylist(), strict=True))
    assert len(kinds) > 2_000
    automaton = AhoCorasick(list(kinds))
    tokens = list(kinds)
    left = Counter()
    for place, values in texts(snapshot):
        for value in values:
            left.update((place, kinds[tokens[which]]) for which, _, _ in automaton.find_matches_as_indexes(value))
    assert left == Counter()


def test_the_same_scan_finds_them_in_the_raw_extract(raw):
    planted = ds.dataset(raw / "truth" / "canaries").to_table()
    notes = ds.dataset(raw / "tables" / "note").to_table(columns=["note_text"])["note_text"].to_pylist()
    automaton = AhoCorasick(planted["token"].unique().to_pylist())
    assert sum(len(automaton.find_matches_as_indexes(note)) for note in notes) > 1_000


def test_no_person_id_of_the_hospital_is_left(raw, snapshot):
    before = set(ds.dataset(raw / "tables" / "person").to_table(columns=["person_id"])["person_id"].to_pylist())
    assert not before & set(snapshot.read("person", ["person_id"])["person_id"].to_pylist())


def test_second_registrations_are_joined(raw, ingested):
    planted = ds.dataset(raw / "truth" / "same_person").to_table()
    assert ingested.linkage.joined == planted.num_rows > 0
    assert ingested.linkage.refused == 0


def test_every_span_still_names_its_words(snapshot):
    notes = dict(zip(*(snapshot.read("note")[name].to_pylist() for name in ("note_id", "note_text")), strict=True))
    findings = snapshot.read("finding").to_pylist()
    raw_words = Counter(notes[row["note_id"]][row["span_start"] : row["span_end"]] for row in findings)
    assert len(findings) > 1_000
    assert "" not in raw_words
    assert not any("【" in word for word in raw_words)


def test_planted_faults_are_in_the_report_and_not_in_the_store(ingested, snapshot):
    assert ingested.report.entries
    visits = snapshot.read("visit_occurrence", ["visit_start_date", "visit_end_date"])
    assert pc.sum(pc.less(visits["visit_end_date"], visits["visit_start_date"])).as_py() in (0, None)


def test_nothing_identified_stays_beside_the_store(raw, snapshot):
    assert sorted(path.name for path in snapshot.path.parents[1].parent.iterdir()) == ["raw", "store"]


def test_a_folder_that_is_no_extract_is_refused_with_what_was_wanted(tmp_path):
    with pytest.raises(DataError, match="no folder tables"):
        ingest_hospital(tmp_path, tmp_path / "store", key=KEY)


def test_by_the_command_line(raw, tmp_path):
    done = CliRunner().invoke(app, ["store", "ingest", str(raw), "--out", str(tmp_path / "store"), "--key", str(tmp_path / "store.key")])
    assert done.exit_code == 0, done.output
    assert "de-identified" in done.output
