"""Every SQL statement of the ledger. All but `live` need SQLAlchemy; `live` needs psycopg, for a server only."""
