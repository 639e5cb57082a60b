"""HTTP: the raw ASGI hot routes, the own API, and the one table from error to status."""
