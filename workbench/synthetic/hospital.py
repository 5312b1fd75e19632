"""The hospital as a stream of chunks of patients, and the tables that do not depend on patients."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
from tqdm import tqdm

from workbench.errors import DefinitionError
from workbench.synthetic import omop
from workbench.synthetic.columns import BLOCK
from workbench.synthetic.diagnoses import activity, draw_diagnoses
from workbench.synthetic.eras import condition_era, drug_era
from workbench.synthetic.faults import plant
from workbench.synthetic.identity import draw_identities, identifiers
from workbench.synthetic.measurements import draw_measurements
from workbench.synthetic.notes.build import note_tables
from workbench.synthetic.people import draw_people
from workbench.synthetic.registrations import register_twice
from workbench.synthetic.treatments import draw_drugs, draw_procedures
from workbench.synthetic.truth import index_canaries, survival
from workbench.synthetic.visits import draw_visits

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["draw_block", "generate"]


def generate(
    n_patients: int, seed: int, *, chunk: int = 20_000, progress: bool = True, notes_per_admission: float = 6.0, faults: bool = False
) -> Iterator[dict[str, pa.Table]]:
    """Yield the hospital chunk by chunk.

    Parameters
    ----------
    n_patients : int
        Patients of the hospital, at least 1.
    seed : int
        Seed, at least 0. The same seed and number of patients give the same bytes, whatever the chunks.
    chunk : int
        Patients a chunk, rounded up to whole blocks of `BLOCK`.
    progress : bool
        Whether to draw a progress bar on stderr.
    notes_per_admission : float
        Mean number of notes of an admission; 0 writes no notes.
    faults : bool
        Whether to plant faults of quality, listed in ``truth_faults``, and patients registered under two numbers, listed in
        ``truth_same_person``.

    Yields
    ------
    dict of str to pyarrow.Table
        OMOP table name -> rows of the chunk's patients; ``identifiers``, the patient index; and ``truth_*`` tables,
        which are not to go to a store.

    Raises
    ------
    DefinitionError
        If a number is out of range.

    Examples
    --------
    >>> (tables,) = generate(100, seed=1, progress=False)
    >>> tables["person"].num_rows
    100
    """
    if n_patients < 1 or seed < 0 or chunk < 1 or notes_per_admission < 0:
        raise DefinitionError(
            f"{n_patients} patients, seed {seed}, chunks of {chunk}, "
            f"{notes_per_admission} notes an admission: wanted at least 1, 0, 1 and 0"
        )
    return _chunks(n_patients, seed, chunk, progress, notes_per_admission, faults)


def _chunks(
    n_patients: int, seed: int, chunk: int, progress: bool, notes_per_admission: float, faults: bool
) -> Iterator[dict[str, pa.Table]]:
    per_chunk = -(-chunk // BLOCK)
    sizes = [min(BLOCK, n_patients - first) for first in range(0, n_patients, BLOCK)]
    with tqdm(total=n_patients, unit="patient", disable=not progress) as bar:
        for first in range(0, len(sizes), per_chunk):
            parts = []
            for block, size in enumerate(sizes[first : first + per_chunk], start=first):
                parts.append(block_tables(draw_block(seed, block, size), notes_per_admission, faults=faults))
                bar.update(size)
            yield {name: pa.concat_tables([part[name] for part in parts]) for name in parts[0]}


def draw_block(seed: int, block: int, n: int) -> omop.Block:
    """Draw everything of one block of `n` patients, notes excepted."""
    people = draw_people(seed, block, n)
    visits, deaths = draw_visits(seed, people)
    diagnoses, incidental = draw_diagnoses(seed, people, visits)
    states = activity(people, visits, incidental)
    return omop.Block(
        seed=seed,
        people=people,
        visits=visits,
        deaths=deaths,
        diagnoses=diagnoses,
        drugs=draw_drugs(seed, people, visits, states),
        procedures=draw_procedures(seed, people, visits, states),
        measurements=draw_measurements(seed, people, visits, states),
        states=states,
    )


def block_tables(block: omop.Block, notes_per_admission: float, *, faults: bool) -> dict[str, pa.Table]:
    """Give all tables of one block, with faults planted where asked."""
    tables = omop.tables(block)
    tables["condition_era"] = condition_era(block.number, tables["condition_occurrence"])
    tables["drug_era"] = drug_era(block.number, tables["drug_exposure"])
    identities = draw_identities(block.seed, block.people)
    tables["identifiers"] = identifiers(block.seed, block.people, identities)
    tables["truth_survival"] = survival(block)
    if notes_per_admission:
        tables |= note_tables(block, identities, notes_per_admission)
    if faults:
        tables = register_twice(block.seed, block.number, tables)
    listed = [index_canaries(tables["identifiers"], tables["person"])]
    if notes_per_admission:
        listed.append(tables.pop("truth_note_canaries"))
    tables["truth_canaries"] = pa.concat_tables(listed)
    return plant(block.seed, block.number, tables) if faults else tables
