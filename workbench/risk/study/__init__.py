"""A study from its protocol to its report."""
