"""Personal data in texts, known by form and check digits."""
