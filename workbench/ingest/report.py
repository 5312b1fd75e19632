"""What an import took, mended and refused: counts by table, column and rule, and never a patient's value."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass, field

__all__ = ["ACTIONS", "Entry", "ImportReport", "TableCount"]

#: What may happen to rows or to a table, in the order in which a report lists it.
ACTIONS: dict[str, str] = {
    "refused": "row kept out of the snapshot, copied to the quarantine",
    "emptied": "value could not be used and was left empty; the source row is copied to the quarantine",
    "mended": "value, key or name was brought into the form of OMOP 5.4",
    "noted": "kept as it is; worth knowing",
    "ignored": "not read: OMOP 5.4 has no place for it",
}


@dataclass(frozen=True, order=True)
class Entry:
    """One rule that applied: to how many rows of which column, and what was done."""

    action: str
    table: str
    column: str
    rule: str
    rows: int


@dataclass(frozen=True)
class TableCount:
    """Rows of one table: read from the source, taken into the snapshot, refused."""

    table: str
    origin: str
    read: int
    taken: int
    refused: int


@dataclass
class ImportReport:
    """What was taken, mended and refused; filled while an import runs.

    Parameters
    ----------
    source : str
        Name of what was imported.
    """

    source: str
    tables: list[TableCount] = field(default_factory=list)
    _entries: Counter[tuple[str, str, str, str]] = field(default_factory=Counter)

    def add(self, action: str, table: str, column: str, rule: str, rows: int) -> None:
        """Count rows (or, for names and whole tables, occurrences) under a rule; nothing happens where there are none."""
        if action not in ACTIONS:
            raise ValueError(f"action is {action!r}; wanted one of {tuple(ACTIONS)}")
        if rows:
            self._entries[action, table, column, rule] += rows

    @property
    def entries(self) -> list[Entry]:
        """All rules that applied, in the order of `ACTIONS`, then by table."""
        order = list(ACTIONS)
        entries = [Entry(*key, rows) for key, rows in self._entries.items()]
        return sorted(entries, key=lambda entry: (order.index(entry.action), entry))

    def count(self, action: str, table: str | None = None) -> int:
        """Rows under one action, in one table or in all."""
        return sum(entry.rows for entry in self.entries if entry.action == action and table in (None, entry.table))

    def to_json(self) -> str:
        """Give the report as JSON, for programs."""
        document = {
            "source": self.source,
            "actions": ACTIONS,
            "tables": [asdict(count) for count in self.tables],
            "entries": [asdict(entry) for entry in self.entries],
        }
        return json.dumps(document, ensure_ascii=False, indent=1) + "\n"

    def to_markdown(self) -> str:
        """Give the report as Markdown, for people."""
        lines = [f"# Import of {self.source}", "", "| table | from | read | taken | refused |", "|---|---|---:|---:|---:|"]
        lines += [f"| {count.table} | {count.origin} | {count.read:,} | {count.taken:,} | {count.refused:,} |" for count in self.tables]
        if self.entries:
            lines += ["", "| what was done | table | column | rule | rows |", "|---|---|---|---|---:|"]
            lines += [f"| {entry.action} | {entry.table} | {entry.column} | {entry.rule} | {entry.rows:,} |" for entry in self.entries]
            used = dict.fromkeys(entry.action for entry in self.entries)
            lines += ["", *(f"- **{action}**: {ACTIONS[action]}" for action in used)]
        return "\n".join(lines) + "\n"
