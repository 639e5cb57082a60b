"""Keys, tokens and passwords that stand in a text."""
