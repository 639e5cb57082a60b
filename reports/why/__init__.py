"""The one-query explanation."""
