"""How a call reaches an upstream: one small client port, and the wire formats."""
