"""Copying a log or a key store from one database to another, row by row, in one snapshot of the source.

The target is an empty database of the newest schema. A backup is such a copy on a SQLite file, whatever the source.
"""

from collections.abc import Iterable

from sqlalchemy import Engine, MetaData, Table, insert, select

from ledger.store.driver import POSTGRESQL

PAGE = 1000


def copy_tables(source: Engine, target: Engine, tables: Iterable[Table]) -> None:
    """Copy all rows of `tables`, in the order of their primary keys, while the source goes on being written."""
    options = {"isolation_level": "REPEATABLE READ"} if source.dialect.name == POSTGRESQL else {}
    with (
        source.connect().execution_options(**options) as reading,
        target.execution_options(writes=True).begin() as writing,
    ):
        for table in tables:
            rows = reading.execution_options(yield_per=PAGE).execute(select(table).order_by(*table.primary_key.columns))
            for page in rows.mappings().partitions():
                writing.execute(insert(table), [dict(row) for row in page])


def is_empty(engine: Engine, metadata: MetaData) -> bool:
    """Tell whether no table of `metadata` holds a row."""
    with engine.connect() as connection:
        return all(connection.execute(select(table).limit(1)).first() is None for table in metadata.sorted_tables)
