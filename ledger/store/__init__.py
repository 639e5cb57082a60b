"""Every SQL statement of the ledger. `reader` and `writer` need SQLAlchemy; `live` needs the standard library only."""
