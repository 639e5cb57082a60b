"""What a call costs. Pure."""
