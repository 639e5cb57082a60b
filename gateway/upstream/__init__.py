"""How a call reaches an upstream: one small client port."""
