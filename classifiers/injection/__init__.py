"""Instructions that hide in data."""
