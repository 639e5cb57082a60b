"""Live evaluation: which calls are scored is recomputable, by what and how is on record."""
