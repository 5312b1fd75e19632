"""Chinese clinical text in, findings out. Knows nothing of stores, sessions or networks."""
