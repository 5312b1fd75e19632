"""Notes of the store, structured: runs, findings, tables, review."""
