"""The broker takes definitions, answers suppressed counts, records every question and refuses differencing."""

import json
import socket
import threading
from datetime import date

import pyarrow as pa
import pytest

from workbench.cohort.query import Age, Cohort, Entry, Events, Rule
from workbench.cohort.serial import write_definition
from workbench.disclosure import DisclosurePolicy
from workbench.errors import DefinitionError, Refusal
from workbench.store.broker import MAX_REQUEST, Broker, serve
from workbench.store.memory import MemoryEngine

PATIENTS = 40


@pytest.fixture
def broker(tmp_path):
    persons = range(1, PATIENTS + 1)
    tables = {
        "person": pa.table({"person_id": persons, "gender_concept_id": [8507] * PATIENTS, "year_of_birth": [1980 - p for p in persons]}),
        "visit_occurrence": pa.table(
            {
                "visit_occurrence_id": persons,
                "person_id": persons,
                "visit_concept_id": [9201] * PATIENTS,
                "visit_start_date": [date(2020, 1, 1)] * PATIENTS,
                "visit_end_date": [date(2020, 1, 2)] * PATIENTS,
            }
        ),
    }
    asked = []
    made = Broker(MemoryEngine(tables), "snap", DisclosurePolicy(threshold=10, rounding=5), tmp_path, lambda *entry: asked.append(entry))
    made.asked = asked
    return made


def older_than(years):
    rules = (Rule("年龄", "require", Age("ge", (years,), calendar=True)),) if years else ()
    return write_definition(Cohort("住院患者", Entry((Events("encounters"),)), rules))


def test_count_is_suppressed_and_recorded(broker):
    assert broker.answer(older_than(0), user="zhang", project="p1")["persons"] == "40"
    assert broker.answer(older_than(72), user="zhang", project="p1")["persons"] == "<10"
    assert [entry[:3] for entry in broker.asked] == [("zhang", "feasibility.answered", "p1")] * 2


def test_two_questions_that_differ_by_few_persons_are_refused(broker):
    broker.answer(older_than(50), user="zhang", project="p1")
    with pytest.raises(Refusal, match="fewer than 10 patients"):
        broker.answer(older_than(52), user="li", project="p1")
    assert broker.asked[-1][1] == "feasibility.refused"


def test_history_survives_a_restart(broker, tmp_path):
    broker.answer(older_than(50), user="zhang", project="p1")
    again = Broker(broker.engine, "snap", broker.policy, tmp_path, lambda *_: None)
    with pytest.raises(Refusal):
        again.answer(older_than(52), user="zhang", project="p1")


def test_the_same_question_again_and_another_project_are_answered(broker):
    broker.answer(older_than(50), user="zhang", project="p1")
    assert (
        broker.answer(older_than(50), user="zhang", project="p1")["persons"]
        == broker.answer(older_than(52), user="li", project="p2")["persons"]
    )


@pytest.mark.parametrize("project", ["", "..", "../p1", "a/b", ".hidden"])
def test_a_project_name_cannot_leave_the_history(broker, project):
    with pytest.raises(Refusal):
        broker.answer(older_than(0), user="zhang", project=project)


def test_code_is_not_a_definition(broker):
    with pytest.raises(DefinitionError):
        broker.answer("__import__('os').system('id')", user="zhang", project="p1")


def ask(path, line):
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(path))
        connection.sendall(line)
        connection.shutdown(socket.SHUT_WR)
        return json.loads(connection.makefile("rb").readline())


@pytest.fixture
def address(broker, tmp_path):
    server = serve(broker, tmp_path / "broker.sock")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield tmp_path / "broker.sock"
    server.shutdown()
    server.server_close()
    thread.join()


def test_over_the_socket(address):
    question = {"user": "zhang", "project": "p1", "definition": json.loads(older_than(0))}
    assert ask(address, json.dumps(question).encode() + b"\n")["answer"]["persons"] == "40"


@pytest.mark.parametrize(
    "line",
    [b"", b"{}\n", b"[]\n", b"\xff\xfe\n", b'{"user": 1}\n', b"x" * (MAX_REQUEST + 2)],
    ids=["empty", "no keys", "list", "bytes", "few keys", "long"],
)
def test_bad_questions_get_an_error_and_the_server_lives(address, line):
    assert "error" in ask(address, line)
    assert "answer" in ask(address, json.dumps({"user": "z", "project": "p", "definition": older_than(0)}).encode() + b"\n")


def test_socket_is_its_owners_and_groups_alone(address):
    assert address.stat().st_mode & 0o777 == 0o660
