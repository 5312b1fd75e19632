"""What a study asks, before it sees an answer: frozen, hashed, and the same in Python and in YAML."""
