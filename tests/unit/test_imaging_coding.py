"""What classes are in SNOMED CT: by name, by what a task says, and said to be ours where nothing is known."""

import csv
from pathlib import Path

import pydicom
import pytest
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

import imaging.results.coding as coding_module
from imaging.errors import TaskError
from imaging.measures import measure
from imaging.models.task import Arrays, Task
from imaging.results import ABNORMAL, ANATOMICAL, TISSUE, Coding, Segment, coding_of, measurement_report, save, segmentation
from tests.unit.test_imaging_results import a_mask, a_series, contents, validated

SCT = codes.SCT
TABLE = Path(coding_module.__file__).parent / "structures.tsv"


@pytest.mark.parametrize(
    ("name", "category", "kind", "modifier"),
    [
        ("Liver", ANATOMICAL, SCT.Liver, None),
        ("肝脏", ANATOMICAL, SCT.Liver, None),
        ("left_kidney", ANATOMICAL, SCT.Kidney, SCT.Left),
        ("kidney right", ANATOMICAL, SCT.Kidney, SCT.Right),
        ("左肾", ANATOMICAL, SCT.Kidney, SCT.Left),
        ("left ventricle", ANATOMICAL, SCT.LeftVentricle, None),
        ("前列腺", ANATOMICAL, SCT.Prostate, None),
        ("anterior-hippocampus", ANATOMICAL, SCT.Hippocampus, SCT.Anterior),
        ("海马后部", ANATOMICAL, SCT.Hippocampus, SCT.Posterior),
        ("nodule", ABNORMAL, SCT.Nodule, None),
        ("fat", TISSUE, SCT.AdiposeTissue, None),
    ],
)
def test_a_class_goes_by_its_name(name, category, kind, modifier):
    assert coding_of(name, 1) == Coding(category, kind, modifier)


@pytest.mark.parametrize("name", ["anterior", "left", "lefty", "llung", "class A", "", "左"])
def test_what_no_name_tells_gets_a_code_of_ours(name):
    found = coding_of(name, 4)
    assert (found.is_own, found.kind) == (True, Code("class-4", "99CWB", name))


def test_the_task_comes_first():
    said = {"scheme": "SCT", "value": "1", "meaning": "Thing", "category": "abnormal", "modifier": {"value": "2", "meaning": "Part"}}
    assert coding_of("liver", 1, said) == (ABNORMAL, Code("1", "SCT", "Thing"), Code("2", "SCT", "Part"))
    assert coding_of("anterior", 1, "anterior hippocampus") == (ANATOMICAL, SCT.Hippocampus, SCT.Anterior)
    for wrong in ("no structure", {"value": "1", "meaning": "x", "category": "other"}):
        with pytest.raises(TaskError):
            coding_of("liver", 1, wrong)


def test_no_name_stands_twice_and_every_keyword_is_in_the_dictionary():
    with TABLE.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    names = [name for row in rows for name in row["names"].split("; ")]
    assert len(names) == len(set(names)) > 200
    assert all(name == name.strip().lower() for name in names)
    assert {row["category"] for row in rows} == {"modifier", "anatomical", "abnormal", "tissue"}
    assert all(getattr(SCT, row["keyword"]) for row in rows)


def test_a_task_refuses_codes_that_mean_nothing():
    given = {"name": "t", "kind": "classification", "classes": ("no", "yes"), "data": Arrays(file="a.npz")}
    given |= {"transforms": {"size": [28, 28]}, "network": {"name": "densenet"}}
    for said in ({"yes": "left kidney"}, {"yes": {"value": "1", "meaning": "x", "modifier": {"value": "2", "meaning": "y"}}}):
        task = Task(**given, codes=said)
        assert Task(**task.plain()) == task
    for wrong in (
        {"yes": "no structure"},
        {"maybe": "liver"},
        {"yes": {"value": "1"}},
        {"yes": {"value": "1", "meaning": "x", "other": 1}},
    ):
        with pytest.raises(TaskError):
            Task(**given, codes=wrong)


def test_a_file_says_part_and_side_and_which_codes_are_ours(tmp_path):
    paths, volume = a_series(tmp_path / "ct")
    mask = a_mask(volume.shape)
    named = {3: "anterior hippocampus", 7: "class A"}
    segments = [Segment(label=label, name=name, **coding_of(name, label)._asdict()) for label, name in named.items()]
    seg = segmentation(volume, mask, segments, paths)
    report = measurement_report(measure(volume, mask), seg, segments, paths)
    for number, result in enumerate((seg, report)):
        path = save(result, tmp_path / f"{number}.dcm")
        (scheme,) = pydicom.dcmread(path).CodingSchemeIdentificationSequence
        assert (scheme.CodingSchemeDesignator, "own" in scheme.CodingSchemeName or "workbench" in scheme.CodingSchemeName) == (
            "99CWB",
            True,
        )
        assert validated(path) == []
    sites = [item for item in contents(pydicom.dcmread(tmp_path / "1.dcm")) if item.get("ConceptNameCodeSequence")]
    sites = [item for item in sites if item.ConceptNameCodeSequence[0].CodeMeaning == "Finding Site"]
    assert [site.ConceptCodeSequence[0].CodeValue for site in sites] == [SCT.Hippocampus.value]
    assert sites[0].ContentSequence[0].ConceptCodeSequence[0].CodeValue == SCT.Anterior.value
    known, own = pydicom.dcmread(tmp_path / "0.dcm").SegmentSequence
    assert known.SegmentedPropertyTypeModifierCodeSequence[0].CodeValue == SCT.Anterior.value
    assert "SegmentDescription" not in known
    assert "own" in own.SegmentDescription
    assert own.SegmentedPropertyTypeCodeSequence[0].CodingSchemeDesignator == "99CWB"
    standard = segmentation(volume, mask == 3, [Segment(label=1, name="x", **coding_of("liver", 1)._asdict())], paths)
    assert "CodingSchemeIdentificationSequence" not in standard
