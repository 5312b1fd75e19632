"""``workbench text structure`` and ``variables``: answers with provenance, what is broken, stop and go on."""

from __future__ import annotations

import csv
import errno
import sys

import openpyxl
import pyarrow.parquet as pq
import pytest

from nlp.errors import VariableError
from workbench import cli
from workbench.texts import asking, stream
from workbench.texts.variable_files import open_variables

VARIABLES = """schema: clinical-variables/1
name: mine
variables:
- name: cough
  title: {zh: 咳嗽}
  target: [咳嗽]
  tests:
  - {text: 咳嗽3天, expect: present}
  - {text: 无咳嗽, expect: present}
- name: size
  target: [结节]
  value: {kind: quantity, unit: mm}
  aggregate: {rule: max}
"""
BROKEN = "- name: bad\n  sections: [没有的段]\n  target: [发热]\n"
NOTES = [
    ("a1", "P1", "影像所见：右肺上叶见一结节，大小约8×6mm。"),
    ("a2", "P1", "左肺结节，大小约1.2cm。患者咳嗽。"),
    ("a3", "P2", "无咳嗽。"),
    ("a4", "P2", "=1+1"),
    ("a5", "P3", "未诉不适😀\x07" + "啊" * 1000),
]


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "v.yaml").write_text(VARIABLES, encoding="utf-8")
    write_notes(tmp_path / "n.csv", NOTES)
    return tmp_path


def write_notes(path, notes):
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("note_id", "person_id", "note_text"), *notes])


def run(monkeypatch, capsys, *arguments) -> tuple[int, list[str], str]:
    monkeypatch.setattr(sys, "argv", ["workbench", "text", *map(str, arguments)])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    shown = capsys.readouterr()
    return stop.value.code or 0, shown.out.splitlines(), shown.err


def ask(monkeypatch, capsys, folder, *more, out="o.csv", variables="v.yaml", notes="n.csv"):
    return run(monkeypatch, capsys, "structure", folder / variables, "--notes", folder / notes, "--out", folder / out, "--quiet", *more)


