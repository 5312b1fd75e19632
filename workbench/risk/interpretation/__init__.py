"""What a model says: each predictor's part, drawn and as a table."""
