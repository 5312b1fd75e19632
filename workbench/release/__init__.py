"""The airlock: requests, checks, votes, packages and the ledger."""
