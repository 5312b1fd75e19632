"""The spaCy side of the pipeline: character tokens, parts as pipes, results as spans."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import srsly
from spacy.attrs import ENT_IOB, ENT_TYPE, SENT_START
from spacy.language import Language
from spacy.tokens import Doc, Span

from nlp.annotations import ClinicalText, Note
from nlp.errors import VariableError
from nlp.normal import NormalText, without_surrogates
from nlp.pipeline import Part, finish

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from spacy.strings import StringStore
    from spacy.vocab import Vocab

    from nlp.annotations import Mention, Sentence

__all__ = ["Characters", "ClinicalLanguage", "clinical_language"]

_NO_LIMIT = 1 << 60

# ENT_IOB of a token that begins an entity, lies in one, lies in none.
_BEGINS, _INSIDE, _OUTSIDE = 3, 1, 2
# SENT_START of a token that begins a sentence, and of one that does not: -1 in spaCy's unsigned rows.
_STARTS, _GOES_ON = 1, np.uint64(2**64 - 1)


class _Orths(dict):
    """Characters -> their numbers in the vocabulary, each looked up once: half the time of a document goes into that otherwise."""

    def __init__(self, strings: StringStore) -> None:
        super().__init__()
        self.strings = strings

    def __missing__(self, character: str) -> int:
        self[character] = number = self.strings.add(character)
        return number


class Characters:
    """Makes documents whose tokens are the code points of the text, so that token index and offset are one number.

    Parameters
    ----------
    vocab : Vocab
        Vocabulary of the language.
    """

    def __init__(self, vocab: Vocab) -> None:
        self.vocab = vocab
        self._orths = _Orths(vocab.strings)

    def __call__(self, text: str) -> Doc:
        """Make the document of a text of which nothing more is known."""
        return self.document(Note(text))

    def document(self, note: Note) -> Doc:
        """Make the document of a note; a lone surrogate, which spaCy cannot hold, becomes U+FFFD in its token only."""
        text = without_surrogates(note.text)
        document = Doc(self.vocab, words=[self._orths[character] for character in text], spaces=[False] * len(text))
        document._.clinical = ClinicalText(note, NormalText(note.text), document_type=note.document_type)
        return document


class ClinicalLanguage(Language):
    """A Language whose pipes are the parts of a clinical pipeline."""

    lang = "zh"

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self.parts: list[Part] = []
        self.tokenizer = Characters(self.vocab)

    def pipe(self, texts: Iterable[Any], **options: Any) -> Iterator[Any]:
        """Run the pipes over texts, as :meth:`spacy.language.Language.pipe` does, in this process.

        Parameters
        ----------
        texts : iterable of str, Doc or (str or Doc, context)
            What to read.
        **options
            Those of spaCy; `n_process` has to be 1.

        Returns
        -------
        iterator of Doc
            One for each text, in their order.

        Raises
        ------
        VariableError
            If several processes are wanted: spaCy's would lose ``doc._.clinical`` on their way back.
        """
        if options.get("n_process", 1) != 1:
            raise VariableError(
                "spaCy's own worker processes (n_process) cannot hand back doc._.clinical",
                hint="leave n_process out; for many notes in several processes: workbench text structure, or wb.notes(...).structure(...)",
            )
        return super().pipe(texts, **options)

    def own_parts(self) -> list[Part] | None:
        """Return the parts where nobody added, took out or moved a pipe; otherwise None."""
        ours = [part.component.name for part in self.parts]
        return self.parts if self.pipe_names == [*ours, "finish"] and not self.disabled else None


def clinical_language(parts: Iterable[Part]) -> ClinicalLanguage:
    """Return a Language that runs the parts and then moves their records to the raw text."""
    _register()
    language = ClinicalLanguage(max_length=_NO_LIMIT)
    language.parts = list(parts)
    for part in language.parts:
        language.add_pipe("clinical_part", name=part.component.name)
    language.add_pipe("clinical_finish", name="finish")
    return language


@cache
def _register() -> None:
    """Make the parts known to spaCy, once, when the first pipeline is loaded."""
    Doc.set_extension("clinical", default=None, force=True)
    srsly.msgpack_encoders.register("clinical", func=_left_out)
    ClinicalLanguage.factory("clinical_part", func=_make_part)
    ClinicalLanguage.component("clinical_finish", func=finish_document)


def _left_out(value: Any, chain: Callable[[Any], Any] | None = None) -> Any:
    """Write nothing in the place of a clinical text when spaCy writes a document's user data out: a document read back has none."""
    if isinstance(value, ClinicalText):
        return None
    return value if chain is None else chain(value)


def _make_part(nlp: ClinicalLanguage, name: str) -> Any:
    part = next(part for part in nlp.parts if part.component.name == name)

    def run(document: Doc) -> Doc:
        part.apply(document._.clinical)
        return document

    return run


def finish_document(document: Doc) -> Doc:
    """Move the records to the raw text and show mentions and sections as spaCy spans."""
    text = finish(document._.clinical)
    document.spans["sections"] = [Span(document, s.start, s.end, label=s.name) for s in text.sections if s.end > s.start]
    mentions = [mention for mention in text.mentions if mention.end > mention.start]
    document.spans["mentions"] = [Span(document, m.start, m.end, label=m.label) for m in mentions]
    if mentions:
        document.from_array([ENT_IOB, ENT_TYPE], _longest(mentions, len(document), document.vocab.strings))
    if text.sentences:
        document.from_array([SENT_START], _starts(text.sentences, len(document)))
    return document


def _starts(sentences: Iterable[Sentence], length: int) -> np.ndarray:
    """Return for each token whether a sentence starts there; what lies between two sentences belongs to the first."""
    starts = np.full((length, 1), _GOES_ON, np.uint64)
    starts[[0, *(sentence.start for sentence in sentences if sentence.start < length)]] = _STARTS
    return starts


def _longest(mentions: Iterable[Mention], length: int, strings: StringStore) -> np.ndarray:
    """Return what ``spacy.util.filter_spans`` leaves of mentions (the longest, then the first), a row a token; at a third of its cost."""
    rows = np.zeros((length, 2), np.uint64)
    rows[:, 0] = _OUTSIDE
    taken = bytearray(length)
    for mention in sorted(mentions, key=lambda mention: (mention.start - mention.end, mention.start)):
        start, end = mention.start, mention.end
        if not (taken[start] or taken[end - 1]):
            taken[start:end] = b"\1" * (end - start)
            rows[start:end] = (_INSIDE, strings.add(mention.label))
            rows[start, 0] = _BEGINS
    return rows
