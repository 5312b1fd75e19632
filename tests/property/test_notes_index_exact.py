"""Law: the notes that the index finds are those whose normalised text holds the normalised needle, whatever the characters."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pyarrow as pa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from workbench.cohort.words import normalise
from workbench.store.notes_index import NotesIndex, build_notes_index, scan_notes

# Few letters, so that needles are found: Chinese, Latin in two widths, digits, what regular expressions and tokenisers trip on.
_NARROW = st.text(alphabet="糖尿病酮ab1２Ａ.*\\\"' \n\t\u200b\u3000é𠮷ﬁ℃ßİ", max_size=10)
_WIDE = st.text(alphabet=st.characters(exclude_categories=("Cs",)), max_size=12)
_texts = st.lists(st.one_of(_NARROW, _WIDE, st.none()), max_size=25)


@st.composite
def _notes_and_needles(draw: st.DrawFn) -> tuple[list[str | None], list[str]]:
    texts = draw(_texts)
    words = [text for text in texts if text]
    cuts = st.builds(lambda text, at, size: text[at : at + size], st.sampled_from(words or ["糖"]), st.integers(0, 9), st.integers(1, 6))
    needles = draw(st.lists(st.one_of(cuts, _NARROW, _WIDE), min_size=1, max_size=8))
    return texts, [needle for needle in needles if normalise(needle)]


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(_notes_and_needles())
def test_the_index_finds_what_a_search_for_substrings_finds(given_: tuple[list[str | None], list[str]]) -> None:
    texts, needles = given_
    notes = pa.table({"note_id": pa.array(range(len(texts)), pa.int64()), "note_text": pa.array(texts, pa.string())})
    with tempfile.TemporaryDirectory() as folder:
        build_notes_index([notes], Path(folder))
        with NotesIndex(Path(folder)) as index:
            for needle in needles:
                wanted = [at for at, text in enumerate(texts) if text is not None and normalise(needle) in normalise(text)]
                assert index.search([needle]).tolist() == wanted
                assert scan_notes(notes.to_batches(), [needle]).tolist() == wanted
