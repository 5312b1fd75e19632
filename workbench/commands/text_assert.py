"""``workbench text assert``: whether findings named in doctor-patient chat are there, denied, or neither."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from workbench.commands.help import command_help
from workbench.commands.told import right
from workbench.locale import tr
from workbench.outfile import check_target, write_whole

__all__ = ["register"]

_SHOWN_REFUSALS = 20


class DialogueFormat(StrEnum):
    """Formats of dialogues that can be read."""

    MDCFNPC = "mdcfnpc"


def register(app: typer.Typer) -> None:
    """Add the sub-command."""
    app.command(
        "assert",
        help=command_help(
            "Say of every finding marked in dialogues whether it is 阳性, 阴性, 其他 or 不标注.\n\n"
            "The file holds dialogues of CHIP-MDCFNPC, one JSON object a line (or a JSON array). Attributes in the file are not looked at; "
            "where they are there, the answers are scored, and the last line is the mean F1 over the four classes. A dialogue that cannot "
            "be read is named by line and field, counted, and the rest goes on.",
            "workbench text assert --format mdcfnpc dialogues.jsonl",
            "workbench text assert --format mdcfnpc dialogues.jsonl --out answered.jsonl",
            codes=(3, 4, 8),
        ),
    )(assert_findings)


def assert_findings(
    file: Annotated[Path, typer.Argument(help="Dialogues with their findings marked.")],
    format: Annotated[DialogueFormat, typer.Option("--format", help="Format of the file.")] = DialogueFormat.MDCFNPC,  # noqa: A002, ARG001  (the option's name; there is one so far)
    out: Annotated[
        Path | None, typer.Option(help="File to write the dialogues to, with the answers as attributes; replaced in one step.")
    ] = None,
) -> None:
    """Answer and score every finding of a file of dialogues."""
    from nlp.assertion.dialogue import DialogueAssertions, Refused, answered, read_dialogues
    from nlp.errors import TextDataError

    check_target(out, file)
    model = DialogueAssertions()
    pairs: list[tuple[str, str]] = []
    lines: list[str] = []
    refused = n_mentions = learnt = 0
    for row in read_dialogues(file):
        if isinstance(row, Refused):
            refused += 1
            if refused <= _SHOWN_REFUSALS:
                typer.echo(tr(f"第 {row.line} 行被拒绝", f"line {row.line} refused") + f": {row.problem}", err=True)
            continue
        data, dialogue = row
        answers = model.predict(dialogue)
        n_mentions += len(answers)
        learnt += model.learnt_from(dialogue)
        pairs += [(mention.answer, answer) for mention, answer in zip(dialogue.mentions, answers, strict=True) if mention.answer]
        lines.append(json.dumps(answered(data, dialogue, answers), ensure_ascii=False))
    if not lines:
        raise TextDataError(f"{file} holds no dialogue that can be read; {refused} were refused", hint="see the lines named above")
    if out:
        write_whole(out, "".join(f"{line}\n" for line in lines))
    typer.echo(
        tr(
            f"{model.version}：对话 {len(lines)}，所见 {n_mentions}，拒绝 {refused}",
            f"{model.version}: {len(lines)} dialogues, {n_mentions} findings, {refused} refused",
        )
    )
    if learnt:
        typer.echo(_learnt(learnt), err=True)
    _show(pairs)


def _learnt(number: int) -> str:
    return tr(
        f"注意：模型曾用其中 {number} 段对话训练。这些对话只由交叉验证中未见过它们的那一折作答，因此下面的得分是交叉验证得分。",
        f"note: the model has learnt from {number} of these dialogues. They are answered only by the trees of the fold that has not seen "
        "them, so that the score below is one of cross-validation.",
    )


def _show(pairs: list[tuple[str, str]]) -> None:
    from nlp.assertion.dialogue import score_table

    if not pairs:
        typer.echo(tr("文件中没有标准答案，未评分。", "The file holds no gold attributes; nothing was scored."))
        return
    rows, macro = score_table(pairs)
    typer.echo(right(tr("类别 数量 精确率 召回率 F1", "class n precision recall F1").split(), width=10))
    for name, wanted, *shares in rows:
        typer.echo(right([name, f"{wanted:,}", *(f"{share:.3f}" for share in shares)], width=10))
    typer.echo(f"macro_f1={macro:.3f}")
