"""ATLAS interchange: circe JSON in and out, and what has no counterpart on either side."""
