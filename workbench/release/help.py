"""Help texts of the release commands: what it does, an example, the exit codes."""

from __future__ import annotations

from workbench.errors import EXIT_CODES

__all__ = ["command_help"]


def command_help(text: str, example: str, *codes: int) -> str:
    """Write the help of a command."""
    listed = "\n".join(f"  {code}: {EXIT_CODES[code]}" for code in (0, 2, *codes))
    return f"{text}\n\n\b\nExample:\n  {example}\n\n\b\nExit codes:\n{listed}"
