"""What runs inside a sealed session, before the user."""
