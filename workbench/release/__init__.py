"""The airlock: requests, checks, votes, packages and the ledger."""

from workbench.release.outgoing import precheck, request

__all__ = ["precheck", "request"]
