"""Policies: what a request holds, by whom it was said, and what becomes of it."""
