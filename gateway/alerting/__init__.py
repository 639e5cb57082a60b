"""Alerts: what is out of bounds, said once, delivered until it has arrived, and over when it is over."""
