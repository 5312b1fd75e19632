"""``workbench text normalise``: terms as written -> the names and codes of a codebook."""

from __future__ import annotations

import csv
import io
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workbench.commands.help import command_help
from workbench.commands.told import interval, read_lines, training_bar
from workbench.locale import tr
from workbench.outfile import check_target, write_whole

if TYPE_CHECKING:
    from nlp.coding.coder import Coded
    from nlp.coding.pairs import Pair
    from nlp.coding.scores import CodingScores

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the sub-command."""
    app.command(
        "normalise",
        help=command_help(
            "Code terms with a codebook and score the answers.\n\nThe codebook is a table of code, name and synonyms (TSV, CSV, xlsx). "
            "Training and test files hold terms with their names: JSON with text and normalized_result, or a table with 原始词 and 标准词; "
            "several names are joined by ##. The last line is the strict micro F1 over (term, name) and the share of terms with one name "
            "whose name is among the first ten candidates.",
            "workbench text normalise --codebook icd10.tsv --train coded.json --test held_out.json",
            "workbench text normalise --codebook icd9cm3.tsv --domain procedure --test held_out.csv --out answers.csv",
            codes=(3, 4, 8),
        ),
    )(normalise)


def normalise(
    codebook: Annotated[Path, typer.Option(help="Codebook: code, name, synonyms.")],
    test: Annotated[Path, typer.Option(help="Terms with their names, to score on.")],
    train: Annotated[Path | None, typer.Option(help="Terms with their names, to learn from; without it, likeness alone.")] = None,
    model: Annotated[Path | None, typer.Option(help="Folder to write the coder to.")] = None,
    domain: Annotated[str, typer.Option(help="diagnosis, procedure, drug or lab; told from the codes by default.")] = "",
    out: Annotated[Path | None, typer.Option(help="CSV file to write the answers to; replaced in one step.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a coder that lies at --model.")] = False,
) -> None:
    """Code terms with a codebook and score the answers."""
    from nlp.coding import Coder
    from nlp.coding.codebook import read_codebook
    from nlp.coding.pairs import read_pairs
    from nlp.coding.scores import guess_domain, score_coding
    from nlp.models import check_free
    from nlp.reading import ReadReport

    check_target(out, codebook, train, test)
    if model:
        check_free(model, force=force)
    reports = {name: ReadReport() for name in ("codebook", "train", "test")}
    book = read_codebook(codebook, report=reports["codebook"])
    pairs = read_pairs(train, report=reports["train"]) if train else []
    held = read_pairs(test, report=reports["test"])
    for name, report in reports.items():
        if report.counts:
            typer.echo(f"{name}: " + "\n".join(read_lines(report, limit=5)))
    if (known := len({*held} & {*pairs})) > len({*held}) / 2:
        typer.echo(
            tr(
                f"注意：测试文件的 {known} 个术语连同答案也在训练文件里，分数不代表新术语上的表现",
                f"beware: {known} test terms stand in the training file with their answers: the score says nothing of new terms",
            ),
            err=True,
        )
    domain = domain or guess_domain(book)
    with training_bar() if pairs else nullcontext() as progress:
        coder = Coder.train(book, pairs, domain=domain, progress=progress) if pairs else Coder(book, domain=domain)
    typer.echo(f"{coder.version}  " + tr(f"领域 {domain}", f"domain {domain}"))
    if coder.metrics:
        shown = "  ".join(f"{name} {value:.3f}" for name, value in coder.metrics.items())
        typer.echo(tr("训练集交叉验证", "on the training terms, crosswise") + f": {shown}")
    if model:
        coder.save(model, force=force)
        typer.echo(tr("模型已写入", "model written to") + f" {model}")
    coded = coder.code([pair.text for pair in held])
    if out:
        _write(out, held, coded)
        typer.echo(tr("答案已写入", "answers written to") + f" {out}")
    scores = score_coding(held, coded)
    for line in _table(scores):
        typer.echo(line)
    typer.echo(f"f1={scores.f1:.3f} recall@10={scores.recall_single:.3f}")


def _table(scores: CodingScores) -> list[str]:
    sizes = scores.n_terms, scores.n_names, scores.n_answers
    single, f1 = interval(*scores.single_interval), interval(*scores.f1_interval)
    return [
        tr("原始词 {}  标准词 {}  答案 {}", "terms {}  names {}  answers {}").format(*sizes),
        tr("精确率", "precision")
        + f" {scores.precision:.3f}  "
        + tr("召回率", "recall")
        + f" {scores.recall:.3f}  F1 {scores.f1:.3f} {f1}",
        tr("只有一个标准词者", "terms with one name") + f" (n={scores.n_single}) recall@10 {scores.recall_single:.3f} {single}",
        tr("全部标准词", "all names") + f" recall@10 {scores.recall_all:.3f}",
    ]


def _write(out: Path, held: list[Pair], coded: list[Coded]) -> None:
    """Write one line an answer, with its evidence."""
    lines = io.StringIO()
    writer = csv.writer(lines, lineterminator="\n")
    writer.writerow(["term", "wanted", "code", "name", "score", "start", "end", "rule", "known", "candidates"])
    for pair, its in zip(held, coded, strict=True):
        ranked = "##".join(candidate.name for candidate in its.candidates)
        for answer in its.answers or (("", "", "", "", "", "", ""),):
            writer.writerow([pair.text, "##".join(pair.names), *answer, ranked])
    write_whole(out, lines.getvalue())
