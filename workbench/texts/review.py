"""Review of structured notes: a sample judged in the notebook, error bounds, adjudication, and what is learnt from corrections."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from nlp import load, read
from nlp.entities.formats import read_examples
from nlp.models import open_model
from nlp.review.decisions import Decision, DecisionLog, agreement, disagreements, finals
from nlp.review.folders import make_folder, open_to_members
from nlp.review.gold import Judged, gold_tests, label_of, training_examples, with_tests
from nlp.review.items import Item, read_items, write_items
from nlp.review.metrics import VariableMetrics, measure
from nlp.variables.reading import load_set, save_set
from nlp.writing import whole_file
from workbench.errors import DefinitionError
from workbench.locale import tr
from workbench.session import current, in_session
from workbench.texts.review_sample import sample_items

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from nlp.annotations import ClinicalText
    from nlp.entities import Example, Tagger
    from nlp.review.gold import GoldTest, TrainingExample
    from nlp.review.retrain import Retrained
    from nlp.variables.definition import Variable
    from nlp.variables.sets import VariableSet
    from workbench.texts.notes import ChosenNote
    from workbench.texts.review_widget import ReviewWidget
    from workbench.texts.runs import StructuredNotes

__all__ = ["Review", "open_review"]

#: What the widget shows of a note's frame; the rest of the pipeline is not needed to read it.
_FRAME = ("normalise", "documents", "sections", "sentences")


@dataclass(eq=False)
class Review:
    """A sample under review.

    Parameters
    ----------
    structured : StructuredNotes
        What is reviewed.
    items : list of Item
        The sample, in order of review.
    reviewer : str
        Who reviews.
    folder : Path
        Where sample, decisions and gold lie.
    adjudicator : bool
        Whether this reviewer rules on what others differ in.
    sample : list of Item, optional
        All that was drawn, which the metrics are of; the items if not said.
    """

    structured: StructuredNotes = field(repr=False)
    items: list[Item] = field(repr=False)
    reviewer: str
    folder: Path
    adjudicator: bool = False
    sample: list[Item] = field(default_factory=list, repr=False)

    def __post_init__(self) -> None:
        self.sample = self.sample or self.items
        self.log.check(self.reviewer)

    @cached_property
    def log(self) -> DecisionLog:
        """The decisions of all reviewers."""
        return DecisionLog(self.folder / "decisions")

    @cached_property
    def notes(self) -> dict[int, ChosenNote]:
        """The notes of the sample."""
        return self.structured.notes.find({item.note_id for item in self.sample})

    @cached_property
    def variables(self) -> dict[str, Variable]:
        """The variables by name."""
        return {variable.name: variable for variable in self.structured.variables}

    def decisions(self, *, own: bool = False) -> list[Decision]:
        """Return the decisions on this sample in the order in which they were made.

        Parameters
        ----------
        own : bool
            Only this reviewer's: a reviewer works without knowing what another said.
        """
        known = {item.key for item in self.sample}
        made = [each for each in self.log.read() if each.item in known]
        return [each for each in made if each.reviewer == self.reviewer and each.adjudicator == self.adjudicator] if own else made

    def measured(self, *, own: bool = False) -> list[VariableMetrics]:
        """Return the metrics of each variable as records; see :mod:`nlp.review.metrics` for the method."""
        return measure(self.sample, finals(self.decisions(own=own)))

    def metrics(self) -> pd.DataFrame:
        """Return precision, recall and F1 of each variable with 95 % intervals, and how many more items make them ±3 %.

        The verdicts of all reviewers count; where they differ, the adjudicator's. ``more`` is for the least sharp of the three.
        """
        rows = []
        for each in self.measured():
            row: dict[str, Any] = each._asdict()
            for name in ("precision", "recall", "f1"):
                bound = row.pop(name)
                row |= {name: bound.value, f"{name}_low": bound.low, f"{name}_high": bound.high}
            known = [bound.more for bound in (each.precision, each.recall, each.f1) if bound.more is not None]
            rows.append(row | {"more": max(known) if known else None})
        return pd.DataFrame(rows)

    def strata(self) -> pd.DataFrame:
        """Count the items of each stratum, and how many were judged."""
        judged = {key for key, final in finals(self.decisions()).items() if final.decision}
        frame = pd.DataFrame(
            [(item.variable, item.found, item.stratum, item.weight, item.key in judged) for item in self.sample],
            columns=["variable", "found", "stratum", "stands_for", "judged"],
        )
        grouped = frame.groupby(["variable", "found", "stratum"], sort=False)
        return grouped.agg(items=("judged", "size"), judged=("judged", "sum"), stands_for=("stands_for", "sum")).reset_index()

    def agreement(self) -> pd.DataFrame:
        """Return, for each two reviewers, the items both judged, the share on which they agree and Cohen's kappa."""
        rows = [(*each.reviewers, each.n, each.agreed, each.kappa) for each in agreement(self.decisions())]
        return pd.DataFrame(rows, columns=["reviewer", "other", "items", "agreed", "kappa"])

    def disagreements(self) -> pd.DataFrame:
        """Return who says what of the items on which reviewers differ."""
        rows = [each._asdict() for _, made in disagreements(self.decisions()) for each in made]
        return pd.DataFrame(rows, columns=Decision._fields)

    def adjudicate(self, reviewer: str = "") -> Review:
        """Return a review of what reviewers differ in; its widget shows what they said, and its verdicts stand.

        Parameters
        ----------
        reviewer : str, optional
            Who rules; this reviewer if not said.
        """
        order = {item.key: item for item in self.sample}
        differ = [order[key] for key, _ in disagreements(self.decisions())]
        return Review(self.structured, differ, reviewer or self.reviewer, self.folder, adjudicator=True, sample=self.sample)

    def widget(self) -> ReviewWidget:
        """Return the widget; showing the review shows it."""
        return self._widget

    @cached_property
    def _widget(self) -> ReviewWidget:
        from workbench.texts.review_widget import ReviewWidget  # needs the notebook's packages

        return ReviewWidget(self)

    def _repr_mimebundle_(self, **options: Any) -> Any:
        return self._widget._repr_mimebundle_(**options)

    # ------------------------------------------------------------------------------------------------- what is learnt

    def judged(self) -> list[Judged]:
        """Return the items on which a verdict stands, with their notes; what reviewers differ in is left out."""
        stand = {key: final.decision for key, final in finals(self.decisions()).items() if final.decision}
        return [self._judged(item, stand[item.key]) for item in self.sample if item.key in stand and item.note_id in self.notes]

    def _judged(self, item: Item, decision: Decision) -> Judged:
        text = self.framed(item)
        start = decision.start if decision.start >= 0 else item.start
        section = text.section_at(start) if start >= 0 else None
        note = text.note
        clock = [each.isoformat() if each else "" for each in (note.written, note.admitted, note.operated)]
        return Judged(item, decision, note.text, text.document_type, section.name if section else "", *clock)

    def framed(self, item: Item) -> ClinicalText:
        """Return the note of an item with its sections and sentences."""
        return next(iter(read(self._frame, [self.notes[item.note_id].note])))

    @cached_property
    def _frame(self) -> Any:
        return load(components=_FRAME)

    def gold(self, path: Path | str | None = None, *, accepted: bool = True) -> VariableSet:
        """Make verdicts tests of the variables, in the project's own copy of the set, and note where each comes from.

        Parameters
        ----------
        path : path, optional
            The project's copy, made where it does not exist; by default ``variables.yaml`` in the review's folder. Beside it
            ``NAME.gold.jsonl`` names for each test the item, the reviewer, the verdict and the time.
        accepted : bool
            Whether right answers become tests too.

        Returns
        -------
        VariableSet
            With the tests added; its hash is that of the set before. Run them with :func:`nlp.variables.run_tests`.
        """
        path = Path(path) if path else self.folder / "variables.yaml"
        variables = load_set(path).set if path.is_file() else self.structured.variables
        new = gold_tests(self.judged(), {variable.name: variable for variable in variables}, accepted=accepted)
        grown = with_tests(variables, new)
        make_folder(path.parent)
        save_set(grown, path)
        open_to_members(path)
        _note_down(new, path.with_name(f"{path.stem}.gold.jsonl"))
        return grown

    def training_examples(self, *, tagger: Tagger | None = None) -> list[TrainingExample]:
        """Make training examples of the verdicts; see :func:`nlp.review.gold.training_examples`.

        Parameters
        ----------
        tagger : Tagger, optional
            The model that is to be retrained: it names the entities that were not asked.
        """
        return training_examples(self.judged(), lambda name: label_of(self.variables[name]), tagger=tagger)

    def retrain(
        self,
        model: Path | str,
        base: Path | str | Sequence[Example],
        *,
        labels: Mapping[str, str] | None = None,
        gold: Sequence[Example] | None = None,
    ) -> Retrained:
        """Train a model on its texts and this review's verdicts beside the one in use, and compare the two; seconds for a CRF.

        Parameters
        ----------
        model : path
            Folder of the model in use.
        base : path or sequence of Example
            The texts that it learnt from; a path is a file of JSON lines as ``workbench text train --format jsonl`` takes it.
        labels : mapping, optional
            Variable -> entity type, for variables that name none; those whose type the model does not know teach nothing.
        gold : sequence of Example, optional
            What both are asked; by default a quarter of the corrections, which the new model does not learn from.

        Returns
        -------
        Retrained
            ``types``, ``better`` and ``worse`` show what changed; ``take_over()`` replaces the model, ``discard()`` does not.

        Raises
        ------
        DefinitionError
            If no judged variable has an entity type that the model knows.
        """
        from nlp.review.retrain import retrain  # loads the trainer

        tagger = open_model(model)
        named = {name: (labels or {}).get(name) or label_of(variable) for name, variable in self.variables.items()}
        taught = [each for each in self.judged() if named[each.item.variable] in tagger.labels]
        if not taught:
            raise DefinitionError(
                tr("没有一个已审核的变量对应该模型的实体类型", "no judged variable has an entity type that the model knows"),
                hint=f'labels={{"variable": "type"}}; {", ".join(tagger.labels)}',
            )
        texts = read_examples(base, "jsonl") if isinstance(base, str | Path) else base
        corrections = [each.example for each in training_examples(taught, named.__getitem__, tagger=tagger)]
        return retrain(model, texts, corrections, gold=gold)


