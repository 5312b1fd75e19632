"""The view of a training: its figure, its line, and that a real kernel shows one output that is drawn anew."""

import xml.etree.ElementTree as ET

import nbformat
import pytest

from imaging.models.progress import TrainingView, figure_of, line_of
from imaging.models.training import Epoch, Step, train
from tests.lib.imaging_tasks import classification_task

EPOCHS = [Epoch(1, 10, 0.9, 0.70, 0.70, 1, 20.0), Epoch(2, 10, 0.5, 0.80, 0.80, 2, 10.0), Epoch(3, 10, 0.4, 0.75, 0.80, 2, 12.0)]
SVG = "{http://www.w3.org/2000/svg}"


def points(figure):
    lines = ET.fromstring(figure).iter(f"{SVG}polyline")
    return [[tuple(map(float, point.split(","))) for point in line.get("points").split()] for line in lines]


def test_the_line_tells_what_is_left_from_the_mean_of_the_epochs():
    assert line_of(EPOCHS, "en") == (
        "epoch 3/10: loss 0.4000, validation 0.7500, best 0.8000 (epoch 2), 12 s, at most 1.6 min left"  # 7 epochs of 14 s
    )
    assert "至多还需 1.6 分" in line_of(EPOCHS, "zh")
    assert line_of([], "zh") == "训练即将开始：正在准备图像"
    assert "left" not in line_of([Epoch(10, 10, 1, 1, 1, 1, 1)], "en")
    assert line_of(EPOCHS, "zh", over=True) == "训练结束：共 3 轮，最好 0.8000（第 2 轮）"


def test_the_curves_run_where_the_numbers_do():
    loss, score = points(figure_of(EPOCHS, "zh"))
    assert loss[0][1] < loss[1][1] < loss[2][1], "a smaller loss is further down"
    assert score[1][1] < score[2][1] < score[0][1]
    assert loss[1][0] - loss[0][0] == pytest.approx(260 / 9, abs=0.1), "room for all ten epochs"
    bars = [float(bar.get("width")) for bar in ET.fromstring(figure_of(EPOCHS, "zh")).iter(f"{SVG}rect")]
    assert bars[1] / bars[0] == pytest.approx(0.3)


@pytest.mark.parametrize(
    "epochs", [[], EPOCHS[:1], EPOCHS[1:], [Epoch(1, 1, 0.0, 0.0, 0.0, 1, 0.0)]], ids=["none", "one", "resumed", "flat"]
)
@pytest.mark.parametrize("over", [False, True])
def test_a_figure_is_sound_whatever_there_is_to_draw(epochs, over):
    figure = figure_of(epochs, "en", over=over)
    ET.fromstring(figure)
    assert "nan" not in figure
    assert "inf" not in figure


def test_the_best_epoch_before_a_resumption_is_not_marked():
    rings = [each for each in ET.fromstring(figure_of(EPOCHS[2:], "zh")).iter(f"{SVG}circle") if each.get("fill") == "none"]
    assert not rings
    assert any(each.get("fill") == "none" for each in ET.fromstring(figure_of(EPOCHS, "zh")).iter(f"{SVG}circle"))


def test_steps_move_the_bar_and_tell_what_is_left_of_the_first_epoch():
    now = Step(1, 4, 5, 20, 10.0)  # 2 s a step, 75 steps left
    figure = figure_of([], "zh", now=now)
    assert "第 1/4 轮进行中：第 5/20 步，至多还需 2.5 分" in figure
    bars = [float(bar.get("width")) for bar in ET.fromstring(figure).iter(f"{SVG}rect")]
    assert bars[1] / bars[0] == pytest.approx(5 / 80, abs=1e-3)
    later = figure_of(EPOCHS, "zh", now=Step(4, 10, 10, 20, 10.0))
    assert "第 10/20 步<" in later
    bars = [float(bar.get("width")) for bar in ET.fromstring(later).iter(f"{SVG}rect")]
    assert bars[1] / bars[0] == pytest.approx(0.35, abs=1e-3)


def test_a_training_tells_each_of_its_steps(tmp_path):
    task = classification_task(tmp_path)
    task = task.model_copy(update={"training": task.training.model_copy(update={"epochs": 2})})
    told = []
    train(task, tmp_path / "b", device="cpu", steps=told.append)
    steps = told[0].steps
    assert [(each.epoch, each.step) for each in told] == [(epoch, step) for epoch in (1, 2) for step in range(1, steps + 1)]
    assert told[-1].epochs == 2


def test_without_a_notebook_each_epoch_is_a_line(capsys):
    view = TrainingView("zh")
    for epoch in EPOCHS:
        view(epoch)
    view.close()
    lines = capsys.readouterr().err.splitlines()
    assert [line.split("：")[0] for line in lines] == ["第 1/10 轮", "第 2/10 轮", "第 3/10 轮", "训练结束"]


@pytest.mark.integration
def test_a_kernel_shows_one_output_that_is_drawn_anew(tmp_path):
    from nbclient import NotebookClient

    source = """
from imaging.models.progress import TrainingView
from imaging.models.training import Epoch, Step, train
from tests.lib.imaging_tasks import classification_task
import imaging.models.progress as progress
progress._SECONDS = 0
view = TrainingView("zh")
for number in (1, 2, 3):
    view.step(Step(number, 5, 1, 2, 0.5))
    view(Epoch(number, 5, 1 / number, number / 10, number / 10, number, 1.0))
view.close()
"""
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(source)], metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    )
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(tmp_path)}}).execute()
    (output,) = [each for each in notebook.cells[0].outputs if each.output_type == "display_data"]
    assert output.data["text/plain"] == "训练结束：共 3 轮，最好 0.3000（第 3 轮）"
    assert len(points(output.data["text/html"])[0]) == 3
