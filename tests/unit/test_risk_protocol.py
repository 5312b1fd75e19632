"""Study files that are wrong: each is refused by what is wrong in it, and by what to do."""

import pytest

from workbench.errors import DataError, DefinitionError
from workbench.risk.protocol.files import read_study

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
        (SOUND + "models: [cox, {name: cox, parameters: {alpha: 1}}]\n", DefinitionError, "cox stands there twice"),
        ("- a\n", DefinitionError, "holds no keys and values"),
        (SOUND + "\tseed: 3\n", DefinitionError, "is no YAML"),
        (SOUND + "x: !!python/name:os.system\n", DefinitionError, "is no YAML"),
    ],
    ids=["list_key", "twice", "gb18030", "unknown", "threshold", "horizon", "endless", "models", "list", "tab", "object"],
)
def test_a_wrong_study_file_is_refused(tmp_path, text, error, told):
    with pytest.raises(error, match=told):
        read(tmp_path, text)