def rows_of(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_each_answer_says_where_it_comes_from(folder, monkeypatch, capsys):
    code, lines, _ = ask(monkeypatch, capsys, folder, "--wide", "patient")
    assert (code, lines[-1]) == (0, "notes=5 answers=4 refused=0")
    rows = rows_of(folder / "o.csv")
    assert [(row["note_id"], row["variable"], row["value"], row["unit"], row["assertion"]) for row in rows] == [
        ("a1", "size", "8", "mm", "present"),
        ("a2", "cough", "present", "", "present"),
        ("a2", "size", "12", "mm", "present"),
        ("a3", "cough", "absent", "", "absent"),
    ]
    assert [row["evidence"] for row in rows] == ["结节，大小约8×6mm", "咳嗽", "结节，大小约1.2cm", "咳嗽"]
    texts = {name: text for name, _, text in NOTES}
    assert [texts[row["note_id"]][int(row["span_start"]) : int(row["span_end"])] for row in rows] == ["约8×6mm", "咳嗽", "约1.2cm", "咳嗽"]
    for row in rows:
        assert len(row["variable_hash"]) == 64
        assert len(row["pipeline"]) == 16
    wide = rows_of(folder / "o_patient.csv")
    assert wide == [{"person_id": "P1", "cough": "present", "size": "12.0"}, {"person_id": "P2", "cough": "absent", "size": ""}]
    assert sorted(path.name for path in folder.iterdir()) == ["n.csv", "o.csv", "o_patient.csv", "v.yaml"], "nothing else is left"


def test_what_was_taken_for_the_text_and_what_kinds_are_unknown_is_said(folder, monkeypatch, capsys):
    (folder / "n.csv").write_text("住院号,姓名,病程记录,文书名称\n1,张三,咳嗽,甲类文件\n2,李四,咳嗽,出院小结\n", encoding="utf-8")
    code, lines, said = ask(monkeypatch, capsys, folder)
    assert (code, lines[-1]) == (0, "notes=2 answers=2 refused=0")
    assert "文本列: 病程记录" in lines
    assert "文书类型不认识: 甲类文件 1\n" in said


def test_the_same_answers_in_every_kind_of_file(folder, monkeypatch, capsys):
    for name in ("o.csv", "o.parquet", "o.xlsx"):
        assert ask(monkeypatch, capsys, folder, "--all-answers", out=name)[0] == 0
    table = pq.read_table(folder / "o.parquet")
    assert b"assertion-rules" in table.schema.metadata[b"pipeline"]
    book = openpyxl.load_workbook(folder / "o.xlsx").active
    sheet = [dict(zip((cell.value for cell in book[1]), (cell.value for cell in row), strict=True)) for row in list(book.rows)[1:]]
    for one, other, third in zip(table.to_pylist(), rows_of(folder / "o.csv"), sheet, strict=True):
        for name in ("note_id", "variable", "value", "evidence", "span_start"):
            assert str(one[name]) == str(other[name]) == str(third[name])


def test_what_is_broken_is_named_and_the_rest_goes_on(folder, monkeypatch, capsys):
    (folder / "v.yaml").write_text(VARIABLES + BROKEN, encoding="utf-8")
    code, lines, said = ask(monkeypatch, capsys, folder)
    assert (code, lines[-1]) == (3, "notes=5 answers=4 refused=0")
    assert "variable 'bad', sections: '没有的段' is not known" in said
    (folder / "v.yaml").write_text(VARIABLES, encoding="utf-8")
    with (folder / "n.csv").open("a", encoding="utf-8") as file:
        file.write("a6,P3\n")
    code, lines, said = ask(monkeypatch, capsys, folder)
    assert (code, lines[-1]) == (4, "notes=5 answers=4 refused=1")
    assert "1 x 2 cells, wanted 3 (行 6)" in said


def test_a_note_that_fails_is_counted(folder, monkeypatch, capsys):
    from nlp.variables.evaluate import CompiledSet

    asked = CompiledSet.evaluate

    def evaluate(self, text, **options):
        if "无咳嗽" in text.raw:
            raise ZeroDivisionError("无咳嗽")
        return asked(self, text, **options)

    monkeypatch.setattr(CompiledSet, "evaluate", evaluate)
    code, lines, said = ask(monkeypatch, capsys, folder)
    assert (code, lines[-1]) == (4, "notes=5 answers=3 refused=1")
    assert "1 x failed with ZeroDivisionError (行 3)" in said
    assert "无咳嗽" not in said


@pytest.mark.parametrize(
    ("change", "code", "said"),
    [
        ({"variables": "none.yaml"}, 3, "there is no file of variables"),
        ({"notes": "none.csv"}, 4, "there is no file"),
        ({"out": "o.docx"}, 4, "ends in .docx"),
        ({"out": "none/o.csv"}, 8, "不存在"),
        ({"out": "n.csv"}, 3, "输入文件"),
    ],
    ids=["variables", "notes", "ending", "folder", "itself"],
)
def test_what_cannot_work_is_told_at_once(folder, monkeypatch, capsys, change, code, said):
    found = ask(monkeypatch, capsys, folder, **change)
    assert found[0] == code
    assert said in found[2]


def test_a_wide_table_needs_its_column(folder, monkeypatch, capsys):
    code, _, said = ask(monkeypatch, capsys, folder, "--wide", "encounter")
    assert code == 4
    assert "--visit" in said
    assert ask(monkeypatch, capsys, folder, "--wide", "ward")[0] == 3
    assert sorted(path.name for path in folder.iterdir()) == ["n.csv", "v.yaml"]


def test_a_stopped_run_goes_on_where_it_was(folder, monkeypatch, capsys):
    monkeypatch.setattr(stream, "BLOCK_NOTES", 2)
    write = stream.write_block

    def stop(answers, refused, file):
        if file.stem.endswith("1"):
            raise KeyboardInterrupt
        write(answers, refused, file)

    monkeypatch.setattr(stream, "write_block", stop)
    code, _, said = ask(monkeypatch, capsys, folder)
    assert code == 130
    assert "go on" in said or "继续" in said
    assert not (folder / "o.csv").exists()
    worked = []
    work = asking._work
    monkeypatch.setattr(stream, "write_block", write)
    monkeypatch.setattr(asking, "_work", lambda block: worked.append(block.number) or work(block))
    code, lines, _ = ask(monkeypatch, capsys, folder)
    assert worked == [1, 2]
    assert (code, lines[-1]) == (0, "notes=5 answers=4 refused=0")
    assert [row["note_id"] for row in rows_of(folder / "o.csv")] == ["a1", "a2", "a2", "a3"]


def test_a_full_disk_is_named_and_what_is_done_is_kept(folder, monkeypatch, capsys):
    monkeypatch.setattr(stream, "BLOCK_NOTES", 2)
    write, written = asking.pq.write_table, []

    def full(table, path, **options):
        written.append(path)
        if len(written) > 1:
            raise OSError(errno.ENOSPC, "No space left on device")
        write(table, path, **options)

    with monkeypatch.context() as filling:
        filling.setattr(asking.pq, "write_table", full)
        code, _, said = ask(monkeypatch, capsys, folder)
    assert code == 8
    assert "无法写入" in said
    assert "No space left on device" in said
    assert "断点继续" in said
    assert [path.name for path in folder.rglob("block-*.parquet")] == ["block-0000000.parquet"]
    assert ask(monkeypatch, capsys, folder)[1][-1] == "notes=5 answers=4 refused=0"


def test_another_question_never_meets_the_answers_of_a_stopped_run(folder, monkeypatch, capsys):
    monkeypatch.setattr(stream, "BLOCK_NOTES", 2)
    with monkeypatch.context() as stopped:
        write = stream.write_block

        def stop(answers, refused, file):
            if not file.stem.endswith("0"):
                raise KeyboardInterrupt
            write(answers, refused, file)

        stopped.setattr(stream, "write_block", stop)
        assert ask(monkeypatch, capsys, folder)[0] == 130
    (folder / "v.yaml").write_text(VARIABLES.replace("[结节]", "[肿块]"), encoding="utf-8")
    assert ask(monkeypatch, capsys, folder)[0] == 0
    assert {row["variable"] for row in rows_of(folder / "o.csv")} == {"cough"}
    assert sorted(path.name for path in folder.iterdir()) == ["n.csv", "o.csv", "v.yaml"]


def test_processes_give_what_one_process_gives(folder, monkeypatch, capsys):
    write_notes(folder / "n.csv", [(f"{name}-{number}", person, text) for number in range(90) for name, person, text in NOTES])
    ask(monkeypatch, capsys, folder, "--workers", 1, out="one.csv")
    code, lines, _ = ask(monkeypatch, capsys, folder, "--workers", 2, out="two.csv")
    assert (code, lines[-1]) == (0, "notes=450 answers=360 refused=0")
    assert (folder / "one.csv").read_bytes() == (folder / "two.csv").read_bytes()


def test_no_cell_is_a_formula(tmp_path):
    import pyarrow as pa

    from workbench.texts.answers_file import write_answers

    table = pa.table({"a": ["=1+1", "-3", "+x", "好"]})
    write_answers(tmp_path / "o.csv", [table], table.schema)
    assert [row["a"] for row in rows_of(tmp_path / "o.csv")] == ["'=1+1", "-3", "'+x", "好"]
    write_answers(tmp_path / "o.xlsx", [table], table.schema)
    assert [cell.data_type for cell in openpyxl.load_workbook(tmp_path / "o.xlsx").active["A"]] == ["s"] * 5


def test_the_answers_of_many_blocks_make_few_row_groups(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    from workbench.texts.answers_file import write_answers

    blocks = (pa.table({"a": [str(number)] * 30_000}) for number in range(5))
    assert write_answers(tmp_path / "o.parquet", blocks, pa.schema([("a", pa.string())])) == 150_000
    file = pq.ParquetFile(tmp_path / "o.parquet")
    assert [file.metadata.row_group(place).num_rows for place in range(file.num_row_groups)] == [90_000, 60_000]
    assert file.read()["a"].to_pylist()[::30_000] == list("01234")


# ------------------------------------------------------------------------------------------------------------- variables


def test_the_library_is_listed_and_shown(monkeypatch, capsys, tmp_path):
    code, lines, _ = run(monkeypatch, capsys, "variables", "list")
    assert code == 0
    assert any(line.startswith("library:example") for line in lines)
    code, lines, _ = run(monkeypatch, capsys, "variables", "list", "library:example/cough")
    assert (code, len(lines)) == (0, 1)
    code, lines, _ = run(monkeypatch, capsys, "variables", "show", "library:example/cough")
    (tmp_path / "mine.yaml").write_text("\n".join(lines), encoding="utf-8")
    code, lines, _ = run(monkeypatch, capsys, "variables", "diff", "library:example", tmp_path / "mine.yaml")
    assert lines[-1] == "added=0 removed=2 changed=0"


def test_mistakes_are_named_by_their_place(folder, monkeypatch, capsys):
    (folder / "v.yaml").write_text(VARIABLES + BROKEN, encoding="utf-8")
    code, lines, said = run(monkeypatch, capsys, "variables", "check", folder / "v.yaml", "library:example", folder / "none.yaml")
    assert (code, lines[-1]) == (3, "variables=5 refused=2")
    assert "v.yaml:14: variable 'bad'" in said


def test_failed_tests_are_shown_and_make_the_exit_code(folder, monkeypatch, capsys):
    code, lines, _ = run(monkeypatch, capsys, "variables", "test", folder / "v.yaml")
    assert (code, lines[-1]) == (3, "variables=2 passed=1 failed=1")
    assert any("FAIL cough[2] 无咳嗽" in line for line in lines)
    assert run(monkeypatch, capsys, "variables", "test", "library:example")[0] == 0


def test_what_changed_is_told(folder, monkeypatch, capsys):
    (folder / "w.yaml").write_text(VARIABLES.replace("unit: mm", "unit: cm"), encoding="utf-8")
    code, lines, _ = run(monkeypatch, capsys, "variables", "diff", folder / "v.yaml", folder / "w.yaml")
    assert code == 0
    assert lines == ["~ size.value.unit: 'mm' -> 'cm'", "added=0 removed=0 changed=1"]


def test_the_catalogue_of_functions_is_listed(monkeypatch, capsys):
    code, lines, _ = run(monkeypatch, capsys, "variables", "functions")
    assert code == 0
    assert any(line.startswith("count_mentions(") for line in lines)


def test_where_no_variable_can_be_used_every_reason_is_told(tmp_path):
    bad = ["- {name: a, target: {term: [咳嗽]}}", "- {name: b, sections: [Ω], target: {terms: [热]}}"]
    (tmp_path / "bad.yaml").write_text("schema: clinical-variables/1\nname: x\nvariables:\n" + "\n".join(bad), encoding="utf-8")
    reasons = r"(?s)none of the 2.*'a', target\.term: no such field.*did you mean terms.*'b', sections: 'Ω' is not known\n.*known: "
    with pytest.raises(VariableError, match=reasons):
        open_variables([str(tmp_path / "bad.yaml")])
