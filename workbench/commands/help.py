"""Help text of a command: what it does, examples, exit codes."""

from __future__ import annotations

from workbench.errors import EXIT_CODES

__all__ = ["command_help"]


def command_help(text: str, *examples: str, codes: tuple[int, ...] = ()) -> str:
    """Write the help of a command: what it does, examples, exit codes."""
    listed = "\n".join(f"  {code}: {EXIT_CODES[code]}" for code in (0, 2, *codes))
    shown = "\n".join(f"  {example}" for example in examples)
    return f"{text}\n\n\b\nExample:\n{shown}\n\n\b\nExit codes:\n{listed}"
