"""A seeded synthetic Chinese hospital with known truth."""
