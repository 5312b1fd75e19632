"""The hub's own pages: what people see before and around a session."""
