"""Study files that are wrong: each is refused by what is wrong in it, and by what to do."""

import pytest

from workbench.errors import DataError, DefinitionError
from workbench.risk.protocol.files import read_study
from workbench.risk.protocol.protocol import Protocol

SOUND = """
title: 试
tables: {patient: 编号}
outcome: {label: 死亡, kind: binary, status: 结局, event: 死亡}
predictors: [{column: 年龄}]
"""


def read(tmp_path, text):
    (tmp_path / "study.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_study(tmp_path / "study.yaml")


def test_a_study_file_may_begin_with_a_byte_order_mark(tmp_path):
    assert read(tmp_path, "\ufeff" + SOUND) == read(tmp_path, SOUND)


@pytest.mark.parametrize(
    ("text", "error", "told"),
    [
        (SOUND + "? [a, b]\n: 3\n", DefinitionError, r"line \d has a list or a mapping as a key"),
        (SOUND + "title: 二\n", DefinitionError, "has title twice"),
        (SOUND.encode("gb18030"), DataError, "not UTF-8 text\n  -> save it as UTF-8"),
        (SOUND + "horizon: 3\n", DefinitionError, "horizon: Extra inputs"),
        (SOUND + "thresholds: [20]\n", DefinitionError, "thresholds.0: Input should be less than 1"),
        (SOUND.replace("kind", "horizons_days: [0], kind"), DefinitionError, "horizons_days.0: Input should be greater than 0"),
        (SOUND.replace("kind", "horizons_days: [.inf], kind"), DefinitionError, "horizons_days.0: Input should be a finite"),
        (SOUND + "rules: [{name: 成人, column: 年龄}]\n", DefinitionError, "has 1 error: rules.0: rule 成人 asks nothing"),
        (SOUND + "models: [cox, {name: cox, parameters: {alpha: 1}}]\n", DefinitionError, "cox stands there twice"),
        ("- a\n", DefinitionError, "holds no keys and values"),
        (SOUND + "\tseed: 3\n", DefinitionError, "is no YAML"),
        (SOUND + "x: !!python/name:os.system\n", DefinitionError, "is no YAML"),
    ],
    ids=["list_key", "twice", "gb18030", "unknown", "threshold", "horizon", "endless", "rule", "models", "list", "tab", "object"],
)
def test_a_wrong_study_file_is_refused(tmp_path, text, error, told):
    with pytest.raises(error, match=told):
        read(tmp_path, text)


@pytest.mark.parametrize(
    ("part", "told"),
    [
        ({"predictors": [{"labs": "LDH", "look_back_hours": 24, "look_back_days": 2}]}, "both given"),
        ({"predictors": [{"labs": "LDH", "look_back_days": 1, "gap_hours": 24}]}, "leaves nothing of a look-back of 24"),
        ({"predictors": [{"labs": "LDH", "gap_hours": float("inf")}]}, "gap_hours: Input should be a finite number"),
        ({"predictors": [{"labs": []}]}, "1 error: predictors.0.of"),
        ({"predictors": []}, "1 error: predictors: "),
        ({"outcome": {"label": "死亡", "competing": {"死亡": 2}}}, "different labels"),
        ({"index": {"landmarks": {"every_hours": 0.001, "until_hours": 720}}}, "720,000 predictions a patient"),
        ({"index": {"plus_hours": 48, "landmarks": {"every_hours": 24, "until_hours": 24}}}, "end before the first prediction"),
    ],
)
def test_what_contradicts_itself_is_refused_and_named_once(part, told):
    given = {"title": "t", "tables": {"patient": ""}, "outcome": {"label": "死亡"}, "predictors": [{"column": "年龄"}], **part}
    with pytest.raises(DefinitionError, match=told) as raised:
        Protocol(**given)
    assert "has 1 error: " in raised.value.message
