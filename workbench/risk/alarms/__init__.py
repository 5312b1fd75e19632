"""What a warning that is given again and again asks of those who answer it, and what it gives them."""
