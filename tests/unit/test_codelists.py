"""Codelists: what is mended with a note, what is refused, and files."""

from __future__ import annotations

import pytest

from workbench.codelists import CodeItem, Codelist, CodelistNote, codelist_from_csv, concepts, icd10cn, local_lab
from workbench.errors import DataError, DefinitionError


def _codes(codelist: Codelist) -> list[str]:
    return [item.code for item in codelist.include]


def test_full_width_icd_codes_are_read_with_a_note() -> None:
    with pytest.warns(CodelistNote, match="read as 'E11.9'"):
        assert _codes(icd10cn("Ｅ１１．９")) == ["E11.9"]


def test_names_of_tests_keep_their_full_width_brackets() -> None:
    assert _codes(local_lab("糖化血红蛋白（HPLC）")) == ["糖化血红蛋白（HPLC）"]


def test_blanks_around_a_code_are_removed_with_a_note() -> None:
    with pytest.warns(CodelistNote, match="read as 'HbA1c'"):
        assert _codes(local_lab(" HbA1c")) == ["HbA1c"]


def test_duplicates_are_dropped_with_a_note() -> None:
    with pytest.warns(CodelistNote, match="more than once: E11"):
        assert _codes(icd10cn("E11", "e11", "E12")) == ["E11", "E12"]


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("E11-E11", ["E11"]),
        ("e10-E12", ["E10", "E11", "E12"]),
        ("A98-B01", ["A98", "A99", "B00", "B01"]),
        ("M05.900x001", ["M05.900x001"]),
        ("C34.9+", ["C34.9+"]),
    ],
)
def test_shapes_of_icd10(given: str, wanted: list[str]) -> None:
    assert _codes(icd10cn(given)) == wanted


@pytest.mark.parametrize("code", ["E1", "E111", "11E", "E11.", "E11..9", "E10-E1", "E10-", "E10-E11-E12", "E11 E12"])
def test_wrong_shapes_of_icd10(code: str) -> None:
    with pytest.raises(DefinitionError):
        icd10cn(code)


@pytest.mark.parametrize("value", [-1, 1.5, True, "x", None])
def test_wrong_concept_ids(value: object) -> None:
    with pytest.raises(DefinitionError, match="not a whole number"):
        concepts(value)


def _file(folder, text: str, encoding: str = "utf-8"):
    path = folder / "糖尿病.csv"
    path.write_bytes(text.encode(encoding))
    return path


def test_file_with_every_column(tmp_path) -> None:
    path = _file(tmp_path, "code,system,descendants,exclude,term\nE11,ICD10CN,是,,2型糖尿病\nE11.2,ICD10CN,1,true,肾病\nx,LOCAL,0,no,\n")
    assert codelist_from_csv(path) == Codelist(
        (CodeItem("E11", "ICD10CN", True), CodeItem("x", "LOCAL")), (CodeItem("E11.2", "ICD10CN", True),), "糖尿病"
    )


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_file_in_the_encodings_of_spreadsheets(tmp_path, encoding: str) -> None:
    path = _file(tmp_path, "code\n糖化血红蛋白\n", encoding)
    assert _codes(codelist_from_csv(path, system="LOCAL_LAB")) == ["糖化血红蛋白"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no column 'code'"),
        ("coed,system\nE11,x\n", "did you mean 'code'?"),
        ("code,descendant\nE11,1\n", "did you mean 'descendants'?"),
        ("code\nE11\n\n", None),
        ("code\n,\n", "line 2: no code system"),
        ("code,system\n,x\n", "line 2: a code is blank"),
        ("code,system,exclude\nE11,x,maybe\n", "line 2: exclude is 'maybe'"),
        ("code,system,exclude\nE11,x,0\nE11,x,1\n", "both includes and excludes E11"),
        ("code,system\n", "empty"),
    ],
)
def test_wrong_files(tmp_path, text: str, says: str | None) -> None:
    path = _file(tmp_path, text)
    if says is None:
        assert _codes(codelist_from_csv(path, system="x")) == ["E11"]
        return
    with pytest.raises(DefinitionError) as caught:
        codelist_from_csv(path)
    assert says in str(caught.value)


def test_files_that_cannot_be_read(tmp_path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        codelist_from_csv(tmp_path / "none.csv")
    (tmp_path / "broken.csv").write_bytes(b"code\n\xff\xff\xff\n")
    with pytest.raises(DataError, match="neither UTF-8 nor GB 18030"):
        codelist_from_csv(tmp_path / "broken.csv")
