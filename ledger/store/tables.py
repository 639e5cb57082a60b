"""The tables of the main database. Alembic's history in `migrations/versions` builds the same, trigger by trigger."""

from sqlalchemy import BigInteger, Column, Integer, LargeBinary, MetaData, String, Table, Text

REVISION = "0005"
"""The schema this code runs on; `serve` refuses another one."""

metadata = MetaData()

entry = Table(
    "entry",
    metadata,
    Column("seq", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False),
    Column("leaf_hash", LargeBinary(32), nullable=False),
    Column("bytes", LargeBinary, nullable=False),
)
"""The log itself: append-only, gap-free, held by triggers."""

tile = Table(
    "tile",
    metadata,
    Column("level", Integer, primary_key=True, autoincrement=False),
    Column("number", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False),
    Column("hashes", LargeBinary(8192), nullable=False),
)
"""Full rows of 256 hashes (C2SP tlog-tiles): level 0 over leaves, level n over full tiles of level n - 1."""

head = Table(
    "head",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("origin", Text, nullable=False),
    Column("size", BigInteger().with_variant(Integer, "sqlite"), nullable=False),
    Column("last_hash", LargeBinary(32), nullable=False),
    Column("frontier", LargeBinary, nullable=False),
    Column("at", String(27), nullable=False),
)
"""One row: where the log ends. It moves by compare-and-swap."""

ref = Table(
    "ref",
    metadata,
    Column("kind", Text, primary_key=True),
    Column("value", Text, primary_key=True),
    Column("seq", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False),
    Column("brief", Text, nullable=True),
    sqlite_with_rowid=False,
)
"""By which identifiers an entry is found, and what a list says of it; derived from the entries (`ledger.links`)."""

content = Table(
    "content",
    metadata,
    Column("seq", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False),
    Column("key", Text, nullable=False),
    Column("ciphertext", LargeBinary, nullable=False),
)
"""Sealed disclosures beside the entries that commit to them; append-only too."""

state = Table(
    "state",
    metadata,
    Column("key", Text().with_variant(Text(collation="C"), "postgresql"), primary_key=True),
    Column("value", Text, nullable=False),
    sqlite_with_rowid=False,
)
"""What the entries add up to where a later decision needs it; rebuilt from the entries at will."""