def _note_down(gold: list[GoldTest], path: Path) -> None:
    """Add to what is there by replacing it, for the file may be another account's."""
    known = path.read_text(encoding="utf-8") if path.is_file() else ""
    records = [each._asdict() | {"test": {"text": each.test.text, "expect": each.test.expect}} for each in gold]
    with whole_file(path) as aside:
        aside.write_text(known + "".join(json.dumps(record, ensure_ascii=True) + "\n" for record in records), encoding="utf-8")
    open_to_members(path)


def _reviews(structured: StructuredNotes, folder: Path | None) -> Path:
    if folder is None and in_session():
        return current().shared.path / "reviews"
    return Path(folder) if folder else structured.folder / "reviews"


def open_review(
    structured: StructuredNotes,
    variables: Iterable[str] | None = None,
    *,
    n: int = 200,
    reviewer: str = "",
    seed: int = 0,
    floor: int = 2,
    folder: Path | None = None,
) -> Review:
    """Draw a sample of structured notes for review, or go on with one that was drawn before.

    Parameters
    ----------
    structured : StructuredNotes
        What :func:`workbench.texts.runs.structure` gave.
    variables : iterable of str, optional
        Names of the variables to review; all if not said.
    n : int, default 200
        Items in all, shared equally among the variables.
    reviewer : str
        Who reviews; in a session its user if not said.
    seed, floor : int
        Of the sample; see :func:`workbench.texts.review_sample.sample_items`.
    folder : Path, optional
        Where sample and decisions lie; two reviewers who give the same one, the same variables, `n` and seed judge the same items
        without seeing each other's verdicts. Where they have accounts of their own it is a folder of their group (``chmod 2770``).
        By default in the project's shared folder, outside a session in the run's.

    Returns
    -------
    Review
        Shown in a notebook it is the widget.

    Raises
    ------
    DefinitionError
        If nobody reviews, or `n` is smaller than two items a variable.
    PlaceError
        If another account reviews under this name.

    Examples
    --------
    ``review = structured.review(["nodule_long_axis"], n=200, reviewer="王医生")``; ``review`` alone in a cell shows the widget,
    ``review.metrics()`` the bounds, ``review.adjudicate("李医生")`` what two reviewers differ in, ``review.gold()`` makes tests.
    """
    names = [variables] if isinstance(variables, str) else list(variables or (each.name for each in structured.variables))
    asked = [structured.variables[name] for name in names]
    reviewer = reviewer or (current().user if in_session() else "")
    if not reviewer.strip():
        raise DefinitionError(tr("审核人没有写明", "the review has no reviewer"), hint='structured.review(reviewer="...")')
    if n < 2 * len(asked):
        raise DefinitionError(
            tr(
                f"n 为 {n}，{len(asked)} 个变量至少需要 {2 * len(asked)} 条",
                f"n is {n}; {len(asked)} variables need {2 * len(asked)} at least",
            )
        )
    key = sha256(repr(([(each.name, each.hash) for each in asked], n, seed, floor)).encode()).hexdigest()[:12]
    place = _reviews(structured, folder) / f"{structured.folder.name}-{key}"
    sample = place / "sample.jsonl"
    if not sample.is_file():
        write_items(sample_items(structured, asked, n, seed=seed, floor=floor), sample)
    return Review(structured, read_items(sample), reviewer, place)
