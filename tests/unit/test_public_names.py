"""``import workbench as wb``: every public name is there, and none drags in what a session does not need."""

import subprocess
import sys

import pytest

import workbench as wb


@pytest.mark.parametrize("name", wb.__all__)
def test_public_name_loads(name):
    assert getattr(wb, name) is not None


def test_every_place_is_public():
    assert set(wb._PLACES) == set(wb.__all__)


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'cohrt'"):
        _ = wb.cohrt


def test_neither_torch_nor_the_hub_is_loaded():
    loaded = "[getattr(wb, name) for name in wb.__all__]"
    code = f"import sys, workbench as wb; {loaded}; print(sorted({{'torch', 'jupyterhub', 'spacy', 'monai'}} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_it_is_ours_and_not_a_package_of_that_name_elsewhere():
    import nlp

    assert "Clinical research workbench" in (wb.__doc__ or "")
    assert "Chinese clinical text" in (nlp.__doc__ or "")


@pytest.mark.parametrize("first", ["diagnoses", "open_store", "cohort", "feasibility"])
def test_no_import_hides_a_name(first):
    later = "import workbench.cohort.serial, workbench.broker_client"
    code = f"import workbench as wb; wb.{first}; {later}; wb.cohort('x'); wb.feasibility.__doc__[0]"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
